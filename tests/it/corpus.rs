//! Every review that was recorded from a real API server, judged.
//!
//! The data is the test: a new case is a new file in `tests/corpus/reviews` and a row in
//! `verdicts.yaml` there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use postern::admission::decode::decode;
use postern::admission::respond::Response;
use postern::folder;
use postern::gate::{Judgement, Phase, judge};
use postern::policy::rule::Enforcement;
use postern::policy::set::PolicySet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) const REVIEWS: &str = "tests/corpus/reviews";

/// What one review is to give.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Expected {
    allowed: bool,
    reason: String,
    /// Where it objects: paths of structural faults, or constraints of policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    objects: Vec<String>,
    /// What it changes: pointers of the patch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
}

pub(crate) fn policies() -> PolicySet {
    folder::load(&[Path::new(REVIEWS).join("policies.yaml")]).unwrap()
}

/// Every recorded review, by file name.
pub(crate) fn reviews() -> BTreeMap<String, PathBuf> {
    let files = fs::read_dir(REVIEWS).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect()
}

pub(crate) fn phase(name: &str) -> Phase {
    if name.contains(".mutate") { Phase::Mutate } else { Phase::Validate }
}

fn judged(policies: &PolicySet, phase: Phase, body: &[u8]) -> Judgement {
    judge(Some(policies), phase, decode(body).unwrap(), Enforcement::Enforce)
}

fn summary(judgement: &Judgement) -> Expected {
    let (response, _) = judgement.response(None);
    let faults = match &judgement.review.subject {
        postern::admission::decode::Subject::Debug(debug) => debug.faults.as_slice(),
        _ => &[],
    };
    let rulings = judgement.verdict.iter().flat_map(|verdict| &verdict.rulings);
    let findings = rulings.flat_map(|ruling| &ruling.findings);
    let faults = faults.iter().map(|fault| fault.path.clone());
    let changes = match response {
        Response::Allow { patch } => patch.0.iter().map(|op| op.path().to_string()).collect(),
        Response::Refuse { .. } => Vec::new(),
    };
    Expected {
        allowed: judgement.allows(),
        reason: judgement.reason.as_str().to_owned(),
        objects: faults
            .chain(findings.map(|finding| finding.objection.constraint().to_owned()))
            .collect(),
        changes,
    }
}

#[test]
fn every_recorded_review_gives_the_verdict_that_its_row_implies() {
    let policies = policies();
    let given: BTreeMap<_, _> = reviews()
        .into_iter()
        .map(|(name, path)| {
            let body = fs::read(path).unwrap();
            let summary = summary(&judged(&policies, phase(&name), &body));
            (name, summary)
        })
        .collect();
    let table = fs::read_to_string(Path::new(REVIEWS).join("verdicts.yaml")).unwrap_or_default();
    let expected: BTreeMap<String, Expected> = serde_saphyr::from_str(&table).unwrap_or_default();
    assert_eq!(expected, given, "as YAML:\n{}", serde_saphyr::to_string(&given).unwrap());
}

#[test]
fn every_row_of_the_recordings_has_its_review() {
    let rows = fs::read_to_string(Path::new(REVIEWS).join("README.md")).unwrap();
    let named: Vec<_> = rows
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert!(named.len() > 30);
    let mut files: Vec<_> = reviews().into_keys().collect();
    let mut sorted = named;
    sorted.sort();
    files.sort();
    assert_eq!(sorted, files);
}

#[test]
fn a_patched_review_judged_again_is_unchanged_and_allowed() {
    let policies = policies();
    let mut patched = 0;
    for (name, path) in reviews().into_iter().filter(|(name, _)| phase(name) == Phase::Mutate) {
        let body = fs::read(path).unwrap();
        let first = judged(&policies, Phase::Mutate, &body);
        let Response::Allow { patch } = first.response(None).0 else { continue };
        if patch.is_empty() {
            continue;
        }
        patched += 1;
        let mut review: Value = serde_json::from_slice(&body).unwrap();
        let before = review["request"]["object"].clone();
        json_patch::patch(&mut review["request"]["object"], &patch).unwrap();
        only_added_containers_differ(&before, &review);
        let body = review.to_string();
        assert_eq!(judged(&policies, Phase::Mutate, body.as_bytes()).changes(), 0, "{name}");
        assert!(judged(&policies, Phase::Validate, body.as_bytes()).allows(), "{name}");
    }
    assert!(patched >= 5, "{patched}");
}

fn only_added_containers_differ(before: &Value, review: &Value) {
    let (mut before, mut after) = (before.clone(), review["request"]["object"].clone());
    let old = &review["request"]["oldObject"];
    let names: Vec<_> = lists(old).iter().map(|container| container["name"].clone()).collect();
    for pod in [&mut before, &mut after] {
        for path in ["/spec/ephemeralContainers", "/ephemeralContainers"] {
            if let Some(Value::Array(list)) = pod.pointer_mut(path) {
                list.retain(|container| names.contains(&container["name"]));
            }
        }
    }
    assert_eq!(before, after);
}

fn lists(pod: &Value) -> Vec<Value> {
    ["/spec/ephemeralContainers", "/ephemeralContainers"]
        .iter()
        .filter_map(|path| pod.pointer(path)?.as_array())
        .flatten()
        .cloned()
        .collect()
}
