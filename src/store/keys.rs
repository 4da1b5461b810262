//! The key that signs checkpoints, in a file.
//!
//! Beside `FILE` lies `FILE.pub`, for auditors to take away, and after a change of key
//! `FILE.rotations`: the notes in which each key hands over to the next.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sqlite;
use crate::ledger::keyring::{Kept, KeptError, Keys, Rotated};
use crate::ledger::note::{NoteError, VerifyingKey};

const PUBLIC: &str = ".pub";
const ROTATIONS: &str = ".rotations";
/// Longest file of public keys.
const MAX_BYTES: u64 = 64 << 10;

/// What is wrong with a key's file.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence is the documentation")]
pub enum KeyError {
    #[error("`{}`: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("`{}`: {source}", .path.display())]
    Key { path: PathBuf, source: NoteError },
    #[error("`{}` can be read by everybody; take that away: chmod o-rwx", .path.display())]
    Exposed { path: PathBuf },
    #[error("`{}` does not hold a list of notes: {source}", .path.display())]
    Rotations { path: PathBuf, source: serde_json::Error },
}

impl KeyError {
    fn of(path: &Path, error: KeptError) -> Self {
        match error {
            KeptError::Key(source) => Self::Key { path: path.to_owned(), source },
            KeptError::Rotations(source) => {
                Self::Rotations { path: rotations_beside(path), source }
            }
        }
    }
}

/// Reads the key in a file; makes one, for its owner alone, where there is no file.
///
/// # Errors
///
/// It cannot be read or made, is no key, or is open to everybody.
pub fn load_or_make(path: &Path) -> Result<Keys, KeyError> {
    match load(path) {
        Err(KeyError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        loaded => return keys_of(path, &loaded?),
    }
    let made = Kept::generate().map_err(|error| KeyError::of(path, error.into()))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    }
    match write_new(path, &made.key, 0o600) {
        // Another replica was quicker; give it the time to write it down.
        Err(KeyError::File { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
            std::thread::sleep(Duration::from_millis(200));
            return keys_of(path, &load(path)?);
        }
        written => written?,
    }
    replace(&public_beside(path), &made.public, 0o644)?;
    Ok(Keys { is_new: true, ..keys_of(path, &made)? })
}

fn keys_of(path: &Path, kept: &Kept) -> Result<Keys, KeyError> {
    kept.keys().map_err(|error| KeyError::of(path, error))
}

fn load(path: &Path) -> Result<Kept, KeyError> {
    let key = fs::read_to_string(path).map_err(|source| failed(path, source))?;
    let mode = fs::metadata(path).map_err(|source| failed(path, source))?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned() });
    }
    let public = read_if_there(&public_beside(path))?;
    Ok(Kept { key, public, rotations: read_if_there(&rotations_beside(path))? })
}

fn read_if_there(path: &Path) -> Result<String, KeyError> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        // What is no text in it is no key, nor a list of notes.
        read => read
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|source| failed(path, source)),
    }
}

/// Makes a new key in the place of the one in a file, which hands over to it; both public keys,
/// the old one first.
///
/// # Errors
///
/// There is no key in the file, or the folder cannot be written.
pub fn rotate(path: &Path) -> Result<(VerifyingKey, VerifyingKey), KeyError> {
    let rotated = load(path)?.rotated().map_err(|error| KeyError::of(path, error))?;
    let Rotated { old, new, kept: Kept { key, public, rotations } } = rotated;
    // The note first: a key that nobody handed over to would be worse than a note too many.
    replace(&rotations_beside(path), &rotations, 0o644)?;
    replace(path, &key, 0o600)?;
    replace(&public_beside(path), &public, 0o644)?;
    Ok((old, new))
}

/// Reads public keys from a file, one a line.
///
/// # Errors
///
/// It cannot be read, or has something else in it.
pub fn public_keys(path: &Path) -> Result<Vec<VerifyingKey>, KeyError> {
    let file = fs::File::open(path).map_err(|source| failed(path, source))?;
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|source| failed(path, source))?;
    let wrong = |source| KeyError::Key { path: path.to_owned(), source };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let keys = lines.map(str::parse).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    if keys.is_empty() { Err(wrong(NoteError::VerifyingKey)) } else { Ok(keys) }
}

/// Where the key of a SQLite ledger is unless another place is given.
#[must_use]
pub fn beside_ledger(ledger: &Path) -> PathBuf {
    beside(&sqlite::followed(ledger), ".key")
}

/// Where the hand-overs are of a key in a file.
#[must_use]
pub fn rotations_beside(path: &Path) -> PathBuf {
    beside(path, ROTATIONS)
}

/// Where the public key is that belongs to a key's file.
#[must_use]
pub fn public_beside(path: &Path) -> PathBuf {
    beside(path, PUBLIC)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn failed(path: &Path, source: io::Error) -> KeyError {
    KeyError::File { path: path.to_owned(), source }
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), KeyError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| failed(path, source))
}

/// Puts a file in the place of another at once.
fn replace(path: &Path, text: &str, mode: u32) -> Result<(), KeyError> {
    let new = beside(path, ".new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&new, error)),
        _ => {}
    }
    write_new(&new, text, mode)?;
    fs::rename(&new, path).map_err(|source| failed(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::note::rotated_to;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/ledger.key");
        let made = load_or_make(&path).unwrap();
        assert!(made.is_new);
        let again = load_or_make(&path).unwrap();
        assert!(!again.is_new);
        assert_eq!(again.current.public(), made.current.public());
        assert_eq!(public_keys(&public_beside(&path)).unwrap(), [made.current.public()]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(matches!(load_or_make(&path), Err(KeyError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        assert!(load_or_make(&path).is_ok(), "as a Secret is mounted");
    }

    #[test]
    fn a_key_hands_over_in_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.key");
        load_or_make(&path).unwrap();
        let (old, new) = rotate(&path).unwrap();
        let keys = load_or_make(&path).unwrap();
        assert_eq!(keys.current.public(), new);
        assert_eq!(rotated_to(&keys.rotations[0], &[old]).unwrap(), new);
        assert_eq!(public_keys(&public_beside(&path)).unwrap(), [new, old]);
    }

    #[test]
    fn a_file_that_is_no_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.key");
        fs::write(&path, "not a key").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(load_or_make(&path), Err(KeyError::Key { .. })));
        assert!(rotate(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a key");
    }
}
