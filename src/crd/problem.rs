//! What is wrong with a policy, and where.

use std::fmt;

use crate::policy::image::{AliasError, PatternError};
use crate::policy::pod_security::Violation;
use crate::policy::text::{Plain, Quoted};

/// One thing wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {fault}")]
pub struct Problem {
    /// The field.
    pub path: FieldPath,
    /// What is wrong with it, and what it should look like.
    pub fault: Fault,
}

/// Everything that is wrong with one policy; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What can be wrong with a field whose type is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence above each is its documentation")]
pub enum Fault {
    #[error(
        "{} is not a name: lower-case letters, digits, `-` and `.`, 253 characters at most", Quoted(.0)
    )]
    PolicyName(String),
    #[error("an empty list matches nothing; leave the field out to match everything")]
    EmptyList,
    #[error("it is empty")]
    Empty,
    #[error("it has more than {0} characters")]
    TooLong(usize),
    #[error("it holds a character that cannot be shown in one line of plain text")]
    NotPlain,
    #[error("the name of a subject is matched as it is, without wildcards; {} will match nobody", Quoted(.0))]
    SubjectWildcard(String),
    #[error(
        "{} is nobody's name: it begins or ends with a blank, or holds a control character",
        Quoted(.0)
    )]
    SubjectName(String),
    #[error("{} has nobody in it: what follows `{prefix}` is not the name of a namespace", Quoted(.text))]
    ServiceAccountGroup { text: String, prefix: &'static str },
    #[error("a ServiceAccount needs its namespace")]
    SubjectNamespaceMissing,
    #[error("only a ServiceAccount has a namespace")]
    SubjectNamespace,
    #[error("{} is not the apiGroup of this kind; write {right:?} or leave it out", Quoted(.given))]
    SubjectApiGroup { given: String, right: &'static str },
    #[error("{} is not a ServiceAccount's {part}", Quoted(.text))]
    ServiceAccount { text: String, part: &'static str },
    #[error("`{0}` is not judged by this version of Postern; only `EphemeralContainer` is")]
    SurfaceNotJudged(&'static str),
    #[error(
        "{} can match no {what}: {characters}, and `*` for any run of them, at most {max} in all",
        Quoted(.text)
    )]
    NamePattern { text: String, what: &'static str, characters: &'static str, max: usize },
    #[error("{} is not a label: [DOMAIN/]NAME, the name 63 characters at most", Quoted(.0))]
    LabelKey(String),
    #[error(
        "{} is not the value of a label: letters, digits, `-`, `_` and `.`, 63 characters at most",
        Quoted(.0)
    )]
    LabelValue(String),
    #[error("operator `{0}` needs at least one value")]
    LabelValuesMissing(&'static str),
    #[error("operator `{0}` takes no values")]
    LabelValues(&'static str),
    #[error("image pattern {} cannot be used: {why}", Quoted(.text))]
    ImagePattern { text: String, why: PatternError },
    #[error("{} is not a capability; write `{right}`", Quoted(.text))]
    CapabilitySpelling { text: String, right: String },
    #[error("{} is not a capability; did you mean `{near}`?", Quoted(.text))]
    CapabilityNear { text: String, near: &'static str },
    #[error("{} is not a capability: an upper-case name such as `SYS_PTRACE`, or `ALL`", Quoted(.0))]
    Capability(String),
    #[error(
        "`ALL` is not one capability; name those that may be added, or say `podSecurity: privileged`"
    )]
    AllCapabilities,
    #[error("it limits nothing beside `podSecurity: privileged`, which allows every capability")]
    CapabilitiesBesidePrivileged,
    #[error("{} is not a kind of volume; the kinds are {kinds}", Quoted(.text))]
    VolumeKind { text: String, kinds: String },
    #[error("{} is not a kind of volume; did you mean `{near}`?", Quoted(.text))]
    VolumeKindNear { text: String, near: &'static str },
    #[error("`**` stands for further arguments, so in {} it can only be the last word", Quoted(.0))]
    CommandWords(String),
    #[error("`{0}` is not a limit; it must be 1 or more")]
    Limit(i32),
    #[error("{} is not the name of an environment variable", Quoted(.0))]
    EnvName(String),
    #[error("{} is not a regular expression: {why}", Quoted(.text))]
    Pattern { text: String, why: String },
    #[error("regular expression {} is too large once compiled", Quoted(.0))]
    PatternTooLarge(String),
    #[error("a Require changes nothing; put `{0}` into a Permit")]
    OnlyInPermit(&'static str),
    #[error("it is in `defaults` too, where it has no effect; keep one of the two")]
    SetTwice,
    #[error("`set.{0}` puts in what this takes away again; keep one of the two")]
    SetAndRemoved(String),
    #[error(
        "`{set}` is not among `spec.containers.images.pullPolicies`, so every container would be refused"
    )]
    PullPolicyContradiction { set: &'static str },
    #[error(
        "{violation}: `spec.containers.podSecurity` is {level}, so what gets this would be refused"
    )]
    SetBeyondLevel { violation: Violation, level: &'static str },
    #[error("`spec.containers.targets.allow` has no {}, so what gets this would be refused", Quoted(.0))]
    SetTargetNotAllowed(String),
    #[error(
        "`spec.containers.images.deny` takes all of it away again, so every image would be refused"
    )]
    ImagesDenied,
    #[error(
        "an image with a digest is allowed by none of `allow`, which name tags and no digest, so \
         every image would be refused; leave the tags out, or add the digests"
    )]
    DigestBesideTags,
    #[error("`spec.containers.env.names` does not let {} in, so every container would be refused", Quoted(.0))]
    ReasonNotAllowed(String),
    #[error("it names neither days nor hours, so it says nothing; leave it out")]
    ScheduleEmpty,
    #[error("{} is not a time zone of the database; write one such as `Europe/Berlin` or `UTC`", Quoted(.0))]
    TimeZone(String),
    #[error("{} are not hours; write them as `08:00-18:00`, with another end than beginning", Quoted(.0))]
    Hours(String),
    #[error("a Require that ends by itself would loosen what it holds; only a Permit expires")]
    ExpiringRequire,
    #[error("{} is not a moment; write one as `2026-12-31T18:00:00Z`", Quoted(.0))]
    Moment(String),
    #[error("alias {} cannot be used: {why}", Quoted(.text))]
    Alias { text: String, why: AliasError },
    #[error(
        "alias {} leads on to what alias {} speaks of, and only one is applied; write where it ends",
        Quoted(.text), Quoted(.next)
    )]
    AliasChain { text: String, next: String },
    #[error("it cannot be used: {message} (character {character})")]
    Expression { character: usize, message: String },
    #[error("it has more than {0} entries")]
    TooMany(usize),
    #[error(
        "{} is not a name: letters, digits, `-`, `_` and `.`, 63 characters at most", Quoted(.0)
    )]
    RuleName(String),
    #[error("{} is the name of another entry", Quoted(.0))]
    NameTwice(String),
    #[error("`{0}` is not a user or group id; 0 to 2147483647 are")]
    NumericId(i64),
    #[error("type `Localhost` needs a `localhostProfile`")]
    ProfileMissing,
    #[error("a `localhostProfile` goes with type `Localhost` alone")]
    Profile,
    #[error("{} is neither `First` nor the name of a container", Quoted(.0))]
    Target(String),
    #[error("{} is not an absolute path", Quoted(.0))]
    AbsolutePath(String),
    #[error(
        "`privileged: true` escalates by itself, so the API server would refuse every container"
    )]
    EscalationOfPrivileged,
    #[error("user 0 is root, so with `runAsNonRoot: true` no node would start the container")]
    RootAsNonRoot,
}

/// Where a field is, from the top of the document: `spec.containers.images.allow[1]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldPath(pub Vec<Segment>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Into a mapping, by key.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("document");
        }
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if is_word(key) => {
                    let dot = if position > 0 { "." } else { "" };
                    write!(f, "{dot}{key}")?;
                }
                Segment::Key(key) => write!(f, "[\"{}\"]", Plain(key))?,
            }
        }
        Ok(())
    }
}

fn is_word(key: &str) -> bool {
    !key.is_empty() && key.len() < 64 && key.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// A place in a policy while it is being read; becomes a [`FieldPath`] only if something is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    /// A field at the top of the document.
    pub(super) fn top(name: &'a str) -> Self {
        Self { parent: None, step: Step::Key(name) }
    }

    /// The field below this place.
    pub(super) fn key<'b>(&'b self, name: &'b str) -> Place<'b>
    where
        'a: 'b,
    {
        Place { parent: Some(self), step: Step::Key(name) }
    }

    /// The list item below this place.
    pub(super) fn index(&self, index: usize) -> Place<'_> {
        Place { parent: Some(self), step: Step::Index(index) }
    }

    fn path(&self) -> FieldPath {
        let mut segments = Vec::new();
        let mut place = Some(self);
        while let Some(Place { parent, step }) = place {
            segments.push(match step {
                Step::Key(key) => Segment::Key((*key).to_owned()),
                Step::Index(index) => Segment::Index(*index),
            });
            place = *parent;
        }
        segments.reverse();
        FieldPath(segments)
    }
}

/// Everything found wrong so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Problem>);

impl Findings {
    pub(super) fn add(&mut self, place: &Place<'_>, fault: Fault) {
        self.0.push(Problem { path: place.path(), fault });
    }

    /// Adds the fault unless `right`.
    pub(super) fn check(&mut self, right: bool, place: &Place<'_>, fault: impl FnOnce() -> Fault) {
        if !right {
            self.add(place, fault());
        }
    }

    pub(super) fn or_else<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() { Ok(value) } else { Err(Problems(self.0)) }
    }
}
