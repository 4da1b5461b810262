//! What was found out about a ledger, as it is printed.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use crate::ledger::verify::{Adopted, Report};
use crate::policy::text::Plain;

/// How many places are shown at which a server went on from what nobody had signed.
const MAX_ADOPTED: usize = 5;

/// What is to be told of a ledger.
pub(super) struct Told<'a> {
    /// Of each writer.
    pub(super) reports: &'a [Report],
    /// What is wrong with the database itself.
    pub(super) misfits: &'a [String],
    /// Signatures were checked.
    pub(super) is_signed: bool,
}

impl Told<'_> {
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        if self.reports.is_empty() {
            text.push_str("the ledger is empty\n");
        }
        for report in self.reports {
            self.writer(&mut text, report)?;
        }
        for misfit in self.misfits {
            writeln!(text, "the database: WRONG, a search may pass records by: {misfit}")?;
        }
        Ok(text)
    }

    fn writer(&self, text: &mut String, report: &Report) -> fmt::Result {
        let writer = Plain(&report.writer);
        match &report.fault {
            None if report.last == 0 => writeln!(text, "{writer}: no record is there")?,
            None => writeln!(text, "{writer}: good, records {} to {}", report.first, report.last)?,
            Some(fault) => writeln!(text, "{writer}: WRONG: {fault}")?,
        }
        if report.fault.is_some() {
            let good = match report.last {
                0 => "no record before it".to_owned(),
                last => format!("up to record {last}"),
            };
            writeln!(text, "  good       {good}")?;
        }
        if let Some(before) = before(report) {
            writeln!(text, "  before     records up to {before}")?;
        }
        unsigned_finds(text, report)?;
        if report.confirmed < report.last {
            let first = report.confirmed + 1;
            let line =
                format!("records {first} to {} by no checkpoint that is trusted", report.last);
            writeln!(text, "  unsigned   {line}")?;
        }
        writeln!(text, "  confirmed  {}", self.confirmed(report))?;
        for size in &report.not_compared {
            writeln!(
                text,
                "  kept       the checkpoint of {size} records has nothing left to be compared with"
            )?;
        }
        if self.is_signed && report.untrusted > 0 {
            let count = report.untrusted;
            writeln!(text, "  unknown    {count} of them were signed by another key")?;
        }
        Ok(())
    }

    fn confirmed(&self, report: &Report) -> String {
        let Some(newest) = &report.newest else { return "by no checkpoint".to_owned() };
        let unchecked = if self.is_signed { "" } else { " whose signatures were not checked" };
        let (count, size, time) = (report.checkpoints, newest.size, newest.time);
        let checkpoints = if count == 1 { "checkpoint" } else { "checkpoints" };
        format!("{count} {checkpoints}{unchecked}, the last of {size} at {time}")
    }

    pub(super) fn as_json(&self, is_all_good: bool) -> Value {
        json!({
            "good": is_all_good,
            "database": self.misfits,
            "signaturesChecked": self.is_signed,
            "writers": self.reports.iter().map(writer_as_json).collect::<Vec<_>>(),
        })
    }
}

/// What lies there without anybody's word for it, or had none when a server went on from it.
fn unsigned_finds(text: &mut String, report: &Report) -> fmt::Result {
    if let Some((first, last)) = report.leftover {
        let line = format!("records {first} to {last}, for which nothing speaks any more");
        writeln!(text, "  leftover   {line}")?;
    }
    for Adopted { entries, said_by } in report.adopted.iter().take(MAX_ADOPTED) {
        let line = format!("{entries} before record {said_by}, which no checkpoint spoke for then");
        writeln!(text, "  adopted    {line}")?;
    }
    if let Some(more @ 1..) = report.adopted.len().checked_sub(MAX_ADOPTED) {
        writeln!(text, "  adopted    and so in {more} more places")?;
    }
    Ok(())
}

/// That all of a part is gone is no good news, whatever the whole may say about it.
pub(super) fn is_good(report: &Report) -> bool {
    report.fault.is_none() && (report.last > 0 || report.unexplained == 0)
}

/// What is to be said of the records before the first that was looked at.
fn before(report: &Report) -> Option<String> {
    let Report { first, dropped, skipped, unexplained, .. } = *report;
    Some(match (dropped, skipped, unexplained) {
        (0, 0, 0) => return None,
        (.., gone) if gone > dropped.max(skipped) => {
            format!("{gone} are not here, and nothing that was looked at says why; look at all")
        }
        (dropped, ..) if dropped >= first && first > 0 => format!("{dropped} are being dropped"),
        (dropped @ 1.., ..) => format!("{dropped} are not here"),
        (_, skipped, _) => format!("{skipped} were not looked at"),
    })
}

fn writer_as_json(report: &Report) -> Value {
    let newest = report.newest.as_ref();
    let adopted = report.adopted.iter().map(|Adopted { entries, said_by }| {
        json!({
            "entries": entries, "saidBy": said_by,
        })
    });
    json!({
        "writer": report.writer,
        "good": is_good(report),
        "first": report.first,
        "last": report.last,
        "confirmed": report.confirmed,
        "dropped": report.dropped,
        "skipped": report.skipped,
        "unexplained": report.unexplained,
        "leftover": report.leftover.map(|(first, last)| json!({"first": first, "last": last})),
        "adopted": adopted.collect::<Vec<_>>(),
        "checkpoints": report.checkpoints,
        "untrustedCheckpoints": report.untrusted,
        "newestCheckpoint": newest.map(|newest| json!({
            "size": newest.size, "time": newest.time, "chain": newest.chain.to_string(),
        })),
        "notCompared": report.not_compared,
        "fault": report.fault.as_ref().map(|fault| json!({
            "sequence": fault.sequence, "message": fault.to_string(),
        })),
    })
}
