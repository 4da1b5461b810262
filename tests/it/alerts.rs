//! The alerts that are delivered: what promtool says of them, and whether each fires as it should.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use regex::Regex;
use serde::Deserialize;

use crate::cluster::support::built_by;

const RULES: &str = "deploy/chart/files/rules.yaml";

#[derive(Debug, Deserialize)]
pub(crate) struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    pub(crate) alert: String,
    pub(crate) expr: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// `tests/prometheus/alerts.yaml`
#[derive(Debug, Deserialize)]
struct Cases {
    well: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    fires: Vec<String>,
    #[serde(default)]
    at: Option<String>,
    #[serde(default)]
    without: Option<String>,
    #[serde(default)]
    with: BTreeMap<String, String>,
}

/// Every alert, in order.
pub(crate) fn rules() -> Vec<Rule> {
    let rules: Rules = serde_saphyr::from_str(&fs::read_to_string(RULES).unwrap()).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// Prometheus' own tool, built once.
pub(crate) fn promtool() -> PathBuf {
    built_by("tests/prometheus/build.sh", &[]).join("promtool")
}

/// Each metric that is named in an expression.
pub(crate) fn metrics_in(expression: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(postern|apiserver|process)_[a-z0-9_]+").unwrap();
    name.find_iter(expression).map(|found| found.as_str().to_owned()).collect()
}

fn cases() -> Cases {
    serde_saphyr::from_str(&fs::read_to_string("tests/prometheus/alerts.yaml").unwrap()).unwrap()
}

#[test]
fn each_alert_says_what_is_wrong_how_bad_it_is_and_where_help_is() {
    let checked = Command::new(promtool()).args(["check", "rules", "--lint=all", RULES]).output();
    let checked = checked.unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    assert!(said.contains("SUCCESS"), "{said}");

    let page = fs::read_to_string("docs/operate.md").unwrap();
    let headings: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("### Postern")).collect();
    let mut names = BTreeSet::new();
    for Rule { alert, expr, labels, annotations } in rules() {
        assert!(["critical", "warning", "info"].contains(&labels["severity"].as_str()), "{alert}");
        assert!(!annotations["summary"].contains("{{"), "{alert}: a summary is for a subject line");
        assert!(annotations["description"].ends_with('.'), "{alert}");
        let anchor = format!("docs/operate.md#{}", alert.to_lowercase());
        assert!(annotations["runbook_url"].ends_with(&anchor), "{alert}");
        let name = alert.strip_prefix("Postern").unwrap();
        assert!(headings.contains(name), "docs/operate.md says nothing of {alert}");
        assert!(!metrics_in(&expr).is_empty(), "{alert}");
        names.insert(name.to_owned());
    }
    for heading in headings {
        assert!(
            names.contains(heading),
            "docs/operate.md speaks of Postern{heading}, which is none"
        );
    }
}

#[test]
fn each_alert_fires_where_it_should_and_nowhere_else() {
    let Cases { well, cases } = cases();
    let rules = rules();
    // What is silent because there is nothing to see is not silent because all is well.
    for Rule { alert, expr, .. } in &rules {
        for metric in metrics_in(expr) {
            let is_seen = |series: &String| series.starts_with(&format!("{metric}{{"));
            let by_fault = metric.ends_with("_exclusions_total") || metric.ends_with("_open_count");
            assert!(by_fault || well.keys().any(is_seen), "{alert}: no {metric} where all is well");
        }
        let fires = |case: &&Case| case.fires.contains(alert);
        assert!(cases.iter().any(|case| fires(&case)), "nothing makes {alert} fire");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.test.yaml");
    fs::write(&path, for_promtool(&well, &cases)).unwrap();
    let tested = Command::new(promtool()).args(["test", "rules"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&tested.stdout) + String::from_utf8_lossy(&tested.stderr);
    assert!(tested.status.success(), "{said}");
    assert!(said.contains("SUCCESS"), "{said}");
}

/// The cases as promtool reads them.
fn for_promtool(well: &BTreeMap<String, String>, cases: &[Case]) -> String {
    let rules = fs::canonicalize(RULES).unwrap();
    let mut text =
        format!("rule_files: ['{}']\nevaluation_interval: 1m\ntests:\n", rules.display());
    for case in cases {
        let without = |series: &str| case.without.as_deref().is_some_and(|it| series.contains(it));
        let mut series: BTreeMap<String, &str> = BTreeMap::new();
        for (name, values) in well {
            series.extend(spelled_out(name).into_iter().map(|name| (name, values.as_str())));
        }
        series.retain(|name, _| !without(name));
        for (name, values) in &case.with {
            series.extend(spelled_out(name).into_iter().map(|name| (name, values.as_str())));
        }
        write!(text, "- name: {:?}\n  interval: 1m\n  input_series:\n", case.name).unwrap();
        for (name, values) in series {
            writeln!(text, "  - {{series: '{name}', values: '{values}'}}").unwrap();
        }
        let at = case.at.as_deref().unwrap_or("60m");
        text += "  promql_expr_test:\n";
        text += "  - expr: group by (alertname) (ALERTS{alertstate=\"firing\"})\n";
        write!(text, "    eval_time: {at}\n    exp_samples:\n").unwrap();
        for alert in &case.fires {
            writeln!(text, "    - {{labels: '{{alertname=\"{alert}\"}}', value: 1}}").unwrap();
        }
    }
    text
}

/// A series for each of those that a short name stands for.
fn spelled_out(series: &str) -> Vec<String> {
    let server = |letter: char| format!(r#"job="postern",instance="{letter}:9090""#);
    let series = series.replace("$api", r#"job="apiserver",instance="m:6443""#);
    match series.contains("$server") {
        true => ['a', 'b'].map(|letter| series.replace("$server", &server(letter))).to_vec(),
        false => vec![series.replace("$one", &server('a'))],
    }
}
