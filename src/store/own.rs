//! The files that a ledger is made of, which nothing else may write.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Location, keys};

/// A path names a part of the ledger: itself, its key, or what keeps a second writer away.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is a part of the ledger: `{}`; want another file", path.display(), part.display())]
pub struct Owned {
    path: PathBuf,
    part: PathBuf,
}

/// Whether something else may write there.
///
/// # Errors
///
/// It is a part of the ledger, which would be lost.
pub fn spare(location: &Location, path: &Path) -> Result<(), Owned> {
    let Location::Sqlite(ledger) = location else { return Ok(()) };
    // SQLite puts its own beside the file, the others are beside the name that was given.
    let file = fs::canonicalize(ledger).ok();
    let ledgers = [Some(ledger.as_path()), file.as_deref()];
    match ledgers.into_iter().flatten().find_map(|ledger| own(ledger, path)) {
        Some(part) => Err(Owned { path: path.to_owned(), part }),
        None => Ok(()),
    }
}

/// By its name or by another.
fn own(ledger: &Path, path: &Path) -> Option<PathBuf> {
    let (folder, _) = place(ledger)?;
    let is_own = |name: &OsStr| is_own(ledger, name);
    // Some of them come and go.
    if let Some((_, name)) = place(path).filter(|(its, name)| *its == folder && is_own(name)) {
        return Some(ledger.with_file_name(name));
    }
    let node = |path: &Path| fs::metadata(path).ok().map(|it| (it.dev(), it.ino()));
    let written = node(path)?;
    let there = fs::read_dir(folder).ok()?.flatten().filter(|entry| is_own(&entry.file_name()));
    there.map(|entry| entry.path()).find(|own| node(own) == Some(written))
}

fn place(path: &Path) -> Option<(PathBuf, OsString)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?;
    Some((folder, path.file_name()?.to_owned()))
}

/// Whether a file beside the ledger that is called so is one of its own. Each writer has a lock.
fn is_own(ledger: &Path, name: &OsStr) -> bool {
    let key = keys::beside_ledger(ledger);
    let keys = [keys::public_beside(&key), keys::rotations_beside(&key), key];
    // A key is written beside its place before it takes it.
    let is_a_key = |name: &[u8]| {
        let name = name.strip_suffix(b".new").unwrap_or(name);
        keys.iter().filter_map(|key| key.file_name()).any(|key| key.as_bytes() == name)
    };
    let end = ledger.file_name().and_then(|own| name.as_bytes().strip_prefix(own.as_bytes()));
    end.is_some_and(|end| match end {
        b"" | b"-wal" | b"-shm" | b"-journal" => true,
        end => end.starts_with(b".") && end.ends_with(b".lock"),
    }) || is_a_key(name.as_bytes())
}
