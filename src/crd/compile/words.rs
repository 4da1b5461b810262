//! The grammars of words in policies, beside those of [`crate::policy::name`].

use crate::policy::name::{MAX_LABEL_BYTES, is_label_byte};
use crate::policy::rule::NamePattern;

use super::super::problem::{Fault, Findings, Place};

const MAX_SUBDOMAIN_BYTES: usize = 253;

/// What a list of name patterns is matched against. A pattern that no such name can match is a
/// mistake, and in a list of exclusions a dangerous one.
#[derive(Debug)]
pub(super) struct NameKind {
    what: &'static str,
    characters: &'static str,
    max: usize,
    accepts: fn(u8) -> bool,
}

pub(super) const NAMESPACES: NameKind = NameKind {
    what: "namespace",
    characters: "lower-case letters, digits and `-`",
    max: MAX_LABEL_BYTES,
    accepts: is_label_byte,
};
pub(super) const PODS: NameKind = NameKind {
    what: "pod",
    characters: "lower-case letters, digits, `-` and `.`",
    max: MAX_SUBDOMAIN_BYTES,
    accepts: is_subdomain_byte,
};
pub(super) const CONTAINERS: NameKind = NameKind {
    what: "container",
    characters: "lower-case letters, digits and `-`",
    max: MAX_LABEL_BYTES,
    accepts: is_label_byte,
};
pub(super) const VARIABLES: NameKind = NameKind {
    what: "environment variable",
    characters: "visible ASCII but `=`",
    max: MAX_SUBDOMAIN_BYTES,
    accepts: is_variable_byte,
};

impl NameKind {
    /// Checks and compiles a list of patterns.
    pub(super) fn patterns(
        &self,
        texts: &[String],
        at: &Place<'_>,
        findings: &mut Findings,
    ) -> Vec<NamePattern> {
        for (position, text) in texts.iter().enumerate() {
            let possible = !text.is_empty()
                && text.len() <= self.max
                && text.bytes().all(|b| b == b'*' || (self.accepts)(b));
            findings.check(possible, &at.index(position), || Fault::NamePattern {
                text: text.clone(),
                what: self.what,
                characters: self.characters,
                max: self.max,
            });
        }
        texts.iter().map(|text| NamePattern::new(text)).collect()
    }
}

/// A DNS-1123 subdomain. Its words may be longer than a label's, as in Kubernetes.
pub(super) fn is_dns_subdomain(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(is_label_byte)
            && !word.starts_with('-')
            && !word.ends_with('-')
    };
    text.len() <= MAX_SUBDOMAIN_BYTES && text.split('.').all(is_word)
}

/// A label's key: `[DOMAIN/]NAME`.
pub(super) fn is_label_key(text: &str) -> bool {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    domain.is_none_or(is_dns_subdomain) && !name.is_empty() && is_label_value(name)
}

/// A label's value; empty is one.
pub(super) fn is_label_value(text: &str) -> bool {
    let is_edge = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    text.len() <= MAX_LABEL_BYTES
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && is_edge(text.bytes().next())
        && is_edge(text.bytes().next_back())
}

/// A variable that a shell and `kubectl debug --env` can name.
pub(super) fn is_variable(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && text.len() <= MAX_SUBDOMAIN_BYTES
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

fn is_subdomain_byte(b: u8) -> bool {
    is_label_byte(b) || b == b'.'
}

fn is_variable_byte(b: u8) -> bool {
    b.is_ascii_graphic() && b != b'='
}
