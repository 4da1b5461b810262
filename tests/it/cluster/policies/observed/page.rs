//! The page of metrics is what a server shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::loaded;
use super::series::{sample, values};
use crate::documented::is_page;

const HEAD: &str = "\
# Metrics

Written from what a running server shows (`UPDATE_DOCS=1 cargo test --test it page_of_metrics`).
`GET /metrics` on `--health-listen` answers in OpenMetrics where that is asked for, as Prometheus does,
else in the text format before it. What to watch, and what to do about it, is in
[operate.md](operate.md); a dashboard and alerts are in `deploy/chart/files`.

No label holds a user, a pod, a namespace or an image: whoever may ask could make as many series as
they like. A decision's id is on no series either; with `--metrics-exemplars` the buckets of
`postern_review_duration_seconds` carry one as an exemplar, for a Prometheus that runs with
`--enable-feature=exemplar-storage`. All counters of the table are there from the start, at zero.

";

#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

#[test]
fn the_page_of_metrics_is_what_a_server_shows() {
    let text = loaded().metrics_with("postern_forwarded_entries_total{target=\"file-1\"} ");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "HELP", name, help] => {
                current = (*name).to_owned();
                let help = help.trim_end_matches('.').to_owned();
                families.insert(current.clone(), Family { help, ..Family::default() });
            }
            ["#", "TYPE", _, kind] => families.get_mut(&current).unwrap().kind = (*kind).to_owned(),
            ["#", ..] => {}
            _ => {
                let (_, labels) = sample(line);
                let labels = labels.into_keys().filter(|label| label != "le");
                families.get_mut(&current).unwrap().labels.extend(labels);
            }
        }
    }
    assert!(families.len() > 30, "{}", families.len());
    is_page("docs/metrics.md", &page(families));
}

fn page(families: BTreeMap<String, Family>) -> String {
    let mut page = HEAD.to_owned();
    let mut used = BTreeSet::new();
    page += "| metric | type | labels | |\n| --- | --- | --- | --- |\n";
    for (name, Family { kind, help, labels }) in families {
        let ending = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let shown: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{name}{ending}` | {kind} | {} | {help} |", shown.join(", ")).unwrap();
        used.extend(labels);
    }
    page += "\n## Labels\n\n| label | values |\n| --- | --- |\n";
    for (label, values) in values().into_iter().filter(|(label, _)| used.contains(*label)) {
        let values: Vec<_> = match label {
            "target" => {
                vec!["kind and place of a target among the settings, as in `http-2`".to_owned()]
            }
            "version" => vec!["of the running program".to_owned()],
            _ => values.iter().map(|value| format!("`{value}`")).collect(),
        };
        writeln!(page, "| `{label}` | {} |", values.join(", ")).unwrap();
    }
    page
}
