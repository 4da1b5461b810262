//! What was found out about a ledger, as it is printed.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use crate::ledger::verify::Report;
use crate::policy::text::Plain;

pub(super) fn text(reports: &[Report], asks_for_signatures: bool) -> Result<String, fmt::Error> {
    let mut text = String::new();
    if reports.is_empty() {
        text.push_str("the ledger is empty\n");
    }
    for report in reports {
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
        if report.confirmed < report.last {
            let first = report.confirmed + 1;
            let line =
                format!("records {first} to {} by no checkpoint that is trusted", report.last);
            writeln!(text, "  unsigned   {line}")?;
        }
        let signed = match (&report.newest, asks_for_signatures) {
            (None, _) => "by no checkpoint".to_owned(),
            (Some(newest), true) => {
                format!(
                    "{} checkpoints, the last of {} at {}",
                    report.checkpoints, newest.size, newest.time
                )
            }
            (Some(newest), false) => format!(
                "{} checkpoints whose signatures were not checked, the last of {} at {}",
                report.checkpoints, newest.size, newest.time
            ),
        };
        writeln!(text, "  confirmed  {signed}")?;
        if asks_for_signatures && report.untrusted > 0 {
            let count = report.untrusted;
            writeln!(text, "  unknown    {count} of them were signed by another key")?;
        }
    }
    Ok(text)
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

pub(super) fn as_json(reports: &[Report], is_all_good: bool, asks_for_signatures: bool) -> Value {
    let writer = |report: &Report| {
        let newest = report.newest.as_ref();
        json!({
            "writer": report.writer,
            "good": is_good(report),
            "first": report.first,
            "last": report.last,
            "confirmed": report.confirmed,
            "dropped": report.dropped,
            "skipped": report.skipped,
            "unexplained": report.unexplained,
            "checkpoints": report.checkpoints,
            "untrustedCheckpoints": report.untrusted,
            "newestCheckpoint": newest.map(|newest| json!({
                "size": newest.size, "time": newest.time, "chain": newest.chain.to_string(),
            })),
            "fault": report.fault.as_ref().map(|fault| json!({
                "sequence": fault.sequence, "message": fault.to_string(),
            })),
        })
    };
    json!({
        "good": is_all_good,
        "signaturesChecked": asks_for_signatures,
        "writers": reports.iter().map(writer).collect::<Vec<_>>(),
    })
}
