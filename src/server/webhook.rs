//! `POST /mutate` and `POST /validate`: limits, deadline and status codes; the gate does the rest.
//!
//! Whatever has a uid is answered with HTTP 200, a refusal too. Another status means that there was
//! nobody to answer, and the API server then does what `failurePolicy` says. `Retry-After` is never
//! sent: the API server's client would ask up to ten times more.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use tracing::{info, warn};

use super::body::{self, Memory, Unread};
use super::metrics::{Metrics, phase_label};
use super::said;
use crate::gate::trace::Tracer;
use crate::gate::{Answer, Arrival, Cluster, Gate, NotAReview, Phase};
use crate::ledger::Ledger;
use crate::policy::text::{Plain, Quoted};

/// The API server takes at most 3 MiB from a user; a review carries the object twice, as JSON.
pub const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// Two bodies of the largest size, or as many reviews of the usual 20 KiB as may be in flight.
const MEMORY_BYTES: usize = 2 * BODY_LIMIT_BYTES;
/// The gate holds the deadline itself; whatever keeps it longer than this is cut off.
const GRACE: Duration = Duration::from_millis(250);

/// What bounds the work.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a request's headers to its answer.
    pub deadline: Duration,
    /// Reviews that are judged and written down at the same time.
    pub max_in_flight: usize,
}

/// Set once the server is to stop: answers then ask the client to connect elsewhere.
pub type Draining = Arc<AtomicBool>;

#[derive(Debug)]
struct Webhook<L, C> {
    gate: Arc<Gate<L, C>>,
    deadline: Duration,
    in_flight: Semaphore,
    memory: Memory,
    metrics: Arc<Metrics>,
    draining: Draining,
    tracer: Option<Arc<dyn Tracer>>,
}

/// The two endpoints.
pub fn router<L: Ledger, C: Cluster>(
    gate: Arc<Gate<L, C>>,
    limits: Limits,
    metrics: Arc<Metrics>,
    draining: Draining,
) -> Router {
    traced(gate, limits, metrics, draining, None)
}

/// The same, which tells of every review that whoever sent it wants to follow.
pub fn traced<L: Ledger, C: Cluster>(
    gate: Arc<Gate<L, C>>,
    limits: Limits,
    metrics: Arc<Metrics>,
    draining: Draining,
    tracer: Option<Arc<dyn Tracer>>,
) -> Router {
    let Limits { deadline, max_in_flight } = limits;
    metrics.in_flight_limit(max_in_flight);
    let in_flight = Semaphore::new(max_in_flight.min(Semaphore::MAX_PERMITS));
    let memory = Memory::new(MEMORY_BYTES);
    let webhook =
        Arc::new(Webhook { gate, deadline, in_flight, memory, metrics, draining, tracer });
    Router::new()
        .route("/mutate", post(mutate::<L, C>))
        .route("/validate", post(validate::<L, C>))
        .fallback(nowhere::<L, C>)
        .method_not_allowed_fallback(no_post::<L, C>)
        .with_state(webhook)
}

async fn mutate<L: Ledger, C: Cluster>(
    State(webhook): State<Arc<Webhook<L, C>>>,
    request: Request,
) -> Response {
    webhook.respond(Phase::Mutate, request).await
}

async fn validate<L: Ledger, C: Cluster>(
    State(webhook): State<Arc<Webhook<L, C>>>,
    request: Request,
) -> Response {
    webhook.respond(Phase::Validate, request).await
}

/// An API server that is told a wrong path says only that it `could not find the requested resource`.
async fn nowhere<L: Ledger, C: Cluster>(
    State(webhook): State<Arc<Webhook<L, C>>>,
    request: Request,
) -> Response {
    let why = "nobody answers at this path; want /mutate or /validate";
    webhook.turn_back(StatusCode::NOT_FOUND, &request, why)
}

async fn no_post<L: Ledger, C: Cluster>(
    State(webhook): State<Arc<Webhook<L, C>>>,
    request: Request,
) -> Response {
    webhook.turn_back(StatusCode::METHOD_NOT_ALLOWED, &request, "reviews are sent with POST")
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
enum TurnedAway {
    #[error("the content type must be application/json")]
    NotJson,
    #[error("the body is larger than {BODY_LIMIT_BYTES} bytes")]
    TooLarge,
    #[error("the body did not arrive in time")]
    Slow,
    #[error("too much is being read already")]
    NoMemory,
    #[error("the body ended early")]
    CutOff,
    #[error("{0}")]
    NotAReview(NotAReview),
    #[error("no answer in time")]
    Late,
    #[error("a fault inside; the log says more")]
    Panicked,
}

impl TurnedAway {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::NoMemory => StatusCode::SERVICE_UNAVAILABLE,
            Self::CutOff | Self::NotAReview(_) => StatusCode::BAD_REQUEST,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Unread> for TurnedAway {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::TooLarge,
            Unread::NoMemory => Self::NoMemory,
            Unread::CutOff => Self::CutOff,
        }
    }
}

impl<L: Ledger, C: Cluster> Webhook<L, C> {
    async fn respond(&self, phase: Phase, request: Request) -> Response {
        let started = Instant::now();
        let arrival =
            Arrival { time: Timestamp::now(), started, deadline: started + self.deadline };
        let version = request.version();
        let follow = self.tracer.as_deref().and_then(|tracer| said::wanted(&request, tracer));
        // The gate turns its own panics into refusals; this one is for what is around it.
        let outcome = AssertUnwindSafe(self.answer(phase, request, arrival)).catch_unwind().await;
        let mut response = match outcome.unwrap_or(Err(TurnedAway::Panicked)) {
            Ok(answer) => {
                let took = started.elapsed();
                self.metrics.answered(&answer.summary, took);
                said::say(&answer, took);
                if let Some(follow) = follow {
                    follow.tell(&answer, arrival, took);
                }
                let Answer { body, .. } = answer;
                ([(CONTENT_TYPE, "application/json")], body).into_response()
            }
            Err(why) => self.turn_away(phase, &why),
        };
        // HTTP/2 has no such header: there the connection itself says goodbye.
        if version < Version::HTTP_2 && self.draining.load(Ordering::Relaxed) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn answer(
        &self,
        phase: Phase,
        request: Request,
        arrival: Arrival,
    ) -> Result<Answer, TurnedAway> {
        let (head, body) = request.into_parts();
        if !is_json(&head.headers) {
            return Err(TurnedAway::NotJson);
        }
        if body::announces_more_than(BODY_LIMIT_BYTES, &head.headers) {
            return Err(TurnedAway::TooLarge);
        }
        let deadline = tokio::time::Instant::from_std(arrival.deadline);
        let read = body::read(&head.headers, body, BODY_LIMIT_BYTES, &self.memory);
        let held = timeout_at(deadline, read).await.map_err(|_| TurnedAway::Slow)??;

        let Ok(_permit) = self.in_flight.try_acquire() else {
            // A queue would only grow: whoever waits in it is past the deadline when it is served.
            return self.gate.refuse_overload(phase, held.as_ref()).map_err(TurnedAway::NotAReview);
        };
        let _counted = self.metrics.in_flight();
        timeout_at(deadline + GRACE, self.gate.answer(phase, held.as_ref(), arrival))
            .await
            .map_err(|_| TurnedAway::Late)?
            .map_err(TurnedAway::NotAReview)
    }

    /// A request that is not for any of the two endpoints.
    fn turn_back(&self, status: StatusCode, request: &Request, why: &str) -> Response {
        self.metrics.turned_away(status.as_u16());
        let (method, path) = (request.method(), Quoted(request.uri().path()));
        info!(status = status.as_u16(), "Turned {method} {path} away: {why}");
        (status, format!("{why}\n")).into_response()
    }

    fn turn_away(&self, phase: Phase, why: &TurnedAway) -> Response {
        let status = why.status();
        self.metrics.turned_away(status.as_u16());
        let (phase, status_code) = (phase_label(phase), status.as_u16());
        // What a reader of JSON says may quote the body.
        let why = why.to_string();
        let why = Plain(&why);
        if status.is_server_error() {
            warn!(phase, status = status_code, "Turned a request away: {why}");
        } else {
            info!(phase, status = status_code, "Turned a request away: {why}");
        }
        (status, format!("{why}\n")).into_response()
    }
}

/// `application/json`, in any case and with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_type_alone() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            (" application/json ;x", true),
            ("application/json-patch+json", false),
            ("text/plain; application/json", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            assert_eq!(is_json(&headers), expected, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
