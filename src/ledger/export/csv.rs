//! A table: one row for each decision, every cell in quotes.
//!
//! Spreadsheets take a cell that begins like a formula for one, whoever wrote it. Such a cell gets
//! an apostrophe in front. What would move a terminal's cursor is escaped as `\u{1b}`.

use csv::{QuoteStyle, StringRecord, Terminator, WriterBuilder};

use super::{ExportError, Item};
use crate::ledger::{Finding, Injection, Outcome, Phase, Policy, Record};
use crate::policy::text::Lines;

/// Between several values in a cell.
const BETWEEN: &str = " | ";

/// A column: its name and what stands in it.
type Column = (&'static str, fn(&Record) -> String);

/// In this order. New ones are added at the end.
const COLUMNS: [Column; 40] = [
    ("id", |it| it.id.to_string()),
    ("time", |it| it.time.to_string()),
    ("cluster", |it| it.cluster.clone()),
    ("writer", |it| it.writer.clone()),
    ("sequence", |it| it.sequence.to_string()),
    ("answer", |it| outcome(it.answer)),
    ("verdict", |it| outcome(it.verdict)),
    ("enforcement", |it| it.enforcement.clone()),
    ("amends", |it| it.amends.map(|id| id.to_string()).unwrap_or_default()),
    ("phase", |it| phase(it.phase)),
    ("surface", |it| it.surface.clone()),
    ("operation", |it| it.operation.clone()),
    ("review_uid", |it| it.review_uid.clone()),
    ("user", |it| it.requester.username.clone()),
    ("user_uid", |it| it.requester.uid.clone()),
    ("groups", |it| it.requester.groups.join(BETWEEN)),
    ("namespace", |it| it.namespace.clone()),
    ("pod", |it| it.pod.name.clone()),
    ("pod_uid", |it| it.pod.uid.clone()),
    ("pod_owner", |it| it.pod.owner.clone()),
    ("node", |it| it.pod.node.clone()),
    ("service_account", |it| it.pod.service_account.clone()),
    ("containers", |it| it.injections_total.to_string()),
    ("container_names", |it| of_each(it, |container| container.name.clone())),
    ("images", |it| of_each(it, |container| container.image.clone())),
    ("images_parsed", |it| of_each(it, image)),
    ("targets", |it| of_each(it, |container| container.target.clone().unwrap_or_default())),
    ("pod_security", |it| of_each(it, |container| container.privileges.pod_security.clone())),
    ("privileged", |it| of_each(it, |container| container.privileges.privileged.to_string())),
    ("capabilities", |it| of_each(it, |container| container.privileges.capabilities.join(", "))),
    ("variables", |it| of_each(it, variables)),
    ("mounts", |it| of_each(it, mounts)),
    ("commands", |it| of_each(it, |container| container.command.join(" "))),
    ("permitted_by", |it| of_each(it, |container| name(container.permitted_by.as_ref()))),
    ("objected_by", |it| of_finding(it, |finding| name(finding.policy.as_ref()))),
    ("constraints", |it| of_finding(it, |finding| finding.constraint.clone())),
    ("objections", |it| of_finding(it, |finding| finding.message.clone())),
    ("justification", |it| it.justification.clone().unwrap_or_default()),
    ("message", |it| it.message.clone().unwrap_or_default()),
    ("judge_us", |it| it.timings.judge_us.to_string()),
];
/// The last one is not in the record.
const CHAIN_HASH: &str = "chain_hash";
/// Those that say which record a row is.
pub(super) const PLACE: [&str; 4] = ["id", "time", "writer", "sequence"];

/// The names of the columns.
pub(super) fn head() -> Result<String, ExportError> {
    let names = COLUMNS.iter().map(|(name, _)| (*name).to_owned());
    written(names.chain([CHAIN_HASH.to_owned()]))
}

/// One decision.
pub(super) fn row(record: &Record, item: &Item<'_>) -> Result<String, ExportError> {
    let cells = COLUMNS.iter().map(|(_, value)| value(record));
    written(cells.chain([item.chain().unwrap_or_default()]).map(|text| cell(&text)))
}

/// What stands in a table below the names of its columns.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) count: u64,
    /// What the first and the last say in [`PLACE`]; nothing where the table has no such columns.
    pub(super) ends: Option<[Option<Vec<String>>; 2]>,
}

/// Reads a table; nothing where it is none.
pub(super) fn rows(table: &[u8]) -> Option<Rows> {
    let mut reader = csv::Reader::from_reader(table);
    let names = reader.headers().ok()?.clone();
    let (mut count, mut first, mut last) = (0, None, None);
    for row in reader.records() {
        let row = row.ok()?;
        count += 1;
        first.get_or_insert_with(|| row.clone());
        last = Some(row);
    }
    let column = |name| names.iter().position(|it| it == name);
    let columns: Option<Vec<_>> = PLACE.into_iter().map(column).collect();
    let ends = columns.map(|columns| {
        let place = |row: StringRecord| {
            columns.iter().filter_map(|at| row.get(*at)).map(str::to_owned).collect()
        };
        [first.map(place), last.map(place)]
    });
    Some(Rows { count, ends })
}

fn written(cells: impl Iterator<Item = String>) -> Result<String, ExportError> {
    let wrong = |error: &dyn std::fmt::Display| ExportError::Row(error.to_string());
    let mut writer = WriterBuilder::new()
        .quote_style(QuoteStyle::Always)
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(cells.map(String::into_bytes)).map_err(|error| wrong(&error))?;
    let bytes = writer.into_inner().map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map_err(|error| wrong(&error))
}

/// What a spreadsheet takes for text, and a terminal too.
pub(super) fn cell(text: &str) -> String {
    // The wide forms are those that East Asian versions read as the plain ones.
    let is_formula = text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let guard = if is_formula { "'" } else { "" };
    format!("{guard}{}", Lines(text))
}

fn of_each(record: &Record, value: impl Fn(&Injection) -> String) -> String {
    record.injections.iter().map(value).collect::<Vec<_>>().join(BETWEEN)
}

fn of_finding(record: &Record, value: impl Fn(&Finding) -> String) -> String {
    record.findings.iter().map(value).collect::<Vec<_>>().join(BETWEEN)
}

fn outcome(outcome: Outcome) -> String {
    outcome.as_str().to_owned()
}

fn phase(phase: Phase) -> String {
    match phase {
        Phase::Mutate => "Mutate".to_owned(),
        Phase::Validate => "Validate".to_owned(),
    }
}

fn image(container: &Injection) -> String {
    container.image_parsed.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// Names and sources; a record has no values.
fn variables(container: &Injection) -> String {
    let variables = container.env.iter().map(|it| format!("{} from {}", it.name, it.source));
    variables.collect::<Vec<_>>().join(", ")
}

fn mounts(container: &Injection) -> String {
    let mounts = container.mounts.iter().map(|mount| {
        let access = if mount.writable { "rw" } else { "ro" };
        format!("{} ({}) {} {access}", mount.volume, mount.kind, mount.path)
    });
    mounts.collect::<Vec<_>>().join(", ")
}

fn name(policy: Option<&Policy>) -> String {
    policy.map(|policy| policy.name.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing::{HOSTILE, hostile, injection, refusal, text};
    use super::super::{Format, Item};
    use super::{COLUMNS, PLACE, Rows, cell, head, rows};
    use crate::ledger::{Entry, Record};

    fn cells(entry: &Entry) -> BTreeMap<String, String> {
        let table = head().unwrap() + &text(Format::Csv, entry);
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let names = reader.headers().unwrap().clone();
        let row = reader.records().next().unwrap().unwrap();
        names.iter().zip(&row).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
    }

    #[test]
    fn a_row_says_who_what_where_and_why() {
        let mut record = refusal();
        let mut second = injection();
        second.image = "alpine".to_owned();
        record.injections.push(second);
        record.injections_total = 2;
        let cells = cells(&record.into());
        assert_eq!(cells.len(), COLUMNS.len() + 1);
        for (name, expected) in [
            ("answer", "Refused"),
            ("user", "jane@example.com"),
            ("groups", "dev | system:authenticated"),
            ("images", "busybox:1.36 | alpine"),
            ("variables", "DEBUG_REASON from value | DEBUG_REASON from value"),
            ("permitted_by", " | developers"),
            ("objected_by", "guard-rails"),
            ("amends", ""),
            ("judge_us", "180"),
        ] {
            assert_eq!(cells[name], expected, "{name}");
        }
        assert_eq!(cells["chain_hash"].len(), 64);
    }

    #[test]
    fn no_cell_is_a_formula() {
        for begin in ["=", "+", "-", "@", "\t", "\r", "\n", "\u{ff1d}"] {
            let text = format!("{begin}cmd|'/c calc'!A1");
            assert!(cell(&text).starts_with('\''), "{begin:?}");
        }
        assert_eq!(cell("a=b"), "a=b");
        assert_eq!(cell(""), "");
        for (name, cell) in cells(&hostile()) {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{name}: {cell:?}");
        }
    }

    #[test]
    fn a_cell_holds_commas_quotes_and_line_breaks() {
        let expected = "'=1+1,\"x\"\\u{d}\ny\\u{0}\\u{1b}[2J\\u{202e}\\u{9b}z";
        assert_eq!(cells(&hostile())["justification"], expected);
        assert!(HOSTILE.contains(",\"x\"\r\n"));
    }

    #[test]
    fn rows_are_counted_however_many_lines_they_take() {
        let table =
            head().unwrap() + &text(Format::Csv, &hostile()) + &text(Format::Csv, &hostile());
        assert!(table.lines().count() > 3);
        let read = rows(table.as_bytes()).unwrap();
        let [first, last] = read.ends.unwrap();
        assert_eq!((read.count, first.unwrap().len()), (2, PLACE.len()));
        assert_eq!(last.unwrap()[3], cells(&hostile())["sequence"]);
        assert_eq!(rows(b"a,b\nc\n"), None);
        assert_eq!(rows(b"id,time\nc,d\n"), Some(Rows { count: 1, ends: None }));
    }

    #[test]
    fn every_cell_is_quoted_and_every_row_ends_as_the_rfc_says() {
        let entry = Entry::from(Record { message: Some("a;=b".to_owned()), ..refusal() });
        let json = entry.to_json().unwrap();
        let item = Item::new(&entry, &json, None).unwrap();
        let row = Format::Csv.text(&item).unwrap().unwrap();
        assert!(row.starts_with('"') && row.ends_with("\"\r\n"), "{row}");
        assert!(row.contains(",\"a;=b\","), "{row}");
    }
}
