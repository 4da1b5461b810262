//! The chain of one writer: each record's hash covers all before it.

use std::fmt;

use sha2::{Digest, Sha256};

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands before the first record: 32 zero bytes.
    pub const NOTHING: Self = Self([0; 32]);

    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash of the record after this one: `SHA-256(hash before || bytes as stored)`.
    #[must_use]
    pub fn then(self, stored: &[u8]) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(stored).finalize().into())
    }

    /// From 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// From 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut hash = [0; 32];
        let mut seen = 0;
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            let (high, low) = (digit(*high), digit(*low));
            seen |= high | low;
            *byte = high << 4 | low & 0xf;
        }
        (seen < NO_DIGIT).then_some(Self(hash))
    }
}

/// Above all digits.
const NO_DIGIT: u8 = 0x10;

/// The value of a hexadecimal digit, or [`NO_DIGIT`]. A verifier reads 64 of each record, so no
/// digit decides where to go on.
fn digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => NO_DIGIT,
    }
}

/// Lower-case hexadecimal, as `sha256sum` prints it.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Hash;

    /// `{ head -c 32 /dev/zero; printf abc; } | sha256sum`, as an auditor would.
    #[test]
    fn is_what_coreutils_compute() {
        let first = Hash::NOTHING.then(b"abc");
        let expected = "365aa7d8f7f9402c4b9434502b4cc89ddb09fe50d7cd95b493b834c62d5a5370";
        assert_eq!(first.to_string(), expected);
        assert_eq!(Hash::from_hex(&first.to_string()), Some(first));
        assert_eq!(Hash::from_hex("zz"), None);
        assert_eq!(Hash::from_hex(&"é".repeat(32)), None);
    }
}
