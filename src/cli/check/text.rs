//! A report for people: what the user would see, what changes, and why.

use serde_json::Value;
use similar::TextDiff;

use super::examine::Change;
use super::explanation;
use super::report::{ContainerReport, FindingReport, PhaseReport, Report};
use crate::policy::text::{Line, Lines};

/// The report, nothing in it raw, with an empty line at its end.
pub(super) fn render(report: &Report) -> String {
    let answer = if report.allowed { "allowed" } else { "refused" };
    let head = format!("{}: {answer} ({})\n", Line(&report.review), report.reason);
    let faults = report
        .faults
        .iter()
        .map(|fault| format!("  {}: {}; {}\n", Line(&fault.path), fault.message, fault.remedy));
    let rulings = report.containers.iter().flat_map(ruling);
    let sections = [
        section("", as_seen(&report.phases)),
        section("faults:\n", faults.collect()),
        section("policy:\n", rulings.collect()),
        section("each policy:\n", explanation::render(report.explanation.as_deref())),
        section("", report.changes.iter().map(diff).collect()),
    ];
    Lines(&(head + &sections.concat() + "\n")).to_string()
}

fn section(title: &str, text: String) -> String {
    if text.is_empty() { text } else { format!("\n{title}{text}") }
}

/// What kubectl prints of the webhooks' answers; the API server sends a warning once.
fn as_seen(phases: &[PhaseReport]) -> String {
    let mut warnings: Vec<_> = phases.iter().flat_map(|phase| &phase.warnings).collect();
    warnings.dedup();
    let warnings = warnings.into_iter().map(|warning| format!("Warning: {warning}\n"));
    let refusals = phases.iter().filter_map(|phase| {
        let message = phase.message.as_ref()?;
        let webhook = format!("\"{}.postern.dev\"", phase.phase);
        Some(format!(
            "Error from server (Forbidden): admission webhook {webhook} denied the request: \
             {message}\n"
        ))
    });
    warnings.chain(refusals).collect()
}

fn ruling(container: &ContainerReport) -> Vec<String> {
    let ContainerReport { name, allowed, permit, findings } = container;
    let name = Line(name);
    let permit = permit
        .iter()
        .filter(|_| *allowed)
        .map(|policy| format!("  container \"{name}\": permitted by {policy}\n"));
    let findings = findings.iter().map(|finding| {
        let FindingReport { policy, enforcement, constraint, message } = finding;
        let policy = policy.as_deref().unwrap_or("no policy");
        format!("  container \"{name}\": {policy} ({constraint}, {enforcement}): {message}\n")
    });
    permit.chain(findings).collect()
}

fn diff(change: &Change) -> String {
    let (asked, stored) = (yaml(&change.asked), yaml(&change.stored));
    let name = Line(&change.container);
    TextDiff::from_lines(&asked, &stored)
        .unified_diff()
        .header(&format!("{name} as asked"), &format!("{name} as stored"))
        .to_string()
}

/// A container as YAML, without the values of its variables: a log of this may be kept.
fn yaml(container: &Value) -> String {
    let mut container = container.clone();
    let env = container.get_mut("env").and_then(Value::as_array_mut);
    for value in env.into_iter().flatten().filter_map(|variable| variable.get_mut("value")) {
        *value = "(redacted)".into();
    }
    serde_saphyr::to_string(&container).unwrap_or_else(|error| format!("{error}\n"))
}
