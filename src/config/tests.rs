use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    given: Given,
}

fn flags(arguments: &[&str]) -> Given {
    Flags::try_parse_from([&["postern"], arguments].concat()).unwrap().given
}

fn file(text: &str) -> Result<Given, SettingError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Given::from_file(file.path())
}

/// What cannot be left out.
const NEEDED: [&str; 6] = ["--policies", "p", "--tls-cert", "c", "--tls-key", "k"];

#[test]
fn defaults_are_those_of_the_contract() {
    let settings = flags(&NEEDED).settings().unwrap();
    assert_eq!(settings.listen.to_string(), "0.0.0.0:8443");
    assert_eq!(settings.health_listen.to_string(), "0.0.0.0:9090");
    assert_eq!(settings.deadline, Duration::from_secs(1));
    assert_eq!(settings.drain_delay, Duration::from_secs(5));
    assert_eq!(settings.enforcement, Enforcement::Enforce);
    assert_eq!(settings.tls.client_ca, None);
    assert_eq!(settings.cluster, None);
    assert!(!settings.danger_allow_on_ledger_failure);
    assert!(!settings.writer.is_empty());
}

/// One of everything.
const FILE: &str = "listen: 127.0.0.1:1\n\
    health-listen: \"[::1]:2\"\n\
    tls-cert: c\n\
    tls-key: k\n\
    client-ca: a\n\
    client-names: [n]\n\
    token-file: t\n\
    tls-min-version: \"1.3\"\n\
    policies: [p, q]\n\
    cluster-policies: true\n\
    kubeconfig: u\n\
    cluster-stale-limit: 1m\n\
    access-allow-ttl: 3s\n\
    access-deny-ttl: 0s\n\
    pod-events: false\n\
    follow-limit: 1h\n\
    scan-interval: 5s\n\
    ledger: sqlite:a.db\n\
    enforcement: Warn\n\
    deadline: 500ms\n\
    drain-delay: 0s\n\
    max-in-flight: 7\n\
    ledger-key: l\n\
    checkpoint-interval: 5s\n\
    keep-for: 2d\n\
    keep-records: 5000\n\
    keep-bytes: 20Gi\n\
    cluster-name: east\n\
    writer: postern-0\n\
    log-format: text\n\
    log-level: debug\n\
    metrics-exemplars: true\n\
    danger-allow-on-ledger-failure: true\n";

#[test]
fn every_setting_can_come_from_the_file() {
    let Settings {
        listen,
        health_listen,
        tls,
        policies,
        cluster,
        ledger,
        ledger_key,
        checkpoint_interval,
        keep_for,
        keep_records,
        keep_bytes,
        enforcement,
        deadline,
        drain_delay,
        max_in_flight,
        cluster_name,
        writer,
        logs,
        file: _,
        forward: _,
        metrics_exemplars,
        danger_allow_on_ledger_failure,
    } = file(FILE).unwrap().settings().unwrap();
    assert_eq!(
        (listen.to_string(), health_listen.to_string()),
        ("127.0.0.1:1".to_owned(), "[::1]:2".to_owned())
    );
    let files = Serving::Files { certificate: "c".into(), key: "k".into(), names: vec![] };
    assert_eq!((tls.serving, tls.client_ca), (files, Some("a".into())));
    assert_eq!((tls.client_names, tls.token_file), (vec!["n".to_owned()], Some("t".into())));
    assert_eq!(tls.min_version, TlsVersion::V1_3);
    assert_eq!(policies, [PathBuf::from("p"), PathBuf::from("q")]);
    let expected = ClusterSettings {
        policies: true,
        kubeconfig: Some("u".into()),
        stale_limit: Duration::from_mins(1),
        allow_ttl: Duration::from_secs(3),
        deny_ttl: Duration::ZERO,
        pod_events: false,
        follow_limit: Duration::from_hours(1),
        scan_interval: Duration::from_secs(5),
    };
    assert_eq!(cluster, Some(expected));
    assert_eq!((ledger.as_str(), enforcement), ("sqlite:a.db", Enforcement::Warn));
    assert_eq!(
        (ledger_key, checkpoint_interval),
        (Some(KeyPlace::File("l".into())), Duration::from_secs(5))
    );
    assert_eq!((keep_for, keep_records), (Some(SignedDuration::from_hours(48)), Some(5000)));
    assert_eq!(keep_bytes, Some(20 << 30));
    assert_eq!((deadline, drain_delay), (Duration::from_millis(500), Duration::ZERO));
    assert_eq!((max_in_flight, cluster_name.as_str(), writer.as_str()), (7, "east", "postern-0"));
    assert_eq!((logs.format, logs.level), (LogFormat::Text, LogLevel::Debug));
    assert!(metrics_exemplars && danger_allow_on_ledger_failure);
}

#[test]
fn a_flag_wins_over_the_file_setting_by_setting() {
    let lower = file("deadline: 2s\nenforcement: Audit\npolicies: [q]\n").unwrap();
    let settings = flags(&[&NEEDED[..], &["--deadline", "3s"]].concat()).or(lower).settings();
    let settings = settings.unwrap();
    assert_eq!(settings.deadline, Duration::from_secs(3));
    assert_eq!(settings.enforcement, Enforcement::Audit);
    assert_eq!(settings.policies, [PathBuf::from("p")]);
}

#[test]
fn a_flag_can_take_back_what_the_file_weakens() {
    let lower = file("danger-allow-on-ledger-failure: true\n").unwrap();
    let arguments = [&NEEDED[..], &["--danger-allow-on-ledger-failure=false"]].concat();
    assert!(!flags(&arguments).or(lower).settings().unwrap().danger_allow_on_ledger_failure);
    let arguments = [&NEEDED[..], &["--danger-allow-on-ledger-failure"]].concat();
    assert!(flags(&arguments).settings().unwrap().danger_allow_on_ledger_failure);
}

#[test]
fn what_is_wrong_in_the_file_is_said_with_the_line() {
    for (text, words) in [
        ("listen: x\n", "want ADDRESS:PORT"),
        ("listen: \"\"\n", "want ADDRESS:PORT"),
        ("deadline: 5\n", "want a duration from 10ms to 30s"),
        ("deadline: -1s\n", "want a duration from 10ms to 30s"),
        ("deadline: 31s\n", "want a duration from 10ms to 30s"),
        ("drain-delay: 11m\n", "want a duration from 0s to 10m"),
        ("cluster-stale-limit: 1s\n", "want a duration from 3s to 24h"),
        ("access-allow-ttl: 1h\n", "want a duration from 0s to 5m"),
        ("follow-limit: 25h\n", "want 0s, or a duration from 1s to 24h"),
        ("scan-interval: 10ms\n", "want 0s, or a duration from 1s to 24h"),
        ("pod-events: some\n", "line 1: `pod-events`: want true or false"),
        ("metrics-exemplars: 3\n", "line 1: `metrics-exemplars`: want true or false"),
        ("max-in-flight: [1]\n", "line 1: `max-in-flight`: want one word, not a list"),
        ("max-in-flight: 0x10\n", "line 1: `max-in-flight`: want a number from 1 to 65536"),
        ("tls-cert: [a]\n", "line 1: `tls-cert`: want one word, not a list"),
        ("max-in-flight: 0\n", "want a number from 1 to 65536"),
        ("enforcement: enforce\n", "want Enforce, Warn or Audit"),
        (
            "keep-bytes: 1000\n",
            "want a whole number of bytes, or of M, G, T, Mi, Gi or Ti: at least 1M, as in 20Gi",
        ),
        (
            "keep-bytes: 20gb\n",
            "want a whole number of bytes, or of M, G, T, Mi, Gi or Ti: at least 1M, as in 20Gi",
        ),
        (
            "keep-bytes: 99999999999Ti\n",
            "want a whole number of bytes, or of M, G, T, Mi, Gi or Ti: at least 1M, as in 20Gi",
        ),
        ("writer: a/b\n", "want 1 to 63 letters"),
        ("cluster-name: \"a\\nb\"\n", "without control characters"),
        ("log-format: yaml\n", "want json or text"),
        ("log-level: all\n", "want error, warn, info, debug or trace"),
        ("deadlin: 1s\n", "line 1: there is no setting `deadlin`; `postern serve --help` lists"),
        ("policies: p\n", "line 1: `policies`: want a list, as in `[a, b]`"),
        ("forward: \"stdout:\"\n", "line 1: `forward`: want a list, as in `[a, b]`"),
        ("policies: {a: b}\n", "line 1: `policies`: want a list"),
        ("- listen\n", "line 1: want settings as in `deadline: 1s`, one a line"),
    ] {
        let error = file(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text} gives {error}");
    }
}

/// They may hold passwords and tokens, wherever in a URL.
#[test]
fn values_of_the_file_are_not_shown() {
    for (text, words) in [
        ("forward: https://collector/ingest?token=hush\n", "line 1: `forward`: want a list, as in"),
        ("checkpoint-to: https://a/hush\n", "line 1: `checkpoint-to`: want a list, as in"),
        ("otlp-endpoint: [https://a/hush]\n", "line 1: `otlp-endpoint`: want one word, not"),
        ("ledger: [postgres://db/a?password=hush]\n", "line 1: `ledger`: want one word, not a"),
        ("policies: [p]\nforward: {https://a/hush: 1}\n", "line 2: `forward`: want a list, as in"),
        ("forward:\n- [https://a/hush]\n", "line 2: want one word, not a list"),
        ("deadline: hush\n", "line 1: `deadline`: want a duration from 10ms to 30s"),
        ("policies: [p]\npolicies: [hush]\n", "line 2: `policies`: duplicate"),
        ("listen: 'hush\n", "line 1: "),
        ("listen: *hush\n", "line 1: "),
        ("hush\n", "want settings as in"),
    ] {
        let error = file(text).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("hush"), "{text} gives {error}");
    }
}

/// It may hold a password, which clouds make as long as they like.
#[test]
fn the_place_of_the_ledger_may_be_long_and_is_never_shown() {
    let url = format!("postgres://ana:hush{}@db/postern", "x".repeat(2000));
    let given = [&NEEDED[..], &["--ledger", &url]].concat();
    assert_eq!(flags(&given).settings().unwrap().ledger, url);
    let error = file(&format!("policies: [p]\nledger: [{url}]\n")).unwrap_err().to_string();
    assert!(error.ends_with("line 2: `ledger`: want one word, not a list"), "{error}");
}

/// As people type it who do not know that YAML takes it for a number. It became another one.
#[test]
fn what_looks_like_a_number_needs_no_quotes() {
    for (name, value) in [
        ("tls-min-version", "1.3"),
        ("cluster-name", "1.10"),
        ("cluster-name", "0x1f"),
        ("cluster-name", "true"),
        ("writer", "007"),
        ("writer", "12345678901234567890123"),
        ("tls-secret", "1e3"),
    ] {
        let quoted = file(&format!("{name}: \"{value}\"\n")).unwrap();
        assert_eq!(file(&format!("{name}: {value}\n")).unwrap(), quoted);
        assert_eq!(flags(&[&format!("--{name}"), value]), quoted);
    }
    file("tls-min-version: 1.1\n").unwrap_err();
}

#[test]
fn what_is_for_targets_needs_one() {
    for flag in ["--forward-ca", "--forward-token"] {
        let error = flags(&[&NEEDED[..], &[flag, "f"]].concat()).settings().unwrap_err();
        assert!(error.to_string().contains("needs a target"), "{error}");
        let given = [flag, "f", "--otlp-endpoint", "http://127.0.0.1:4318"];
        flags(&[&NEEDED[..], &given].concat()).settings().unwrap();
    }
}

#[test]
fn an_empty_file_gives_nothing() {
    assert_eq!(file("").unwrap(), Given::default());
    assert_eq!(file("# nothing\n").unwrap(), Given::default());
}

#[test]
fn what_is_missing_is_named_with_its_shape() {
    for left_out in ["--policies", "--tls-cert", "--tls-key"] {
        let at = NEEDED.iter().position(|flag| *flag == left_out).unwrap();
        let mut arguments = NEEDED.to_vec();
        arguments.drain(at..at + 2);
        let error = flags(&arguments).settings().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{left_out}` is not given; want ")), "{error}");
    }
}

#[test]
fn policies_of_the_cluster_need_no_folder() {
    let settings = flags(&[&NEEDED[2..], &["--cluster-policies"]].concat()).settings().unwrap();
    let cluster = settings.cluster.unwrap();
    assert!(settings.policies.is_empty() && cluster.policies);
    assert_eq!(cluster.stale_limit, Duration::from_mins(5));
    assert_eq!((cluster.allow_ttl.as_secs(), cluster.deny_ttl.as_secs()), (10, 2));
    assert!(cluster.pod_events);
    assert_eq!(cluster.follow_limit, Duration::from_hours(24));
    assert_eq!(cluster.scan_interval, Duration::from_mins(10));
    let off = flags(&[&NEEDED[2..], &["--cluster-policies=false"]].concat()).settings();
    assert!(off.unwrap_err().to_string().starts_with("`--policies` is not given; want "));
}

/// Nothing is watched, so none of it would happen.
#[test]
fn what_only_a_cluster_makes_possible_is_refused_without_one() {
    for (flag, value) in [
        ("--cluster-stale-limit", "1m"),
        ("--access-allow-ttl", "1s"),
        ("--access-deny-ttl", "1s"),
        ("--pod-events", "true"),
        ("--follow-limit", "1h"),
        ("--scan-interval", "5s"),
    ] {
        let error = flags(&[&NEEDED[..], &[flag, value]].concat()).settings().unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with(&format!("`{flag}`: ")), "{said}");
        assert!(said.contains("`--cluster-policies`"), "{said}");
        flags(&[&NEEDED[..], &[flag, value, "--cluster-policies"]].concat()).settings().unwrap();
    }
    let off = ["--pod-events=false", "--follow-limit=0s", "--scan-interval=0s"];
    let not_kept = ["--access-allow-ttl=0s", "--access-deny-ttl=0s"];
    flags(&[&NEEDED[..], &off, &not_kept].concat()).settings().unwrap();
}

#[test]
fn what_only_a_ledger_that_lasts_makes_possible_is_refused_in_memory() {
    for (flag, value) in [
        ("--ledger-key", "k"),
        ("--checkpoint-interval", "1m"),
        ("--checkpoint-to", "file:/c"),
        ("--keep-for", "400d"),
        ("--keep-records", "5000"),
        ("--keep-bytes", "20Gi"),
    ] {
        let given = flags(&[&NEEDED[..], &["--ledger", "memory", flag, value]].concat());
        let words = format!("`{flag}`: needs a ledger that lasts, and does nothing with `--ledger");
        let said = given.settings().unwrap_err().to_string();
        assert!(said.starts_with(&words), "{said}");
        flags(&[&NEEDED[..], &[flag, value]].concat()).settings().unwrap();
    }
    flags(&[&NEEDED[..], &["--ledger", "memory"]].concat()).settings().unwrap();
}

#[test]
fn a_kubeconfig_alone_is_for_what_only_a_cluster_can_tell() {
    let settings = flags(&[&NEEDED[..], &["--kubeconfig", "u"]].concat()).settings().unwrap();
    assert!(settings.cluster.is_some_and(|cluster| !cluster.policies));
    assert!(flags(&[&NEEDED[2..], &["--kubeconfig", "u"]].concat()).settings().is_err());
}

#[test]
fn what_is_done_with_pods_can_be_switched_off() {
    let off = ["--pod-events", "false", "--follow-limit", "0s", "--scan-interval", "0s"];
    let given = flags(&[&NEEDED[..], &["--kubeconfig", "u"], &off].concat());
    let cluster = given.settings().unwrap().cluster.unwrap();
    assert!(!cluster.pod_events);
    assert_eq!((cluster.follow_limit, cluster.scan_interval), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn what_is_sent_elsewhere_can_come_from_the_file() {
    let lower = file(
        "forward: [\"stdout:\", \"https://h/ file:/l\"]\n\
         forward-ca: fa\n\
         forward-token: ft\n\
         checkpoint-to: [\"file:/c\"]\n\
         otlp-endpoint: http://c:4318\n",
    );
    let expected = ForwardSettings {
        entries_to: ["stdout:", "https://h/", "file:/l"].map(str::to_owned).into(),
        checkpoints_to: vec!["file:/c".to_owned()],
        traces_to: Some("http://c:4318".to_owned()),
        ca: Some("fa".into()),
        token: Some("ft".into()),
    };
    assert_eq!(flags(&NEEDED).or(lower.unwrap()).settings().unwrap().forward, expected);
}

#[test]
fn targets_of_a_flag_replace_those_of_the_file_and_are_not_shown() {
    let lower = file("forward: [\"https://h/hunter2\"]\n").unwrap();
    let settings = flags(&NEEDED).or(lower.clone()).settings().unwrap();
    assert_eq!(settings.forward.entries_to, ["https://h/hunter2"]);
    assert!(!format!("{settings:?}").contains("hunter2"));
    let given = flags(&[&NEEDED[..], &["--forward", "a", "--forward", "b"]].concat()).or(lower);
    assert_eq!(given.settings().unwrap().forward.entries_to, ["a", "b"]);
}

/// Certificates that are made here.
const MADE: [&str; 4] = ["--policies", "p", "--tls-secret", "postern-system/postern-tls"];

fn made(arguments: &[&str]) -> Result<TlsSecret, String> {
    let settings = flags(&[&MADE, arguments].concat()).settings();
    match settings.map_err(|error| error.to_string())?.tls.serving {
        Serving::Secret(secret) => Ok(secret),
        Serving::Files { .. } => panic!("files"),
    }
}

#[test]
fn certificates_are_made_for_months_unless_said_otherwise() {
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let secret = made(&[]).unwrap();
    assert_eq!((secret.lifetime, secret.authority_lifetime), (days(90), days(365)));
    assert_eq!(
        (secret.namespace.as_deref(), secret.name.as_str()),
        (Some("postern-system"), "postern-tls")
    );
    assert_eq!((secret.names.len(), secret.webhook_configurations.as_str()), (0, "postern"));
    let secret = made(&["--tls-names", "a.b.svc,::1", "--tls-lifetime", "30d"]).unwrap();
    assert_eq!(
        (secret.names, secret.lifetime),
        (vec!["a.b.svc".to_owned(), "::1".to_owned()], days(30))
    );
}

#[test]
fn certificates_are_made_here_or_brought() {
    for (arguments, why) in [
        (
            &["--tls-cert", "c", "--tls-key", "k"][..],
            "`--tls-secret`: Postern makes the certificate",
        ),
        (&["--tls-key", "k"], "not both"),
        (&["--tls-ca-lifetime", "30d"], "`--tls-ca-lifetime`: want no less than `--tls-lifetime`"),
        (&["--client-names", "n"], "`--client-names`: names of clients need `--client-ca`"),
    ] {
        let error = made(arguments).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    for only_for_made in
        [["--webhook-configurations", "w"], ["--tls-lifetime", "1d"], ["--tls-ca-lifetime", "1d"]]
    {
        let error = flags(&[&NEEDED[..], &only_for_made].concat()).settings().unwrap_err();
        assert!(error.to_string().contains("want `--tls-secret` as well"), "{error}");
    }
    let named = flags(&[&NEEDED[..], &["--tls-names", "a.b.svc"]].concat()).settings().unwrap();
    assert!(matches!(named.tls.serving, Serving::Files { names, .. } if names == ["a.b.svc"]));
}

#[test]
fn blanks_around_names_are_no_part_of_them() {
    let given = [&NEEDED[..], &["--client-ca", "ca", "--client-names", " anyone , b"]].concat();
    assert_eq!(flags(&given).settings().unwrap().tls.client_names, ["anyone", "b"]);
    let given = [&NEEDED[..], &["--tls-names", "a.b.svc, ::1"]].concat();
    let serving = flags(&given).settings().unwrap().tls.serving;
    assert!(matches!(serving, Serving::Files { names, .. } if names == ["a.b.svc", "::1"]));
}

#[test]
fn shapes_of_settings_about_certificates() {
    let wrong = [
        ["--tls-secret", "a/b/c"],
        ["--tls-secret", "A"],
        ["--tls-names", "https://x"],
        ["--tls-names", "a, "],
        ["--tls-lifetime", "9s"],
        ["--tls-lifetime", "20000d"],
        ["--tls-min-version", "1.1"],
        ["--webhook-configurations", ""],
        ["--client-names", ""],
        ["--client-names", "a,,b"],
        ["--client-names", "a, "],
    ];
    for arguments in wrong {
        let parsed = Flags::try_parse_from([&["postern"][..], &arguments].concat());
        assert!(parsed.is_err(), "{arguments:?}");
    }
}
