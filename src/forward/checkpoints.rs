//! Checkpoints, sent to where somebody keeps them who does not keep the ledger.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::sleep;

use super::backoff::{Backoff, Complaint};
use super::courier::blocking;
use super::dial::Dialer;
use super::file::open_private;
use super::http::Poster;
use super::target::{TargetError, Url, file_path};
use super::{Credentials, Tally, Trouble};
use crate::policy::text::Quoted;

const NOTE: &str = "text/plain; charset=utf-8";

/// Where checkpoints go, as `--checkpoint-to` spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// `file:PATH`
    File(PathBuf),
    /// `http://…`, `https://…`
    Http(Url),
    /// `configmap:NAMESPACE/NAME`; the cluster's client writes it.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Why a text is none. No message repeats what may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence is the documentation")]
pub enum DestinationError {
    #[error(
        "checkpoints go to `file:PATH`, `https://…`, `http://…` or `configmap:NAMESPACE/NAME`, \
         not {}",
        Quoted(.0)
    )]
    Unknown(String),
    #[error("it is not a name of a ConfigMap: want `configmap:NAMESPACE/NAME`")]
    ConfigMap,
    #[error("{0}")]
    Target(TargetError),
}

impl Destination {
    /// The word for it in labels.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Http(_) => "http",
            Self::ConfigMap { .. } => "configmap",
        }
    }
}

/// Without what may be a secret.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Http(url) => url.fmt(f),
            Self::ConfigMap { namespace, name } => write!(f, "configmap:{namespace}/{name}"),
        }
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        match text.split_once(':') {
            Some(("file", path)) => {
                file_path(path).map(Self::File).map_err(DestinationError::Target)
            }
            Some(("http" | "https", _)) => {
                text.parse().map(Self::Http).map_err(DestinationError::Target)
            }
            Some(("configmap", place)) => match place.split_once('/') {
                Some((namespace, name)) if is_name(namespace) && is_name(name) => {
                    Ok(Self::ConfigMap { namespace: namespace.to_owned(), name: name.to_owned() })
                }
                _ => Err(DestinationError::ConfigMap),
            },
            Some((scheme, _)) => Err(DestinationError::Unknown(format!("{scheme}:…"))),
            None => Err(DestinationError::Unknown(text.to_owned())),
        }
    }
}

/// As Kubernetes names objects.
fn is_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=253).contains(&text.len()) && text.bytes().all(|byte| is_word(byte) || byte == b'.')
}

/// Takes checkpoints.
pub trait Place: Send + 'static {
    /// Why it did not take one.
    type Error: fmt::Display + Send;

    /// Takes one; it has it once this is `Ok`.
    fn put(&mut self, note: Arc<str>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A file to which notes are appended, with an empty line between.
#[derive(Debug, Clone)]
pub struct NoteFile(PathBuf);

impl NoteFile {
    /// # Errors
    ///
    /// It cannot be written.
    pub fn new(path: PathBuf) -> Result<Self, Trouble> {
        open_private(&path).map_err(Trouble::while_("open it"))?;
        Ok(Self(path))
    }
}

impl Place for NoteFile {
    type Error = Trouble;

    async fn put(&mut self, note: Arc<str>) -> Result<(), Trouble> {
        let path = self.0.clone();
        blocking(move || append(&path, &note)).await
    }
}

fn append(path: &Path, note: &str) -> io::Result<()> {
    let mut file = open_private(path)?;
    let before = file.metadata()?.len();
    let between = if before == 0 { "" } else { "\n" };
    let end = if note.ends_with('\n') { "" } else { "\n" };
    let written =
        file.write_all(format!("{between}{note}{end}").as_bytes()).and_then(|()| file.sync_data());
    if written.is_err() {
        // Half a note is none.
        file.set_len(before)?;
    }
    written
}

/// A receiver to which notes are posted.
pub struct NotePost(Poster);

impl NotePost {
    /// # Errors
    ///
    /// Authorities or token cannot be used.
    pub fn new(url: Url, credentials: &Credentials) -> Result<Self, Trouble> {
        let Credentials { ca, token } = credentials.clone();
        let dialer = Dialer::new(url.endpoint.clone(), ca);
        let poster = Poster::new(url, dialer, token);
        poster.check()?;
        Ok(Self(poster))
    }
}

impl fmt::Debug for NotePost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotePost")
    }
}

impl Place for NotePost {
    type Error = Trouble;

    async fn put(&mut self, note: Arc<str>) -> Result<(), Trouble> {
        self.0.post(NOTE, note.as_bytes().to_vec()).await
    }
}

/// Puts each checkpoint into a place until there are no more. One that fails is tried again until
/// the next one is there: that one says all that it said.
pub async fn follow<P: Place>(
    mut place: P,
    label: String,
    mut notes: watch::Receiver<Option<Arc<str>>>,
    tally: Arc<dyn Tally>,
) {
    let mut backoff = Backoff::default();
    let mut complaint = Complaint::about(format!("checkpoints to {label}"));
    let mut pending = notes.borrow_and_update().clone();
    loop {
        let Some(note) = pending.take() else {
            if notes.changed().await.is_err() {
                return;
            }
            pending.clone_from(&notes.borrow_and_update());
            continue;
        };
        match place.put(Arc::clone(&note)).await {
            Ok(()) => {
                backoff.reset();
                complaint.over();
            }
            Err(error) => {
                tally.checkpoint_failed(&label);
                complaint.failed(&error.to_string());
                tokio::select! {
                    () = sleep(backoff.next()) => pending = Some(note),
                    changed = notes.changed() => match changed {
                        Ok(()) => pending.clone_from(&notes.borrow_and_update()),
                        Err(_) => return,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
