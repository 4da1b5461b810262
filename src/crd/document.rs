//! From text to policies: YAML or JSON documents, divided by `---`.

use core::ops::Range;
use std::collections::BTreeMap;

use kube::Resource;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use serde_saphyr::{
    Error as YamlError, Location, MergeKeyPolicy, MessageFormatter, Options, UserMessageFormatter,
};

use crate::policy::rule::Policy;
use crate::policy::text::{Plain, Quoted};

use super::debug_policy::{DebugPolicy, DebugPolicySpec};
use super::outline::{self, Outline};
use super::problem::{FieldPath, Problem, Problems, Segment};

/// Most flaws told of one text; nobody reads more, and each costs a search for its place.
const MAX_FLAWS: usize = 20;

/// What a text holds: its policies, and what is wrong with the documents that are none.
#[derive(Debug, Default)]
pub struct Reading {
    /// The policies, in the order of the text.
    pub policies: Vec<Located>,
    /// What is wrong, in the order of the text.
    pub flaws: Vec<Flaw>,
}

/// A policy and where its name stands.
#[derive(Debug)]
pub struct Located {
    /// The policy.
    pub policy: Policy,
    /// The bytes of its name in the text.
    pub name_at: Range<usize>,
}

/// Something wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The bytes in question; empty where something is missing.
    pub at: Range<usize>,
    /// What is wrong, beginning with the field where there is one. Safe to print.
    pub message: String,
}

/// Reads every policy of a text. Empty documents are skipped.
///
/// A document is read as far as it makes sense: of one whose shape is wrong the first fault is
/// found, of one whose values are wrong every fault.
#[must_use]
pub fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    let (outlines, stopped) = outline::outline(text);
    for outline in outlines {
        match policy(text, &outline) {
            Ok(policy) => reading.policies.push(policy),
            Err(flaws) => reading.flaws.extend(flaws),
        }
        if reading.flaws.len() > MAX_FLAWS {
            reading.flaws.truncate(MAX_FLAWS);
            let message = "what else is wrong in this file is not shown".to_owned();
            reading.flaws.push(Flaw { at: outline.bytes.end..outline.bytes.end, message });
            return reading;
        }
    }
    if let Some(outline::Stopped { at, fault }) = stopped {
        reading.flaws.push(Flaw { at: at..at, message: fault.to_string() });
    }
    reading
}

/// A text that is one document of another shape than a policy's, read as strictly.
#[derive(Debug)]
pub struct Other<T> {
    /// What it holds.
    pub content: T,
    outline: Outline,
}

impl<T: DeserializeOwned> Other<T> {
    /// Reads the text. Below the fields for which `is_free` holds, which others define, a value may
    /// be null.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(text: &str, is_free: fn(&FieldPath) -> bool) -> Result<Self, Vec<Flaw>> {
        let (outlines, stopped) = outline::outline(text);
        if let Some(outline::Stopped { at, fault }) = stopped {
            return Err(vec![Flaw { at: at..at, message: fault.to_string() }]);
        }
        let mut outlines = outlines.into_iter();
        let outline = outlines.next().ok_or_else(|| flaw(0..0, "there is nothing in it"))?;
        if let Some(second) = outlines.next() {
            return Err(flaw(second.locate(&FieldPath::default()), "it is more than one document"));
        }
        if !outline.is_mapping() {
            return Err(flaw(outline.locate(&FieldPath::default()), "it is not a mapping"));
        }
        let nulls = outline.nulls().filter(|path| !is_free(path));
        some(null_flaws(&outline, nulls))?;
        let content = serde_saphyr::from_str_with_options(text, yaml_options())
            .map_err(|error| vec![shape_flaw(&error, &outline)])?;
        Ok(Self { content, outline })
    }
}

impl<T> Other<T> {
    /// The bytes of the value at `path` or, where there is none, of the nearest key above it.
    #[must_use]
    pub fn locate(&self, path: &FieldPath) -> Range<usize> {
        self.outline.locate(path)
    }

    /// All bytes of the value at `path`.
    #[must_use]
    pub fn extent(&self, path: &FieldPath) -> Option<Range<usize>> {
        self.outline.extent(path)
    }
}

fn flaw(at: Range<usize>, message: &str) -> Vec<Flaw> {
    vec![Flaw { at, message: message.to_owned() }]
}

/// A document as it is written. What `kubectl get -o yaml` adds is accepted and left unread.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: DebugPolicySpec,
    #[serde(rename = "status")]
    _status: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only the name means anything to a file")]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    creation_timestamp: Option<IgnoredAny>,
    finalizers: Option<IgnoredAny>,
    generation: Option<IgnoredAny>,
    managed_fields: Option<IgnoredAny>,
    owner_references: Option<IgnoredAny>,
    resource_version: Option<IgnoredAny>,
    uid: Option<IgnoredAny>,
}

fn policy(text: &str, outline: &Outline) -> Result<Located, Vec<Flaw>> {
    check_type(outline).map_err(|flaw| vec![flaw])?;
    check_nulls(outline)?;
    let document = text.get(outline.bytes.clone()).unwrap_or_default();
    let Document { metadata, spec, .. } =
        serde_saphyr::from_str_with_options(document, yaml_options())
            .map_err(|error| vec![shape_flaw(&error, outline)])?;
    check_quotes(&spec, outline)?;
    let policy = Policy::try_from(&DebugPolicy::new(&metadata.name, spec));
    match policy {
        Ok(policy) => {
            let name = FieldPath(vec![key("metadata"), key("name")]);
            Ok(Located { policy, name_at: outline.locate(&name) })
        }
        Err(problems) => Err(flaws(&problems, outline)),
    }
}

fn key(name: &str) -> Segment {
    Segment::Key(name.to_owned())
}

fn flaws(problems: &Problems, outline: &Outline) -> Vec<Flaw> {
    let flaw = |problem: &Problem| Flaw {
        at: outline.locate(&problem.path),
        message: problem.to_string(),
    };
    // One more than are shown, so that the reader of the text sees that there are more.
    let mut flaws: Vec<_> = problems.0.iter().take(MAX_FLAWS + 1).map(flaw).collect();
    flaws.sort_by_key(|flaw| flaw.at.start);
    flaws
}

/// `subjects:` with every item commented out must not read as if it had been left out.
fn check_nulls(outline: &Outline) -> Result<(), Vec<Flaw>> {
    some(null_flaws(outline, outline.nulls().filter(is_in_spec)))
}

fn null_flaws(outline: &Outline, nulls: impl Iterator<Item = FieldPath>) -> Vec<Flaw> {
    let flaws = nulls.take(MAX_FLAWS + 1).map(|path| Flaw {
        at: outline.locate(&path),
        message: format!("{path}: it has no value; give it one or leave the field out"),
    });
    flaws.collect()
}

/// The YAML library reads `"10"` as a number where one is wanted; an API server does not.
fn check_quotes(spec: &DebugPolicySpec, outline: &Outline) -> Result<(), Vec<Flaw>> {
    let read = json!({ "spec": spec });
    let is_text = |path: &FieldPath| {
        let value = path.0.iter().try_fold(&read, |value, segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.get(index),
        });
        value.is_none_or(Value::is_string)
    };
    let wrong = outline.quoted().filter(is_in_spec).filter(|path| !is_text(path));
    let flaws = wrong.take(MAX_FLAWS + 1).map(|path| Flaw {
        at: outline.locate(&path),
        message: format!("{path}: in quotes it is text; write it without"),
    });
    some(flaws.collect())
}

fn some(flaws: Vec<Flaw>) -> Result<(), Vec<Flaw>> {
    if flaws.is_empty() { Ok(()) } else { Err(flaws) }
}

fn is_in_spec(path: &FieldPath) -> bool {
    path.0.first() == Some(&key("spec"))
}

/// Other kinds are told from mistakes in a policy before anything else is said about them.
fn check_type(outline: &Outline) -> Result<(), Flaw> {
    let document = FieldPath::default();
    if !outline.is_mapping() {
        let message = "a policy is a mapping with apiVersion, kind, metadata and spec".to_owned();
        return Err(Flaw { at: outline.locate(&document), message });
    }
    if outline.word(&["kind"]) == Some("List") {
        let message = "kind: a list, as `kubectl get dbgp -o yaml` prints it; write its items as \
                       documents with `---` between, or use `--cluster`"
            .to_owned();
        return Err(Flaw { at: outline.locate(&FieldPath(vec![key("kind")])), message });
    }
    let api_version = DebugPolicy::api_version(&());
    let kind = DebugPolicy::kind(&());
    for (field, right) in [("apiVersion", &api_version), ("kind", &kind)] {
        let given = outline.word(&[field]);
        if given == Some(&**right) {
            continue;
        }
        let path = FieldPath(vec![key(field)]);
        let message = match given {
            Some(given) => format!("{field}: {} is not `{right}`", Quoted(given)),
            None => format!("{field}: it is missing; write `{field}: {right}`"),
        };
        return Err(Flaw { at: outline.locate(&path), message });
    }
    Ok(())
}

/// Far below the library's own limits: a policy is small, and what it repeats smaller still.
fn yaml_options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_documents: 1,
            max_nodes: 100_000,
            max_events: 300_000,
            max_aliases: 1_000,
            max_anchors: 100,
            max_recorded_anchor_events: 100_000,
            max_recorded_anchor_bytes: 1 << 20,
            max_merge_keys: 100,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 8,
        },
        merge_keys: MergeKeyPolicy::Merge,
        // A word that Kubernetes would read as a number is a mistake here too.
        no_schema: true,
        strict_booleans: true,
        with_snippet: false,
    }
}

/// Fields that the API server has filled in before a webhook sees them.
const NEVER_LEFT_OUT: [&str; 3] =
    ["imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy"];

fn shape_flaw(error: &YamlError, outline: &Outline) -> Flaw {
    let start = error.location().as_ref().and_then(byte).unwrap_or_default();
    let length = error.location().and_then(|location| location.span().byte_len());
    let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let at = outline.bytes.start.saturating_add(start);
    let mut path = outline.path_at(at);
    let reason = reason(error, &path);
    // What is missing is told at the first field of the mapping that should have it.
    if matches!(error.without_snippet(), YamlError::SerdeMissingField { .. }) {
        path.0.pop();
    }
    Flaw { at: at..at.saturating_add(length), message: format!("{path}: {reason}") }
}

fn byte(location: &Location) -> Option<usize> {
    location.span().byte_offset().and_then(|offset| usize::try_from(offset).ok())
}

fn reason(error: &YamlError, path: &FieldPath) -> String {
    match error.without_snippet() {
        YamlError::AliasError { error, .. } => reason(error, path),
        YamlError::SerdeUnknownField { field, expected, .. } => {
            unknown_field(field, expected, path)
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            format!("{} is not one of {}", Quoted(variant), list(expected))
        }
        YamlError::SerdeMissingField { field, .. } => format!("field `{field}` is missing"),
        YamlError::DuplicateMappingKey { .. } => "this key is there twice".to_owned(),
        YamlError::Unexpected { expected, .. } => {
            format!("{} is wanted here", plain_type(expected, path))
        }
        YamlError::InvalidScalar { ty, .. } => format!("{} is wanted here", plain_type(ty, path)),
        YamlError::InvalidBooleanStrict { .. } => "`true` or `false` is wanted here".to_owned(),
        YamlError::QuotingRequired { value, .. } => {
            format!("{} does not read as text; put it in quotes", Quoted(value))
        }
        YamlError::Budget { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. } => {
            "its anchors and aliases repeat too much".to_owned()
        }
        other => Plain(&UserMessageFormatter.format_message(other)).to_string(),
    }
}

/// The library's words for what it wanted, in those of somebody who writes YAML.
fn plain_type<'t>(wanted: &'t str, path: &FieldPath) -> &'t str {
    match wanted {
        "i32" if path.0.last() != Some(&key("priority")) => "a whole number from 1 to 2147483647",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" => "a whole number",
        "u32" | "u64" | "usize" => "a whole number that is not negative",
        _ if wanted.contains("sequence") => "a list",
        _ if wanted.contains("mapping") => "a mapping",
        _ if wanted.contains("scalar") || wanted.contains("string") => "text",
        other => other,
    }
}

fn unknown_field(field: &str, expected: &[&'static str], path: &FieldPath) -> String {
    let parent = path.0.split_last().map_or(&[][..], |(_, above)| above);
    let parent = FieldPath(parent.to_vec()).to_string();
    if parent == "spec.defaults" && NEVER_LEFT_OUT.contains(&field) {
        return "the API server fills it in before a webhook sees it, so a default would never \
                be used; put it under `set`"
            .to_owned();
    }
    format!("{} is not a field here; the fields are {}", Quoted(field), list(expected))
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
