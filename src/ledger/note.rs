//! Signed notes: a text with signatures below it (<https://c2sp.org/signed-note>), and the
//! Ed25519 keys that make them.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

/// The name of every key, and the beginning of every checkpoint's first line.
pub const NAME: &str = "postern.dev/ledger";
/// Of Ed25519, in a key's id and encoding.
const ALGORITHM: u8 = 1;
/// Of Ed25519.
const SIGNATURE_BYTES: usize = 64;
/// Longest note that is read; one has less than a kilobyte.
const MAX_NOTE_BYTES: usize = 16 << 10;
/// Most signatures that are looked at.
const MAX_SIGNATURES: usize = 16;

/// Why something is not a key or a note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence is the documentation")]
pub enum NoteError {
    #[error("it is not a private key: want Ed25519 as PKCS#8 in PEM")]
    SigningKey,
    #[error("no key can be made: the system gives no random numbers")]
    NoRandomness,
    #[error("it is not a public key: want `{NAME}+<8 digits>+<base64>`")]
    VerifyingKey,
    #[error("it is not a signed note")]
    NotANote,
    #[error("it is not signed by a key that is trusted here")]
    Untrusted,
    #[error("its signature is wrong")]
    WrongSignature,
}

/// A key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl SigningKey {
    /// Makes a key; its PEM is to be kept secret.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn generate() -> Result<(Self, String), NoteError> {
        let document = Ed25519KeyPair::generate().map_err(|_| NoteError::NoRandomness)?;
        let document = document.to_pkcs8v1().map_err(|_| NoteError::NoRandomness)?;
        let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", document.as_ref()));
        Ok((Self::from_pkcs8(document.as_ref())?, pem))
    }

    /// Reads a key, as `openssl genpkey -algorithm ed25519` writes one too.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn from_pem(text: &str) -> Result<Self, NoteError> {
        let pem = pem::parse(text).map_err(|_| NoteError::SigningKey)?;
        if pem.tag() != "PRIVATE KEY" {
            return Err(NoteError::SigningKey);
        }
        Self::from_pkcs8(pem.contents())
    }

    fn from_pkcs8(document: &[u8]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_pkcs8(document).map_err(|_| NoteError::SigningKey)?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| NoteError::SigningKey)?;
        Ok(Self { pair, public: VerifyingKey { key } })
    }

    /// The key that checks what this one signs.
    #[must_use]
    pub fn public(&self) -> VerifyingKey {
        self.public
    }

    /// `text` with this key's signature below. The text ends with a line break.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let mut signature = self.public.id().to_vec();
        signature.extend(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n\u{2014} {NAME} {}\n", BASE64.encode(signature))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the secret part of {}", self.public)
    }
}

/// A key that checks signatures. It is spelled as signed notes spell theirs:
/// `postern.dev/ledger+1f2e3d4c+AZ…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey {
    key: [u8; 32],
}

impl VerifyingKey {
    /// The first four bytes of SHA-256 over name, algorithm and key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(NAME).chain_update([b'\n', ALGORITHM]);
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.chain_update(self.key).finalize());
        [a, b, c, d]
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ALGORITHM];
        key.extend(self.key);
        write!(f, "{NAME}+{:08x}+{}", u32::from_be_bytes(self.id()), BASE64.encode(key))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for VerifyingKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let wrong = NoteError::VerifyingKey;
        let mut parts = text.trim().splitn(3, '+');
        let (name, id, key) = (parts.next(), parts.next(), parts.next());
        let decoded = key.and_then(|key| BASE64.decode(key).ok());
        let Some([ALGORITHM, key @ ..]) = decoded.as_deref() else { return Err(wrong) };
        let Ok(key) = <[u8; 32]>::try_from(key) else { return Err(wrong) };
        let this = Self { key };
        let is_consistent = name == Some(NAME)
            && id.and_then(|id| u32::from_str_radix(id, 16).ok()).map(u32::to_be_bytes)
                == Some(this.id());
        if is_consistent { Ok(this) } else { Err(wrong) }
    }
}

/// A text and the signatures below it, none of them checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// With the line break at its end.
    text: &'a str,
    signatures: Vec<([u8; 4], Vec<u8>)>,
}

impl<'a> Note<'a> {
    /// Takes a note apart.
    ///
    /// # Errors
    ///
    /// It is not a note, or an unreasonably long one.
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        let is_plain = |character: char| character == '\n' || !character.is_control();
        if note.len() > MAX_NOTE_BYTES || !note.chars().all(is_plain) {
            return Err(NoteError::NotANote);
        }
        let (text, below) = note.rsplit_once("\n\n").ok_or(NoteError::NotANote)?;
        let text = note.get(..text.len() + 1).ok_or(NoteError::NotANote)?;
        let mut signatures = Vec::new();
        for line in below.lines().take(MAX_SIGNATURES) {
            let line = line.strip_prefix("\u{2014} ").ok_or(NoteError::NotANote)?;
            let (name, signature) = line.split_once(' ').ok_or(NoteError::NotANote)?;
            let signature = BASE64.decode(signature).map_err(|_| NoteError::NotANote)?;
            // Others may sign below ours.
            if name == NAME {
                let parts = signature.split_first_chunk();
                // One that was cut off may decode all the same.
                let parts = parts.filter(|(_, signature)| signature.len() == SIGNATURE_BYTES);
                let (id, signature) = parts.ok_or(NoteError::NotANote)?;
                signatures.push((*id, signature.to_owned()));
            }
        }
        Ok(Self { text, signatures })
    }

    /// The text, and which of these keys signed it.
    ///
    /// # Errors
    ///
    /// None of them did, or one of them did not sign this.
    pub fn verified_by(
        &self,
        trusted: &[VerifyingKey],
    ) -> Result<(&'a str, VerifyingKey), NoteError> {
        let mut error = NoteError::Untrusted;
        for (id, signature) in &self.signatures {
            // An id has 32 bits: two keys may share one.
            for key in trusted.iter().filter(|key| key.id() == *id) {
                let public = UnparsedPublicKey::new(&ED25519, key.key);
                if public.verify(self.text.as_bytes(), signature).is_ok() {
                    return Ok((self.text, *key));
                }
                error = NoteError::WrongSignature;
            }
        }
        Err(error)
    }

    /// The id of the key that says it signed this.
    #[must_use]
    pub fn signer(&self) -> Option<[u8; 4]> {
        self.signatures.first().map(|(id, _)| *id)
    }

    /// The text, whoever signed it.
    #[must_use]
    pub fn unverified(&self) -> &'a str {
        self.text
    }
}

/// The notes of a text, after each other with empty lines between; and what follows that is no
/// whole note.
#[must_use]
pub fn split(text: &str) -> (Vec<&str>, &str) {
    let mut notes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\n\n\u{2014} ") {
        let end = rest.get(at + 2..).map(|below| {
            let signatures =
                below.split_inclusive('\n').take_while(|it| it.starts_with('\u{2014}'));
            at + 2 + signatures.map(str::len).sum::<usize>()
        });
        let Some((whole, after)) = end.and_then(|end| rest.split_at_checked(end)) else { break };
        notes.push(whole);
        rest = after;
    }
    (notes, rest)
}

/// What a rotation's note begins with; the new key's spelling is its second line.
const ROTATION: &str = "postern.dev/ledger/next-key";

/// The note in which one key hands over to the next.
#[must_use]
pub fn rotation(old: &SigningKey, new: &VerifyingKey) -> String {
    old.sign(&format!("{ROTATION}\n{new}\n"))
}

/// The key to which a trusted one hands over.
///
/// # Errors
///
/// It is another note, or not signed by a trusted key.
pub fn rotated_to(note: &str, trusted: &[VerifyingKey]) -> Result<VerifyingKey, NoteError> {
    let (text, _) = Note::parse(note)?.verified_by(trusted)?;
    let key = text.strip_prefix(ROTATION).and_then(|rest| rest.strip_prefix('\n'));
    key.ok_or(NoteError::NotANote)?.parse()
}

#[cfg(test)]
mod tests {
    use super::{Note, NoteError, SigningKey, VerifyingKey, rotated_to, rotation};

    fn key() -> SigningKey {
        SigningKey::generate().unwrap().0
    }

    #[test]
    fn what_one_key_signs_no_other_signed() {
        let (own, other) = (key(), key());
        let note = own.sign("a\nb\n");
        let parsed = Note::parse(&note).unwrap();
        let trusted = [other.public(), own.public()];
        assert_eq!(parsed.verified_by(&trusted), Ok(("a\nb\n", own.public())));
        assert_eq!(parsed.verified_by(&[other.public()]), Err(NoteError::Untrusted));
        let altered = note.replace("a\nb", "a\nc");
        let altered = Note::parse(&altered).unwrap();
        assert_eq!(altered.verified_by(&trusted), Err(NoteError::WrongSignature));
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let (key, pem) = SigningKey::generate().unwrap();
        assert_eq!(SigningKey::from_pem(&pem).unwrap().public(), key.public());
        let text = key.public().to_string();
        assert_eq!(text.parse::<VerifyingKey>(), Ok(key.public()));
        for wrong in
            ["", "x", &text.replace('+', "-"), text.split_at(text.len() - 4).0, &format!("x{text}")]
        {
            assert_eq!(wrong.parse::<VerifyingKey>(), Err(NoteError::VerifyingKey), "{wrong}");
        }
        assert!(SigningKey::from_pem(&pem.replace("PRIVATE KEY", "CERTIFICATE")).is_err());
    }

    #[test]
    fn a_key_hands_over_to_one_other() {
        let (old, new) = (key(), key());
        let note = rotation(&old, &new.public());
        assert_eq!(rotated_to(&note, &[old.public()]), Ok(new.public()));
        assert_eq!(rotated_to(&note, &[new.public()]), Err(NoteError::Untrusted));
        assert_eq!(rotated_to(&old.sign("x\n"), &[old.public()]), Err(NoteError::NotANote));
    }

    #[test]
    fn what_is_no_note_is_an_error() {
        for text in [
            "",
            "\n",
            "\n\n",
            "a\n\nb\n",
            "a\n\n\u{2014} x\n",
            "a\n\n\u{2014} x !\n",
            "a\u{1b}\n\n",
        ] {
            let read = Note::parse(text);
            let is_unsigned = read.is_ok_and(|note| note.verified_by(&[]).is_err());
            assert!(is_unsigned || Note::parse(text).is_err(), "{text:?}");
        }
    }
}
