//! `postern serve`

mod dev;

use std::path::PathBuf;

use anyhow::Context;

use super::Outcome;
use crate::app;
use crate::config::Given;

const EXAMPLES: &str = "\
Every setting can also be given as an environment variable (shown with it) or in the file named by
--config, whose keys are the flags without their dashes. The flag wins, then the variable, then the
file. A variable that begins with POSTERN_ and is no setting is complained of in the log.

  listen: 0.0.0.0:8443
  tls-cert: /etc/postern/certs/tls.crt
  tls-key: /etc/postern/certs/tls.key
  policies: [/etc/postern/policies]
  ledger: sqlite:/var/lib/postern/ledger.db

Examples:
  postern serve --dev
  postern serve --tls-cert certs/tls.crt --tls-key certs/tls.key --policies policies
  postern serve --config /etc/postern/postern.yaml --enforcement Warn
  postern serve --tls-cert certs/tls.crt --tls-key certs/tls.key --cluster-policies
  postern serve --tls-secret postern-system/postern-tls --cluster-policies

SIGTERM and SIGINT stop it: /readyz fails at once, requests are still taken for --drain-delay, those
in flight are finished. A second signal ends it at once. Certificates and policies are loaded again
whenever they change; so is `log-level` of the settings file, also on SIGHUP.";

/// Answer the API server's admission reviews over HTTPS
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Try it out: certificates, policies and a ledger are made here, on loopback
    #[arg(long)]
    dev: bool,

    /// A file of settings (YAML)
    #[arg(long, env = "POSTERN_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,

    #[command(flatten)]
    given: Given,
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    let Args { dev, config, given } = args;
    // What a flag or a variable says, the file cannot change later either.
    let log_file = config.clone().filter(|_| given.log_level().is_none());
    let given = match &config {
        Some(file) => given.or(Given::from_file(file)?),
        None => given,
    };
    let bench = dev.then(|| dev::Bench::set_up(&given)).transpose()?;
    let given = match &bench {
        Some(bench) => given.or(bench.given()),
        None => given,
    };
    let mut settings = given.settings()?;
    settings.logs.file = log_file;
    settings.file = config;
    let (ledger, policies) = (settings.ledger.clone(), settings.policies.clone());
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(app::run(settings, |addresses| {
        if let Some(bench) = &bench {
            bench.explain(addresses, &ledger, &policies);
        }
    }));
    // What still blocks a thread must not keep a stopped server alive.
    runtime.shutdown_background();
    outcome.map(|()| Outcome::Done)
}
