//! Checkpoints, sent to where somebody keeps them who does not keep the ledger.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::backoff::{Backoff, Complaint};
use super::courier::blocking;
use super::dial::Dialer;
use super::file::open_private;
use super::http::Poster;
use super::target::{TargetError, Url, file_path};
use super::{Credentials, Tally, Trouble};
use crate::ledger::checkpoint::{Checkpoint, ORIGIN};
use crate::ledger::note::split;
use crate::policy::text::Quoted;

const NOTE: &str = "text/plain; charset=utf-8";

/// So much of a file's end has its last note in it, and whatever is left of one behind that.
const END: u64 = 64 * 1024;

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
pub struct NoteFile {
    path: PathBuf,
    /// Whether it may end within a note.
    is_torn: bool,
}

impl NoteFile {
    /// # Errors
    ///
    /// It cannot be written.
    pub fn new(path: PathBuf) -> Result<Self, Trouble> {
        cut(&path).map_err(Trouble::while_("open it"))?;
        Ok(Self { path, is_torn: false })
    }
}

impl Place for NoteFile {
    type Error = Trouble;

    async fn put(&mut self, note: Arc<str>) -> Result<(), Trouble> {
        let (path, is_torn) = (self.path.clone(), self.is_torn);
        let put = blocking(move || {
            if is_torn {
                cut(&path)?;
            }
            append(&path, &note)
        });
        let put = put.await;
        self.is_torn = put.is_err();
        put
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

/// Takes away what is left at the end of a file of a note that was not written to its end, as
/// after a power failure: no reader would take the file with more behind it.
fn cut(path: &Path) -> io::Result<()> {
    let mut file = open_private(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(END)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let bytes = torn(&end) as u64;
    if bytes == 0 {
        return Ok(());
    }
    file.set_len(size.saturating_sub(bytes))?;
    file.sync_all()?;
    warn!(
        "`{}` ended within a checkpoint, as after a power failure; the {bytes} bytes of it were \
         cut off, every whole one is left",
        path.display()
    );
    Ok(())
}

/// How many bytes at the end of a file are the beginning of a note. Whatever else is there is not
/// ours to take away.
fn torn(end: &[u8]) -> usize {
    // Of what did not reach the disk some file systems keep the length.
    let written = end.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let unwritten = end.len() - written;
    let written = end.get(..written).unwrap_or_default();
    let (mut at, mut begin) = (0, None);
    for line in written.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(ORIGIN.as_bytes()) || ORIGIN.as_bytes().starts_with(line) {
            begin = Some(at);
        }
        at += line.len();
    }
    let last = written.get(begin.unwrap_or(0)..).unwrap_or_default();
    let text = String::from_utf8_lossy(last);
    let (notes, rest) = split(&text);
    let is_whole = notes.last().is_some_and(|note| Checkpoint::unverified(note).is_ok());
    let is_torn = !is_whole && (notes.is_empty() || rest.trim().is_empty());
    if begin.is_some() && is_torn { last.len() + unwritten } else { unwritten }
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
