//! What `postern audit verify` checks without the ledger: a proof, and an exported file.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::prove::Proof;
use super::verify::trusted_keys;
use crate::cli::{Form, Misuse, Outcome, as_json, print};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::export::manifest::{self, CheckError};
use crate::ledger::note::{Note, NoteError, VerifyingKey};
use crate::policy::text::{Line, Plain};

/// A file that was exported, by the manifest that was written with it.
pub(super) fn check_export(
    (manifest, export): (&Path, &Path),
    keys: &[String],
    output: Form,
) -> anyhow::Result<Outcome> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))
    };
    let trusted = trusted_keys(keys)?;
    let checked = manifest::check(&read(manifest)?, &read(export)?);
    let manifest::Report { manifest, mut not_compared } = match checked {
        Ok(report) => report,
        Err(error @ CheckError::NotAManifest(_)) => {
            return Err(error).with_context(|| format!("`{}`", manifest.display()));
        }
        Err(error) => return wrong(&error.to_string(), output),
    };
    if trusted.is_empty() {
        not_compared.push("checkpoints");
    } else if manifest.checkpoints.is_empty() {
        let why = "the manifest has no checkpoint, so there is nothing that a key signed";
        return wrong(why, output);
    }
    for (writer, text) in manifest.checkpoints.iter().filter(|_| !trusted.is_empty()) {
        let told = Checkpoint::verify(text, &trusted);
        let why = match told {
            Ok(told) if told.writer == *writer => continue,
            Ok(told) => format!("it is one of {}", Plain(&told.writer)),
            Err(error) => distrust(&error, text, &trusted),
        };
        return wrong(&format!("the checkpoint of {}: {why}", Plain(writer)), output);
    }
    let count = manifest.count;
    let text = format!("{count} records, as the manifest says; the manifest itself is not signed");
    let object = json!({"good": true, "records": count, "notCompared": not_compared});
    let outcome = good(&text, &object, output)?;
    if output == Form::Text && !not_compared.is_empty() {
        print(&format!("  not compared: {}\n", not_compared.join(", ")))?;
    }
    Ok(outcome)
}

/// That a record is in a ledger.
pub(super) fn check_proof(path: &Path, keys: &[String], output: Form) -> anyhow::Result<Outcome> {
    if keys.is_empty() {
        return Err(Misuse("a proof is checked against a key: give --key".to_owned()).into());
    }
    let trusted = trusted_keys(keys)?;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("`{}` cannot be read", path.display()))?;
    let proof: Proof = serde_json::from_str(&text)
        .with_context(|| format!("`{}` is not a proof", path.display()))?;
    let Checkpoint { writer, size, time, .. } = match proof.check(&trusted) {
        Ok(checkpoint) => checkpoint,
        Err(why) => return wrong(&why, output),
    };
    let number = proof.index.saturating_add(1);
    let object =
        json!({"good": true, "writer": writer, "sequence": number, "size": size, "time": time});
    let text =
        format!("the record is number {number} of the {size} that {writer} signed at {time}");
    good(&text, &object, output)
}

/// Why a checkpoint is not to be believed. Which key followed which only the ledger tells.
pub(super) fn distrust(error: &NoteError, note: &str, trusted: &[VerifyingKey]) -> String {
    let hex = |id: [u8; 4]| format!("{:08x}", u32::from_be_bytes(id));
    let signer = Note::parse(note).ok().and_then(|note| note.signer());
    let (NoteError::Untrusted, Some(signer)) = (error, signer) else { return error.to_string() };
    let given: Vec<_> = trusted.iter().map(|key| hex(key.id())).collect();
    format!(
        "key {} signed it, and given is {}; if one was rotated to the other, give `--key` for both",
        hex(signer),
        given.join(", ")
    )
}

fn good(text: &str, object: &Value, output: Form) -> anyhow::Result<Outcome> {
    print(&match output {
        Form::Text => format!("good: {}\n", Line(text)),
        Form::Json => as_json(object)?,
    })?;
    Ok(Outcome::Done)
}

fn wrong(why: &str, output: Form) -> anyhow::Result<Outcome> {
    print(&match output {
        Form::Text => format!("WRONG: {}\n", Line(why)),
        Form::Json => as_json(&json!({"good": false, "why": why}))?,
    })?;
    Ok(Outcome::No)
}
