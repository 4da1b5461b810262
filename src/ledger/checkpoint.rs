//! Checkpoints: what a writer signs about all its records so far.
//!
//! The text is that of <https://c2sp.org/tlog-checkpoint>: origin, number of records, head of the
//! Merkle tree; then lines of our own.
//!
//! ```text
//! postern.dev/ledger/postern-0
//! 4711
//! KgEr…=
//! time 2026-11-25T18:19:14Z
//! chain 9f86d081…
//! cluster staging
//! bytes 5801234
//!
//! — postern.dev/ledger 1f2e3d4c…
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;

use super::chain::Hash;
use super::note::{Note, NoteError, SigningKey, VerifyingKey};

/// What every checkpoint begins with, before its writer's name.
pub const ORIGIN: &str = "postern.dev/ledger/";

/// What a writer says about its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Who says it.
    pub writer: String,
    /// How many records there are.
    pub size: u64,
    /// The head of the tree over them.
    pub root: Hash,
    /// When it was said, by the writer's clock.
    pub time: Timestamp,
    /// The hash of the last record.
    pub chain: Hash,
    /// Name of the cluster, from the settings.
    pub cluster: String,
    /// How long the texts of the records are together, those that are gone among them. Those that a
    /// version wrote which did not count are not. `None`: said by such a version.
    pub bytes: Option<u64>,
}

impl Checkpoint {
    /// As it is signed.
    fn text(&self) -> String {
        let Self { writer, size, root, time, chain, cluster, bytes } = self;
        let root = BASE64.encode(root.0);
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        let cluster: String = cluster.chars().map(plain).collect();
        let bytes = bytes.map(|bytes| format!("bytes {bytes}\n")).unwrap_or_default();
        format!(
            "{ORIGIN}{writer}\n{size}\n{root}\ntime {time}\nchain {chain}\ncluster {cluster}\n{bytes}"
        )
    }

    /// The signed note.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        key.sign(&self.text())
    }

    /// Reads a checkpoint that one of these keys signed.
    ///
    /// # Errors
    ///
    /// It is none, or none of them signed it.
    pub fn verify(note: &str, trusted: &[VerifyingKey]) -> Result<Self, NoteError> {
        let (text, _) = Note::parse(note)?.verified_by(trusted)?;
        Self::parse(text).ok_or(NoteError::NotANote)
    }

    /// Whether it is about this writer's first `size` entries, of which the last has this hash.
    #[must_use]
    pub fn is_about(&self, writer: &str, size: u64, last: Option<Hash>) -> bool {
        (&*self.writer, self.size) == (writer, size) && (size == 0 || last == Some(self.chain))
    }

    /// Reads a checkpoint without asking who signed it.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn unverified(note: &str) -> Result<Self, NoteError> {
        Self::parse(Note::parse(note)?.unverified()).ok_or(NoteError::NotANote)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let writer = lines.next()?.strip_prefix(ORIGIN)?.to_owned();
        let size = lines.next()?.parse().ok()?;
        let root = Hash::from_slice(&BASE64.decode(lines.next()?).ok()?)?;
        let time = lines.next()?.strip_prefix("time ")?.parse().ok()?;
        let chain = Hash::from_hex(lines.next()?.strip_prefix("chain ")?)?;
        let cluster = lines.next()?.strip_prefix("cluster ")?.to_owned();
        let bytes = lines.next().and_then(|line| line.strip_prefix("bytes ")?.parse().ok());
        Some(Self { writer, size, root, time, chain, cluster, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::Checkpoint;
    use crate::ledger::chain::Hash;
    use crate::ledger::note::{NoteError, SigningKey};

    #[test]
    fn is_read_as_it_is_signed() {
        let (key, _) = SigningKey::generate().unwrap();
        let checkpoint = Checkpoint {
            writer: "postern-0".to_owned(),
            size: 4711,
            root: Hash::of(b"root"),
            time: "2026-11-25T18:19:14.5Z".parse().unwrap(),
            chain: Hash::of(b"chain"),
            cluster: "a\nb".to_owned(),
            bytes: Some(5_801_234),
        };
        let note = checkpoint.sign(&key);
        assert!(note.starts_with("postern.dev/ledger/postern-0\n4711\n"), "{note}");
        let read = Checkpoint::verify(&note, &[key.public()]).unwrap();
        assert_eq!(read, Checkpoint { cluster: "a b".to_owned(), ..checkpoint.clone() });
        let older = Checkpoint { bytes: None, cluster: String::new(), ..checkpoint };
        let note = older.sign(&key);
        assert_eq!(Checkpoint::verify(&note, &[key.public()]), Ok(older), "{note}");
        assert_eq!(Checkpoint::verify(&note, &[]), Err(NoteError::Untrusted));
        let other = key.sign("postern.dev/ledger/x\n1\n");
        assert_eq!(Checkpoint::verify(&other, &[key.public()]), Err(NoteError::NotANote));
    }
}
