//! The key that signs checkpoints, in a file.
//!
//! Beside `FILE` lies `FILE.pub`, for auditors to take away, and after a change of key
//! `FILE.rotations`: the notes in which each key hands over to the next.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ledger::note::{NoteError, SigningKey, VerifyingKey, rotation};

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

/// A key with its past.
#[derive(Debug)]
pub struct Keys {
    /// Signs from now on.
    pub current: SigningKey,
    /// The notes in which the keys before handed over, the first first.
    pub rotations: Vec<String>,
    /// Whether the key was made this moment.
    pub is_new: bool,
}

/// Reads the key in a file; makes one, for its owner alone, where there is no file.
///
/// # Errors
///
/// It cannot be read or made, is no key, or is open to everybody.
pub fn load_or_make(path: &Path) -> Result<Keys, KeyError> {
    match load(path) {
        Err(KeyError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        loaded => return loaded,
    }
    let (current, pem) = generate(path)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    }
    match write_new(path, &pem, 0o600) {
        // Another replica was quicker; give it the time to write it down.
        Err(KeyError::File { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
            std::thread::sleep(Duration::from_millis(200));
            return load(path);
        }
        written => written?,
    }
    replace(&beside(path, ".pub"), &format!("{}\n", current.public()), 0o644)?;
    Ok(Keys { current, rotations: Vec::new(), is_new: true })
}

fn load(path: &Path) -> Result<Keys, KeyError> {
    let pem = fs::read_to_string(path).map_err(|source| failed(path, source))?;
    let mode = fs::metadata(path).map_err(|source| failed(path, source))?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned() });
    }
    let current = SigningKey::from_pem(&pem)
        .map_err(|source| KeyError::Key { path: path.to_owned(), source })?;
    Ok(Keys { current, rotations: rotations(path)?, is_new: false })
}

fn rotations(path: &Path) -> Result<Vec<String>, KeyError> {
    let path = beside(path, ".rotations");
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|source| KeyError::Rotations { path: path.clone(), source }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(failed(&path, source)),
    }
}

/// Makes a new key in the place of the one in a file, which hands over to it; both public keys,
/// the old one first.
///
/// # Errors
///
/// There is no key in the file, or the folder cannot be written.
pub fn rotate(path: &Path) -> Result<(VerifyingKey, VerifyingKey), KeyError> {
    let Keys { current: old, mut rotations, .. } = load(path)?;
    let (new, pem) = generate(path)?;
    rotations.push(rotation(&old, &new.public()));
    let list = beside(path, ".rotations");
    let text = serde_json::to_string_pretty(&rotations)
        .map_err(|source| KeyError::Rotations { path: list.clone(), source })?;
    // The note first: a key that nobody handed over to would be worse than a note too many.
    replace(&list, &format!("{text}\n"), 0o644)?;
    replace(path, &pem, 0o600)?;
    // Servers sign with the old key until they start again.
    let public = public_beside(path);
    let known = fs::read_to_string(&public).unwrap_or_else(|_| format!("{}\n", old.public()));
    replace(&public, &format!("{}\n{known}", new.public()), 0o644)?;
    Ok((old.public(), new.public()))
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
    beside(ledger, ".key")
}

/// Where the public key is that belongs to a key's file.
#[must_use]
pub fn public_beside(path: &Path) -> PathBuf {
    beside(path, ".pub")
}

fn generate(path: &Path) -> Result<(SigningKey, String), KeyError> {
    SigningKey::generate().map_err(|source| KeyError::Key { path: path.to_owned(), source })
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
    fn each_key_hands_over_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.key");
        let mut known = vec![load_or_make(&path).unwrap().current.public()];
        for _ in 0..3 {
            let (old, new) = rotate(&path).unwrap();
            assert_eq!(known.last(), Some(&old));
            known.push(new);
        }
        let keys = load_or_make(&path).unwrap();
        let mut trusted = vec![known[0]];
        for note in &keys.rotations {
            trusted.push(rotated_to(note, &trusted).unwrap());
        }
        assert_eq!(trusted, known);
        assert_eq!(keys.current.public(), known[3]);
        known.reverse();
        assert_eq!(public_keys(&public_beside(&path)).unwrap(), known);
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
