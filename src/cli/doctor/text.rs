//! A report for people.

use super::report::{EvidenceReport, FindingReport, Report};
use crate::doctor::Severity;
use crate::policy::text::{Line, Lines};

/// How many lines of evidence are shown.
const SHOWN: usize = 6;
/// How much of one value is shown, in characters.
const LONG: usize = 300;

/// The report, nothing in it raw.
pub(super) fn render(report: &Report) -> String {
    let Report { guarded, told, fail_on, server, tried_on, tried_as, summary, findings } = report;
    let tried = match tried_on {
        Some(pod) => format!(", tried on pod {pod} as {tried_as}"),
        None => String::new(),
    };
    let head = format!("Kubernetes {server}{tried}\n\n");
    let counts = Severity::ALL.map(|severity| (severity.as_str(), summary.get(severity.as_str())));
    let counts = counts.into_iter().filter_map(|(name, count)| {
        let count = *count.filter(|count| **count > 0)?;
        Some(format!("{count} {name}"))
    });
    let counts: Vec<_> = counts.collect();
    let answer = match (guarded, told) {
        (true, _) => "Guarded: ",
        (false, true) => "NOT guarded: ",
        (false, false) => "NOT guarded: nothing tells that it is; ",
    };
    let foot = format!("{answer}{} (--fail-on {fail_on})\n", counts.join(", "));
    let body: String = findings.iter().map(finding).collect();
    Lines(&(head + &body + &foot)).to_string()
}

fn finding(finding: &FindingReport) -> String {
    let FindingReport { code, severity, accepted, what, evidence, remedy } = finding;
    let mark = if *accepted { ", accepted" } else { "" };
    let head = format!("{} [{code}{mark}] {}\n", severity.to_uppercase(), Line(what));
    let holders = evidence.iter().all(|it| it.field == "has");
    let shown = match *severity {
        // Who has a right that is nothing bad: whom is enough.
        "info" if holders && !evidence.is_empty() => who(evidence),
        _ => evidence.iter().take(SHOWN).map(seen).collect(),
    };
    let more = match evidence.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("  and {more} more; -o json has all\n"),
        _ => String::new(),
    };
    let remedy = match (*severity, remedy.starts_with("Nothing to do")) {
        (_, true) => String::new(),
        _ => format!("  remedy: {}\n", Line(remedy)),
    };
    format!("{head}{shown}{more}{remedy}\n")
}

fn who(evidence: &[EvidenceReport]) -> String {
    let names = evidence.iter().take(SHOWN).map(|it| it.object.as_str());
    let mut names: Vec<_> = names.collect();
    names.dedup();
    format!("  {}\n", Line(&names.join(", ")))
}

fn seen(evidence: &EvidenceReport) -> String {
    let EvidenceReport { object, field, value } = evidence;
    let lines: Vec<_> = value.lines().map(str::trim).collect();
    let whole = lines.join(" / ");
    let mut value: String = whole.chars().take(LONG).collect();
    if value.len() < whole.len() {
        value.push('…');
    }
    format!("  {} {}: {}\n", Line(object), Line(field), Line(&value))
}
