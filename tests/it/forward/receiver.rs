//! Receivers as others run them: one over HTTP that can misbehave, one for syslog over TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::server::Pair;

/// Longer than a sender takes to tell everything.
const BUSY: Duration = Duration::from_millis(700);

/// What an HTTP receiver does with what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Take,
    Fail(u16),
    /// Answers nothing before it is told to be otherwise, then refuses.
    Hang,
}

#[derive(Debug)]
struct Shared {
    mode: watch::Sender<Mode>,
    asked: Mutex<usize>,
    taken: Mutex<Vec<(HeaderMap, String)>>,
}

/// Takes POSTs on any path. It ends with this value.
pub(super) struct Http {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Http {
    pub(super) async fn start(mode: Mode) -> Self {
        let shared = Arc::new(Shared {
            mode: watch::channel(mode).0,
            asked: Mutex::default(),
            taken: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().fallback(post(take)).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, shared, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn be(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// How many requests there were, taken or not.
    pub(super) fn asked(&self) -> usize {
        *self.shared.asked.lock().unwrap()
    }

    /// What was taken, in order.
    pub(super) fn bodies(&self) -> Vec<String> {
        self.shared.taken.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.bodies().iter().flat_map(|body| body.lines()).map(str::to_owned).collect()
    }

    pub(super) fn heads(&self) -> Vec<HeaderMap> {
        self.shared.taken.lock().unwrap().iter().map(|(head, _)| head.clone()).collect()
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(shared): State<Arc<Shared>>, head: HeaderMap, body: String) -> StatusCode {
    *shared.asked.lock().unwrap() += 1;
    let mode = *shared.mode.borrow();
    match mode {
        Mode::Take => {
            shared.taken.lock().unwrap().push((head, body));
            StatusCode::OK
        }
        Mode::Fail(status) => StatusCode::from_u16(status).unwrap(),
        Mode::Hang => {
            let mut mode = shared.mode.subscribe();
            mode.wait_for(|mode| *mode != Mode::Hang).await.unwrap();
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// How a connection ends before anything was read from it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cut {
    /// At once, and without a word.
    Off,
    /// After a while, with a TLS farewell.
    WithFarewell,
}

/// Takes messages counted in octets over TLS. It ends with this value.
pub(super) struct Syslog {
    address: SocketAddr,
    messages: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Syslog {
    /// The first connections end like this.
    pub(super) async fn start(pair: &Pair, cuts: &[Cut]) -> Self {
        let chain = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let config =
            ServerConfig::builder_with_provider(Arc::new(postern::server::tls::provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![chain], key)
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&messages);
        let cuts = cuts.to_vec();
        let task = tokio::spawn(async move {
            let mut cuts = cuts.into_iter();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                // A client that does not trust this receiver ends the handshake.
                let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
                if let Some(cut) = cuts.next() {
                    // What lies unread makes the kernel cut the connection off.
                    tls.get_ref().0.readable().await.unwrap();
                    if let Cut::WithFarewell = cut {
                        sleep(BUSY).await;
                        bid_farewell(&mut tls).await;
                    }
                    continue;
                }
                let mut bytes = Vec::new();
                tls.read_to_end(&mut bytes).await.unwrap();
                told.lock().unwrap().extend(messages_of(&bytes));
            }
        });
        Self { address, messages, task }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }
}

impl Drop for Syslog {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// As others do: `shutdown` would say to TCP too that all is well.
async fn bid_farewell(tls: &mut TlsStream<TcpStream>) {
    let (tcp, session) = tls.get_mut();
    session.send_close_notify();
    let mut farewell = Vec::new();
    session.write_tls(&mut farewell).unwrap();
    tcp.write_all(&farewell).await.unwrap();
}

/// Each is preceded by its length in octets and a space.
fn messages_of(mut bytes: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let (message, rest) = bytes[space + 1..].split_at(length);
        messages.push(String::from_utf8(message.to_vec()).unwrap());
        bytes = rest;
    }
    messages
}
