//! Where certificate, key and client authority come from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch::Receiver;

use super::{Demands, TlsError};
use crate::certificate::read::READ_AT_MOST;
use crate::certificate::{Pair, Pem};

/// Where the pair is found, and what is asked of clients.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The pair.
    pub source: Source,
    /// What clients must bring.
    pub demands: Demands,
    /// By what names API servers call, where that is known.
    pub names: Vec<String>,
}

/// Where the pair is found.
#[derive(Debug, Clone)]
pub enum Source {
    /// In files, whose administrator replaces them. Nothing is ever written there.
    Files {
        /// The certificate, and what stands between it and the authority.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// Somebody else in this program finds it.
    Published(Published),
}

/// A pair that somebody else finds.
#[derive(Debug, Clone)]
pub struct Published {
    /// The newest; `None`: there is none yet.
    pub pair: Receiver<Option<Arc<Pair>>>,
    /// What goes wrong with it at the moment.
    pub trouble: Receiver<Option<String>>,
}

/// Everything that is needed, as it was found.
#[derive(Debug)]
pub(super) struct Pems {
    pub(super) pair: Pair,
    pub(super) client_ca: Option<Pem>,
}

impl Origin {
    /// The files of it, to be watched.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let pair = match &self.source {
            Source::Files { certificate, key } => vec![certificate.clone(), key.clone()],
            Source::Published(_) => Vec::new(),
        };
        pair.into_iter().chain(self.demands.client_ca.clone()).collect()
    }

    pub(super) fn demands(&self) -> &Demands {
        &self.demands
    }

    /// `None`: no pair is published yet.
    pub(super) fn read(&self) -> Result<Option<Pems>, TlsError> {
        let client_ca = self.demands.client_ca.as_deref().map(read_file).transpose()?;
        let pair = match &self.source {
            Source::Files { certificate, key } => {
                Some(Pair { certificate: read_file(certificate)?, key: read_file(key)? })
            }
            Source::Published(Published { pair, .. }) => {
                pair.borrow().as_ref().map(|pair| Pair::clone(pair))
            }
        };
        Ok(pair.map(|pair| Pems { pair, client_ca }))
    }

    pub(super) fn published(&self) -> Option<Receiver<Option<Arc<Pair>>>> {
        match &self.source {
            Source::Files { .. } => None,
            // What is there already may have come after it was read for the first time.
            Source::Published(Published { pair, .. }) => {
                let mut pair = pair.clone();
                pair.mark_changed();
                Some(pair)
            }
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        match &self.source {
            Source::Files { .. } => None,
            Source::Published(Published { trouble, .. }) => trouble.borrow().clone(),
        }
    }
}

/// Returns when another pair is published; never where none ever will be.
pub(super) async fn changed(published: &mut Option<Receiver<Option<Arc<Pair>>>>) {
    if let Some(pair) = published
        && pair.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// The text of a file, with its name.
///
/// # Errors
///
/// What the file system says.
pub fn read_file(path: &Path) -> Result<Pem, TlsError> {
    let wrong = |source| TlsError::File { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(wrong)?;
    // One byte more tells a text that is too large.
    file.take(READ_AT_MOST + 1).read_to_end(&mut text).map_err(wrong)?;
    Ok(Pem { place: path.display().to_string(), text })
}
