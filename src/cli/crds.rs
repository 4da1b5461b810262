//! `postern crds`

use anyhow::Context;
use clap::ValueEnum;

use super::{Outcome, print};
use crate::crd;

const EXAMPLES: &str = "\
Examples:
  postern crds | kubectl apply --server-side -f -
  postern crds -o json | jq .spec.names";

/// In front of the YAML, so that nobody edits what is written anew.
const HEAD: &str = "# Printed by `postern crds`. Do not edit.\n";

/// Print the CustomResourceDefinition of DebugPolicy
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The form of what is printed
    #[arg(short, long, value_enum, value_name = "yaml|json", default_value = "yaml")]
    output: Output,
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// What `deploy/crds` holds.
    Yaml,
    /// Indented, with a newline at the end.
    Json,
}

/// The definition as text.
///
/// # Errors
///
/// It cannot be written in this form.
pub fn text(output: Output) -> anyhow::Result<String> {
    let definition = crd::definition();
    match output {
        Output::Yaml => {
            let yaml = serde_saphyr::to_string(&definition).context("cannot write the YAML")?;
            Ok(format!("{HEAD}{yaml}"))
        }
        Output::Json => {
            let json =
                serde_json::to_string_pretty(&definition).context("cannot write the JSON")?;
            Ok(format!("{json}\n"))
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    print(&text(args.output)?)?;
    Ok(Outcome::Done)
}
