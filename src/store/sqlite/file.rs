//! The file below a ledger: made, told apart from another, and held by one process.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::super::StoreError;

/// Which file a path names, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of the file that is there now. A call of a microsecond, so nobody is sent to wait for it.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let there = identify(path);
        let (identity, _) =
            there.map_err(|source| StoreError::NotMade { path: path.to_owned(), source })?;
        Ok(identity)
    }
}

/// Which file has that name, and how many bytes it has.
///
/// Not when it was changed: since Linux 6.13, whoever asks for that has the next change written
/// down with a finer time (the kernel's `filesystems/multigrain-ts.rst`), and the sync after it
/// writes one block more. Asked at each commit, that was a quarter of what a sync took.
#[cfg(target_os = "linux")]
fn identify(path: &Path) -> io::Result<(Identity, u64)> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};

    let there = statx(CWD, path, AtFlags::empty(), StatxFlags::INO | StatxFlags::SIZE)?;
    let device = makedev(there.stx_dev_major, there.stx_dev_minor);
    Ok((Identity { device, inode: there.stx_ino }, there.stx_size))
}

#[cfg(not(target_os = "linux"))]
fn identify(path: &Path) -> io::Result<(Identity, u64)> {
    use std::os::unix::fs::MetadataExt;

    let there = fs::metadata(path)?;
    Ok((Identity { device: there.dev(), inode: there.ino() }, there.len()))
}

/// The write-ahead log beside a ledger, as it was last seen. It holds what the ledger does not have
/// yet, and SQLite goes on writing one that lost its name or its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Log {
    identity: Identity,
    bytes: u64,
}

impl Log {
    /// Of the ledger at `path`; `None`: there is none, as before the first write.
    pub(super) fn beside(path: &Path) -> Option<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let (identity, bytes) = identify(Path::new(&log)).ok()?;
        Some(Self { identity, bytes })
    }

    /// Whether this is what became of `before`: the log is written from its start again and again,
    /// and never gets shorter.
    pub(super) fn follows(self, before: Self) -> bool {
        self.identity == before.identity && self.bytes >= before.bytes
    }
}

/// The file itself where a path is a link to it: SQLite puts its own beside that, and so does
/// everybody who calls it by another name.
pub(in crate::store) fn followed(path: &Path) -> PathBuf {
    let followed = if path.is_symlink() { fs::canonicalize(path).ok() } else { None };
    followed.unwrap_or_else(|| path.to_owned())
}

/// Whether there is a file; if not, what there is.
pub(super) fn look(path: &Path) -> Result<(), StoreError> {
    let path = path.to_owned();
    match fs::metadata(&path) {
        Ok(there) if there.is_file() => Ok(()),
        Ok(there) if there.is_dir() => Err(StoreError::Folder { path }),
        Ok(_) => Err(StoreError::NotAFile { path }),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::Missing { path }),
        Err(source) => Err(StoreError::NotRead { path, source }),
    }
}

/// Makes an empty file that its owner alone can read, and the folders above it.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    let not_made = |path: &Path, source| StoreError::NotMade { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(|source| not_made(folder, source))?;
    }
    // SQLite gives the files that it puts beside this one the same mode.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => look(path),
        Err(error) => Err(not_made(path, error)),
    }
}

/// How long a process may take to end that has the ledger still.
pub(super) const ENDS: Duration = Duration::from_millis(500);
/// Between two looks at that.
const PAUSE: Duration = Duration::from_millis(10);

/// Holds a ledger for one process to write as `writer`; let go of when dropped, or by the kernel
/// when the process dies.
///
/// The lock is on a file of its own: SQLite's locks on the database are lost when another
/// descriptor of it is closed in the same process.
///
/// Whoever has it is waited for, and with it this thread.
pub(super) fn hold(path: &Path, writer: &str, patience: Duration) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{writer}.lock"));
    let name = PathBuf::from(name);
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .map_err(|source| StoreError::NotMade { path: name.clone(), source })?;
    // Whoever had it may be ending at this moment, or have a child that has inherited it and is not
    // another program yet.
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if began.elapsed() < patience => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let (place, writer) = (super::place(path), writer.to_owned());
                return Err(StoreError::InUse { place, writer });
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::NotMade { path: name, source });
            }
        }
    }
}
