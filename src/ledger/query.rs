//! Which records are wanted.
//!
//! A [`Matcher`] decides; [`terms`] are what a store may look up beforehand to read less.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Finding, Injection, Outcome, Policy, Record};
use crate::policy::rule::NamePattern;

/// Most terms of one kind that are indexed of one record.
const MAX_TERMS: usize = 128;
/// The text of the term that stands for all others of a record that has more.
const MORE: &str = "\u{1}";
/// Longest term, in bytes; what is longer is indexed by its beginning.
pub const MAX_TERM_BYTES: usize = 256;

/// Which records are wanted. Every given part must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// `requester.username`, exactly.
    pub user: Option<String>,
    /// Any of `requester.groups`, exactly.
    pub group: Option<String>,
    /// Exactly.
    pub namespace: Option<String>,
    /// `pod.name`, exactly.
    pub pod: Option<String>,
    /// Any injection's image as asked or as parsed; `*` stands for any run of characters.
    pub image: Option<String>,
    /// Name of a policy that permitted or objected, exactly.
    pub policy: Option<String>,
    /// The constraint of any finding; `*` stands for any run of characters.
    pub constraint: Option<String>,
    /// What the API server was told.
    pub answer: Option<Outcome>,
    /// Only where the answer is not what policy says.
    pub differs: bool,
    /// Only where a container is privileged.
    pub privileged: bool,
    /// A part of the reason that was given; upper and lower case are the same.
    pub reason: Option<String>,
    /// Only records older than this one (keyset paging); records are listed newest first.
    pub before: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// A place in the listing: newest first, by time, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Time of the last record seen.
    pub time: Timestamp,
    /// Its id.
    pub id: Uuid,
}

/// A query, ready to be asked of many records.
#[derive(Debug)]
pub struct Matcher<'a> {
    query: &'a Query,
    image: Option<NamePattern>,
    constraint: Option<NamePattern>,
    reason: Option<String>,
}

impl<'a> Matcher<'a> {
    /// Reads the patterns.
    #[must_use]
    pub fn new(query: &'a Query) -> Self {
        Self {
            query,
            image: query.image.as_deref().map(NamePattern::new),
            constraint: query.constraint.as_deref().map(NamePattern::new),
            reason: query.reason.as_deref().map(str::to_lowercase),
        }
    }

    /// Whether this record is one of those that are wanted.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        let Query { since, until, user, group, namespace, pod, policy, .. } = self.query;
        let Query { answer, differs, privileged, before, .. } = self.query;
        let is =
            |wanted: &Option<String>, given: &str| wanted.as_deref().is_none_or(|it| it == given);
        let any = |wanted: &Option<String>, mut given: &mut dyn Iterator<Item = &str>| {
            wanted.as_deref().is_none_or(|wanted| Iterator::any(&mut given, |it| it == wanted))
        };
        since.is_none_or(|since| record.time >= since)
            && until.is_none_or(|until| record.time < until)
            && before.is_none_or(|before| Cursor { time: record.time, id: record.id } < before)
            && is(user, &record.requester.username)
            && is(namespace, &record.namespace)
            && is(pod, &record.pod.name)
            && answer.is_none_or(|answer| record.answer == answer)
            && any(group, &mut record.requester.groups.iter().map(String::as_str))
            && any(policy, &mut policies(record).map(|policy| policy.name.as_str()))
            && (!differs || record.verdict != record.answer)
            && (!privileged || is_privileged(record))
            && self.patterns_match(record)
    }

    fn patterns_match(&self, record: &Record) -> bool {
        let Self { image, constraint, reason, .. } = self;
        let mut images = record.injections.iter().flat_map(Injection::image_names);
        image.as_ref().is_none_or(|pattern| images.any(|name| pattern.matches(&name)))
            && constraint.as_ref().is_none_or(|pattern| {
                record.findings.iter().any(|finding| pattern.matches(&finding.constraint))
            })
            && reason.as_ref().is_none_or(|wanted| {
                let given = record.justification.as_deref().unwrap_or_default();
                given.to_lowercase().contains(wanted)
            })
    }
}

fn policies(record: &Record) -> impl Iterator<Item = &Policy> {
    let permits = record.injections.iter().filter_map(|it| it.permitted_by.as_ref());
    permits.chain(record.findings.iter().filter_map(|finding: &Finding| finding.policy.as_ref()))
}

fn is_privileged(record: &Record) -> bool {
    record.injections.iter().any(|injection| injection.privileges.privileged)
}

/// A thing that a record is about and that is looked for: `user jane@example.com`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the part of a query of the same name")]
pub enum TermKind {
    User,
    Group,
    Namespace,
    Pod,
    Image,
    Policy,
    Constraint,
    Reason,
    Flag,
}

impl TermKind {
    /// What a term of this kind begins with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::User => "user ",
            Self::Group => "group ",
            Self::Namespace => "namespace ",
            Self::Pod => "pod ",
            Self::Image => "image ",
            Self::Policy => "policy ",
            Self::Constraint => "constraint ",
            Self::Reason => "reason ",
            Self::Flag => "flag ",
        }
    }

    /// What every record is indexed under of whose terms of this kind some are left out.
    #[must_use]
    pub fn more(self) -> String {
        self.term(MORE)
    }

    /// The term for this text. Control characters are not part of it: PostgreSQL's text has no NUL.
    #[must_use]
    pub fn term(self, text: &str) -> String {
        let mut term = self.prefix().to_owned();
        for character in text.chars() {
            if term.len() + character.len_utf8() > MAX_TERM_BYTES {
                break;
            }
            term.push(if character == '\0' { '\u{fffd}' } else { character });
        }
        term
    }
}

/// Longest text in a filter's column, in bytes: PostgreSQL's indexes hold no more than 2,704.
const MAX_COLUMN_BYTES: usize = 512;

/// A text as a filter's column holds it: without NUL, which PostgreSQL's text cannot have, and of
/// what is very long the beginning.
#[must_use]
pub fn column(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_COLUMN_BYTES && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    let text = text.replace('\0', "\u{fffd}");
    let end = text.floor_char_boundary(MAX_COLUMN_BYTES);
    Cow::Owned(text.get(..end).unwrap_or_default().to_owned())
}

const PRIVILEGED: &str = "privileged";
const DIFFERS: &str = "differs";

/// What a record is indexed under.
#[must_use]
pub fn terms(record: &Record) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    let mut add = |kind: TermKind, texts: &mut dyn Iterator<Item = &str>| {
        let mut left = MAX_TERMS;
        for term in texts.map(|text| kind.term(text)) {
            if left == 0 && !terms.contains(&term) {
                terms.insert(kind.more());
                break;
            }
            left -= usize::from(terms.insert(term));
        }
    };
    let one = |text| std::iter::once::<&str>(text);
    add(TermKind::User, &mut one(&record.requester.username));
    add(TermKind::Group, &mut record.requester.groups.iter().map(String::as_str));
    add(TermKind::Namespace, &mut one(&record.namespace));
    add(TermKind::Pod, &mut one(&record.pod.name));
    let images: Vec<_> = record.injections.iter().flat_map(Injection::image_names).collect();
    add(TermKind::Image, &mut images.iter().map(String::as_str));
    add(TermKind::Policy, &mut policies(record).map(|policy| policy.name.as_str()));
    add(TermKind::Constraint, &mut record.findings.iter().map(|it| it.constraint.as_str()));
    let reason = record.justification.as_deref().unwrap_or_default().to_lowercase();
    add(TermKind::Reason, &mut words(&reason));
    add(TermKind::Flag, &mut is_privileged(record).then_some(PRIVILEGED).into_iter());
    add(TermKind::Flag, &mut (record.verdict != record.answer).then_some(DIFFERS).into_iter());
    terms
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// What every record that matches a query is indexed under.
#[derive(Debug)]
pub enum Clue {
    /// The term of this kind for this text.
    Term(TermKind, String),
    /// At least one of the terms of this kind that match.
    Like(TermKind, Pattern),
}

/// Which terms match.
#[derive(Debug)]
pub enum Pattern {
    /// `*` stands for any run of characters.
    Glob(NamePattern),
    /// It holds this word.
    Holds(String),
    /// It begins so.
    Begins(String),
}

impl Pattern {
    /// What every term that matches begins with, after the kind.
    #[must_use]
    pub fn beginning(&self) -> &str {
        match self {
            Self::Glob(pattern) => pattern.as_str().split('*').next().unwrap_or_default(),
            Self::Begins(word) => word,
            Self::Holds(_) => "",
        }
    }

    /// Whether a term of this kind matches. A term that was cut short may.
    #[must_use]
    pub fn matches(&self, kind: TermKind, term: &str) -> bool {
        let text = term.strip_prefix(kind.prefix()).unwrap_or(term);
        let is_cut = term.len() + 4 > MAX_TERM_BYTES;
        is_cut
            || match self {
                Self::Glob(pattern) => text.contains('\u{fffd}') || pattern.matches(text),
                Self::Holds(word) => text.contains(word.as_str()),
                Self::Begins(word) => text.starts_with(word.as_str()),
            }
    }
}

impl Query {
    /// What is to be looked up.
    #[must_use]
    pub fn clues(&self) -> Vec<Clue> {
        let exact = [
            (TermKind::Pod, &self.pod),
            (TermKind::User, &self.user),
            (TermKind::Policy, &self.policy),
            (TermKind::Namespace, &self.namespace),
            (TermKind::Group, &self.group),
        ];
        let mut clues: Vec<Clue> = exact
            .into_iter()
            .filter_map(|(kind, text)| Some(Clue::Term(kind, text.clone()?)))
            .collect();
        let patterns = [(TermKind::Image, &self.image), (TermKind::Constraint, &self.constraint)];
        for (kind, pattern) in patterns {
            if let Some(pattern) = pattern {
                clues.push(Clue::Like(kind, Pattern::Glob(NamePattern::new(pattern))));
            }
        }
        for (flag, is_wanted) in [(PRIVILEGED, self.privileged), (DIFFERS, self.differs)] {
            clues.extend(is_wanted.then(|| Clue::Term(TermKind::Flag, flag.to_owned())));
        }
        let reason = self.reason.as_deref().unwrap_or_default().to_lowercase();
        clues.extend(reason_clue(&reason));
        clues
    }
}

/// Of a text with several words the last begins one of the record's, which an index finds at once;
/// the first may be the end of one and narrows nothing worth its price. A single word may be in the
/// middle of one.
fn reason_clue(text: &str) -> Option<Clue> {
    let words: Vec<_> = words(text).collect();
    let (last, before) = words.split_last()?;
    let pattern = match (before, text.ends_with(char::is_alphanumeric)) {
        ([], _) => Pattern::Holds((*last).to_owned()),
        (_, true) => Pattern::Begins((*last).to_owned()),
        (_, false) => return Some(Clue::Term(TermKind::Reason, (*last).to_owned())),
    };
    Some(Clue::Like(TermKind::Reason, pattern))
}
