//! `postern serve --dev`: everything that a first try needs, made on the spot.

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use jiff::Timestamp;

use crate::app::Addresses;
use crate::cli::certs;
use crate::config::Given;
use crate::server::tls::{Certificates, Demands, Origin, Source};

const CERTS: &str = "certs";
const EXAMPLES: &str = "deploy/examples";
/// Everything else that is made here; not for git.
const HIDDEN: &str = ".postern";
const LEDGER: &str = "sqlite:.postern/postern.db";
const DAYS: u32 = 365;

/// The example policies, for whoever has only the program.
const POLICIES: [(&str, &str); 3] = [
    ("developers.yaml", include_str!("../../../deploy/examples/developers.yaml")),
    ("guard-rails.yaml", include_str!("../../../deploy/examples/guard-rails.yaml")),
    ("on-call.yaml", include_str!("../../../deploy/examples/on-call.yaml")),
];

/// What is laid out on the bench.
#[derive(Debug)]
pub(super) struct Bench {
    /// Nothing where the caller brings an own certificate.
    certificates: Option<(PathBuf, PathBuf)>,
    policies: PathBuf,
}

/// Reviews as an API server posts them: a debugger with an approved image, as it is stored once
/// `/mutate` has hardened it, and one with another image.
const ALLOWED: (&str, &str) = (".postern/allowed.json", include_str!("dev/allowed.json"));
const REFUSED: (&str, &str) = (".postern/refused.json", include_str!("dev/refused.json"));

impl Bench {
    /// Makes what is not there yet in the current folder; what is there stays.
    pub(super) fn set_up(given: &Given) -> anyhow::Result<Self> {
        fs::create_dir_all(HIDDEN).with_context(|| format!("cannot make `{HIDDEN}`"))?;
        for (path, review) in [ALLOWED, REFUSED] {
            fs::write(path, review).with_context(|| format!("cannot write `{path}`"))?;
        }
        let certificates = if given.names_a_certificate() { None } else { Some(certificates()?) };
        Ok(Self { certificates, policies: policies()? })
    }

    /// The settings that follow from it.
    pub(super) fn given(&self) -> Given {
        Given::dev(self.certificates.clone(), self.policies.clone(), LEDGER)
    }

    /// Says what to try, ready to paste.
    pub(super) fn explain(&self, addresses: Addresses, ledger: &str, policies: &[PathBuf]) {
        let Addresses { webhook, health } = addresses;
        let (webhook, health) = (from_here(webhook), from_here(health));
        let policies: Vec<_> = policies.iter().map(|it| it.display().to_string()).collect();
        let ca = if self.certificates.is_some() { "certs/ca.pem" } else { "YOUR-CA.pem" };
        let post = format!(
            "curl --cacert {ca} -H 'Content-Type: application/json' https://{webhook}/validate"
        );
        // As it was called, so that the line works where the program is not on the path.
        let program = std::env::args().next().unwrap_or_else(|| "postern".to_owned());
        let text = format!(
            "\n\
             A debugger that is refused:\n\n  {post} --data @{refused}\n\n\
             One that is allowed:\n\n  {post} --data @{allowed}\n\n\
             {records}\
             Policies: {policies} (change one while this runs), health: http://{health}/readyz\n\n",
            refused = REFUSED.0,
            allowed = ALLOWED.0,
            records = match ledger {
                // It goes with the server, and nobody else can read it.
                "memory" => String::new(),
                ledger =>
                    format!("Both are on record:\n\n  {program} audit list --ledger {ledger}\n\n"),
            },
            policies = policies.join(", "),
        );
        // Whoever closed standard error does not want to know.
        drop(io::stderr().write_all(text.as_bytes()));
    }
}

/// As this machine calls a server that listens on every address.
fn from_here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Keeps a pair that is still valid; an expired one is issued again.
fn certificates() -> anyhow::Result<(PathBuf, PathBuf)> {
    let folder = Path::new(CERTS);
    let (ca, certificate, key) =
        (folder.join("ca.pem"), folder.join("tls.crt"), folder.join("tls.key"));
    let there = [&ca, &certificate, &key].iter().filter(|path| path.exists()).count();
    match there {
        0 => drop(certs::issue(folder, &[], DAYS, false)?),
        3 => {
            let source = Source::Files { certificate: certificate.clone(), key: key.clone() };
            let origin = Origin { source, demands: Demands::default(), names: Vec::new() };
            if Certificates::load(origin)?.check(Timestamp::now()).state.is_err() {
                certs::issue(folder, &[], DAYS, true)?;
            }
        }
        _ => return Err(anyhow!("`{CERTS}` holds only some of ca.pem, tls.crt and tls.key")),
    }
    Ok((certificate, key))
}

fn policies() -> anyhow::Result<PathBuf> {
    if Path::new(EXAMPLES).is_dir() {
        return Ok(EXAMPLES.into());
    }
    let folder = Path::new(HIDDEN).join("policies");
    if !folder.exists() {
        fs::create_dir(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        for (name, policy) in POLICIES {
            let path = folder.join(name);
            fs::write(&path, policy)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
        }
    }
    Ok(folder)
}
