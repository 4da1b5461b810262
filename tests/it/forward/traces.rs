//! Spans, as a collector receives them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::server::{Server, Site};

const DEBUGGER: &str = include_str!("../../corpus/reviews/debug-profile-restricted.validate.json");
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

type Spans = Arc<Mutex<Vec<Value>>>;

/// Takes what is posted to where spans belong; its address, and the spans.
async fn collector() -> (String, Spans) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let spans = Spans::default();
    let taken = Arc::clone(&spans);
    let take = post(async move |body: axum::Json<Value>| {
        let scopes = &body["resourceSpans"][0];
        assert_eq!(attribute(&scopes["resource"], "service.name"), "postern");
        let new = scopes["scopeSpans"][0]["spans"].as_array().unwrap().clone();
        taken.lock().unwrap().extend(new);
        axum::Json(serde_json::json!({}))
    });
    tokio::spawn(async move {
        axum::serve(listener, Router::new().route("/v1/traces", take)).await.unwrap();
    });
    (url, spans)
}

fn attribute<'a>(of: &'a Value, key: &str) -> &'a str {
    let attributes = of["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    found.and_then(|found| found["value"]["stringValue"].as_str()).unwrap_or_default()
}

async fn ask(site: &Site, server: &Server, traceparent: Option<&str>) -> String {
    let request = site.client().build().unwrap().post(server.url("/validate"));
    let mut request = request.header("content-type", "application/json").body(DEBUGGER);
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["response"]["auditAnnotations"]["decision"].as_str().unwrap().to_owned()
}

/// The spans of these many reviews.
async fn received(spans: &Spans, reviews: usize) -> Vec<Value> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let now = spans.lock().unwrap().clone();
        if now.iter().filter(|span| span["kind"] == 2).count() >= reviews {
            return now;
        }
        assert!(Instant::now() < end, "{now:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_review_is_a_span_below_its_callers_with_one_for_each_step() {
    let site = Site::new();
    let (url, spans) = collector().await;
    let server = site.start(&["--otlp-endpoint", &url]);
    let followed = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let not_followed = format!("00-{TRACE}-00f067aa0ba902b7-00");
    let decision = ask(&site, &server, Some(&followed)).await;
    ask(&site, &server, Some(&not_followed)).await;
    let alone = ask(&site, &server, None).await;

    let spans = received(&spans, 2).await;
    let of = |decision: &str| {
        let found = spans
            .iter()
            .find(|span| span["kind"] == 2 && attribute(span, "postern.decision") == decision);
        found.unwrap_or_else(|| panic!("{decision}: {spans:#?}"))
    };
    let whole = of(&decision);
    assert_eq!(whole["traceId"], TRACE);
    assert_eq!(whole["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(whole["name"], "POST /validate");
    for (key, value) in [
        ("postern.verdict", "refused"),
        ("postern.answer", "refused"),
        ("postern.reason", "policy"),
        ("k8s.namespace.name", "default"),
        ("k8s.pod.name", "tomcat-test"),
    ] {
        assert_eq!(attribute(whole, key), value, "{key}");
    }
    let steps: Vec<_> =
        spans.iter().filter(|span| span["parentSpanId"] == whole["spanId"]).collect();
    let names: Vec<_> = steps.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["read", "decode", "look up", "judge", "record", "respond"]);
    let nanoseconds = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    for step in &steps {
        assert_eq!(step["traceId"], TRACE);
        let (from, to) =
            (nanoseconds(step, "startTimeUnixNano"), nanoseconds(step, "endTimeUnixNano"));
        assert!(nanoseconds(whole, "startTimeUnixNano") <= from && from <= to);
        assert!(to <= nanoseconds(whole, "endTimeUnixNano"), "{step} of {whole}");
    }
    // Of a review that nobody followed yet a trace begins here; one that is not wanted is not sent.
    let alone = of(&alone);
    assert!(alone["parentSpanId"] == "" && alone["traceId"] != TRACE, "{alone}");
    assert_eq!(spans.iter().filter(|span| span["kind"] == 2).count(), 2, "{spans:#?}");
}

#[tokio::test]
async fn nobody_waits_for_a_collector_that_is_away() {
    let site = Site::new();
    let server = site.start(&["--otlp-endpoint", "http://127.0.0.1:1"]);
    let begun = Instant::now();
    ask(&site, &server, None).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    server.wait_for_line("Cannot send traces");
    let refused = site.launch(&["--otlp-endpoint", "localhost:4318"]);
    refused.wait_for_line("`--otlp-endpoint`");
}
