//! The beginning of a record's id, as a person types it.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Fewest digits that are taken for the beginning of an id.
const MIN_DIGITS: usize = 8;
/// Hexadecimal digits of an id.
const DIGITS: usize = 32;

/// All ids that begin with the same digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdPrefix {
    /// The lowest of them.
    pub first: Uuid,
    /// The highest of them.
    pub last: Uuid,
}

/// Why a text is not the beginning of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is given by its first {MIN_DIGITS} to {DIGITS} hexadecimal digits")]
pub struct IdPrefixError;

impl FromStr for IdPrefix {
    type Err = IdPrefixError;

    fn from_str(text: &str) -> Result<Self, IdPrefixError> {
        let digits: String = text.chars().filter(|character| *character != '-').collect();
        if !(MIN_DIGITS..=DIGITS).contains(&digits.len())
            || !digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return Err(IdPrefixError);
        }
        let padded = |with: &str| {
            let text = format!("{digits}{}", with.repeat(DIGITS - digits.len()));
            Uuid::try_parse(&text).map_err(|_| IdPrefixError)
        };
        Ok(Self { first: padded("0")?, last: padded("f")? })
    }
}

/// The digits that were given, without dashes.
impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first.simple().to_string(), self.last.simple().to_string());
        let both = first.chars().zip(last.chars());
        both.take_while(|(a, b)| a == b).try_for_each(|(digit, _)| write!(f, "{digit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::IdPrefix;

    #[test]
    fn spans_every_id_that_begins_so() {
        let prefix: IdPrefix = "019AB3f2-1c4d".parse().unwrap();
        assert_eq!(prefix.to_string(), "019ab3f21c4d");
        assert_eq!(prefix.first.to_string(), "019ab3f2-1c4d-0000-0000-000000000000");
        assert_eq!(prefix.last.to_string(), "019ab3f2-1c4d-ffff-ffff-ffffffffffff");
    }

    #[test]
    fn a_whole_id_spans_itself() {
        let text = "019ab3f2-1c4d-7abc-8def-0123456789ab";
        let prefix: IdPrefix = text.parse().unwrap();
        assert_eq!((prefix.first.to_string(), prefix.first), (text.to_owned(), prefix.last));
    }

    #[test]
    fn refuses_what_is_too_short_too_long_or_no_number() {
        for text in ["", "019ab3f", "019ab3fg", "019ab3f2-1c4d-7abc-8def-0123456789abc", "*", "é"]
        {
            assert!(text.parse::<IdPrefix>().is_err(), "{text}");
        }
    }
}
