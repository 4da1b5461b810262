//! Checkpoints that were kept elsewhere.

use std::path::PathBuf;

use anyhow::Context;

use super::followed;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::note::{VerifyingKey, split};
use crate::policy::text::Plain;
use crate::store::AnyLedger;

/// What is in these files, each with the note that it is from.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<(Checkpoint, String)>> {
    let mut kept = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("`{}` cannot be read", path.display()))?;
        let text = text.replace("\r\n", "\n");
        for (number, text) in (1..).zip(notes(&text)) {
            let checkpoint = Checkpoint::unverified(&text).with_context(|| {
                format!("note {number} of `{}` is not a checkpoint", path.display())
            })?;
            kept.push((checkpoint, text));
        }
    }
    Ok(kept)
}

/// What nobody who is trusted has signed proves nothing, neither for the ledger nor against it.
pub(super) async fn trust(
    ledger: &AnyLedger,
    trusted: &[VerifyingKey],
    checkpoint: &Checkpoint,
    note: &str,
) -> anyhow::Result<()> {
    let Checkpoint { writer, size, .. } = checkpoint;
    let trusted = followed(trusted, &ledger.rotations(writer).await?);
    if trusted.is_empty() {
        return Ok(());
    }
    Checkpoint::verify(note, &trusted).map(drop).with_context(|| {
        let writer = Plain(writer);
        format!("the kept checkpoint of `{writer}` about {size} records is not to be believed")
    })
}

/// The notes of a file: one, or several after each other with an empty line between.
fn notes(text: &str) -> Vec<String> {
    let (whole, rest) = split(text);
    let mut notes: Vec<_> = whole.iter().map(|note| format!("{}\n", note.trim())).collect();
    // What is no whole note may be the end of one that was cut, and is not passed by.
    if notes.is_empty() || !rest.trim().is_empty() {
        notes.push(rest.to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::notes;

    #[test]
    fn a_file_may_hold_many_notes() {
        let note = |name: &str| format!("{name}\n1\n\n\u{2014} k AA==\n\u{2014} l AA==\n");
        let file = format!("{}\n{}{}", note("a"), note("b"), note("c"));
        assert_eq!(notes(&file), [note("a"), note("b"), note("c")]);
        assert_eq!(notes(&note("a")), [note("a")]);
        assert_eq!(notes("nothing"), ["nothing"]);
        assert_eq!(notes(&format!("{}\n \n", note("a"))), [note("a")]);
        assert_eq!(notes(&format!("{}\nb\n1\n", note("a"))), [note("a"), "\nb\n1\n".to_owned()]);
    }
}
