//! `postern schema`: JSON Schemas, for editors and for readers of the ledger.
//!
//! Apart from `crds`, because a cluster is given none of them: case files are no Kubernetes objects, and
//! the definition of a CRD is no schema that an editor takes.

use anyhow::Context;
use clap::ValueEnum;
use serde_json::Value;

use super::test::file;
use super::{Outcome, print};
use crate::crd::schema;
use crate::ledger;

const EXAMPLES: &str = "\
Examples:
  postern schema policy > policy.json
  postern schema cases > cases.json
  postern schema ledger-record > ledger-record.json

At the top of a file, for editors with yaml-language-server:
  # yaml-language-server: $schema=policy.json";

/// Print the JSON Schema of a file, for editors and for programs that read the ledger
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Of which file
    #[arg(value_enum)]
    of: Kind,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// DebugPolicies.
    Policy,
    /// Test cases, as `postern test` runs them.
    Cases,
    /// What a ledger holds: a line of `postern audit list -o json` or `audit export --format jsonl`.
    LedgerRecord,
}

/// The schema as text.
///
/// # Errors
///
/// It cannot be written.
pub fn text(of: Kind) -> anyhow::Result<String> {
    let schema: Value = match of {
        Kind::Policy => schema::policy(),
        Kind::Cases => schema::of::<file::CaseFile>(),
        Kind::LedgerRecord => ledger::schema::record(),
    };
    let json = serde_json::to_string_pretty(&schema).context("cannot write the JSON")?;
    Ok(format!("{json}\n"))
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    print(&text(args.of)?)?;
    Ok(Outcome::Done)
}
