//! What nobody should send.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::hostile;

fn recorded() -> Vec<Vec<u8>> {
    let files = fs::read_dir("tests/corpus/reviews").unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn damaged_reviews_are_answered_or_turned_away() {
    let reviews = recorded();
    let damage = (0..reviews.len(), any::<u32>(), 0..40_usize, vec(any::<u8>(), 0..6));
    check(1_500, damage, |(which, at, cut, new), _| {
        let mut body = reviews[which].clone();
        let at = usize::try_from(at).unwrap() % body.len();
        body.splice(at..(at + cut).min(reviews[which].len()), new);
        hostile::review(&body);
        Ok(())
    });
    check(300, vec(any::<u8>(), 0..200), |body, _| {
        hostile::review(&body);
        Ok(())
    });
}

#[test]
fn lists_containers_images_and_policies_hold_what_the_fuzz_targets_ask() {
    let name = "\"name\":\"(a|b|app|)\"";
    let container = format!("\\{{{name},\"image\":\"[a-z:@/.]{{0,6}}\"\\}}");
    let list = format!("\\[({container}(,{container}){{0,3}})?\\]");
    check(400, format!("{list}\n{list}").as_str(), |text, _| {
        hostile::lists(&text);
        Ok(())
    });
    check(400, "[a-zA-Z0-9:/@._*\\[\\]-]{0,40}", |text, _| {
        hostile::image(&text);
        Ok(())
    });
    check(400, "[a-z0-9.()\\[\\]{}?:!&|<>=+'\" -]{0,60}", |text, _| {
        hostile::expression(&text);
        Ok(())
    });
    let policy = fs::read_to_string("deploy/examples/developers.yaml").unwrap();
    let damage = (any::<u32>(), 0..20_usize, "\\PC{0,6}");
    check(200, damage, |(at, cut, new), _| {
        let characters: Vec<char> = policy.chars().collect();
        let at = usize::try_from(at).unwrap() % characters.len();
        let after = (at + cut).min(characters.len());
        let head: String = characters[..at].iter().collect();
        let tail: String = characters[after..].iter().collect();
        hostile::policies(&format!("{head}{new}{tail}"));
        Ok(())
    });
    check(300, request(), |request, _| {
        for container in &request.added {
            hostile::patch(&container.json().to_string());
        }
        Ok(())
    });
}

#[test]
fn hostile_texts_come_back_escaped() {
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
        hostile::review(review.to_string().as_bytes());
        hostile::patch(&template.to_string());
    }
}

#[test]
fn sixteen_mebibytes_of_anything_are_answered_or_turned_away() {
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
        hostile::review(&body);
    }
}

#[test]
fn hostile_ledgers_end_no_verifier() {
    let note = "postern.dev/ledger/w\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\
                time 2026-11-25T18:19:14Z\nchain {}\ncluster c\n\n\u{2014} k AAAA\n\n\n";
    let note = note.replace("{}", &"0".repeat(64));
    let entry =
        "{\"id\":\"a\",\"time\":\"2026-11-25T18:19:14Z\",\"writer\":\"w\",\"sequence\":1}\n";
    let text = note.clone() + entry + entry + &note;
    hostile::ledger(&text);
    let damage = (any::<u32>(), 0..40_usize, "\\PC{0,6}");
    check(800, damage, |(at, cut, new), _| {
        let characters: Vec<char> = text.chars().collect();
        let at = usize::try_from(at).unwrap() % characters.len();
        let after = (at + cut).min(characters.len());
        let head: String = characters[..at].iter().collect();
        let tail: String = characters[after..].iter().collect();
        hostile::ledger(&format!("{head}{new}{tail}"));
        Ok(())
    });
}
