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

/// Whether something else may write there. `key` is the file that signs, where it is known and may
/// lie elsewhere than beside the ledger.
///
/// # Errors
///
/// It is a part of the ledger, which would be lost.
pub fn spare(location: &Location, key: Option<&Path>, path: &Path) -> Result<(), Owned> {
    let ledger = match location {
        Location::Sqlite(ledger) => Some(ledger.as_path()),
        Location::Memory | Location::Postgres(_) => None,
    };
    // SQLite puts its own beside the file, the others are beside the name that was given.
    let file = ledger.and_then(|ledger| fs::canonicalize(ledger).ok());
    let ledgers = [ledger, file.as_deref()].into_iter().flatten();
    let beside = ledgers.map(|ledger| (ledger, is_beside as fn(&Path, &OsStr) -> bool));
    let mut places = beside.chain(key.map(|key| (key, is_key as _)));
    match places.find_map(|(place, is_own)| own(place, path, is_own)) {
        Some(part) => Err(Owned { path: path.to_owned(), part }),
        None => Ok(()),
    }
}

/// By its name or by another.
fn own(at: &Path, path: &Path, is_own: fn(&Path, &OsStr) -> bool) -> Option<PathBuf> {
    let (folder, _) = place(at)?;
    let is_own = |name: &OsStr| is_own(at, name);
    // Some of them come and go.
    if let Some((_, name)) = place(path).filter(|(its, name)| *its == folder && is_own(name)) {
        return Some(at.with_file_name(name));
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
fn is_beside(ledger: &Path, name: &OsStr) -> bool {
    let end = ledger.file_name().and_then(|own| name.as_bytes().strip_prefix(own.as_bytes()));
    end.is_some_and(|end| match end {
        b"" | b"-wal" | b"-shm" | b"-journal" => true,
        end => end.starts_with(b".") && end.ends_with(b".lock"),
    }) || is_key(&keys::beside_ledger(ledger), name)
}

/// The same of the key and of what lies beside it.
fn is_key(key: &Path, name: &OsStr) -> bool {
    // A key is written beside its place before it takes it.
    let name = name.as_bytes();
    let name = name.strip_suffix(b".new").unwrap_or(name);
    let keys = [keys::public_beside(key), keys::rotations_beside(key), key.to_owned()];
    keys.iter().filter_map(|key| key.file_name()).any(|key| key.as_bytes() == name)
}
