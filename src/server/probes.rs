//! `/livez`, `/readyz` and `/metrics`, on a port of their own and without TLS.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::metrics::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One line of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// One word.
    pub name: &'static str,
    /// What is remarkable although it works, or why it does not; one line each.
    pub state: Result<Option<String>, String>,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Ok(None) => write!(f, "[+]{} ok", self.name),
            Ok(Some(detail)) => write!(f, "[+]{} ok: {detail}", self.name),
            Err(why) => write!(f, "[-]{} failed: {why}", self.name),
        }
    }
}

/// The three endpoints. `checks` is asked anew for every `/readyz`, and for every `/metrics`.
pub fn router<C>(metrics: Arc<Metrics>, checks: C) -> Router
where
    C: Fn() -> Vec<Check> + Clone + Send + Sync + 'static,
{
    let counted = checks.clone();
    Router::new()
        // That it answers is the answer: a server that waits for its ledger or its policies must
        // not be restarted for it.
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async move || ready(&checks())))
        .route(
            "/metrics",
            get(async move |headers: HeaderMap| {
                for Check { name, state } in counted() {
                    metrics.checked(name, state.is_ok(), matches!(state, Ok(Some(_))));
                }
                show(&metrics, &headers)
            }),
        )
}

fn ready(checks: &[Check]) -> Response {
    let text: String = checks.iter().map(|check| format!("{check}\n")).collect();
    let status = if checks.iter().all(|check| check.state.is_ok()) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, [(CACHE_CONTROL, "no-store")], text).into_response()
}

fn show(metrics: &Metrics, asked: &HeaderMap) -> Response {
    let wanted = asked.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let open_metrics = wanted.flat_map(|value| value.split(',')).any(|one| {
        one.trim_start().to_ascii_lowercase().starts_with("application/openmetrics-text")
    });
    let (kind, text) = if open_metrics {
        (OPEN_METRICS, metrics.text())
    } else {
        (CLASSIC, metrics.classic_text())
    };
    match text {
        Ok(text) => ([(CONTENT_TYPE, kind), (VARY, ACCEPT.as_str())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
