//! Bearer tokens, where the API server is told to show one: who shows none is not answered.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::metrics::Metrics;
use super::probes::Check;
use crate::watch::Watch;

/// A token that can be guessed is none.
const SHORTEST: usize = 16;
const READ_AT_MOST: u64 = 64 * 1024;

/// The tokens that are accepted, always the newest that could be read.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    accepted: ArcSwap<Vec<Hash>>,
    trouble: Mutex<Option<String>>,
}

/// Of equal length for all tokens, so that comparing tells nothing of theirs.
type Hash = [u8; 32];

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file system says no.
    #[error("`{}` cannot be read: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("`{}` {why}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// In words; the content is not shown.
        why: &'static str,
    },
}

impl Tokens {
    /// Reads them for the first time.
    ///
    /// # Errors
    ///
    /// There is none, or one that can be guessed.
    pub fn load(path: &Path) -> Result<Self, TokenError> {
        let accepted = ArcSwap::from_pointee(read(path)?);
        Ok(Self { path: path.to_owned(), accepted, trouble: Mutex::default() })
    }

    /// Reads them again whenever the file changes, for ever.
    pub async fn keep_fresh(self: Arc<Self>, mut watch: Watch) {
        let mut failed = false;
        loop {
            watch.changed_or_retry(failed).await;
            let trouble = match read(&self.path) {
                Ok(tokens) => {
                    info!(number = tokens.len(), "Tokens loaded");
                    self.accepted.store(Arc::new(tokens));
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            failed = trouble.is_some();
            let mut before = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(why) = trouble.as_ref().filter(|_| *before != trouble) {
                warn!("The old tokens stay in use: {why}");
            }
            *before = trouble;
        }
    }

    /// For readiness.
    #[must_use]
    pub fn check(&self) -> Check {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = Ok(trouble.map(|why| format!("the old ones stay in use: {why}")));
        Check { name: "tokens", state }
    }

    fn accept(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, token)) = shown.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let hash = hash(token.trim());
        let accepted = self.accepted.load();
        // All of them, whichever fits: time tells nothing.
        let fitting = accepted.iter().filter(|it| verify_slices_are_equal(&hash, &it[..]).is_ok());
        fitting.count() > 0 && scheme.eq_ignore_ascii_case("bearer")
    }
}

/// Answers only who shows a token.
pub fn guard(router: Router, tokens: Arc<Tokens>, metrics: Arc<Metrics>) -> Router {
    router.layer(from_fn_with_state((tokens, metrics), ask))
}

async fn ask(
    State((tokens, metrics)): State<(Arc<Tokens>, Arc<Metrics>)>,
    request: Request,
    next: Next,
) -> Response {
    if tokens.accept(request.headers()) {
        return next.run(request).await;
    }
    let status = StatusCode::UNAUTHORIZED;
    metrics.turned_away(status.as_u16());
    info!(status = status.as_u16(), "Turned a request away: it shows no token that is accepted");
    (status, [(WWW_AUTHENTICATE, "Bearer")], "a bearer token is wanted\n").into_response()
}

fn read(path: &Path) -> Result<Vec<Hash>, TokenError> {
    let wrong = |source| TokenError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(wrong)?;
    file.take(READ_AT_MOST + 1).read_to_string(&mut text).map_err(wrong)?;
    let content = |why| TokenError::Content { path: path.to_owned(), why };
    if u64::try_from(text.len()).is_ok_and(|length| length > READ_AT_MOST) {
        return Err(content("is too large"));
    }
    let tokens: Vec<&str> = text.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    if tokens.is_empty() {
        return Err(content("holds no token; want one a line"));
    }
    // A certificate is known to everybody who connects.
    if tokens.iter().any(|token| token.starts_with("-----")) {
        return Err(content("is a PEM file; want one token a line"));
    }
    if tokens.iter().any(|token| token.len() < SHORTEST) {
        return Err(content("holds a token that can be guessed; want 16 characters or more"));
    }
    Ok(tokens.into_iter().map(hash).collect())
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Tokens, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Tokens::load(file.path()).map_err(|error| error.to_string())
    }

    fn accepts(tokens: &Tokens, value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        tokens.accept(&headers)
    }

    #[test]
    fn any_token_of_the_file_is_accepted_and_nothing_else() {
        let tokens = tokens("0123456789abcdef\n\n  fedcba9876543210fedc \n").unwrap();
        for good in
            ["Bearer 0123456789abcdef", "bearer fedcba9876543210fedc", "BEARER  0123456789abcdef"]
        {
            assert!(accepts(&tokens, good), "{good}");
        }
        for bad in [
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer",
            "Bearer ",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
            "Bearer 0123456789abcdef fedcba9876543210fedc",
            "",
        ] {
            assert!(!accepts(&tokens, bad), "{bad}");
        }
        assert!(!tokens.accept(&HeaderMap::new()));
    }

    #[test]
    fn a_file_without_a_good_token_is_refused_and_not_shown() {
        let error = tokens("\n \n").unwrap_err();
        assert!(error.ends_with("holds no token; want one a line"), "{error}");
        let error = tokens("0123456789abcdef\nshort\n").unwrap_err();
        assert!(error.contains("can be guessed") && !error.contains("short"), "{error}");
        let error = tokens("-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgI\n").unwrap_err();
        assert!(error.contains("is a PEM file"), "{error}");
        let error = tokens(&"0123456789abcdef\n".repeat(5000)).unwrap_err();
        assert!(error.ends_with("is too large"), "{error}");
    }
}
