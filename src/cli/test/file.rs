//! Case files: their shape, and what is wrong with them where.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::crd::document::{Flaw, Other};
use crate::crd::problem::{FieldPath, Segment};
use crate::folder::{self, Fault};
use crate::policy::text::Quoted;

/// Test cases for policies: what is asked, and what is expected. Paths are seen from the file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Test cases of DebugPolicies")]
pub(in crate::cli) struct CaseFile {
    /// Files and folders with the policies to judge by. Left out, policies.yaml.
    #[schemars(length(min = 1))]
    pub(in crate::cli) policies: Option<Vec<String>>,
    /// The pod of every debug command whose case names none: a file, or the pod itself.
    #[schemars(extend("type" = ["string", "object"]))]
    pub(in crate::cli) pod: Option<Value>,
    /// Who asks, where a case does not say.
    #[serde(rename = "as")]
    #[schemars(length(min = 1))]
    pub(in crate::cli) user: Option<String>,
    /// The groups of who asks, where a case does not say.
    #[serde(rename = "asGroups")]
    #[schemars(inner(length(min = 1)))]
    pub(in crate::cli) groups: Option<Vec<String>>,
    /// What a cluster would know, where a case does not say.
    #[serde(default)]
    pub(in crate::cli) assume: Assume,
    /// The cases; each has a name of its own.
    #[schemars(length(min = 1))]
    pub(in crate::cli) cases: Vec<Case>,
}

/// One question and the answer expected.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["debug"]}, {"required": ["review"]}]))]
pub(in crate::cli) struct Case {
    /// What is shown, in one sentence.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::cli) name: String,
    /// A file with a recorded AdmissionReview. Either this or debug.
    pub(in crate::cli) review: Option<String>,
    /// A command as it is typed: kubectl debug POD -n NS --image=IMAGE ... Either this or review.
    pub(in crate::cli) debug: Option<String>,
    /// The pod of the debug command: a file, or the pod itself.
    #[schemars(extend("type" = ["string", "object"]))]
    pub(in crate::cli) pod: Option<Value>,
    /// Who gives the debug command.
    #[serde(rename = "as")]
    #[schemars(length(min = 1))]
    pub(in crate::cli) user: Option<String>,
    /// Their groups, beyond those that the API server adds.
    #[serde(rename = "asGroups")]
    #[schemars(inner(length(min = 1)))]
    pub(in crate::cli) groups: Option<Vec<String>>,
    /// What a cluster would know.
    #[serde(default)]
    pub(in crate::cli) assume: Assume,
    /// What is to come; `postern test --update` writes it where it is left out.
    pub(in crate::cli) expect: Option<Expect>,
}

/// What only a cluster knows, and is taken for known here.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct Assume {
    /// The labels of the pod's namespace. Left out, they are not known.
    pub(in crate::cli) namespace_labels: Option<BTreeMap<String, String>>,
    /// The policies that who asks may use (spec.authorize). Left out, none.
    pub(in crate::cli) may_use: Option<Vec<String>>,
    /// How many containers who asks was allowed to add in the last hour. Left out, 0.
    #[schemars(range(min = 0))]
    pub(in crate::cli) added: Option<u32>,
    /// When it is asked, as 2026-11-25T12:00:00Z. Needed where a policy has a schedule or expires.
    #[schemars(extend("format" = "date-time"))]
    pub(in crate::cli) at: Option<String>,
}

/// What is expected. A part left out is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct Expect {
    /// Whether the request gets through both webhooks.
    pub(in crate::cli) allowed: bool,
    /// The Permits that let the containers in; exactly these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) permitted_by: Option<Vec<String>>,
    /// Policies whose objections refuse. An empty list: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) refused_by: Option<Vec<String>>,
    /// Places in policies that object, whatever their enforcement (spec.containers.images.allow);
    /// or fields of the container that the API forbids. An empty list: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) constraints: Option<Vec<String>>,
    /// Texts that the warnings to the user hold. An empty list: no warnings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) warnings: Option<Vec<String>>,
    /// A text that the refusal holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) message: Option<String>,
    /// What the stored container holds, as far as it is named; null: a field that is not there.
    /// With a name, that container; else the first one added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "object"))]
    pub(in crate::cli) stored: Option<Value>,
}

/// A case file as it was read.
#[derive(Debug)]
pub(in crate::cli) struct Source {
    /// What errors call it.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) document: Other<CaseFile>,
}

/// The place of a field of a case.
pub(super) fn at(case: usize, field: Option<&str>) -> FieldPath {
    let key = |name: &str| Segment::Key(name.to_owned());
    let mut path = vec![key("cases"), Segment::Index(case)];
    path.extend(field.map(key));
    FieldPath(path)
}

impl Source {
    /// Reads a case file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub(super) fn read(path: &Path) -> Result<Self, Vec<Fault>> {
        let text = folder::read_text(path).map_err(|fault| vec![fault])?;
        let name = path.to_string_lossy().into_owned();
        Self::of(&name, text)
    }

    pub(super) fn of(name: &str, text: String) -> Result<Self, Vec<Fault>> {
        let document = match Other::read(&text, others_define) {
            Ok(document) => document,
            Err(flaws) => return Err(folder::pictured(name, &text, &flaws)),
        };
        let source = Self { name: name.to_owned(), text, document };
        let flaws = source.flaws();
        if flaws.is_empty() { Ok(source) } else { Err(source.pictured(&flaws)) }
    }

    pub(super) fn cases(&self) -> &[Case] {
        &self.document.content.cases
    }

    pub(super) fn flaw(&self, path: &FieldPath, message: &str) -> Flaw {
        Flaw { at: self.document.locate(path), message: format!("{path}: {message}") }
    }

    pub(super) fn pictured(&self, flaws: &[Flaw]) -> Vec<Fault> {
        folder::pictured(&self.name, &self.text, flaws)
    }

    /// The line in which a case's name stands, counted from 1.
    pub(super) fn line(&self, case: usize) -> usize {
        let start = self.document.locate(&at(case, Some("name"))).start;
        self.text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1
    }

    fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut wrong = |path: FieldPath, message: &str| flaws.push(self.flaw(&path, message));
        let CaseFile { policies, pod, user, groups, assume, cases } = &self.document.content;
        let top = |field: &str| FieldPath(vec![Segment::Key(field.to_owned())]);
        if policies.as_ref().is_some_and(Vec::is_empty) {
            wrong(top("policies"), "it is empty; name a file, or leave it out for policies.yaml");
        }
        if !pod.as_ref().is_none_or(is_pod) {
            wrong(top("pod"), POD);
        }
        for field in nameless(user.as_ref(), groups.as_ref()) {
            wrong(top(field), NAMELESS);
        }
        if let Some(time) = bad_time(assume) {
            wrong(below(top("assume"), "at"), &time);
        }
        if cases.is_empty() {
            wrong(top("cases"), "it is empty");
        }
        for (number, case) in cases.iter().enumerate() {
            let earlier = cases.iter().take(number).any(|other| other.name == case.name);
            for (field, message) in case_flaws(case, earlier) {
                wrong(at(number, field), &message);
            }
            if let Some(time) = bad_time(&case.assume) {
                wrong(below(at(number, Some("assume")), "at"), &time);
            }
        }
        flaws
    }
}

const POD: &str = "a file's name, or the pod itself, is wanted here";
const NAMELESS: &str = "want a name, as in `alice`";

fn case_flaws(case: &Case, earlier: bool) -> Vec<(Option<&'static str>, String)> {
    let Case { name, review, debug, pod, user, groups, expect, .. } = case;
    let mut flaws = Vec::new();
    let mut wrong = |field, message: &str| flaws.push((field, message.to_owned()));
    if name.trim().is_empty() {
        wrong(Some("name"), "it is empty");
    } else if name.chars().count() > 256 {
        wrong(Some("name"), "it has more than 256 characters");
    }
    if earlier {
        wrong(Some("name"), "an earlier case has this name");
    }
    match (review, debug) {
        (None, None) => wrong(None, "it asks nothing; give it `debug` or `review`"),
        (Some(_), Some(_)) => wrong(Some("review"), "it goes without `debug`; keep one of the two"),
        (Some(_), None) => {
            let given =
                [("pod", pod.is_some()), ("as", user.is_some()), ("asGroups", groups.is_some())];
            for (field, _) in given.into_iter().filter(|(_, given)| *given) {
                wrong(Some(field), "a review says this itself; it goes with `debug`");
            }
        }
        (None, Some(_)) => {
            for field in nameless(user.as_ref(), groups.as_ref()) {
                wrong(Some(field), NAMELESS);
            }
        }
    }
    if !pod.as_ref().is_none_or(is_pod) {
        wrong(Some("pod"), POD);
    }
    if expect.as_ref().and_then(|it| it.stored.as_ref()).is_some_and(|it| !it.is_object()) {
        wrong(Some("expect"), "`stored` holds the fields of a container");
    }
    flaws
}

/// Which of the two names nobody: it would be judged as somebody without a name.
fn nameless(user: Option<&String>, groups: Option<&Vec<String>>) -> Vec<&'static str> {
    let user = user.is_some_and(String::is_empty).then_some("as");
    let groups = groups.is_some_and(|groups| groups.iter().any(String::is_empty));
    user.into_iter().chain(groups.then_some("asGroups")).collect()
}

fn is_pod(value: &Value) -> bool {
    value.is_string() || value.is_object()
}

fn bad_time(assume: &Assume) -> Option<String> {
    let text = assume.at.as_deref()?;
    let wrong = text.parse::<Timestamp>().is_err();
    let right = "is not a moment; write one as `2026-11-25T12:00:00Z`";
    wrong.then(|| format!("{} {right}", Quoted(text)))
}

fn below(mut path: FieldPath, field: &str) -> FieldPath {
    path.0.push(Segment::Key(field.to_owned()));
    path
}

/// A pod and a container have the shape that Kubernetes gives them.
fn others_define(path: &FieldPath) -> bool {
    path.0.iter().any(|it| matches!(it, Segment::Key(key) if key == "pod" || key == "stored"))
}
