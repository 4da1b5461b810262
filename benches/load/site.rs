//! The folder from which the servers are started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::policies;

/// The Postern that is measured, built as it is released.
const POSTERN: &str = env!("CARGO_BIN_EXE_postern");

/// Certificates, policies and ledgers, on the disk of the build: a folder in memory would make
/// every write durable for nothing.
pub(crate) struct Site(TempDir);

impl Site {
    /// With so many policies.
    pub(crate) fn with_policies(count: usize) -> anyhow::Result<Self> {
        let site = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?);
        let policies = site.path("policies");
        fs::create_dir(&policies)?;
        fs::write(policies.join("all.yaml"), policies::policies(count))?;
        let issued = Command::new(POSTERN)
            .args(["certs", "issue", "--dir"])
            .arg(site.path("tls"))
            .stdout(Stdio::null())
            .status()
            .context("cannot run Postern")?;
        ensure!(issued.success(), "no certificates were issued: {issued}");
        Ok(site)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The authority that the servers' certificate comes from, as PEM.
    pub(crate) fn authority(&self) -> PathBuf {
        self.path("tls").join("ca.pem")
    }

    /// Postern with this ledger, everything else as it comes.
    pub(crate) fn postern(&self, ledger: &str) -> Command {
        let mut command = Command::new(POSTERN);
        command.env_clear().current_dir(self.folder()).args([
            "serve",
            "--listen=127.0.0.1:0",
            "--health-listen=127.0.0.1:0",
            "--tls-cert=tls/tls.crt",
            "--tls-key=tls/tls.key",
            "--policies=policies",
        ]);
        command.arg(format!("--ledger={ledger}"));
        command
    }

    /// The server that does nothing: this program, told so.
    pub(crate) fn do_nothing(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env_clear().arg("--do-nothing").arg(self.path("tls"));
        Ok(command)
    }
}
