//! The key that signs the ledger and its past, as they are kept: three texts, in files or a Secret.

use std::fmt;

use super::note::{NoteError, SigningKey, VerifyingKey, rotated_to, rotation};

/// What is kept of a signing key.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The key itself, in PEM; a secret.
    pub key: String,
    /// The public keys, one a line, the newest first: for auditors to take away.
    pub public: String,
    /// The notes in which each key hands over to the next, the first first, as a JSON list. Empty
    /// where there was one key alone.
    pub rotations: String,
}

/// A key with its past.
#[derive(Debug)]
pub struct Keys {
    /// Signs from now on.
    pub current: SigningKey,
    /// The notes in which the keys before handed over, the first first.
    pub rotations: Vec<String>,
    /// The public keys of those before, as far as they are kept, and of this one.
    pub known: Vec<VerifyingKey>,
    /// Whether the key was made this moment.
    pub is_new: bool,
}

/// What is wrong with what is kept.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// Of the key.
    #[error("{0}")]
    Key(#[from] NoteError),
    /// Of the hand-overs.
    #[error("it does not hold a list of notes: {0}")]
    Rotations(serde_json::Error),
}

impl Kept {
    /// A new key.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn generate() -> Result<Self, NoteError> {
        let (made, key) = SigningKey::generate()?;
        Ok(Self { key, public: format!("{}\n", made.public()), rotations: String::new() })
    }

    /// The key, to sign with.
    ///
    /// # Errors
    ///
    /// It is no key, or the hand-overs are no list.
    pub fn keys(&self) -> Result<Keys, KeptError> {
        let current = SigningKey::from_pem(&self.key)?;
        let rotations: Vec<String> = match self.rotations.as_str() {
            "" => Vec::new(),
            text => serde_json::from_str(text).map_err(KeptError::Rotations)?,
        };
        let mut known = vec![current.public()];
        known.extend(self.public.lines().filter_map(|line| line.parse::<VerifyingKey>().ok()));
        // A change of keys that was cut short is written down there first.
        for note in &rotations {
            known.extend(rotated_to(note, &known).ok());
        }
        Ok(Keys { current, rotations, known, is_new: false })
    }

    /// A new key in place of this one, which hands over to it.
    ///
    /// # Errors
    ///
    /// As for [`Self::keys`] and [`Self::generate`].
    pub fn rotated(&self) -> Result<Rotated, KeptError> {
        let Keys { current: old, mut rotations, .. } = self.keys()?;
        let (new, key) = SigningKey::generate()?;
        rotations.push(rotation(&old, &new.public()));
        let notes = serde_json::to_string_pretty(&rotations).map_err(KeptError::Rotations)?;
        // Servers sign with the old key until they start again.
        let old_line = format!("{}\n", old.public());
        let is_listed = self.public.contains(&old_line);
        let known = if is_listed { self.public.clone() } else { old_line + &self.public };
        let public = format!("{}\n{known}", new.public());
        let kept = Self { key, public, rotations: format!("{notes}\n") };
        Ok(Rotated { old: old.public(), new: new.public(), kept })
    }
}

/// A key that handed over to another.
#[derive(Debug)]
pub struct Rotated {
    /// Signed until now.
    pub old: VerifyingKey,
    /// Signs from now on.
    pub new: VerifyingKey,
    /// To be kept in place of what there was.
    pub kept: Kept,
}

impl fmt::Debug for Kept {
    /// No log is a place for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a key that signs)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_hands_over_to_the_next() {
        let mut kept = Kept::generate().unwrap();
        let mut known = vec![kept.keys().unwrap().current.public()];
        for _ in 0..3 {
            let Rotated { old, new, kept: next } = kept.rotated().unwrap();
            assert_eq!(known.last(), Some(&old));
            known.push(new);
            kept = next;
        }
        let keys = kept.keys().unwrap();
        let mut trusted = vec![known[0]];
        for note in &keys.rotations {
            trusted.push(rotated_to(note, &trusted).unwrap());
        }
        assert_eq!(trusted, known);
        assert_eq!(keys.current.public(), known[3]);
        let public: Vec<_> = known.iter().rev().map(ToString::to_string).collect();
        assert_eq!(kept.public.lines().collect::<Vec<_>>(), public);
        assert!(known.iter().all(|key| keys.known.contains(key)));
    }

    #[test]
    fn what_is_no_key_hands_over_to_nothing() {
        let good = Kept::generate().unwrap();
        for kept in [
            Kept::default(),
            Kept { key: "not a key".to_owned(), ..good.clone() },
            Kept { rotations: "{}".to_owned(), ..good.clone() },
        ] {
            assert!(kept.keys().is_err() && kept.rotated().is_err());
        }
        // The key was changed, and what says so not yet.
        let first = good.rotated().unwrap();
        let cut = Kept { public: good.public.clone(), ..first.kept };
        let second = cut.rotated().unwrap().kept;
        assert!(second.keys().unwrap().known.contains(&first.old));
        assert!(second.keys().unwrap().known.contains(&first.new));
        assert_eq!(second.public.lines().count(), 3, "{}", second.public);
        let brought = Kept { public: String::new(), ..good.clone() };
        assert!(brought.rotated().unwrap().kept.public.ends_with(&good.public), "it is known");
    }

    #[test]
    fn nothing_shows_it() {
        assert_eq!(format!("{:?}", Kept::generate().unwrap()), "(a key that signs)");
    }
}
