//! What people read: the text of a refusal, and warnings.
//!
//! kubectl prints a refusal behind `Error from server (Forbidden): admission webhook "…" denied the
//! request: `, so its first line stands for itself; what follows is detail.

use uuid::Uuid;

use super::structural::{Fault, FaultKind};
use crate::document;
use crate::policy::removal::Removal;
use crate::policy::rule::{Effect, Enforcement};
use crate::policy::text::{Plain, Quoted, is_plain};
use crate::policy::verdict::{Change, Finding, Ruling, Verdict};

/// Longest refusal, in bytes.
pub const MAX_REFUSAL_BYTES: usize = 1024;
/// Longest warning, in characters (`AdmissionResponse.warnings` in the API's documentation).
pub const MAX_WARNING_CHARS: usize = 120;
/// How many entries of a list of approved things are shown.
const MAX_APPROVED: usize = 6;
/// The user did nothing wrong, and can do nothing about it.
const NOT_HARDENED: &str =
    "the mutating webhook, which would have mended this, was not called; tell your administrators";
/// How many further objections are shown.
const MAX_FURTHER: usize = 4;

/// The text for structural faults: all of them, each with what to do instead.
#[must_use]
pub fn structural(faults: &[Fault], decision: Option<Uuid>) -> String {
    let Some(first) = faults.first() else { return String::new() };
    let mut head = container_prefix(&first.container);
    head.push_str(&first.to_string());
    if faults.len() > 1 {
        head.push_str(&format!(" (and {} more)", faults.len() - 1));
    }
    let lines = faults.iter().enumerate().map(|(position, fault)| match &fault.kind {
        // What is wrong is in the path already, or in the first line.
        FaultKind::ForbiddenField { .. } => format!("{}: {}", fault.path, fault.remedy()),
        _ if position == 0 => format!("{}: {}", fault.path, fault.remedy()),
        _ => {
            // The path of a removed container is that of the list, the same for all of them.
            let named = fault.container != first.container;
            let whose = if named { container_prefix(&fault.container) } else { String::new() };
            format!("{}: {whose}{fault}; {}", fault.path, fault.remedy())
        }
    });
    let tail = format!("Kubernetes does not accept this{}", decision_suffix(decision));
    assemble(head, lines, &tail)
}

/// What a user can do about a verdict that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// This command would pass.
    Try(String),
    /// Nothing: hardened by the mutating webhook the container would have passed, but it was not.
    NotHardened,
    /// Nothing that is known.
    None,
}

/// The text for a verdict that refuses.
#[must_use]
pub fn refusal(verdict: &Verdict, remedy: &Remedy, decision: Option<Uuid>) -> String {
    let mut refused = verdict.rulings.iter().filter(|ruling| !ruling.allows());
    let Some((first, finding)) = refused.next().and_then(first_finding) else {
        return "refused".to_owned();
    };
    let mut head = container_prefix(&first.container.name);
    head.push_str(&finding.objection.to_string());
    let mut lines = Vec::new();
    let approved = finding.objection.approved();
    if !approved.is_empty() {
        lines.push(format!("approved: {}", listed(&approved)));
    }
    lines.extend(further(first, finding));
    lines.extend(refused.filter_map(first_finding).map(|(ruling, finding)| {
        format!("{}{}", container_prefix(&ruling.container.name), finding.objection)
    }));
    match remedy {
        Remedy::Try(command) => lines.push(format!("try: {command}")),
        Remedy::NotHardened => lines.push(NOT_HARDENED.to_owned()),
        Remedy::None => {}
    }
    assemble(head, lines.into_iter(), &origin(finding, decision))
}

/// A refusal that has nothing to do with policy: `why` is a whole sentence.
#[must_use]
pub fn plain(why: &str, decision: Option<Uuid>) -> String {
    let text = Plain(why).to_string();
    match decision {
        Some(id) => assemble(text, core::iter::empty(), &format!("decision {id}")),
        None => text,
    }
}

fn first_finding(ruling: &Ruling) -> Option<(&Ruling, &Finding)> {
    ruling.findings.first().map(|finding| (ruling, finding))
}

/// What has to be mended besides: every Require's objections, and those of the nearest Permit. What
/// Permits further away object to is an alternative, not a duty.
fn further<'a>(ruling: &'a Ruling, first: &'a Finding) -> impl Iterator<Item = String> + 'a {
    let id = |finding: &'a Finding| finding.policy.as_ref().map(|policy| &policy.id);
    let is_permit = |finding: &&Finding| {
        finding.policy.as_ref().is_some_and(|policy| policy.effect == Effect::Permit)
    };
    let nearest = ruling.findings.iter().find(is_permit).and_then(id);
    let counts = move |finding: &&'a Finding| {
        finding.enforcement() == Enforcement::Enforce
            && (!is_permit(finding) || id(finding) == nearest)
    };
    let mut said = vec![&first.objection];
    let rest = ruling.findings.iter().skip(1).filter(counts).filter(move |finding| {
        let new = !said.contains(&&finding.objection);
        said.push(&finding.objection);
        new
    });
    rest.take(MAX_FURTHER).map(move |finding| {
        let other = finding.policy.as_ref().filter(|_| id(finding) != id(first));
        let whose = other.map(|policy| format!(" (policy {})", policy.id.name));
        format!("also: {}{}", finding.objection, whose.unwrap_or_default())
    })
}

/// `policy developers (spec.containers.images.allow), decision 019ab3…, contact #platform-help`
fn origin(finding: &Finding, decision: Option<Uuid>) -> String {
    let constraint = finding.objection.constraint();
    let who = match &finding.policy {
        Some(policy) => format!("policy {} ({constraint})", policy.id.name),
        None => "no matching policy".to_owned(),
    };
    let contact =
        finding.contact().map(|text| format!(", contact {}", Plain(text))).unwrap_or_default();
    format!("{who}{}{contact}", decision_suffix(decision))
}

fn decision_suffix(decision: Option<Uuid>) -> String {
    decision.map(|id| format!(", decision {id}")).unwrap_or_default()
}

/// `container "debugger-x7k2p": `, or nothing where it is about the request as a whole.
fn container_prefix(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("container \"{}\": ", Plain(name)) }
}

fn listed(approved: &[&str]) -> String {
    let shown: Vec<String> =
        approved.iter().take(MAX_APPROVED).map(|text| Plain(text).to_string()).collect();
    let more = approved.len().saturating_sub(shown.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", shown.join(", "))
}

/// Head, as many lines as fit, and the tail, which always fits.
fn assemble(mut head: String, lines: impl Iterator<Item = String>, tail: &str) -> String {
    const ROOM_FOR_COUNT: usize = 24;
    let tail = cut(tail, MAX_REFUSAL_BYTES / 3);
    let room = MAX_REFUSAL_BYTES.saturating_sub(tail.len() + 3 + ROOM_FOR_COUNT);
    head = cut(&head, room).to_owned();
    let mut left_out = 0_usize;
    for line in lines {
        if left_out == 0 && head.len() + 3 + line.len() <= room {
            head.push_str("\n  ");
            head.push_str(&line);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        head.push_str(&format!("\n  … and {left_out} more"));
    }
    format!("{head}\n  {tail}")
}

/// At most `bytes` of it, at a character's end.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// A warning: at most 120 characters, and none that the API server would drop it for.
#[must_use]
pub fn warning(text: &str) -> String {
    let plain: String = text.chars().filter(|character| is_plain(*character)).collect();
    if plain.chars().count() <= MAX_WARNING_CHARS {
        return plain;
    }
    let mut short: String = plain.chars().take(MAX_WARNING_CHARS - 1).collect();
    short.push('…');
    short
}

/// The warning for one objection that is not enforced.
#[must_use]
pub fn objection_warning(ruling: &Ruling, finding: &Finding) -> String {
    let policy = finding.policy.as_ref().map_or("no policy", |policy| &policy.id.name);
    let container = Quoted(&ruling.container.name);
    warning(&format!("{policy}: container {container}: {}", finding.objection))
}

/// The warning for a field that is not as it was asked; none where it was merely filled in.
#[must_use]
pub fn change_warning(ruling: &Ruling, change: &Change) -> Option<String> {
    change.asked.as_ref()?;
    let policy = ruling.permit.as_ref().map_or("", |policy| &policy.id.name);
    let value = document::value(&change.setting);
    let field = change.setting.path().join(".");
    let container = Quoted(&ruling.container.name);
    Some(warning(&format!("{policy}: container {container}: {field} is set to {value}")))
}

/// The warning for what is taken away.
#[must_use]
pub fn removal_warning(ruling: &Ruling, removal: &Removal) -> String {
    let policy = ruling.permit.as_ref().map_or("", |policy| &policy.id.name);
    let container = Quoted(&ruling.container.name);
    warning(&format!("{policy}: container {container}: {removal}"))
}

#[cfg(test)]
mod tests;
