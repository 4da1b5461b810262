//! Many records, a line each.
//!
//! Everything in a record was written by somebody else and is escaped here.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};
use uuid::Uuid;

use super::events::InWords;
use crate::ledger::{Event, Outcome, Record};
use crate::policy::text::Plain;

const HEADER: [&str; 8] =
    ["TIME", "ANSWER", "USER", "NAMESPACE", "POD", "IMAGE", "PRIVILEGE", "DECISION"];

/// Fewest characters of an id that are shown: those that tell the millisecond.
const SHORT_ID: usize = 13;

/// One line for each event, under a header.
pub(super) fn render_events(events: &[Event]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["TIME", "EVENT", "WRITER", "WHAT"]);
    for event in events {
        table.add_row([
            event.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            event.what.as_str().to_owned(),
            cell(&event.writer, 18),
            InWords(&event.what).to_string(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// One line for each record, under a header. Those that are `amended` were taken back.
pub(super) fn render(records: &[Record], amended: &BTreeSet<Uuid>) -> String {
    let id_length = short_id_length(records);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    for record in records {
        let id = record.id.to_string();
        table.add_row([
            record.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            answer(record, amended),
            cell(&record.requester.username, 18),
            cell(&record.namespace, 14),
            cell(&record.pod.name, 24),
            images(record),
            privilege(record),
            id.get(..id_length).unwrap_or(&id).to_owned(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

fn answer(record: &Record, amended: &BTreeSet<Uuid>) -> String {
    let answer = match record.answer {
        Outcome::Allowed => "allowed",
        Outcome::Refused => "REFUSED",
    };
    let more = match record.amends {
        Some(_) => " (amends)",
        None if amended.contains(&record.id) => " (amended)",
        None => "",
    };
    format!("{answer}{more}")
}

fn images(record: &Record) -> String {
    match record.injections.as_slice() {
        [] => String::new(),
        [injection] => cell(&injection.image, 22),
        [first, ..] => {
            let others = record.injections_total.saturating_sub(1);
            format!("{} +{others}", cell(&first.image, 18))
        }
    }
}

/// What stands out most: a privileged container, capabilities that were added, or else the level of
/// the Pod Security Standards that is kept.
fn privilege(record: &Record) -> String {
    let privileges = || record.injections.iter().map(|injection| &injection.privileges);
    if privileges().any(|privileges| privileges.privileged) {
        return "privileged".to_owned();
    }
    let added: BTreeSet<&str> =
        privileges().flat_map(|p| &p.capabilities).map(String::as_str).collect();
    if !added.is_empty() {
        return cell(&format!("+{}", Vec::from_iter(added).join(",")), 18);
    }
    let keeps = |level: &str| privileges().any(|privileges| privileges.pod_security == level);
    let levels = [("privileged", "above baseline"), ("baseline", "baseline")];
    let level = levels.into_iter().find(|(level, _)| keeps(level)).map(|(_, shown)| shown);
    level.unwrap_or(if record.injections.is_empty() { "" } else { "restricted" }).to_owned()
}

/// As few characters as tell these records apart.
fn short_id_length(records: &[Record]) -> usize {
    let ids: Vec<_> = records.iter().map(|record| record.id.to_string()).collect();
    (SHORT_ID..Uuid::nil().to_string().len())
        .find(|length| {
            let short: BTreeSet<_> = ids.iter().map(|id| id.get(..*length)).collect();
            short.len() == ids.len()
        })
        .unwrap_or(usize::MAX)
}

/// At most `width` characters, with the beginning and the end of what is longer: pods and images
/// differ in their last characters.
fn cell(text: &str, width: usize) -> String {
    let text: Vec<_> = Plain(text).to_string().chars().collect();
    if text.len() <= width {
        return text.into_iter().collect();
    }
    let tail = width / 2;
    let head = text.iter().take(width - tail - 1);
    head.chain(['…'].iter()).chain(text.iter().skip(text.len() - tail)).collect()
}
