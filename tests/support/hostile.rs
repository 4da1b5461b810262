//! What holds of any bytes, whoever sent them. Property tests and fuzz targets ask the same.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use postern::admission::decode::{Subject, decode};
use postern::admission::delta::delta;
use postern::admission::respond::{Response, respond};
use postern::expression::{Bindings, Program, Wanted};
use postern::folder;
use postern::gate::{Phase, judge};
use postern::ledger::chain::Hash;
use postern::ledger::checkpoint::Checkpoint;
use postern::ledger::note::{Note, VerifyingKey};
use postern::ledger::tree::is_included;
use postern::ledger::verify::{Link, StoredCheckpoint, Verifier};
use postern::policy::image::{ImagePattern, ImageRef, ListKind};
use postern::policy::rule::Enforcement;
use postern::policy::set::PolicySet;
use postern::policy::text::is_plain;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A policy that lets everything in and changes what it can.
const WIDE_OPEN: &str = "
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: wide-open}
spec:
  effect: Permit
  containers:
    images: {allow: ['**']}
    podSecurity: privileged
    env: {fromSecrets: Allow}
    volumes: {mounts: ReadWrite, devices: Allow}
  defaults:
    securityContext:
      runAsNonRoot: true
      capabilities: {drop: [ALL]}
      seccompProfile: {type: RuntimeDefault}
    targetContainerName: First
  set: {imagePullPolicy: Always}
";

static POLICIES: LazyLock<PolicySet> =
    LazyLock::new(|| folder::load_text("wide-open.yaml", WIDE_OPEN).unwrap());

/// A review is answered with its uid or has none; what was not understood gets no yes, and what is
/// said is safe to print.
pub(crate) fn review(body: &[u8]) {
    let Ok(review) = decode(body) else { return };
    let (version, uid) = (review.version, review.uid.clone());
    let malformed = matches!(review.subject, Subject::Malformed(_));
    for phase in [Phase::Mutate, Phase::Validate] {
        let review = decode(body).unwrap();
        let judgement = judge(Some(&POLICIES), phase, review, Enforcement::Enforce);
        assert!(!malformed || !judgement.allows());
        let (response, notes) = judgement.response(None);
        let answer = respond(version, &uid, &response, &notes);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["response"]["uid"], json!(uid));
        if let Response::Refuse { message } = response {
            assert!(message.chars().all(|c| c == '\n' || is_plain(c)), "{message}");
        }
    }
}

/// Two lists of containers, old and new, a line each: every name of the new list is kept, added or
/// complained of, and every name that is gone is complained of.
pub(crate) fn lists(text: &str) {
    let Some((old, new)) = text.split_once('\n') else { return };
    let list = |text| serde_json::from_str::<Vec<&RawValue>>(text);
    let (Ok(old), Ok(new)) = (list(old), list(new)) else { return };
    let Ok(delta) = delta(&old, &new, &BTreeSet::from(["app"])) else { return };
    let name = |json: &&RawValue| {
        let container: Value = serde_json::from_str(json.get()).unwrap();
        container["name"].as_str().unwrap_or_default().to_owned()
    };
    let before: HashSet<String> = old.iter().map(name).collect();
    let after: HashSet<String> = new.iter().map(name).collect();
    let mut added = HashSet::new();
    for container in &delta.added {
        assert_eq!(name(&container.json), container.name);
        assert!(!before.contains(container.name.as_ref()) && container.name != "app");
        assert!(added.insert(container.name.to_string()), "{} twice", container.name);
    }
    let accounted = |name: &String| {
        before.contains(name) || added.contains(name) || is_complained_of(&delta.faults, name)
    };
    assert!(after.iter().all(accounted));
    assert!(before.difference(&after).all(|name| is_complained_of(&delta.faults, name)));
}

fn is_complained_of(faults: &[postern::admission::structural::Fault], name: &str) -> bool {
    faults.iter().any(|fault| fault.container == name)
}

/// What parses prints to itself, and is matched by the pattern of the same words.
pub(crate) fn image(text: &str) {
    if let Ok(image) = ImageRef::parse(text) {
        let whole = image.to_string();
        assert_eq!(ImageRef::parse(&whole).as_ref(), Ok(&image), "{whole}");
        let pattern = ImagePattern::parse(&whole).unwrap();
        assert!(pattern.matches(&image, ListKind::Allow), "{whole}");
        assert!(pattern.matches(&image, ListKind::Deny), "{whole}");
    }
    if let Ok(pattern) = ImagePattern::parse(text) {
        let other = ImageRef::parse("registry.example.com/debug/tools:1").unwrap();
        assert_eq!(
            pattern.matches(&other, ListKind::Allow),
            pattern.matches(&other, ListKind::Deny)
        );
        if let Some(example) = pattern.example_near(text) {
            let example = ImageRef::parse(&example).unwrap();
            assert!(pattern.matches(&example, ListKind::Allow));
        }
    }
}

/// An added container: the patch applies, touches nothing but that container, and what comes of it
/// is allowed and patched no further.
pub(crate) fn patch(container: &str) {
    let Ok(container) = serde_json::from_str::<Value>(container) else { return };
    let old = json!({"name": "old", "image": "busybox"});
    let pod = |containers: Value| {
        json!({
            "metadata": {"name": "pod", "namespace": "ns"},
            "spec": {
                "containers": [{"name": "app", "image": "app"}],
                "volumes": [{"name": "data", "emptyDir": {}}],
                "ephemeralContainers": containers,
            },
        })
    };
    let mut review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "subResource": "ephemeralcontainers",
            "name": "pod",
            "namespace": "ns",
            "operation": "UPDATE",
            "userInfo": {"username": "ana"},
            "object": pod(json!([old, container])),
            "oldObject": pod(json!([old])),
        },
    });
    let Response::Allow { patch } = asked(Phase::Mutate, &review) else { return };
    json_patch::patch(&mut review["request"]["object"], &patch).unwrap();
    let mut untouched = pod(json!([old]));
    let stored = &review["request"]["object"]["spec"]["ephemeralContainers"][1];
    untouched["spec"]["ephemeralContainers"].as_array_mut().unwrap().push(stored.clone());
    assert_eq!(review["request"]["object"], untouched);
    match asked(Phase::Mutate, &review) {
        Response::Allow { patch } => assert!(patch.is_empty(), "{patch}"),
        Response::Refuse { message } => panic!("{message}"),
    }
    // Only what a policy permits is changed.
    if let (false, Response::Refuse { message }) =
        (patch.is_empty(), asked(Phase::Validate, &review))
    {
        panic!("{message}");
    }
}

fn asked(phase: Phase, review: &Value) -> Response {
    let review = decode(review.to_string().as_bytes()).unwrap();
    judge(Some(&POLICIES), phase, review, Enforcement::Enforce).response(None).0
}

/// An expression is refused with its place in the text, or gives an answer or a reason.
pub(crate) fn expression(text: &str) {
    let document = json!({"a": [1, "b", null, true, 1.5], "c": {"d": text}});
    match Program::compile(text, Wanted::Bool, &["object", "request"]) {
        Ok(program) => {
            let bindings = Bindings::new().with("object", &document);
            if let Err(why) = program.holds(&bindings) {
                let said = why.to_string();
                assert!(said.chars().all(is_plain), "{said:?}");
            }
        }
        Err(flaw) => {
            assert!(text.is_char_boundary(flaw.at), "{} in {text:?}", flaw.at);
            assert!(flaw.message.chars().all(is_plain), "{:?}", flaw.message);
        }
    }
}

/// Policies that cannot be loaded say so in plain words; those that can are the same again.
pub(crate) fn policies(text: &str) {
    match folder::load_text("fuzz.yaml", text) {
        Ok(set) => {
            let again = folder::load_text("fuzz.yaml", text).unwrap();
            assert_eq!(set.policies().len(), again.policies().len());
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.chars().all(|c| c == '\n' || is_plain(c)), "{said:?}");
        }
    }
}

/// What an auditor is handed: keys, notes, and a ledger of which each line is an entry. None of it
/// ends the verifier, and what it calls good is a chain.
pub(crate) fn ledger(text: &str) {
    drop(text.parse::<VerifyingKey>());
    if let Ok(note) = Note::parse(text) {
        assert!(note.verified_by(&[]).is_err());
    }
    let notes =
        text.split("\n\n\n").filter_map(|note| Some((Checkpoint::unverified(note).ok()?, note)));
    let mut checkpoints: Vec<_> = notes
        .map(|(checkpoint, note)| StoredCheckpoint {
            size: checkpoint.size,
            note: note.to_owned(),
            frontier: text.bytes().take(64).collect(),
        })
        .collect();
    checkpoints.sort_by_key(|checkpoint| checkpoint.size);
    let from = text.bytes().next().map_or(0, |byte| u64::from(byte % 4));
    let mut verifier = Verifier::new("w", &[], &checkpoints, from);
    let mut hash = Hash::NOTHING;
    let mut entries = 0;
    for (number, line) in (1..).zip(text.lines()) {
        hash = hash.then(line.as_bytes());
        let mut words = line.split('"');
        let mut word = || words.next().unwrap_or_default();
        let link = Link {
            sequence: word().trim_matches('{').parse().unwrap_or(number),
            id: word().into(),
            time: 0,
            username: word().into(),
            namespace: word().into(),
            pod: word().into(),
            answer: word().into(),
            about: None,
            json: line.into(),
            hash: (!line.contains("nohash")).then_some(hash),
        };
        if !verifier.push(&link) {
            break;
        }
        entries += 1;
    }
    let report = verifier.finish();
    assert!(report.fault.is_some() || report.last <= entries.max(from), "{report:?}");
    let proof: Vec<_> = text.lines().filter_map(Hash::from_hex).collect();
    assert!(!is_included(text.as_bytes(), entries, from, Hash::NOTHING, &proof));
}
