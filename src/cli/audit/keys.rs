//! `postern audit checkpoint` and `postern audit rotate-key`

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use super::{Source, note};
use crate::cli::{Form, Outcome, as_json, print};
use crate::cluster::SigningSecret;
use crate::config::{KeyPlace, SecretName};
use crate::ledger::checkpoint::Checkpoint;
use crate::policy::text::Plain;
use crate::store::keys;

/// Print the newest signed checkpoint of each writer, to be kept elsewhere
#[derive(Debug, clap::Args)]
pub(super) struct Newest {
    #[command(flatten)]
    source: Source,
    /// The notes as they are signed, or an object for each writer
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Form,
}

impl Newest {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let ledger = self.source.open().await?;
        let mut notes = Vec::new();
        for (writer, note) in ledger.latest_checkpoints().await? {
            // What is kept must be what it says; and a terminal obeys no note.
            let Checkpoint { size, .. } = Checkpoint::unverified(&note)
                .with_context(|| format!("the newest checkpoint of `{}`", Plain(&writer)))?;
            notes.push(match self.output {
                Form::Text => note,
                Form::Json => {
                    as_json(&json!({"writer": writer, "size": size, "checkpoint": note}))?
                }
            });
        }
        ledger.close().await;
        print(&notes.join(if self.output == Form::Text { "\n" } else { "" }))?;
        if notes.is_empty() {
            note("no checkpoint was signed yet");
            return Ok(Outcome::No);
        }
        Ok(Outcome::Done)
    }
}

/// Make a new key that signs the ledger; the old one hands over to it
///
/// A server takes it up when it next starts, and writes down that it did.
#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    /// Where the key is, as `postern serve --ledger-key` has it: a file, or `secret:NAME` or
    /// `secret:NAMESPACE/NAME`
    #[arg(long, value_name = "PLACE", env = "POSTERN_LEDGER_KEY", hide_env_values = true)]
    ledger_key: KeyPlace,
    /// Where the cluster is, for a Secret [default: as for kubectl]
    #[arg(long, value_name = "FILE", env = "POSTERN_KUBECONFIG", hide_env_values = true)]
    kubeconfig: Option<PathBuf>,
    /// How to say which keys they are
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Form,
}

impl Rotate {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let (old, new) = match &self.ledger_key {
            KeyPlace::File(path) => keys::rotate(path)?,
            KeyPlace::Secret(SecretName { namespace, name }) => {
                let kubeconfig = self.kubeconfig.as_deref();
                let namespace = namespace.as_deref();
                let secret = SigningSecret::connect(kubeconfig, namespace, name, "audit").await?;
                secret.rotate().await.map_err(anyhow::Error::msg)?
            }
        };
        print(&match self.output {
            Form::Text => format!("old {old}\nnew {new}\n"),
            Form::Json => as_json(&json!({"old": old.to_string(), "new": new.to_string()}))?,
        })?;
        note("start the servers that sign with it again; whoever trusts the old key trusts both");
        Ok(Outcome::Done)
    }
}
