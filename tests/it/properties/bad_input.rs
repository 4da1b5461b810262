//! What nobody should send.

use std::fs;
use std::path::PathBuf;

use postern::admission::decode::Subject;
use postern::admission::respond::respond;
use postern::policy::text::is_plain;

use super::*;

fn recorded() -> Vec<Vec<u8>> {
    let files = fs::read_dir("tests/corpus/reviews").unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn permits_all() -> PolicySet {
    let policy = "{apiVersion: postern.dev/v1alpha1, kind: DebugPolicy, metadata: {name: all},
        spec: {effect: Permit, containers: {images: {allow: ['**']}}}}";
    folder::load_text("all.yaml", policy).unwrap()
}

/// Whatever comes: no panic, an answer with the uid or none at all, and no yes to what was not
/// understood.
fn is_answered(set: &PolicySet, body: &[u8]) -> Result<(), TestCaseError> {
    let Ok(review) = decode(body) else { return Ok(()) };
    let (version, uid) = (review.version, review.uid.clone());
    let malformed = matches!(review.subject, Subject::Malformed(_));
    for phase in [Phase::Mutate, Phase::Validate] {
        let judgement = judge(Some(set), phase, decode(body).unwrap(), Enforcement::Enforce);
        prop_assert!(!malformed || !judgement.allows());
        let (response, notes) = judgement.response(None);
        let answer: Value =
            serde_json::from_slice(&respond(version, &uid, &response, &notes)).unwrap();
        prop_assert_eq!(&answer["response"]["uid"], &json!(uid));
        if let Response::Refuse { message } = response {
            prop_assert!(message.chars().all(|c| c == '\n' || is_plain(c)), "{message}");
        }
    }
    Ok(())
}

#[test]
fn damaged_reviews_are_answered_or_turned_away() {
    let reviews = recorded();
    let set = permits_all();
    let damage = (0..reviews.len(), any::<u32>(), 0..40_usize, vec(any::<u8>(), 0..6));
    check(1_500, damage, |(which, at, cut, new), _| {
        let mut body = reviews[which].clone();
        let at = usize::try_from(at).unwrap() % body.len();
        body.splice(at..(at + cut).min(reviews[which].len()), new);
        is_answered(&set, &body)
    });
    check(300, vec(any::<u8>(), 0..200), |body, _| is_answered(&set, &body));
}

#[test]
fn hostile_texts_come_back_escaped() {
    let set = permits_all();
    let texts =
        ["\u{1b}]0;x\u{7}", "a\r\nb", "\u{202e}evil", "`$(id)`", "x".repeat(100_000).leak()];
    for text in texts {
        let template = json!({"name": text, "image": text, "targetContainerName": text,
            "env": [{"name": text, "valueFrom": {"secretKeyRef": {"name": text, "key": text}}}],
            "command": [text], "volumeMounts": [{"name": text, "mountPath": text, "subPath": text}]});
        let mut review: Value = serde_json::from_slice(&recorded()[5]).unwrap();
        for field in ["name", "namespace"] {
            review["request"][field] = json!(text);
        }
        review["request"]["userInfo"]["username"] = json!(text);
        review["request"]["object"]["spec"]["ephemeralContainers"] = json!([template]);
        is_answered(&set, review.to_string().as_bytes()).unwrap();
    }
}

#[test]
fn sixteen_mebibytes_of_anything_are_answered_or_turned_away() {
    let set = permits_all();
    let size = 16 << 20;
    let mut review: Value = serde_json::from_slice(&recorded()[5]).unwrap();
    review["request"]["object"]["spec"]["ephemeralContainers"] =
        json!([{"name": "big", "image": "x".repeat(size)}]);
    for body in [
        review.to_string().into_bytes(),
        vec![b'['; size],
        vec![b'{'; size],
        vec![0xff; size],
        "{\"a\":".repeat(size / 5).into_bytes(),
    ] {
        is_answered(&set, &body).unwrap();
    }
}
