//! Labels and their values are few, whoever asks for whatever.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use postern::gate::Reason;
use regex::Regex;

use super::{MANY, OPEN_METRICS, loaded};
use crate::alerts::promtool;

/// All series of a server with two targets. A new metric may raise it; a new user may not.
const MOST: usize = 180;
/// Of one histogram.
const MOST_BUCKETS: usize = 12;

/// Which values each label has.
pub(super) fn values() -> BTreeMap<&'static str, Vec<String>> {
    let words = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    BTreeMap::from([
        ("answer", words("allowed refused")),
        ("check", words("running certificate tokens policies ledger cluster")),
        ("dry_run", words("false true")),
        ("effect", words("Permit Require")),
        ("enforcement", words("Audit Warn Enforce")),
        ("kind", words("serving client_ca ca retiring_ca")),
        ("phase", words("mutate validate")),
        ("reason", Reason::ALL.map(|reason| reason.as_str().to_owned()).to_vec()),
        ("result", words("done failed limited missed granted denied late")),
        ("status", words("400 401 404 405 408 413 415 500 503 504")),
        ("target", words("file-1")),
        ("version", words(env!("CARGO_PKG_VERSION"))),
        ("what", words("serving ca bundle webhooks")),
        ("watch", words("policies namespaces")),
    ])
}

/// One line of `/metrics`: its name and its labels.
pub(super) fn sample(line: &str) -> (String, BTreeMap<String, String>) {
    let label = Regex::new(r#"([a-z_]+)="((?:[^"\\]|\\.)*)""#).unwrap();
    let name = line.split(['{', ' ']).next().unwrap().to_owned();
    let labels = line.strip_prefix(&name).unwrap();
    let labels = label.captures_iter(labels.split('}').next().unwrap());
    (name, labels.map(|it| (it[1].to_owned(), it[2].to_owned())).collect())
}

#[test]
fn no_series_is_made_by_who_asks_for_what() {
    let loaded = loaded();
    loaded.metrics_with("postern_pod_scans_total{result=\"done\"} ");
    let before = loaded.metrics(OPEN_METRICS);
    loaded.work();
    let text = loaded.metrics(OPEN_METRICS);
    assert!(text.ends_with("# EOF\n"));
    assert!(!text.contains(" # {"), "no exemplars, unless they are asked for");
    let samples = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(samples(&text), samples(&before), "the same, however often they ask");
    assert!(samples(&text).len() <= MOST, "{} series", samples(&text).len());

    let values = values();
    let mut buckets: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in samples(&text) {
        let (name, mut labels) = sample(&line);
        if let Some(bound) = labels.remove("le") {
            buckets.entry((name, labels.clone())).or_default().insert(bound);
        }
        for (label, value) in labels {
            let known = values.get(label.as_str()).unwrap_or_else(|| panic!("`{label}`: {line}"));
            assert!(known.contains(&value), "`{value}`: {line}");
        }
    }
    for (name, bounds) in buckets {
        assert!(bounds.len() <= MOST_BUCKETS, "{name:?}: {bounds:?}");
        assert!(bounds.contains("0.0005") && bounds.contains("2.5"), "{name:?}: {bounds:?}");
    }
    // And the work was seen: each review that was sent is one of those that were counted.
    let counted = text.lines().filter(|line| line.starts_with("postern_reviews_total{"));
    let counted: usize =
        counted.map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()).sum();
    assert!(counted >= 4 * MANY, "{counted}");
}

#[test]
fn each_metric_is_named_and_explained_as_prometheus_wants_it() {
    let loaded = loaded();
    loaded.metrics_with("postern_forwarded_entries_total{target=\"file-1\"} ");
    let classic = loaded.metrics("text/plain");
    assert!(!classic.contains("# EOF"), "{classic}");
    let mut promtool = Command::new(promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), classic.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
    assert_eq!(said, "");
}
