//! Layer 4, says when something in a folder has changed.
//!
//! Kubernetes swaps a mounted ConfigMap or Secret by renaming a symbolic link (`..data`) in the
//! mount's folder: a watch on a file inside goes deaf at the first swap, one on the folder does
//! not. A file is therefore watched through its folder, and because a file system may tell nothing
//! at all (network mounts, exhausted watches), everything is also read again at an interval. What
//! decides in the end is the content: an event without a difference is no change.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

/// How long a folder must be quiet before it is read: one swap is several events.
const SETTLE: Duration = Duration::from_millis(100);
/// A folder that is never quiet is read all the same.
const SETTLE_AT_MOST: Duration = Duration::from_secs(1);
/// How often everything is read without being told to.
const POLL: Duration = Duration::from_secs(10);
/// How soon what could not be used is tried again. It may become usable without changing: a file
/// that could not be read, or a certificate valid from a moment that this clock has yet to reach.
const RETRY: Duration = Duration::from_secs(10);
/// How much of one file is compared. Larger ones are refused by whoever reads them.
const READ_AT_MOST: u64 = 1024 * 1024;

/// Watches files and folders for a change of their content.
#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    told: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    seen: u64,
}

impl Watch {
    /// Watches these files and folders from now on: whoever loads them after this call misses
    /// nothing. They need not exist.
    #[must_use]
    pub fn new(paths: &[PathBuf]) -> Self {
        let paths: Vec<_> = paths
            .iter()
            .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
            .collect();
        let told = Arc::new(Notify::new());
        let watcher = watcher(&paths, Arc::clone(&told))
            .inspect_err(|error| warn!("Changes are seen every {POLL:?} only: {error}"))
            .ok();
        let seen = fingerprint(&paths);
        let mut watch = Self { paths, told, watcher, seen };
        watch.arm();
        watch
    }

    /// Waits until the content is another than at the last return, or than at [`Watch::new`].
    ///
    /// Dropping the future loses nothing: the next call compares with what was last returned.
    pub async fn changed(&mut self) {
        loop {
            if timeout(POLL, self.told.notified()).await.is_ok() {
                self.settle().await;
            }
            // A folder that was replaced has a new inode: the watch moves with it. Before reading,
            // so that what comes after is told.
            self.arm();
            let paths = self.paths.clone();
            let now = tokio::task::spawn_blocking(move || fingerprint(&paths)).await;
            if let Ok(now) = now
                && now != self.seen
            {
                self.seen = now;
                return;
            }
        }
    }

    /// As [`Watch::changed`]; where what is there `failed` to be of use, it returns after ten
    /// seconds at the latest. The answer is whether anything changed.
    pub async fn changed_or_retry(&mut self, failed: bool) -> bool {
        if failed {
            timeout(RETRY, self.changed()).await.is_ok()
        } else {
            self.changed().await;
            true
        }
    }

    async fn settle(&self) {
        let latest = Instant::now() + SETTLE_AT_MOST;
        loop {
            let quiet = latest.min(Instant::now() + SETTLE);
            if timeout_at(quiet, self.told.notified()).await.is_err() {
                return;
            }
        }
    }

    fn arm(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in folders(&self.paths) {
            // Not watched yet, or gone: either way there is nothing to stop.
            drop(watcher.unwatch(&folder));
            // What does not exist yet is found by reading at the interval.
            drop(watcher.watch(&folder, RecursiveMode::NonRecursive));
        }
    }
}

/// Every folder that is told about: a folder itself, and the one that holds it or the file.
fn folders(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders: Vec<_> = paths
        .iter()
        .flat_map(|path| {
            let itself = path.is_dir().then(|| path.clone());
            itself.into_iter().chain(path.parent().map(Path::to_path_buf))
        })
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

fn watcher(paths: &[PathBuf], told: Arc<Notify>) -> Result<RecommendedWatcher, notify::Error> {
    let ours: Vec<_> = paths.to_vec();
    notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
        let tell = match event {
            Ok(event) => !is_a_mere_read(event.kind) && concerns(&ours, &event),
            // Events were lost: read again.
            Err(_) => true,
        };
        if tell {
            told.notify_one();
        }
    })
}

/// Reading the files to compare them makes such events itself.
fn is_a_mere_read(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// The folder that holds a watched folder may be a busy one: only what names ours counts. Beside a
/// watched file everything counts, for the file may be reached through links.
fn concerns(ours: &[PathBuf], event: &notify::Event) -> bool {
    event.paths.is_empty()
        || event.paths.iter().any(|path| {
            ours.iter().any(|our| {
                path.starts_with(our) || (!our.is_dir() && path.parent() == our.parent())
            })
        })
}

/// A number that differs where the content does.
fn fingerprint(paths: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        path.hash(&mut hasher);
        let outcome = if path.is_dir() {
            hash_folder(path, &mut hasher)
        } else {
            hash_file(path, &mut hasher)
        };
        if let Err(error) = outcome {
            error.kind().hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// The files of a folder; what lies below it and what is hidden is not looked at, and so `..data`,
/// to whose files the links beside it lead, is not read twice.
fn hash_folder(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let mut names: Vec<OsString> =
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        name.hash(hasher);
        if let Err(error) = hash_file(&path.join(name), hasher) {
            error.kind().hash(hasher);
        }
    }
    Ok(())
}

fn hash_file(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    // Opening a pipe would wait for somebody to write into it.
    if !metadata.is_file() {
        return Ok(());
    }
    metadata.len().hash(hasher);
    let mut content = File::open(path)?.take(READ_AT_MOST);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = content.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        hasher.write(buffer.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
