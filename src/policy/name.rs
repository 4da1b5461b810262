//! Names, as Kubernetes has them, and patterns of names.

use wildmatch::WildMatchPattern;

/// How long a DNS-1123 label may be.
pub const MAX_LABEL_BYTES: usize = 63;

/// A DNS-1123 label: the name of a container or of a namespace.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    text.len() <= MAX_LABEL_BYTES
        && text.bytes().all(is_label_byte)
        && !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// What such a label is made of.
#[must_use]
pub fn is_label_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
}

/// A name with `*` for any run of characters.
#[derive(Debug, Clone, PartialEq)]
pub struct NamePattern {
    text: String,
    /// How many bytes stand before the first wildcard: most names are told apart by those.
    stem: usize,
    wild: WildMatchPattern<'*', '\0'>,
}

impl NamePattern {
    /// Every text is a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let stem = text.find('*').unwrap_or(text.len());
        Self { text: text.to_owned(), stem, wild: WildMatchPattern::new(text) }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name itself, if the pattern has no wildcard.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        (!self.text.contains('*')).then_some(self.text.as_str())
    }

    /// Whether it covers `name`.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let stem = self.text.as_bytes().get(..self.stem).unwrap_or_default();
        name.as_bytes().starts_with(stem) && self.wild.matches(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=name.len()).any(|skipped| covers(rest, &name[skipped..])),
            ([letter, rest @ ..], [first, others @ ..]) => letter == first && covers(rest, others),
            _ => false,
        }
    }

    proptest! {
        /// What stands before the first wildcard is looked at first, and changes no answer.
        #[test]
        fn a_name_matches_what_the_whole_pattern_matches(
            pattern in "[aé*]{0,6}", name in "[aé]{0,6}",
        ) {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = covers(&characters(&pattern), &characters(&name));
            prop_assert_eq!(NamePattern::new(&pattern).matches(&name), expected);
        }
    }
}
