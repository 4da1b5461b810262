//! The policy language: its definition, and what the parser accepts and rejects.
//!
//! `tests/corpus/policies` is the test: everything in `accepted` loads, everything in `rejected`
//! gives the text of the snapshot beside it. `INSTA_UPDATE=always cargo test crd::` writes them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use postern::cli::crds;
use postern::crd;
use postern::crd::document;
use postern::folder::{self, Fault};
use postern::policy::set::PolicySet;
use proptest::prelude::*;
use serde_json::Value;

const CORPUS: &str = "tests/corpus/policies";
const EXAMPLES: &str = "deploy/examples";
const DEFINITION: &str = "deploy/crds/debugpolicies.postern.dev.yaml";
const REFERENCE: &str = "docs/policy.md";

/// Relative, as an administrator would write them: the paths are part of what is compared.
fn entries(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_none_or(|extension| extension != "snap"));
    paths.sort();
    assert!(!paths.is_empty(), "{folder} is empty");
    paths
}

fn load(path: impl AsRef<Path>) -> PolicySet {
    folder::load(&[path.as_ref().to_owned()]).unwrap_or_else(|error| panic!("{error}"))
}

fn faults(path: impl AsRef<Path>) -> Vec<Fault> {
    folder::load(&[path.as_ref().to_owned()]).unwrap_err().faults
}

fn names(set: &PolicySet) -> Vec<&str> {
    set.policies().iter().map(|policy| policy.id.name.as_str()).collect()
}

fn permit(name: &str) -> String {
    format!(
        "apiVersion: postern.dev/v1alpha1\nkind: DebugPolicy\nmetadata: {{name: {name}}}\n\
         spec: {{effect: Permit}}\n"
    )
}

mod corpus {
    use super::*;

    #[test]
    fn everything_in_accepted_loads() {
        for path in entries(&format!("{CORPUS}/accepted")) {
            assert!(!load(&path).policies().is_empty(), "{}", path.display());
        }
    }

    #[test]
    fn everything_in_rejected_says_where_and_why() {
        for path in entries(&format!("{CORPUS}/rejected")) {
            let name = path.file_name().unwrap().to_string_lossy();
            let said = match folder::load(std::slice::from_ref(&path)) {
                Ok(set) => panic!("{name} gave {:?}", names(&set)),
                Err(error) => error.to_string(),
            };
            let control = said.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(control, None, "{name} prints a control character");
            insta::with_settings!({
                snapshot_path => "../corpus/policies/rejected",
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, {
                insta::assert_snapshot!(name.as_ref(), said);
            });
        }
    }
}

mod definition {
    use super::*;

    #[test]
    fn the_committed_definition_is_what_the_command_prints() {
        let printed = crds::text(crds::Output::Yaml).unwrap();
        let committed = fs::read_to_string(DEFINITION).unwrap_or_default();
        assert!(committed == printed, "run `postern crds > {DEFINITION}`");
    }

    #[test]
    fn yaml_and_json_say_the_same() {
        let [yaml, json] = [crds::Output::Yaml, crds::Output::Json].map(|output| {
            let text = crds::text(output).unwrap();
            serde_saphyr::from_str::<Value>(&text).unwrap()
        });
        assert_eq!(yaml, json);
        assert_eq!(yaml, crd::definition());
    }

    /// Paths of all fields below `spec` that hold no further fields; `[]` goes into a list.
    fn fields(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
        if !schema["properties"].is_object() && !schema["items"].is_object() {
            found.insert(at.to_owned());
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let dot = if at.is_empty() { "" } else { "." };
            fields(field, &format!("{at}{dot}{name}"), found);
        }
        if schema["items"].is_object() {
            fields(&schema["items"], &format!("{at}[]"), found);
        }
    }

    fn every_field() -> BTreeSet<String> {
        let definition = crd::definition();
        let spec = definition
            .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
            .expect("the schema has a spec");
        let mut found = BTreeSet::new();
        fields(spec, "", &mut found);
        assert!(found.len() > 60, "{found:?}");
        found
    }

    fn collect(value: &Value, at: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let dot = if at.is_empty() { "" } else { "." };
                    collect(field, &format!("{at}{dot}{name}"), found);
                }
            }
            Value::Array(items) => {
                items.iter().for_each(|item| collect(item, &format!("{at}[]"), found));
            }
            _ => drop(found.insert(at.to_owned())),
        }
        found.insert(at.to_owned());
    }

    /// So that no field escapes the parser, and the API server's tests have something to chew on.
    #[test]
    fn the_full_example_of_the_corpus_uses_every_field() {
        let text = fs::read_to_string(format!("{CORPUS}/accepted/full.yaml")).unwrap();
        let mut used = BTreeSet::new();
        for policy in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
            collect(&policy["spec"], "", &mut used);
        }
        let missing: Vec<_> = every_field().difference(&used).cloned().collect();
        assert!(missing.is_empty(), "not in full.yaml: {missing:?}");
    }

    #[test]
    fn the_reference_names_every_field() {
        let text = fs::read_to_string(REFERENCE).unwrap();
        let mut missing = every_field();
        missing.retain(|path| !text.contains(&format!("`{}`", path.trim_end_matches("[]"))));
        assert!(missing.is_empty(), "not in {REFERENCE}: {missing:?}");
    }

    /// The reference shows real files: every block of YAML in it is one that is loaded.
    #[test]
    fn every_policy_in_the_reference_loads() {
        let text = fs::read_to_string(REFERENCE).unwrap();
        let blocks: Vec<_> = text.split("```yaml\n").skip(1).collect();
        assert!(!blocks.is_empty());
        for block in blocks {
            let block = block.split("```").next().unwrap();
            if let Err(error) = folder::load_text(REFERENCE, block) {
                panic!("{error}");
            }
        }
    }
}

mod folders {
    use super::*;

    #[test]
    fn every_file_of_a_folder_is_read_that_may_hold_policies() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        for name in ["a.yaml", "b.yml", "c.json"] {
            write(name, &permit(&name.replace('.', "-")));
        }
        for name in [".hidden.yaml", "README.md", "d.yaml.bak", "yaml", "e.YAML~"] {
            write(name, "not a policy");
        }
        fs::create_dir(folder.path().join("below.yaml")).unwrap();
        fs::write(folder.path().join("below.yaml/f.yaml"), "not a policy").unwrap();
        assert_eq!(names(&load(folder.path())), ["a-yaml", "b-yml", "c-json"]);
    }

    #[test]
    fn a_mounted_config_map_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let generation = folder.path().join("..2026_11_24_04_14_49.1");
        fs::create_dir(&generation).unwrap();
        fs::write(generation.join("a.yaml"), permit("a")).unwrap();
        symlink("..2026_11_24_04_14_49.1", folder.path().join("..data")).unwrap();
        symlink("..data/a.yaml", folder.path().join("a.yaml")).unwrap();
        assert_eq!(names(&load(folder.path())), ["a"]);
    }

    /// The kubelet writes a new generation, renames a link to it over `..data`, and then removes the
    /// old one; no load may see some of each.
    #[test]
    fn a_config_map_that_is_swapped_while_it_is_read_gives_one_generation() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let swap = move |number: usize| {
            let generation = format!("..generation-{number}");
            fs::create_dir(root.join(&generation)).unwrap();
            for file in ["a.yaml", "b.yaml", "c.yaml"] {
                let name = format!("{}-{number}", file.replace(".yaml", ""));
                fs::write(root.join(&generation).join(file), permit(&name)).unwrap();
            }
            symlink(&generation, root.join("..data_tmp")).unwrap();
            fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
            if number > 0 {
                fs::remove_dir_all(root.join(format!("..generation-{}", number - 1))).unwrap();
            }
        };
        swap(0);
        for file in ["a.yaml", "b.yaml", "c.yaml"] {
            symlink(Path::new("..data").join(file), folder.path().join(file)).unwrap();
        }
        let swapping = std::thread::spawn(move || {
            for number in 1..300 {
                swap(number);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let mut loads = 0;
        while !swapping.is_finished() {
            match folder::load(&[folder.path().to_owned()]) {
                Ok(set) => {
                    let found: BTreeSet<_> =
                        names(&set).into_iter().map(|name| name[2..].to_owned()).collect();
                    assert_eq!((set.policies().len(), found.len()), (3, 1), "{:?}", names(&set));
                    loads += 1;
                }
                Err(error) => assert!(matches!(error.faults[..], [Fault::Unsettled]), "{error}"),
            }
        }
        swapping.join().unwrap();
        assert!(loads > 0);
    }

    #[test]
    fn folders_and_files_make_one_set() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policies.txt");
        fs::write(&file, permit("a") + "---\n" + &permit("b")).unwrap();
        let set = folder::load(&[file, EXAMPLES.into()]).unwrap();
        assert_eq!(names(&set), ["developers", "a", "b", "guard-rails", "on-call"]);
    }

    #[test]
    fn an_empty_folder_is_an_empty_set() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path()).policies().is_empty());
        assert!(folder::load(&[]).unwrap().policies().is_empty());
    }

    #[test]
    fn one_bad_file_and_there_is_no_set() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yaml"), permit("a")).unwrap();
        fs::write(folder.path().join("b.yaml"), permit("B")).unwrap();
        assert_eq!(faults(folder.path()).len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        assert!(
            matches!(&faults(&missing)[..], [Fault::Unreadable { path, .. }] if *path == missing)
        );

        let link = folder.path().join("link.yaml");
        symlink("nowhere", &link).unwrap();
        let found = faults(folder.path());
        assert!(matches!(&found[..], [Fault::Unreadable { path, .. }] if *path == link));
    }

    /// Opening one would wait for a writer for ever.
    #[test]
    fn a_pipe_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.yaml");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(matches!(&faults(folder.path())[..], [Fault::NotAFile { path }] if *path == pipe));
    }

    #[test]
    fn a_file_of_a_mebibyte_is_read_and_one_byte_more_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        let mut text = permit("a") + "#";
        text.extend(std::iter::repeat_n('x', folder::MAX_FILE_BYTES - text.len()));
        fs::write(&file, &text).unwrap();
        assert_eq!(names(&load(&file)), ["a"]);
        fs::write(&file, text + "x").unwrap();
        assert!(matches!(&faults(&file)[..], [Fault::TooLarge { .. }]));
    }

    #[test]
    fn a_byte_that_is_not_utf_8_is_shown_in_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, b"# one\nk: \xc3\xa4\xff\n").unwrap();
        let found = faults(&file);
        let [Fault::Flaw { line: 2, column: 5, message, picture, .. }] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(message, "this byte is not UTF-8");
        assert!(picture.contains("k: ä\u{fffd}"), "{picture}");
    }

    #[test]
    fn a_file_name_cannot_act_on_the_terminal() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a\u{1b}[2J.yaml"), "x").unwrap();
        let said = folder::load(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }

    #[test]
    fn the_first_line_counts_and_names_the_first_place() {
        let error = folder::load_text("a.yaml", "kind: X\n---\nkind: Y\n").unwrap_err();
        let said = error.to_string();
        assert_eq!(said.lines().next(), Some("2 problems in the policies, first in a.yaml:1:1"));
    }
}

mod hostile {
    use super::*;

    const HEAD: &str =
        "apiVersion: postern.dev/v1alpha1\nkind: DebugPolicy\nmetadata: {name: a}\nspec:\n";

    /// All of it is read and refused in a moment; a debug build takes seconds for the worst.
    fn refused_soon(text: &str) {
        assert!(text.len() <= folder::MAX_FILE_BYTES, "{}", text.len());
        let started = Instant::now();
        let said = folder::load_text("hostile", text).unwrap_err().to_string();
        let took = started.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
        assert!(said.len() < 100_000, "{} bytes", said.len());
    }

    #[test]
    fn a_mebibyte_of_brackets() {
        refused_soon(&"[".repeat(folder::MAX_FILE_BYTES));
        refused_soon(&"{a: ".repeat(folder::MAX_FILE_BYTES / 4));
        refused_soon(&format!("{HEAD}  match: {}", "[".repeat(1_000_000)));
    }

    #[test]
    fn a_mebibyte_of_documents() {
        refused_soon(&"---\na: b\n".repeat(100_000));
        refused_soon(&(permit("a") + "---\n").repeat(9_000));
    }

    /// Counted before anything is built of it.
    #[test]
    fn a_file_of_too_many_values_is_not_read_to_its_end() {
        let text = "- a\n".repeat(100_000);
        let error = folder::load_text("hostile", &text).unwrap_err().to_string();
        assert!(error.contains("more than 100000 values"), "{}", error.lines().next().unwrap());
        refused_soon(&text);
    }

    #[test]
    fn a_mebibyte_of_mistakes_on_one_line() {
        let entries = "a**,".repeat(40_000);
        refused_soon(&format!(
            "{HEAD}  {{effect: Permit, containers: {{images: {{allow: [{entries}]}}}}}}\n"
        ));
        let nulls = "~,".repeat(40_000);
        refused_soon(&format!(
            "{HEAD}  {{effect: Permit, containers: {{images: {{allow: [{nulls}]}}}}}}\n"
        ));
        refused_soon(&format!("{HEAD}  effect: \"{}\"\n", "x".repeat(1_000_000)));
    }

    #[test]
    fn a_mebibyte_of_anchors() {
        use std::fmt::Write;
        let mut text = permit("a");
        for number in 0..30_000 {
            writeln!(text, "k{number}: &a{number} [*a{}]", number.max(1) - 1).unwrap();
        }
        refused_soon(&text);
    }

    /// A policy with one long value each, which are all wrong.
    #[test]
    fn long_values_are_not_repeated_in_full() {
        let long = "x\\e".repeat(3_000);
        refused_soon(&format!(
            "{HEAD}  effect: Permit\n  match: {{subjects: [{{kind: Group, name: \"*{long}\"}}]}}\n\
             \x20 justification: {{env: \"{long}\", pattern: \"({long}\"}}\n"
        ));
    }
}

mod properties {
    use super::*;

    fn words() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "apiVersion: postern.dev/v1alpha1\n",
            "kind: DebugPolicy\n",
            "metadata: {name: a}\n",
            "spec:\n",
            "  effect: Permit\n",
            "  match: {subjects: [{kind: Group, name: dev}]}\n",
            "  containers:\n",
            "    images: {allow: [\"**\"]}\n",
            "---\n",
            "...\n",
            "- ",
            "? ",
            ": ",
            "&a ",
            "*a",
            "<<: *a\n",
            "!!binary ",
            "|\n",
            "\t",
            "\n",
            "  ",
            "\"",
            "'",
            "{",
            "}",
            "[",
            "]",
            ",",
            "#",
            "~",
            "ä\u{202e}",
            "\u{1f600}",
            "%YAML 1.2\n",
            "\u{feff}",
        ]);
        prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
    }

    /// Whatever the text: no panic, every place within the text, and something to print.
    fn reads(text: &str) {
        for flaw in document::read(text).flaws {
            assert!(flaw.at.start <= flaw.at.end, "{flaw:?} {text:?}");
            assert!(!flaw.message.is_empty());
        }
        if let Err(error) = folder::load_text("text", text) {
            let said = error.to_string();
            assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
        }
    }

    /// The full example with some of its characters replaced.
    fn nearly_right() -> impl Strategy<Value = String> {
        let text = fs::read_to_string(format!("{CORPUS}/accepted/full.yaml")).unwrap();
        let length = text.chars().count();
        prop::collection::vec((0..length, any::<char>()), 1..4).prop_map(move |changes| {
            let mut text: Vec<_> = text.chars().collect();
            for (position, character) in changes {
                text[position] = character;
            }
            text.into_iter().collect()
        })
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            reads(&text);
        }

        #[test]
        fn any_words_of_the_language_are_read_without_a_panic(text in words()) {
            reads(&text);
        }

        #[test]
        fn a_policy_that_is_nearly_right_is_read_without_a_panic(text in nearly_right()) {
            reads(&text);
        }
    }
}

mod examples {
    use super::*;

    /// Who asks, in which namespace, for what, and whether the examples together let it in.
    const CASES: &[(&str, &str, &[&str], bool)] = &[
        // Developers: approved images in their own namespaces, with plain `kubectl debug`.
        ("dev", "payments", &["--image=registry.example.com/debug/netshoot", "-it"], true),
        ("dev", "team-a", &["--image=busybox:1.36", "--profile=restricted"], true),
        ("dev", "team-a", &["--image=busybox:1.37"], false),
        ("dev", "payments", &["--image=nicolaka/netshoot"], false),
        ("dev", "payments", &["--image=registry.example.com.evil/debug/netshoot"], false),
        ("dev", "kube-system", &["--image=registry.example.com/debug/netshoot"], false),
        ("dev", "payments", &["--image=busybox:1.36", "--profile=netadmin"], false),
        ("dev", "payments", &["--image=busybox:1.36", "--profile=sysadmin"], false),
        // Whoever is on call: anywhere, with the network's tools and a ticket.
        (
            "on-call",
            "kube-system",
            &["--image=nicolaka/netshoot", "--profile=netadmin", "--env=DEBUG_REASON=INC-4711"],
            true,
        ),
        ("on-call", "kube-system", &["--image=nicolaka/netshoot", "--profile=netadmin"], false),
        ("on-call", "payments", &["--image=alpine", "--env=DEBUG_REASON=because"], false),
        ("on-call", "payments", &["--image=alpine", "--env=DEBUG_REASON=INC-1 api is slow"], true),
        // Guard rails: whoever asks, and whatever a Permit says.
        (
            "on-call",
            "payments",
            &["--image=alpine", "--profile=sysadmin", "--env=DEBUG_REASON=INC-1"],
            false,
        ),
        (
            "on-call",
            "payments",
            &["--image=alpine", "--env=DEBUG_REASON=INC-1", "--env=DB_PASSWORD=x"],
            false,
        ),
        ("system:masters", "payments", &["--image=busybox:1.36"], false),
    ];

    /// Partial containers for `--custom`, tried by whoever is on call.
    const CUSTOM: &[(&str, bool)] = &[
        ("volumeMounts: [{name: data, mountPath: /data, readOnly: true}]", true),
        ("volumeMounts: [{name: data, mountPath: /data}]", false),
        ("volumeMounts: [{name: settings, mountPath: /c, readOnly: true}]", true),
        ("volumeMounts: [{name: password, mountPath: /p, readOnly: true}]", false),
        ("volumeMounts: [{name: node, mountPath: /n, readOnly: true}]", false),
        ("volumeMounts: [{name: token, mountPath: /t, readOnly: true}]", false),
        ("envFrom: [{secretRef: {name: payments-db}}]", false),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: k}}}]", false),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: k}}}]", true),
        ("securityContext: {seccompProfile: {type: Unconfined}}", false),
    ];

    fn check(group: &str, namespace: &str, options: &[&str]) -> (Option<i32>, String) {
        let pod = fs::read_to_string(format!("{CORPUS}/pod.yaml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pod.yaml");
        fs::write(&path, pod.replace("namespace: payments", &format!("namespace: {namespace}")))
            .unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["check", "-p", EXAMPLES, "--as=alice", &format!("--as-group={group}")])
            .arg(format!("--pod={}", path.display()))
            .args(options)
            .output()
            .unwrap();
        let said =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    }

    #[test]
    fn the_examples_decide_as_their_comments_say() {
        for (group, namespace, options, allowed) in CASES {
            let (code, said) = check(group, namespace, options);
            let expected = if *allowed { 0 } else { 1 };
            assert_eq!(code, Some(expected), "{group} in {namespace}, {options:?}:\n{said}");
        }
    }

    #[test]
    fn the_examples_keep_secrets_and_the_node_from_whoever_is_on_call() {
        let folder = tempfile::tempdir().unwrap();
        let custom = folder.path().join("custom.yaml");
        let argument = format!("--custom={}", custom.display());
        for (container, allowed) in CUSTOM {
            fs::write(&custom, container).unwrap();
            let options = ["--image=alpine", "--env=DEBUG_REASON=INC-1", &argument];
            let (code, said) = check("on-call", "payments", &options);
            let expected = if *allowed { 0 } else { 1 };
            assert_eq!(code, Some(expected), "{container}:\n{said}");
        }
    }

    /// What a developer sees who typed nothing but the image, and what one sees who is refused.
    #[test]
    fn the_examples_harden_and_explain() {
        let plain = check("dev", "payments", &["--image=registry.example.com/debug/netshoot"]);
        insta::assert_snapshot!("examples_harden", plain.1);
        let refused = check("dev", "payments", &["--image=nicolaka/netshoot"]);
        insta::assert_snapshot!("examples_explain", refused.1);
    }
}
