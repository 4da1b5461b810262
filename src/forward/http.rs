//! POST to a receiver. Each request has a connection of its own: they are few, and a connection
//! that was kept may be gone just when it is needed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::dial::Dialer;
use super::target::Url;
use super::{Trouble, WAIT};

/// What a receiver says beside its status is read this far and not looked at.
const READ_AT_MOST: usize = 64 * 1024;
const FAREWELL: Duration = Duration::from_secs(1);

/// Sends to one URL.
pub(super) struct Poster {
    url: Url,
    dialer: Dialer,
    token: Option<PathBuf>,
}

impl Poster {
    pub(super) fn new(url: Url, dialer: Dialer, token: Option<PathBuf>) -> Self {
        Self { url, dialer, token }
    }

    /// Whether the token and the authorities can be used.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        if let Some(token) = &self.token {
            if !self.url.endpoint.tls && !is_this_machine(&self.url.endpoint.host) {
                return Err(Trouble::TokenInTheClear);
            }
            let text = std::fs::read_to_string(token).map_err(Trouble::token(token))?;
            authorization(&text, token)?;
        }
        self.dialer.check()
    }

    /// Sends a body; it is taken once this is `Ok`.
    pub(super) async fn post(
        &mut self,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<(), Trouble> {
        let posted = timeout(WAIT, self.exchange(content_type, body)).await;
        let posted = posted.unwrap_or(Err(Trouble::Late));
        let posted = posted.and_then(|status| match status {
            StatusCode::PAYLOAD_TOO_LARGE => Err(Trouble::TooLarge),
            status if status.is_success() => Ok(()),
            status => Err(Trouble::Status(status.as_u16())),
        });
        if posted.is_err() {
            self.dialer.forget();
        }
        posted
    }

    async fn exchange(
        &mut self,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<StatusCode, Trouble> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.url.path.as_str())
            .header(HOST, self.url.authority.as_str())
            .header(CONNECTION, "close")
            .header(USER_AGENT, concat!("postern/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, content_type);
        if let Some(path) = &self.token {
            // Read each time: tokens are replaced.
            let text = tokio::fs::read_to_string(path).await.map_err(Trouble::token(path))?;
            request = request.header(AUTHORIZATION, authorization(&text, path)?);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|_| Trouble::NotAName)?;
        let wire = TokioIo::new(self.dialer.connect().await?);
        let (mut sender, connection) =
            http1::handshake(wire).await.map_err(|error| Trouble::http(&error))?;
        let answer = async move {
            let response =
                sender.send_request(request).await.map_err(|error| Trouble::http(&error))?;
            let status = response.status();
            let rest = Limited::new(response.into_body(), READ_AT_MOST).collect();
            // The status is the answer; the rest is heard out, so that nobody is cut off.
            drop(timeout(FAREWELL, rest).await);
            Ok(status)
        };
        // What ends the connection ends the answer too, which says why.
        let (answer, _ended) = tokio::join!(answer, connection);
        answer
    }
}

/// A token alone is a bearer's; with another scheme before it (`Splunk …`) it is sent as it is.
fn authorization(text: &str, path: &Path) -> Result<HeaderValue, Trouble> {
    let text = text.trim();
    let header = if text.contains(' ') { text.to_owned() } else { format!("Bearer {text}") };
    let mut header = HeaderValue::try_from(header)
        .ok()
        .filter(|_| !text.is_empty())
        .ok_or_else(|| Trouble::NotAToken(path.to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{Dialer, Poster, Trouble};
    use crate::forward::target::Url;

    /// What is said of a receiver that reads until this is there, answers this, and closes.
    async fn said_of(until: &[u8], answer: &[u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let dialer = Dialer::new(url.endpoint.clone(), None);
        let mut poster = Poster::new(url, dialer, None);
        let receiver = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(until) {
                read.push(tcp.read_u8().await.unwrap());
            }
            tcp.write_all(answer).await.unwrap();
        };
        let (posted, ()) = tokio::join!(poster.post("text/plain", b"a body".to_vec()), receiver);
        posted.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn whoever_does_not_answer_is_not_told_as_answering_something_else() {
        let reset = said_of(b"POST", b"").await;
        assert!(reset.starts_with("the connection broke before there was an answer: "), "{reset}");
        let closed = said_of(b"a body", b"").await;
        assert_eq!(closed, "the connection was closed before there was an answer");
        let other = said_of(b"a body", b"220 smtp.example.com ESMTP\r\n").await;
        assert!(other.starts_with("the answer is not HTTP: "), "{other}");
    }

    fn check(url: &str, token: &str) -> Result<(), Trouble> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), token).unwrap();
        let url: Url = url.parse().unwrap();
        let dialer = Dialer::new(url.endpoint.clone(), None);
        Poster::new(url, dialer, Some(file.path().to_owned())).check()
    }

    #[test]
    fn a_token_is_never_sent_in_the_clear() {
        assert!(check("http://127.0.0.1:1/", "t").is_ok());
        assert!(check("http://localhost/", "t").is_ok());
        assert!(check("http://[::1]/", "t").is_ok());
        for url in ["http://siem.example.com/", "http://10.0.0.1/", "http://localhost.evil/"] {
            assert!(matches!(check(url, "t"), Err(Trouble::TokenInTheClear)), "{url}");
        }
    }

    #[test]
    fn a_token_that_is_none_is_not_shown() {
        for token in ["", " \n", "hunter2\nhunter2", "hunter2\u{7f}"] {
            let error = check("http://localhost/", token).unwrap_err().to_string();
            assert!(error.contains("no token") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_scheme_may_stand_before_the_token() {
        let header = |text: &str| super::authorization(text, "f".as_ref()).unwrap();
        assert_eq!(header("abc\n"), "Bearer abc");
        assert_eq!(header("Splunk abc\n"), "Splunk abc");
        assert!(header("abc").is_sensitive());
    }
}
