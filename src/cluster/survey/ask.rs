//! Questions to the API server: bounded in time and number, and noted where they are not answered.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::api::ListParams;
use kube::client::Body;
use serde_json::Value;
use tokio::time::timeout;

use super::super::watch::reason;
use super::text;
use crate::doctor::survey::Unseen;

/// How long one answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How many objects come at once.
const PAGE: u32 = 500;
/// How many pages are asked for.
const PAGES: usize = 200;
/// A longer answer is not read.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Asks, and keeps what was not answered.
pub(super) struct Asker {
    client: Client,
    progress: fn(&str),
    unseen: Vec<Unseen>,
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(super) struct Why {
    /// HTTP status, where there was one.
    pub(super) code: Option<u16>,
    pub(super) text: String,
}

impl Why {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { code: None, text: text.into() }
    }

    /// Whether the API server does not know what was asked for.
    pub(super) fn is_absence(&self) -> bool {
        self.code == Some(404)
    }

    fn of(error: &kube::Error) -> Self {
        let code = match error {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        };
        Self { code, text: reason(error) }
    }
}

impl Asker {
    pub(super) fn new(client: Client, progress: fn(&str)) -> Self {
        Self { client, progress, unseen: Vec::new() }
    }

    /// Says what is being looked at.
    pub(super) fn tell(&self, what: &str) {
        (self.progress)(what);
    }

    /// Where unnamed namespaces are.
    pub(super) fn namespace(&self) -> &str {
        self.client.default_namespace()
    }

    pub(super) fn unseen(self) -> Vec<Unseen> {
        self.unseen
    }

    /// The answer; where there is none, that is noted.
    pub(super) fn noted<T>(
        &mut self,
        what: &str,
        needs: &str,
        answer: Result<T, Why>,
    ) -> Option<T> {
        answer.map_err(|why| self.note(what, needs, &why.text)).ok()
    }

    pub(super) fn note(&mut self, what: &str, needs: &str, answer: &str) {
        let unseen =
            Unseen { what: what.to_owned(), needs: needs.to_owned(), answer: answer.to_owned() };
        if !self.unseen.contains(&unseen) {
            self.unseen.push(unseen);
        }
    }

    /// One document.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Why> {
        self.ask(self.client.request::<Value>(get(path)?)).await
    }

    /// One text.
    pub(super) async fn text(&self, path: &str) -> Result<String, Why> {
        self.ask(self.client.request_text(get(path)?)).await
    }

    /// All objects of a kind.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>, Why> {
        let mut all = Vec::new();
        let mut token = None;
        for _ in 0..PAGES {
            let (items, next) = self.page(path, PAGE, token).await?;
            all.extend(items);
            match next {
                Some(next) => token = Some(next),
                None => return Ok(all),
            }
        }
        Err(Why::new("there are too many"))
    }

    /// Some objects of a kind, and where the next are.
    pub(super) async fn page(
        &self,
        path: &str,
        limit: u32,
        token: Option<String>,
    ) -> Result<(Vec<Value>, Option<String>), Why> {
        let mut params = ListParams::default().limit(limit);
        params.continue_token = token;
        let request = kube::core::Request::new(path).list(&params);
        let request = request.map_err(|error| Why::new(error.to_string()))?;
        let mut page = self.ask(self.client.request::<Value>(request)).await?;
        let next = text(&page, "/metadata/continue").to_owned();
        let items = page.get_mut("items").map(Value::take);
        let items = match items {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        Ok((items, (!next.is_empty()).then_some(next)))
    }

    /// Any request: status, warnings and body of the answer, whatever they are.
    pub(super) async fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<(u16, Vec<String>, Vec<u8>), Why> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, Body::from(body));
        let answer = self.ask(self.client.send(request)).await?;
        let (status, warnings) = (answer.status().as_u16(), warnings(&answer));
        let body = timeout(PATIENCE, Limited::new(answer.into_body(), LIMIT_BYTES).collect());
        let body = body.await.map_err(|_| Why::new("the answer does not end"))?;
        let body = body.map_err(|error| Why::new(error.to_string()))?;
        Ok((status, warnings, body.to_bytes().to_vec()))
    }

    async fn ask<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Why> {
        match timeout(PATIENCE, request).await {
            Ok(answer) => answer.map_err(|error| Why::of(&error)),
            Err(_late) => Err(Why::new(format!("no answer within {PATIENCE:?}"))),
        }
    }
}

fn get(path: &str) -> Result<Request<Vec<u8>>, Why> {
    Request::get(path).body(Vec::new()).map_err(|error| Why::new(error.to_string()))
}

/// The texts of `Warning` headers: `299 - "TEXT"`.
fn warnings<B>(answer: &Response<B>) -> Vec<String> {
    let headers = answer.headers().get_all(http::header::WARNING).iter();
    let texts = headers.filter_map(|value| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let (_, text) = value.split_once('"')?;
        Some(text.trim_end_matches('"').replace("\\\"", "\""))
    });
    texts.collect()
}
