//! The webhook's endpoints, without a socket.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::ServiceExt;
use uuid::Uuid;

use jiff::Timestamp;
use postern::gate::{Gate, GateSettings, Policies};
use postern::ledger::{Ledger, LedgerError, Query, Record};
use postern::policy::rule::Enforcement;
use postern::policy::set::PolicySet;
use postern::server::metrics::Metrics;
use postern::server::webhook::{self, BODY_LIMIT_BYTES, Draining, Limits};

const NOTHING_ADDED: &str = include_str!("../corpus/reviews/put-no-change.validate.json");
const DEBUGGER: &str = include_str!("../corpus/reviews/debug-profile-restricted.validate.json");

/// A ledger in memory that does what a test wants of it.
#[derive(Debug, Default)]
struct FakeLedger {
    records: Arc<Mutex<Vec<Record>>>,
    mood: Mood,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Mood {
    #[default]
    Works,
    Hangs,
    Panics,
}

impl Ledger for FakeLedger {
    async fn append(&self, record: Record) -> Result<(), LedgerError> {
        match self.mood {
            Mood::Works => self.records.lock().unwrap().push(record),
            Mood::Hangs => pending().await,
            Mood::Panics => panic!("the ledger is on fire \u{1b}[31m"),
        }
        Ok(())
    }

    async fn list(&self, _query: &Query) -> Result<Vec<Record>, LedgerError> {
        Ok(self.records.lock().unwrap().clone())
    }

    async fn get(&self, _id: Uuid) -> Result<Option<Record>, LedgerError> {
        Ok(None)
    }

    async fn added_since(&self, _user: &str, _since: Timestamp) -> Result<usize, LedgerError> {
        Ok(0)
    }

    fn is_writable(&self) -> bool {
        true
    }
}

/// A webhook without policies: whatever adds a container is refused.
struct Webhook {
    router: Router,
    metrics: Arc<Metrics>,
    draining: Draining,
    records: Arc<Mutex<Vec<Record>>>,
}

impl Webhook {
    fn new() -> Self {
        Self::with(Mood::Works, Duration::from_secs(5), 8)
    }

    fn with(mood: Mood, deadline: Duration, max_in_flight: usize) -> Self {
        let policies = Policies::default();
        policies.store(Some(Arc::new(PolicySet::default())));
        let ledger = FakeLedger { mood, ..FakeLedger::default() };
        let records = Arc::clone(&ledger.records);
        let settings = GateSettings {
            cluster: "test".to_owned(),
            enforcement: Enforcement::Enforce,
            danger_allow_on_ledger_failure: false,
        };
        let gate = Arc::new(Gate::new(policies, ledger, settings));
        let metrics = Arc::new(Metrics::new());
        let draining = Arc::new(AtomicBool::new(false));
        let limits = Limits { deadline, max_in_flight };
        let router = webhook::router(gate, limits, Arc::clone(&metrics), Arc::clone(&draining));
        Self { router, metrics, draining, records }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert!(!response.headers().contains_key(RETRY_AFTER), "the API server would ask again");
        response
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Response<Body> {
        self.send(post(path, body)).await
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.text().unwrap().lines().any(|found| found == line)
    }
}

fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header(CONTENT_TYPE, "application/json").body(body.into()).unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn json(response: Response<Body>) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/json");
    serde_json::from_str(&text(response).await).unwrap()
}

fn uid(review: &str) -> Value {
    serde_json::from_str::<Value>(review).unwrap()["request"]["uid"].clone()
}

/// A body that arrives in these pieces and then, perhaps, never ends.
fn pieces(pieces: Vec<Bytes>, ends: bool) -> Body {
    let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    if ends {
        Body::from_stream(pieces)
    } else {
        Body::from_stream(pieces.chain(stream::pending()))
    }
}

#[tokio::test]
async fn a_review_is_answered_with_its_uid_whatever_the_answer() {
    let webhook = Webhook::new();
    for (path, review, allowed) in [
        ("/validate", NOTHING_ADDED, true),
        ("/mutate", NOTHING_ADDED, true),
        ("/validate", DEBUGGER, false),
    ] {
        let answer = json(webhook.post(path, review).await).await;
        assert_eq!(answer["response"]["uid"], uid(review));
        assert_eq!(answer["response"]["allowed"], allowed, "{path}");
    }
    assert_eq!(webhook.records.lock().unwrap().len(), 1);
    assert!(webhook.counted(
        r#"postern_reviews_total{phase="validate",answer="refused",reason="policy",dry_run="false"} 1"#
    ));
}

#[tokio::test]
async fn only_post_to_the_two_paths_is_known() {
    let webhook = Webhook::new();
    for path in ["/", "/validate/", "/Validate", "/readyz", "/metrics"] {
        assert_eq!(
            webhook.post(path, NOTHING_ADDED).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE] {
        let request =
            Request::builder().method(&method).uri("/mutate").body(Body::empty()).unwrap();
        let response = webhook.send(request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(response.headers().get(ALLOW).unwrap(), "POST");
    }
    assert!(webhook.counted(r#"postern_requests_turned_away_total{status="405"} 5"#));
}

#[tokio::test]
async fn another_content_type_is_not_read() {
    let webhook = Webhook::new();
    for (content_type, status) in [
        (Some("application/json; charset=utf-8"), StatusCode::OK),
        (Some("application/yaml"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("application/json-patch+json"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (None, StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let mut request = post("/validate", NOTHING_ADDED);
        request.headers_mut().remove(CONTENT_TYPE);
        if let Some(content_type) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        assert_eq!(webhook.send(request).await.status(), status, "{content_type:?}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_length_and_by_its_bytes() {
    let webhook = Webhook::new();
    let mut announced = post("/validate", pieces(Vec::new(), false));
    let length = HeaderValue::from(BODY_LIMIT_BYTES + 1);
    announced.headers_mut().insert(CONTENT_LENGTH, length);
    assert_eq!(webhook.send(announced).await.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let mebibyte = Bytes::from(vec![b' '; 1024 * 1024]);
    let chunked = pieces(vec![mebibyte.clone(); 17], true);
    assert_eq!(webhook.post("/validate", chunked).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // And one that just fits is read, and then found to be no review.
    let chunked = pieces(vec![mebibyte; 16], true);
    assert_eq!(webhook.post("/validate", chunked).await.status(), StatusCode::BAD_REQUEST);
    assert!(webhook.counted(r#"postern_requests_turned_away_total{status="413"} 2"#));
}

/// Whoever has a wrong path in a webhook configuration is told by nobody else.
#[tokio::test]
async fn a_path_that_leads_nowhere_is_told_those_that_lead_here() {
    let webhook = Webhook::new();
    for path in ["/", "/validte", "/validate/x"] {
        let response = webhook.post(path, DEBUGGER).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(text(response).await.contains("want /mutate or /validate"), "{path}");
    }
    assert!(webhook.counted(r#"postern_requests_turned_away_total{status="404"} 3"#));
}

#[tokio::test]
async fn what_has_no_uid_is_answered_with_a_plain_sentence() {
    let webhook = Webhook::new();
    for body in [
        "",
        "{",
        "null",
        "[]",
        "{\"kind\": \"AdmissionReview\u{1b}[31m\"}",
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}"#,
    ] {
        for path in ["/mutate", "/validate"] {
            let response = webhook.post(path, body).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
            let text = text(response).await;
            assert!(text.trim_end().len() > 10, "{body} is answered with {text:?}");
            assert!(!text.trim_end().contains(char::is_control), "{text:?}");
        }
    }
    assert_eq!(
        webhook.post("/validate", &b"\xff\xfe{}"[..]).await.status(),
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let webhook = Webhook::with(Mood::Works, Duration::from_secs(1), 8);
    let half = Bytes::from(NOTHING_ADDED[..100].to_owned());
    let response = webhook.post("/validate", pieces(vec![half], false)).await;
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_body_that_ends_early_is_nobodys_review() {
    let webhook = Webhook::new();
    let broken = stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::other("connection reset")),
    ]);
    let response = webhook.post("/validate", Body::from_stream(broken)).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn bodies_that_are_being_read_share_a_bounded_memory() {
    let webhook = Webhook::with(Mood::Works, Duration::from_secs(2), 8);
    let fifteen = || pieces(vec![Bytes::from(vec![b' '; 15 * 1024 * 1024])], false);
    let first = tokio::spawn(webhook.router.clone().oneshot(post("/validate", fifteen())));
    let second = tokio::spawn(webhook.router.clone().oneshot(post("/validate", fifteen())));
    sleep(Duration::from_millis(500)).await;
    let third = webhook.post("/validate", fifteen()).await;
    assert_eq!(third.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(third).await, "too much is being read already\n");
    // What the others held is free again once they are given up.
    for other in [first, second] {
        assert_eq!(other.await.unwrap().unwrap().status(), StatusCode::REQUEST_TIMEOUT);
    }
    assert_eq!(webhook.post("/validate", NOTHING_ADDED).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn more_than_may_be_in_flight_are_refused_with_that_reason() {
    let webhook = Webhook::with(Mood::Hangs, Duration::from_secs(1), 1);
    let first = tokio::spawn(webhook.router.clone().oneshot(post("/validate", DEBUGGER)));
    sleep(Duration::from_millis(200)).await;
    assert!(webhook.counted("postern_in_flight 1"));
    let second = json(webhook.post("/validate", NOTHING_ADDED).await).await;
    assert_eq!(second["response"]["uid"], uid(NOTHING_ADDED));
    assert_eq!(second["response"]["allowed"], false);
    assert!(
        second["response"]["status"]["message"]
            .as_str()
            .unwrap()
            .contains("as many requests as it can")
    );
    drop(first.await);
    assert!(webhook.counted("postern_in_flight 0"));
    assert!(
        json(webhook.post("/validate", NOTHING_ADDED).await).await["response"]["allowed"] == true
    );
}

#[tokio::test]
async fn a_ledger_that_hangs_delays_an_answer_to_the_deadline_and_no_longer() {
    let webhook = Webhook::with(Mood::Hangs, Duration::from_secs(1), 8);
    let started = Instant::now();
    let answer = json(webhook.post("/validate", DEBUGGER).await).await;
    assert_eq!(answer["response"]["allowed"], false);
    assert!(started.elapsed() < Duration::from_millis(1200), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_panic_while_judging_is_a_refusal() {
    let webhook = Webhook::with(Mood::Panics, Duration::from_secs(1), 8);
    let answer = json(webhook.post("/validate", DEBUGGER).await).await;
    assert_eq!(answer["response"]["uid"], uid(DEBUGGER));
    assert_eq!(answer["response"]["allowed"], false);
    assert!(!answer.to_string().contains("on fire"));
    // And the next one is answered as if nothing had happened.
    let answer = json(webhook.post("/validate", NOTHING_ADDED).await).await;
    assert_eq!(answer["response"]["allowed"], true);
}

#[tokio::test]
async fn a_panic_around_the_gate_is_a_500() {
    let webhook = Webhook::new();
    let panics = stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> {
        panic!("no bytes today")
    });
    let response = webhook.post("/validate", Body::from_stream(panics)).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!text(response).await.contains("today"));
}

#[tokio::test]
async fn while_the_server_drains_http_1_clients_are_told_to_connect_elsewhere() {
    let webhook = Webhook::new();
    assert!(!webhook.post("/validate", NOTHING_ADDED).await.headers().contains_key(CONNECTION));
    webhook.draining.store(true, Ordering::Relaxed);
    let response = webhook.post("/validate", NOTHING_ADDED).await;
    assert_eq!(response.headers().get(CONNECTION).unwrap(), "close");
    assert_eq!(response.status(), StatusCode::OK);

    let mut request = post("/validate", NOTHING_ADDED);
    *request.version_mut() = Version::HTTP_2;
    assert!(!webhook.send(request).await.headers().contains_key(CONNECTION));
}

#[tokio::test]
async fn ten_thousand_containers_are_answered() {
    let mut review: Value = serde_json::from_str(DEBUGGER).unwrap();
    let containers =
        review["request"]["object"]["spec"]["ephemeralContainers"].as_array_mut().unwrap();
    for number in 0..10_000 {
        containers
            .push(json!({"name": format!("debugger-{number}\u{7}"), "image": "a\u{1b}[0m\n"}));
    }
    let webhook = Webhook::with(Mood::Works, Duration::from_secs(20), 8);
    let answer = json(webhook.post("/validate", review.to_string()).await).await;
    assert_eq!(answer["response"]["allowed"], false);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.len() <= 1024, "{} bytes", message.len());
    assert!(!message.replace('\n', "").contains(char::is_control), "{message:?}");
}
