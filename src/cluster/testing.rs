//! An API server that answers as a test wants, and objects as it would tell them.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use tower::service_fn;

/// What was asked: the request line, and the body as JSON.
pub(super) type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A client of an API server that answers each request with a status and a body.
pub(super) fn api_server<F, A>(answer: F) -> (Client, Asked)
where
    F: Fn(usize) -> A + Send + Sync + 'static,
    A: Future<Output = (u16, Value)> + Send + 'static,
{
    reading_api_server(move |number, _| answer(number))
}

/// The same, told the request line too.
pub(super) fn reading_api_server<F, A>(answer: F) -> (Client, Asked)
where
    F: Fn(usize, String) -> A + Send + Sync + 'static,
    A: Future<Output = (u16, Value)> + Send + 'static,
{
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let answer = Arc::new(answer);
    let service = service_fn(move |request: Request<Body>| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        async move {
            let line = format!("{} {}", request.method(), request.uri());
            let body = request.into_body().collect_bytes().await?;
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push((line.clone(), serde_json::from_slice(&body).unwrap_or_default()));
                seen.len()
            };
            let (status, body) = answer(number, line).await;
            let body = Body::from(body.to_string().into_bytes());
            Ok::<_, kube::Error>(Response::builder().status(status).body(body).unwrap())
        }
    });
    (Client::new(service, "default"), asked)
}

/// What an API server says when it refuses.
pub(super) fn refusal(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    (code, status)
}

/// A DebugPolicy as a watch tells it.
pub(super) fn object(name: &str, generation: i64, spec: &Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "postern.dev/v1alpha1",
        "kind": "DebugPolicy",
        "metadata": {"name": name, "uid": format!("uid-of-{name}"), "generation": generation},
        "spec": spec,
    }))
    .unwrap()
}
