//! One record in full: who, what, where, when and why.
//!
//! Everything in a record was written by somebody else and is escaped here.

use std::fmt::{self, Display, Write};

use uuid::Uuid;

use super::events::{Became, InWords};
use crate::ledger::event::{SettingChange, What};
use crate::ledger::{Event, Finding, Injection, Mount, Outcome, Policy, Privileges, Record};
use crate::policy::text::{Plain, is_plain};

/// Where values begin.
const COLUMN: usize = 16;

/// `amended_by` is the record that takes this one back; `observed` is what became of its containers.
pub(super) fn render(record: &Record, amended_by: Option<Uuid>, observed: &[Event]) -> String {
    let mut sheet = Sheet::default();
    sheet.line("Decision", record.id);
    sheet.line("Answer", answer(record));
    if let Some(id) = record.amends {
        sheet.line("Amends", format_args!("{id}, whose answer was not delivered"));
    }
    if let Some(id) = amended_by {
        sheet.line("Amended by", format_args!("{id}: this answer was not delivered"));
    }
    sheet.line("Time", record.time);
    who(&mut sheet, record);
    place(&mut sheet, record);
    sheet.line("What", format_args!("{}, {}", Whole(&record.surface), Whole(&record.operation)));
    sheet.text("  review", &record.review_uid);
    if let Some(justification) = &record.justification {
        sheet.text("Reason given", justification);
    }
    for injection in &record.injections {
        container(&mut sheet, injection);
    }
    let kept = record.injections.len();
    if record.injections_total > kept {
        let total = record.injections_total;
        sheet.line("", format_args!("… the first {kept} of {total} containers are recorded"));
    }
    for finding in &record.findings {
        why(&mut sheet, finding);
    }
    if let Some(message) = &record.message {
        sheet.text("Told", message);
    }
    for event in observed {
        if let What::Observed { container, outcome, .. } = &event.what {
            sheet.line("Afterwards", format_args!("{} {}", Plain(container), Became(outcome)));
            sheet.line("  seen", event.time);
        }
    }
    let Record { writer, sequence, phase, timings, .. } = record;
    sheet.line("Record", format_args!("{sequence} of {}", Whole(writer)));
    sheet.line("  judged in", format_args!("{} µs ({phase:?})", timings.judge_us));
    sheet.text
}

/// An event in full.
pub(super) fn render_event(event: &Event) -> String {
    let mut sheet = Sheet::default();
    sheet.line("Event", event.what.as_str());
    sheet.line("  id", event.id);
    sheet.line("Time", event.time);
    sheet.text("Cluster", &event.cluster);
    sheet.line("What", InWords(&event.what));
    match &event.what {
        What::Started { settings, .. } => {
            for (name, value) in settings {
                sheet.line("  setting", format_args!("{} = {}", Whole(name), Whole(value)));
            }
        }
        What::SettingsChanged { changed } => {
            for SettingChange { name, before, now } in changed {
                let (before, now) = (before.as_deref(), now.as_deref());
                let (before, now) = (before.unwrap_or_default(), now.unwrap_or_default());
                let values = format_args!("{}: {} → {}", Whole(name), Whole(before), Whole(now));
                sheet.line("  setting", values);
            }
        }
        What::PoliciesChanged { added, .. } => {
            added.iter().for_each(|policy| sheet.text("  policy", &version(policy)));
        }
        What::Observed { decision, .. } => sheet.line("  decision", decision),
        What::KeyRotated { note } => sheet.text("  note", note),
        What::Dropped { checkpoint, .. } => sheet.text("  checkpoint", checkpoint),
        _ => {}
    }
    let Event { writer, sequence, .. } = event;
    sheet.line("Record", format_args!("{sequence} of {}", Whole(writer)));
    sheet.text
}

fn answer(record: &Record) -> String {
    let word = |outcome| match outcome {
        Outcome::Allowed => "allowed",
        Outcome::Refused => "refused",
    };
    let answer = word(record.answer);
    let enforcement = Whole(&record.enforcement);
    if record.verdict == record.answer {
        format!("{answer} (enforcement {enforcement})")
    } else {
        format!("{answer}, though policy says {} (enforcement {enforcement})", word(record.verdict))
    }
}

fn who(sheet: &mut Sheet, record: &Record) {
    let requester = &record.requester;
    sheet.text("Who", &requester.username);
    sheet.text("  uid", &requester.uid);
    sheet.text("  groups", &requester.groups.join(", "));
    for (key, values) in &requester.extra {
        let values = values.join(", ");
        sheet.line("  extra", format_args!("{} = {}", Whole(key), Whole(&values)));
    }
}

fn place(sheet: &mut Sheet, record: &Record) {
    let pod = &record.pod;
    sheet.line("Where", format_args!("{}/{}", Whole(&record.namespace), Whole(&pod.name)));
    sheet.text("  pod uid", &pod.uid);
    sheet.text("  owner", &pod.owner);
    sheet.text("  node", &pod.node);
    sheet.text("  account", &pod.service_account);
    sheet.text("  cluster", &record.cluster);
}

fn container(sheet: &mut Sheet, injection: &Injection) {
    sheet.text("Container", &injection.name);
    sheet.text("  image", &injection.image);
    match &injection.image_parsed {
        Some(parsed) => sheet.text("  resolved", &parsed.to_string()),
        None => sheet.line("  resolved", "not an image reference"),
    }
    sheet.text("  target", injection.target.as_deref().unwrap_or_default());
    sheet.text("  privileges", &privileges(&injection.privileges));
    for variable in &injection.env {
        let source = Whole(&variable.source);
        sheet.line("  variable", format_args!("{} from {source}", Whole(&variable.name)));
    }
    for mount in &injection.mounts {
        sheet.text("  volume", &volume(mount));
    }
    let words: Vec<_> = injection.command.iter().map(|word| shell_word(word)).collect();
    sheet.text("  command", &words.join(" "));
    if injection.interactive {
        sheet.line("  interactive", "yes");
    }
    if let Some(policy) = &injection.permitted_by {
        sheet.text("  permitted by", &version(policy));
    }
    for change in &injection.changes {
        let value = Whole(&change.value);
        sheet.line("  as it sets", format_args!("+ {}: {value}", Whole(&change.field)));
    }
}

fn why(sheet: &mut Sheet, finding: &Finding) {
    sheet.text("Objection", &finding.message);
    sheet.text("  container", &finding.container);
    if let Some(policy) = &finding.policy {
        sheet.text("  policy", &version(policy));
    }
    sheet.text("  because of", &finding.constraint);
    sheet.text("  weight", &finding.enforcement);
}

fn privileges(privileges: &Privileges) -> String {
    let Privileges {
        pod_security,
        privileged,
        capabilities,
        run_as_user,
        run_as_non_root,
        allow_privilege_escalation,
    } = privileges;
    let mut words = vec![format!("Pod Security level {pod_security}")];
    if *privileged {
        words.push("privileged: true".to_owned());
    }
    words.extend(capabilities.iter().map(|name| format!("capability {name}")));
    words.extend(run_as_user.map(|user| format!("runAsUser {user}")));
    words.extend(run_as_non_root.map(|it| format!("runAsNonRoot {it}")));
    words.extend(allow_privilege_escalation.map(|it| format!("allowPrivilegeEscalation {it}")));
    words.join(", ")
}

/// Quoted where it would otherwise not be seen where a word ends.
pub(super) fn shell_word(word: &str) -> String {
    let is_bare = |c: char| c.is_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_bare) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn volume(mount: &Mount) -> String {
    let Mount { volume, kind, path, writable } = mount;
    let access = if *writable { "read and write" } else { "read only" };
    let kind = if kind.is_empty() { "kind not known" } else { kind };
    let place = if path.is_empty() { "as a device".to_owned() } else { format!("at {path}") };
    format!("{volume} ({kind}) {place}, {access}")
}

fn version(policy: &Policy) -> String {
    let Policy { name, uid: _, generation, hash } = policy;
    let generation = generation.map_or(String::new(), |number| format!("generation {number}, "));
    format!("{name} ({generation}spec sha256 {hash})")
}

/// Labels on the left, values in a column beside them.
#[derive(Default)]
struct Sheet {
    text: String,
}

impl Sheet {
    /// Every line of a value that others wrote; nothing for an empty one.
    fn text(&mut self, label: &str, value: &str) {
        let labels = std::iter::once(label).chain(std::iter::repeat(""));
        for (label, line) in labels.zip(value.lines()) {
            self.line(label, Whole(line));
        }
    }

    /// A value that is safe already.
    fn line(&mut self, label: &str, value: impl Display) {
        self.text.push_str(&format!("{label:COLUMN$}{value}\n"));
    }
}

/// As [`crate::policy::text::Plain`], but not cut: here the whole text is what was asked for.
struct Whole<'a>(&'a str);

impl Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| {
            if is_plain(character) {
                f.write_char(character)
            } else {
                write!(f, "{}", character.escape_unicode())
            }
        })
    }
}
