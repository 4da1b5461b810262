use proptest::option::of;
use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> DebugCommand {
    DebugCommand::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn reads_a_command_as_it_is_typed() {
    let command = parsed(
        "kubectl -n payments debug pod/payments-api --image busybox:1.36 -it \\\n  \
         --profile=restricted --target=api -c dbg --env=A=1,2 --env B='x y' \
         --image-pull-policy=Always --custom \"a file.yaml\" --attach=false -q -- sh -c 'id; ps'",
    );
    let right = DebugCommand {
        pod: "payments-api".to_owned(),
        namespace: Some("payments".to_owned()),
        options: DebugOptions {
            image: "busybox:1.36".to_owned(),
            profile: Profile::Restricted,
            target: Some("api".to_owned()),
            container: Some("dbg".to_owned()),
            env: vec![("A".to_owned(), "1,2".to_owned()), ("B".to_owned(), "x y".to_owned())],
            image_pull_policy: Some(PullPolicy::Always),
            stdin: true,
            tty: true,
            command: ["sh", "-c", "id; ps"].map(str::to_owned).to_vec(),
            ..DebugOptions::default()
        },
        custom: Some("a file.yaml".to_owned()),
    };
    assert_eq!(command, right);
}

#[test]
fn a_flag_with_an_empty_text_is_none() {
    let bare = parsed("kubectl debug api --image=x");
    assert_eq!(parsed("kubectl debug api --image=x --target= -c '' -n '' --custom=''"), bare);
}

#[test]
fn short_flags_may_be_written_together() {
    for text in
        ["-itn payments", "-tinpayments", "-t -i=true -n=payments", "--stdin --tty -n payments"]
    {
        let command = parsed(&format!("kubectl debug api {text} --image=x"));
        assert_eq!(command.namespace.as_deref(), Some("payments"), "{text}");
        assert!(command.options.stdin && command.options.tty, "{text}");
    }
}

#[test]
fn what_is_another_command_or_not_understood_is_an_error_that_says_so() {
    for (text, why) in [
        ("", "it is not `kubectl debug"),
        ("kubectl get pods", "it is not `kubectl debug"),
        ("kubectl debug", "it is not `kubectl debug"),
        ("kubectl debug api sh", "`sh` is one word too many"),
        ("kubectl debug node/n1 --image=x", "`node/n1` is not a pod"),
        ("kubectl debug api --copy-to=b", "`--copy-to` makes another pod"),
        ("kubectl debug api --same-node", "`--same-node` makes another pod"),
        ("kubectl debug -f api.yaml", "`-f` is not a flag that is read here"),
        (
            "kubectl debug api --imag=x",
            "`--imag` is not a flag that is read here; those are `--image`",
        ),
        ("kubectl debug api -itx", "`-x` is not a flag that is read here"),
        ("kubectl debug api --image", "`--image` has no value"),
        ("kubectl debug api -n", "`-n` has no value"),
        ("kubectl debug api --profile=auto", "one of `legacy`, `general`"),
        ("kubectl debug api --image-pull-policy=Later", "one of `Always`"),
        ("kubectl debug api --tty=maybe", "it is `true` or `false`"),
        ("kubectl debug api --env=A", "NAME=VALUE"),
        ("kubectl debug $POD", "`$` means something to a shell"),
        ("kubectl debug api | tee log", "`|` means something to a shell"),
        ("kubectl debug \"$(id)\"", "`$` means something to a shell"),
        ("kubectl debug 'api", "a quote is not closed"),
        ("kubectl debug api \\", "nothing follows the backslash"),
        (r"kubectl debug $'\377'", "is not a text"),
    ] {
        let error = DebugCommand::parse(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn what_an_error_repeats_is_plain() {
    let error = DebugCommand::parse("kubectl debug api '--\u{1b}[2J'").unwrap_err().to_string();
    assert!(error.contains("\\u{1b}[2J"), "{error}");
}

fn flags() -> impl Strategy<Value = DebugOptions> {
    let word = || "[ -~é\n\u{1b}\u{202e}]{0,6}";
    let name = "[a-z][a-z0-9-]{0,5}";
    let bits = any::<[bool; 3]>();
    let pull = of(proptest::sample::select(&PullPolicy::ALL[..]));
    let profile = proptest::sample::select(&Profile::ALL[..]);
    let env = proptest::collection::vec(("[A-Z]{1,3}", "[a-z=, ]{0,5}"), 0..3);
    let command = proptest::collection::vec(word(), 0..4);
    (word(), profile, of(name), of(name), env, pull, bits, command).prop_map(
        |(image, profile, target, container, env, image_pull_policy, bits, command)| DebugOptions {
            image,
            profile,
            target,
            container,
            env,
            image_pull_policy,
            stdin: bits[0],
            tty: bits[1],
            arguments_only: bits[2],
            command,
            custom: None,
        },
    )
}

proptest! {
    #[test]
    fn reads_back_every_command_that_is_suggested(options in flags(), pod in "[a-z-]{1,9}") {
        prop_assume!(!pod.starts_with('-'));
        let text = options.command_line(&pod, "payments");
        let command = DebugCommand::parse(&text);
        let namespace = Some("payments".to_owned());
        let right = DebugCommand { pod, namespace, options, custom: None };
        prop_assert_eq!(command, Ok(right), "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(kubectl debug )?[ -~\n]{0,40}") {
        let _any = DebugCommand::parse(&text);
    }
}
