//! `postern certs rotate`

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use serde_json::json;

use crate::cli::{Absent, Form, Outcome, as_json, print};
use crate::cluster::{RotateError, Rotated, Rotation, rotate};
use crate::config::SecretName;
use crate::server::tls;

const EXAMPLES: &str = "\
Examples:
  postern certs rotate --secret postern-system/postern-tls
  postern certs rotate --ca --secret postern-system/postern-tls

Only for certificates that Postern makes itself (--tls-secret). Whoever runs it needs what Postern
may do with the Secret, the Lease and the webhook configurations, and get on the Secret.

Exit code 1: there is no such Secret, or no such webhook configuration.";

/// Have a certificate that Postern makes replaced now, and wait until it is
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The Secret that is given to the server as --tls-secret
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    secret: SecretName,

    /// Replace the authority too; the old one stays trusted until what it has signed has ended
    #[arg(long)]
    ca: bool,

    /// The webhook configurations that must hear of it
    #[arg(long, value_name = "NAME", default_value = "postern")]
    webhook_configurations: String,

    /// How to reach the cluster [default: as a pod of it, else KUBECONFIG]
    #[arg(long, env = "POSTERN_KUBECONFIG", value_name = "FILE", hide_env_values = true)]
    kubeconfig: Option<PathBuf>,

    /// How to say what there is now
    #[arg(short, long, value_enum, value_name = "text|json", default_value = "text")]
    output: Form,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let Args { secret, ca, webhook_configurations, kubeconfig, output } = args;
    let rotation = Rotation {
        kubeconfig: kubeconfig.clone(),
        namespace: secret.namespace.clone(),
        name: secret.name.clone(),
        webhook_configurations: webhook_configurations.clone(),
        authority: *ca,
    };
    drop(tls::provider().install_default());
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    // Whoever closed standard error does not want to know.
    let say = |step: &str| drop(writeln!(io::stderr(), "{step}"));
    let rotated = runtime.block_on(rotate(&rotation, say)).map_err(failed)?;
    let Rotated { until, authority_until, trusted } = rotated;
    print(&match output {
        Form::Text => format!(
            "certificate: valid until {until}\n\
             authority: valid until {authority_until}\n\
             trusted authorities: {trusted}\n"
        ),
        Form::Json => as_json(&json!({
            "notAfter": until, "authorityNotAfter": authority_until,
            "trustedAuthorities": trusted,
        }))?,
    })?;
    Ok(Outcome::Done)
}

/// With the exit codes of `certs inspect`.
fn failed(error: RotateError) -> anyhow::Error {
    match error {
        RotateError::Absent(what) => Absent(what).into(),
        RotateError::Failed(why) => anyhow!(why),
    }
}
