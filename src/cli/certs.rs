//! `postern certs`

mod inspect;
mod rotate;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Form, Misuse, Outcome, as_json, print};
use crate::certificate::{Pem, issue, read};
use crate::config::ServerName;

/// How the API server, and a person on this machine, call a Postern.
const HOSTS: [&str; 4] = ["postern.postern-system.svc", "localhost", "127.0.0.1", "::1"];
const DAY: SignedDuration = SignedDuration::from_hours(24);

const EXAMPLES: &str = "\
Examples:
  postern certs issue
  postern certs issue --dir /etc/postern/certs --host postern.security.svc --days 90
  postern certs issue --force -o json | jq -r .notAfter

ca.pem is what the webhook configurations carry as caBundle.
Keep ca.key off the cluster, or delete it: it is only needed to issue again.";

/// Issue, inspect and replace certificates
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Issue(IssueArgs),
    Inspect(inspect::Args),
    Rotate(rotate::Args),
}

/// Make an authority and a serving certificate: ca.pem, ca.key, tls.crt, tls.key
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct IssueArgs {
    /// The folder to write to; it is made if need be
    #[arg(long, value_name = "DIR", default_value = "certs")]
    dir: PathBuf,

    /// A further name or address under which the webhook is called, beside
    /// postern.postern-system.svc, localhost, 127.0.0.1 and ::1
    #[arg(long = "host", value_name = "DNS|IP")]
    hosts: Vec<ServerName>,

    /// How long both certificates are valid
    #[arg(long, value_name = "NUMBER", default_value_t = 365,
          value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,

    /// Replace files that are there
    #[arg(long)]
    force: bool,

    /// How to say what was written
    #[arg(short, long, value_enum, value_name = "text|json", default_value = "text")]
    output: Form,
}

/// What was written where.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Issued {
    /// The authority's certificate.
    pub(super) ca: PathBuf,
    /// The authority's key.
    pub(super) ca_key: PathBuf,
    /// The serving certificate.
    pub(super) certificate: PathBuf,
    /// Its key.
    pub(super) key: PathBuf,
    hosts: Vec<String>,
    not_after: Timestamp,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Issue(args) => run_issue(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Rotate(args) => rotate::run(args),
    }
}

fn run_issue(args: &IssueArgs) -> anyhow::Result<Outcome> {
    let IssueArgs { dir, hosts, days, force, output } = args;
    let hosts: Vec<_> = hosts.iter().map(|ServerName(host)| host.as_str()).collect();
    let issued = issue(dir, &hosts, *days, *force)?;
    match output {
        Form::Text => print(&issued.text())?,
        Form::Json => print(&as_json(&issued)?)?,
    }
    Ok(Outcome::Done)
}

impl Issued {
    /// Where everything is in `folder`.
    fn in_folder(folder: &Path, hosts: Vec<String>, not_after: Timestamp) -> Self {
        Self {
            ca: folder.join("ca.pem"),
            ca_key: folder.join("ca.key"),
            certificate: folder.join("tls.crt"),
            key: folder.join("tls.key"),
            hosts,
            not_after,
        }
    }

    fn text(&self) -> String {
        let Self { ca, ca_key, certificate, key, hosts, not_after } = self;
        format!(
            "{ca}: the authority, for caBundle\n\
             {ca_key}: its key, keep it safe\n\
             {certificate}: the certificate, for --tls-cert\n\
             {key}: its key, for --tls-key\n\
             valid until {not_after} for {hosts}\n",
            ca = ca.display(),
            ca_key = ca_key.display(),
            certificate = certificate.display(),
            key = key.display(),
            hosts = hosts.join(", "),
        )
    }
}

/// Makes an authority and a serving certificate, both valid for so many days.
pub(super) fn issue(
    folder: &Path,
    further_hosts: &[&str],
    days: u32,
    force: bool,
) -> anyhow::Result<Issued> {
    let mut hosts: Vec<String> = HOSTS.iter().map(|host| (*host).to_owned()).collect();
    for host in further_hosts {
        if !hosts.iter().any(|known| known == host) {
            hosts.push((*host).to_owned());
        }
    }
    let valid = issue::span(Timestamp::now(), DAY * i32::try_from(days)?);
    let not_after = valid.until.round(jiff::Unit::Second)?;
    let issued = Issued::in_folder(folder, hosts, not_after);
    if !force {
        issued.refuse_to_overwrite()?;
    }

    let ca = issue::authority(valid)?;
    let pem = Pem { place: "the authority".to_owned(), text: ca.certificate.clone().into_bytes() };
    let authority = read::certificates(&pem)?;
    let authority = authority.first().context("there is no authority")?;
    let serving = issue::serving(&authority.der, &ca.key, &issued.hosts, valid)?;

    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    // Keys before certificates: a server that watches the folder sees a pair at the end.
    write(&issued.ca_key, &ca.key, Secrecy::Secret)?;
    write(&issued.ca, &ca.certificate, Secrecy::Public)?;
    write(&issued.key, &serving.key, Secrecy::Secret)?;
    write(&issued.certificate, &serving.certificate, Secrecy::Public)?;
    Ok(issued)
}

impl Issued {
    fn refuse_to_overwrite(&self) -> anyhow::Result<()> {
        let Self { ca, ca_key, certificate, key, hosts: _, not_after: _ } = self;
        for path in [ca, ca_key, certificate, key] {
            if path.symlink_metadata().is_ok() {
                let path = path.display();
                return Err(Misuse(format!("`{path}` exists; --force replaces it")).into());
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    Public,
    Secret,
}

/// Writes beside the file and puts it in place: it is never there in part, and a key never readable
/// by others, not even for a moment.
fn write(path: &Path, content: &str, secrecy: Secrecy) -> anyhow::Result<()> {
    let mode = match secrecy {
        Secrecy::Public => 0o644,
        Secrecy::Secret => 0o600,
    };
    let beside = path.with_added_extension("new");
    // Left by a run that was cut off; it would stand in the way for ever.
    drop(fs::remove_file(&beside));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let put = |mut file: File| {
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    options
        .open(&beside)
        .and_then(|file| put(file).inspect_err(|_| drop(fs::remove_file(&beside))))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests;
