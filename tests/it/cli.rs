//! The command line as a person meets it: what documents show is run, and exit codes are held.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assert_cmd::Command;

use crate::server::Site;

fn postern() -> Command {
    Command::new(env!("CARGO_BIN_EXE_postern"))
}

/// Every `console` block of the README and of `docs`. Paths in them are seen from the top.
#[test]
fn what_documents_show_is_what_happens() {
    let cases = trycmd::TestCases::new();
    cases.register_bin("postern", Path::new(env!("CARGO_BIN_EXE_postern")));
    for (document, blocks) in
        [("README.md", 2), ("docs/first-policy.md", 4), ("docs/testing.md", 4)]
    {
        cases.case(document);
        let shown = fs::read_to_string(document).unwrap().matches("```console").count();
        assert!(shown >= blocks, "{document} shows {shown}");
    }
    cases.run();
}

#[test]
fn every_command_explains_itself() {
    for words in [
        vec![],
        vec!["serve"],
        vec!["check"],
        vec!["audit"],
        vec!["audit", "list"],
        vec!["audit", "show"],
        vec!["audit", "export"],
        vec!["test"],
        vec!["crds"],
        vec!["manifests"],
        vec!["ready"],
        vec!["doctor"],
        vec!["schema"],
        vec!["certs"],
        vec!["certs", "issue"],
        vec!["certs", "inspect"],
        vec!["certs", "rotate"],
        vec!["completion"],
        vec!["man"],
    ] {
        let output = postern().args(&words).arg("--help").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("Usage: postern"), "{words:?}");
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn what_is_called_wrongly_exits_with_64_and_says_so_on_standard_error() {
    for words in [
        vec![],
        vec!["open"],
        vec!["serve", "--listen", "nowhere"],
        vec!["check"],
        vec!["audit", "list", "--answer", "maybe"],
        vec!["audit", "list", "--ledger", "mysql://x"],
        vec!["test"],
        vec!["crds", "-o", "toml"],
        vec!["manifests", "production"],
        vec!["manifests", "--image", "two words"],
        vec!["ready", "https://localhost"],
        vec!["schema", "crd"],
        vec!["certs", "issue", "--days", "x"],
        // An empty one would be nobody else than who runs this.
        vec!["doctor", "--as", ""],
        vec!["doctor", "--as", "ana", "--as-group", ""],
        vec!["completion", "cmd"],
        vec!["man"],
    ] {
        let output = postern().args(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{words:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{words:?}");
    }
}

/// Which file, what is wrong with it, and what to do; in no library's words.
#[test]
fn what_is_wrong_with_a_kubeconfig_is_said_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let good = r#"{
        "clusters": [{"name": "here", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "ana", "user": {"client-certificate": "/nowhere.crt",
                                           "client-key": "/nowhere.key"}}],
        "contexts": [
            {"name": "nobody", "context": {"cluster": "here", "user": "bob"}},
            {"name": "away", "context": {"cluster": "there", "user": "ana"}},
            {"name": "files", "context": {"cluster": "here", "user": "ana"}}]}"#;
    for (name, text) in [("good", good), ("broken", "users: [\n secret"), ("empty", "")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let said = |file: &str, rest: &[&str], by_flag: bool| {
        let mut command = postern();
        command.current_dir(folder.path()).env("HOME", "/nowhere").env_remove("KUBECONFIG");
        match (file, by_flag) {
            ("", _) => &mut command,
            (file, true) => command.args(["doctor", "--kubeconfig", file]),
            (file, false) => command.env("KUBECONFIG", file),
        };
        if !by_flag {
            command.arg("doctor");
        }
        let output = command.args(rest).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (file, rest, words) in [
        ("none", &[][..], "`none` cannot be read: No such file"),
        ("broken", &[], "it is no kubeconfig: line 1 column 8: unclosed bracket '['\n"),
        ("empty", &[], "it names no current context; `kubectl config use-context NAME` does\n"),
        ("good", &["--context", "x"], "no context `x`; `kubectl config get-contexts` lists those"),
        ("good", &["--context", "nobody"], "it has no user `bob`, whom its context `nobody` names"),
        ("good", &["--context", "away"], "it has no cluster `there`, which its context names"),
        ("good", &["--context", "files"], "its `client-certificate` is `/nowhere.crt`, which"),
    ] {
        for by_flag in [true, false] {
            let said = said(file, rest, by_flag);
            assert!(said.contains(words), "{file} {rest:?}: {said}");
            assert!(!said.contains("secret") && !said.contains("ailed to"), "{said}");
        }
    }
    // One of several; one that is not there is passed over, as kubectl does it.
    for (files, words) in [
        ("good:broken", "kubeconfig `broken`: it is no kubeconfig: line 1"),
        ("none:good:", "kubeconfig `none`, `good`: it names no current context"),
        ("none:nowhere", "kubeconfig `none`: `none` cannot be read: No such file"),
    ] {
        let said = said(files, &[], false);
        assert!(said.contains(words), "{files}: {said}");
    }
    let said = said("", &[], false);
    assert!(said.contains("there is no kubeconfig; name one by --kubeconfig or in KUBECONFIG\n"));
    let rotate = ["certs", "rotate", "--secret", "a/b", "--kubeconfig", "none"];
    let output = postern().current_dir(folder.path()).args(rotate).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("kubeconfig `none`: `none` cannot be read: No such file"), "{said}");
}

/// As with `automountServiceAccountToken: false`.
#[test]
fn a_pod_without_an_account_is_not_called_no_pod() {
    let mut command = postern();
    command.env("HOME", "/nowhere").env_remove("KUBECONFIG").arg("doctor");
    command.env("KUBERNETES_SERVICE_HOST", "10.0.0.1").env("KUBERNETES_SERVICE_PORT", "443");
    let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(said.contains("this pod has no service account that can be read"), "{said}");
}

/// What was meant, and what else would do.
#[test]
fn errors_name_what_was_given() {
    let said = |words: &[&str], variable: &str| {
        let output = postern().args(words).env(variable, "foo").output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let deadline = said(&["serve"], "POSTERN_DEADLINE");
    let words = "invalid value 'foo' for '--deadline <DURATION> (POSTERN_DEADLINE)': want a";
    assert!(deadline.contains(words), "{deadline}");
    for given in [&["serve", "--deadline", "bar"][..], &["serve", "--deadline=bar"]] {
        let deadline = said(given, "POSTERN_DEADLINE");
        assert!(deadline.contains("'bar' for '--deadline <DURATION>': want a"), "{deadline}");
    }
    let inspect = said(&["certs", "inspect"], "NOTHING");
    assert!(inspect.contains("--secret <") && inspect.contains("--url <"), "{inspect}");
    said(&["certs", "inspect", "a", "--url", "https://a"], "NOTHING");
    for ledger in ["foo", "mysql://x"] {
        let said = said(&["audit", "list", "--ledger", ledger], "NOTHING");
        assert!(said.contains("is `sqlite:PATH` or `postgres://…`, not `"), "{said}");
        assert!(!said.contains("memory"), "{said}");
    }
}

#[test]
fn the_port_that_speaks_tls_is_not_asked_for_readiness() {
    let site = Site::new();
    let server = site.start(&[]);
    let url = server.url("/").replace("https:", "http:");
    let output = postern().args(["ready", &url]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("want that of `--health-listen`"), "{said}");
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = postern().args(["completion", shell]).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("postern"));
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("share/man1");
    let output = postern().arg("man").arg(&man).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
    for command in ["", "-serve", "-check", "-audit", "-audit-list", "-certs-issue", "-man"] {
        let page = fs::read_to_string(man.join(format!("postern{command}.1"))).unwrap();
        for part in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            assert!(page.contains(part), "postern{command}.1 has no {part}");
        }
    }
    let names = fs::read_dir(&man).unwrap().map(|entry| entry.unwrap().file_name());
    let hidden = names.filter(|name| {
        let name = name.to_string_lossy();
        name.contains("help") || name.contains('_')
    });
    assert_eq!(hidden.count(), 0);
}

#[test]
fn certificates_are_inspected_as_a_client_would_judge_them() {
    let folder = tempfile::tempdir().unwrap();
    let certs = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(folder.path()).arg("certs").args(arguments).output().unwrap()
    };
    assert!(certs(&["issue", "--dir", ".", "--days", "30"]).status.success());

    let ca = ["--ca", "ca.pem", "--host", "postern.postern-system.svc"];
    let good = certs(&[&["inspect", "tls.crt"], &ca[..]].concat());
    let text = String::from_utf8(good.stdout).unwrap();
    assert_eq!(good.status.code(), Some(0), "{text}");
    for said in [
        "  for      postern.postern-system.svc, localhost, 127.0.0.1, ::1\n",
        " 29 days left\n",
        "[+] chain: it is believed as 'postern.postern-system.svc'\naccepted\n",
    ] {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }
    let other = certs(&["inspect", "tls.crt", "--ca", "ca.pem", "--host", "x.svc", "-o", "json"]);
    assert_eq!(other.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&other.stdout).unwrap();
    assert_eq!(report["accepted"], false);
    assert_eq!(report["certificates"][0]["daysLeft"], 29);
    // A stranger does not believe it.
    assert!(certs(&["issue", "--dir", "other"]).status.success());
    let stranger = certs(&["inspect", "tls.crt", "--ca", "other/ca.pem", "-o", "yaml"]);
    assert_eq!(stranger.status.code(), Some(1));
    assert!(String::from_utf8(stranger.stdout).unwrap().contains("accepted: false"));
    // Whoever trusts the certificate itself does, as the API server would; by its names only.
    let itself = ["inspect", "tls.crt", "--ca", "tls.crt", "--host"];
    assert_eq!(certs(&[&itself[..], &["localhost"]].concat()).status.code(), Some(0));
    let misnamed = certs(&[&itself[..], &["x.svc"]].concat());
    assert_eq!(misnamed.status.code(), Some(1));
    let text = String::from_utf8(misnamed.stdout).unwrap();
    assert!(text.contains("[-] chain: it is not for 'x.svc'\n"), "{text}");
    let nobody = certs(&["inspect", "ca.pem", "--ca", "ca.pem"]);
    let text = String::from_utf8(nobody.stdout).unwrap();
    assert!(text.contains("[-] chain: it names nobody whom it is for"), "{text}");

    // Whoever names no authority is not told that one believes it.
    let unasked = certs(&["inspect", "tls.crt"]);
    let text = String::from_utf8(unasked.stdout).unwrap();
    assert_eq!(unasked.status.code(), Some(0), "{text}");
    assert!(text.ends_with("give `--ca FILE` to see whether it is believed\n"), "{text}");
    let unasked = certs(&["inspect", "tls.crt", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&unasked.stdout).unwrap();
    assert!(report["accepted"].is_null(), "{report}");

    for (arguments, code) in [
        (&["inspect"][..], 64),
        (&["inspect", "tls.crt", "--url", "https://localhost"], 64),
        (&["inspect", "--url", "http://localhost"], 64),
        (&["inspect", "tls.crt", "--host", "x.svc"], 64),
        (&["inspect", "tls.crt", "--ca", "ca.pem", "--host", ""], 64),
        (&["inspect", "tls.crt", "--ca", "ca.pem", "--host", "a b"], 64),
        (&["inspect", "nowhere.pem"], 2),
        (&["inspect", "tls.key"], 2),
        (&["rotate"], 64),
    ] {
        assert_eq!(certs(arguments).status.code(), Some(code), "{arguments:?}");
    }
}

/// The server would not start with it, whoever believes the certificate.
#[test]
fn a_key_that_no_server_takes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, code) in [("rsa:1024", 1), ("ed448", 1), ("ed25519", 0)] {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-subj", "/CN=localhost", "-addext"])
            .args(["subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-nodes", "-keyout", "key.pem", "-out", "tls.crt", "-newkey", kind])
            .current_dir(folder.path())
            .output()
            .expect("openssl, as of Debian's package, makes keys that a server refuses");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let inspect = ["certs", "inspect", "tls.crt", "--ca", "tls.crt"];
        let output = postern().args(inspect).current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert_eq!(text.contains("[-] key: a server would refuse it"), code == 1, "{text}");
    }
}

/// A leaf, and after it an intermediate that ends in that year; and their authority.
fn chain_until(year: i32) -> (String, String) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let params = |name: &str, is_ca| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = is_ca;
        params
    };
    let key = || KeyPair::generate().unwrap();
    let authority = || IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params("root", authority()), key()).unwrap();
    let mut between = params("between", authority());
    between.not_before = rcgen::date_time_ymd(2019, 1, 1);
    between.not_after = rcgen::date_time_ymd(year, 1, 1);
    let between = CertifiedIssuer::signed_by(between, key(), &root).unwrap();
    let leaf = params("localhost", IsCa::NoCa).signed_by(&key(), &between).unwrap();
    (format!("{}{}", leaf.pem(), between.pem()), root.pem())
}

#[test]
fn an_intermediate_that_ended_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, root) = chain_until(2020);
    for (name, text) in [("chain.pem", &chain), ("root.pem", &root)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    for (further, words) in [
        (&[][..], "[-] validity: certificate 2 of 2: it ended at 2020-01-01T00:00:00Z\n"),
        (&["--ca", "root.pem"], "[-] chain: a certificate of it has ended\nNOT accepted\n"),
    ] {
        let arguments = [&["certs", "inspect", "chain.pem"], further].concat();
        let output = postern().current_dir(folder.path()).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && text.contains(words), "{text}");
    }
}

#[test]
fn what_is_no_chain_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, root) = chain_until(2040);
    fs::write(folder.path().join("root.pem"), root).unwrap();
    let (leaf, between) = chain.split_at(chain.rfind("-----BEGIN").unwrap());
    fs::write(folder.path().join("swapped.pem"), format!("{between}{leaf}")).unwrap();
    let swapped = ["certs", "inspect", "swapped.pem", "--ca", "root.pem", "--host", "localhost"];
    let output = postern().current_dir(folder.path()).args(swapped).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("the first certificate is an authority's, where the"), "{text}");
    let endless = postern().args(["certs", "inspect", "/dev/zero"]).output().unwrap();
    let said = String::from_utf8(endless.stderr).unwrap();
    assert!(said.contains("`/dev/zero` is not PEM: it is too large"), "{said}");
}

#[test]
fn a_server_that_speaks_no_tls_is_called_that() {
    let answers: [(&[u8], &str); 2] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it does not speak TLS; is this the port for"),
        (b"", "it hangs up before it shows a certificate"),
    ];
    for (answer, words) in answers {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            assert_ne!(socket.read(&mut [0; 4096]).unwrap(), 0);
            socket.write_all(answer).unwrap();
        });
        let output = postern().args(["certs", "inspect", "--url", &url]).output().unwrap();
        server.join().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

/// What the client library would panic at, refuse because of the environment, or show of a token.
#[test]
fn a_kubeconfig_that_cannot_work_is_refused_with_a_sentence() {
    let here = r#"{"server": "https://127.0.0.1:1"}"#;
    let proxy = r#"{"server": "https://127.0.0.1:1", "proxy-url": "http://ana:hush@10.0.0.1"}"#;
    for (cluster, user, words) in [
        (
            r#"{"server": "127.0.0.1:6443"}"#,
            "{}",
            "`server` of its cluster is no URL; want `https:",
        ),
        (r#"{"server": "ht!tp://a"}"#, "{}", "`server` of its cluster is no URL; want `https:"),
        (r#"{"server": "https://ana:hush@a"}"#, "{}", "is no URL; want `https://HOST:PORT`"),
        (here, r#"{"token": "hush\n"}"#, "the `token` of its user `u` holds a line break or the"),
        (proxy, "{}", "has a `proxy-url`; API servers are asked without a proxy"),
        (here, "{}", "cannot be asked: client error (Connect): tcp connect error"),
        (here, r#"{"auth-provider": {"name": "gcp"}}"#, "`auth-provider` of the kubeconfig is not"),
        (
            here,
            r#"{"tokenFile": "/nowhere"}"#,
            "its `tokenFile` is `/nowhere`, which cannot be read",
        ),
    ] {
        let said = doctor_says(cluster, user);
        let is_silent = !said.contains("hush") && !said.contains("panic");
        assert!(said.contains(words) && is_silent, "{said}");
    }
}

/// What the plugin said is for people; what it printed may be a token.
#[test]
fn why_a_plugin_or_a_file_gives_no_token_is_said() {
    let here = r#"{"server": "https://127.0.0.1:1"}"#;
    let exec = |command: &str| {
        format!(
            r#"{{"exec": {{"apiVersion": "client.authentication.k8s.io/v1", "command": "{command}",
                "args": ["hush-token"], "interactiveMode": "Never",
                "installHint": "get it\u001b[2J\nfrom us\n"}}}}"#
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("plugin");
    fs::write(&plugin, "#!/bin/sh\nprintf 'log in\\033[2J\\n first\\n' >&2; echo hush; exit 3\n")
        .unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o700)).unwrap();
    let token_file = |text: &str| {
        let name = format!("{}/token", tempfile::tempdir_in(&folder).unwrap().keep().display());
        fs::write(&name, text).unwrap();
        format!(r#"{{"tokenFile": "{name}"}}"#)
    };
    for (user, words) in [
        (&exec("/nowhere/exec"), "`exec` command `/nowhere/exec` of the kubeconfig cannot be run"),
        (&exec("/nowhere/exec"), "(os error 2); its `installHint`: get it\\u{1b}[2J / from us\n"),
        (&exec("false"), "`exec` command `false` of the kubeconfig failed (exit status: 1)\n"),
        (
            &exec(plugin.to_str().unwrap()),
            "plugin` of the kubeconfig failed (exit status: 3): log in\\u{1b}[2J / first\n",
        ),
        (&exec("echo"), "command `echo` of the kubeconfig does not print an ExecCredential"),
        (&token_file("hush\nhush"), "which holds a line break or the like in its token"),
        (&token_file(" \n"), "/token`, which is empty"),
        (&token_file("hush\n"), "cannot be asked: client error (Connect): tcp connect error"),
    ] {
        let said = doctor_says(here, user);
        assert!(said.contains(words) && !said.contains("hush"), "{said}");
    }
}

/// As kubectl sends it.
#[test]
fn a_token_of_a_file_is_sent_without_the_line_break_at_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = format!(r#"{{"server": "http://{}"}}"#, listener.local_addr().unwrap());
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "hush\n").unwrap();
    let server = std::thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        let mut asked = vec![0; 4096];
        let length = socket.read(&mut asked).unwrap();
        socket.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").unwrap();
        String::from_utf8(asked[..length].to_vec()).unwrap()
    });
    doctor_says(&here, &format!(r#"{{"tokenFile": {:?}}}"#, file.path()));
    let asked = server.join().unwrap();
    assert!(asked.contains("\r\nauthorization: Bearer hush\r\n"), "{asked}");
}

/// What `doctor` says of a kubeconfig with this cluster and this user, which it cannot use.
fn doctor_says(cluster: &str, user: &str) -> String {
    let text = format!(
        r#"{{"current-context": "c", "clusters": [{{"name": "k", "cluster": {cluster}}}],
            "users": [{{"name": "u", "user": {user}}}],
            "contexts": [{{"name": "c", "context": {{"cluster": "k", "user": "u"}}}}]}}"#
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let mut command = postern();
    command.arg("doctor").arg("--kubeconfig").arg(file.path());
    let output = command.env("HTTPS_PROXY", "http://10.0.0.1").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

/// It was told as a certificate of the API server's that nobody has signed.
#[test]
fn an_authority_that_is_none_is_named_with_its_place() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "no certificate\n").unwrap();
    let data = |base64: &str| format!(r#""certificate-authority-data": "{base64}""#);
    let path = format!("its `certificate-authority`, `{}`, holds no", file.path().display());
    // A block that is none, and one of `hello`.
    let broken = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCiEhIQotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==";
    let hollow =
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmFHVnNiRzg9Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K";
    for (authority, words) in [
        (data(""), "its `certificate-authority-data` holds no certificate in PEM"),
        (data("aGVsbG8="), "its `certificate-authority-data` holds no certificate in PEM"),
        (data(broken), "the `certificate-authority` of its cluster is no PEM"),
        (data(hollow), "holds a certificate that cannot be used: it is not X.509"),
        (format!(r#""certificate-authority": {:?}"#, file.path()), path.as_str()),
    ] {
        let said =
            doctor_says(&format!(r#"{{"server": "https://127.0.0.1:1", {authority}}}"#), "{}");
        assert!(said.contains(words) && said.contains("kubeconfig `"), "{said}");
    }
    // Whoever believes everybody needs none.
    let all = r#"{"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": true,
                  "certificate-authority-data": ""}"#;
    let said = doctor_says(all, "{}");
    assert!(said.contains("tcp connect error"), "{said}");
}

#[test]
fn an_api_server_of_an_unknown_authority_is_told_with_where_it_belongs() {
    let site = Site::new();
    let server = site.start(&[]);
    let said = doctor_says(&format!(r#"{{"server": "{}"}}"#, server.url("")), "{}");
    for words in ["no trusted authority has signed it; ", "into `certificate-authority` of the"] {
        assert!(said.contains(words), "{said}");
    }
    // It may be known, and somebody else's.
    site.install(&site.authority.serving_as("door.example"));
    fs::write(site.path("ca.pem"), site.authority.pem()).unwrap();
    let (server, ca) = (site.start(&[]), site.path("ca.pem"));
    let url = server.url("");
    let known = format!(r#"{{"server": "{url}", "certificate-authority": {ca:?}}}"#);
    let said = doctor_says(&known, "{}");
    assert!(said.contains("certificate is not believed: ") && !said.contains("`ca.crt`"), "{said}");
}

/// Services are told to pods by such variables as well.
#[test]
fn a_variable_that_is_no_setting_is_complained_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = postern();
    command.env_clear().current_dir(folder.path()).args(["serve", "--log-format", "text"]);
    command.args(["--tls-cert", "none", "--tls-key", "none", "--policies", "none"]);
    command.env("POSTERN_LEGDER", "memory").env("POSTERN_DASHBOARD_SERVICE_HOST", "10.0.0.1");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("WARN `POSTERN_LEGDER` is no setting, and does nothing: is"), "{said}");
    assert_eq!(said.matches("WARN").count(), 1, "{said}");
}
