use super::*;
use crate::cluster::testing::{api_server, refusal};

fn secret(client: kube::Client) -> SigningSecret {
    let (namespace, name, by) = ("ns".to_owned(), "key".to_owned(), "postern-0".to_owned());
    SigningSecret { api: Api::namespaced(client, &namespace), namespace, name, by }
}

fn holding(data: &Value) -> (u16, Value) {
    let metadata = json!({"name": "key", "resourceVersion": "7"});
    (200, json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}))
}

fn data(kept: &Kept) -> Value {
    fields(kept)["data"].clone()
}

#[tokio::test]
async fn whoever_is_not_the_first_takes_what_the_first_has_made() {
    let kept = Kept::generate().unwrap();
    let found = data(&kept);
    let (client, asked) = api_server(move |number| {
        let found = found.clone();
        async move {
            match number {
                1 => refusal(404, "NotFound", "not found"),
                2 => refusal(409, "Conflict", "Apply failed with 1 conflict"),
                _ => holding(&found),
            }
        }
    });
    let keys = secret(client).load_or_make().await.unwrap();
    assert!(!keys.is_new);
    assert_eq!(keys.current.public(), kept.keys().unwrap().current.public());
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    assert!(asked[1].0.contains("fieldManager=postern-postern-0"), "{}", asked[1].0);
    assert!(!asked[1].0.contains("force"), "{}", asked[1].0);
}

#[tokio::test]
async fn the_first_makes_it_also_where_an_empty_secret_waits() {
    for empty in [false, true] {
        let (client, asked) = api_server(move |number| async move {
            match number {
                1 if empty => holding(&json!({})),
                1 => refusal(404, "NotFound", "not found"),
                _ => holding(&json!({})),
            }
        });
        let keys = secret(client).load_or_make().await.unwrap();
        assert!(keys.is_new);
        let asked = asked.lock().unwrap();
        let written: Secret = serde_json::from_value(asked[1].1.clone()).unwrap();
        let written = written.data.unwrap();
        let text = |key: &str| String::from_utf8(written[key].0.clone()).unwrap();
        let kept = Kept { key: text(KEY), public: text(PUBLIC), rotations: String::new() };
        assert_eq!(kept.keys().unwrap().current.public(), keys.current.public());
        assert_eq!(kept.public, format!("{}\n", keys.current.public()));
        let version = asked[1].1.pointer("/metadata/resourceVersion");
        assert_eq!(version.is_some(), empty, "what was read is replaced, and nothing else");
    }
}

#[tokio::test]
async fn what_somebody_else_keeps_there_is_left_alone() {
    for (data, why) in [
        (json!({"password": "eA=="}), "Secret ns/key has no `ledger.key`, but something else"),
        (json!({"ledger.key": "eA=="}), "`ledger.key` of Secret ns/key: it is not a private key"),
        (json!({"ledger.key": "/w=="}), "Secret ns/key: `ledger.key` is no text"),
    ] {
        let (client, asked) = api_server(move |_| {
            let data = data.clone();
            async move { holding(&data) }
        });
        let secret = secret(client);
        let (made, rotated) = (secret.load_or_make().await, secret.rotate().await);
        for said in [made.unwrap_err(), rotated.unwrap_err()] {
            assert!(said.starts_with(why), "{said}");
        }
        let asked = asked.lock().unwrap();
        assert!(asked.iter().all(|(line, _)| line.starts_with("GET ")), "{asked:?}");
    }
}

#[tokio::test]
async fn a_key_hands_over_in_place_of_the_version_that_was_read() {
    let kept = Kept::generate().unwrap();
    let found = data(&kept);
    let (client, asked) = api_server(move |_| {
        let found = found.clone();
        async move { holding(&found) }
    });
    let (old, new) = secret(client).rotate().await.unwrap();
    assert_eq!(old, kept.keys().unwrap().current.public());
    let asked = asked.lock().unwrap();
    assert_eq!(asked[1].1["metadata"]["resourceVersion"], "7");
    let written: Secret = serde_json::from_value(asked[1].1.clone()).unwrap();
    let public = String::from_utf8(written.data.unwrap()[PUBLIC].0.clone()).unwrap();
    assert_eq!(public, format!("{new}\n{old}\n"));
}

#[tokio::test]
async fn what_is_not_there_hands_over_to_nothing() {
    let (client, _) = api_server(|_| async { refusal(404, "NotFound", "not found") });
    assert_eq!(secret(client).rotate().await, Err("there is no Secret ns/key".to_owned()));
    let (client, _) = api_server(|_| async { refusal(403, "Forbidden", "secrets: no") });
    let said = secret(client).load_or_make().await.unwrap_err();
    assert_eq!(said, "Secret ns/key: secrets: no");
}
