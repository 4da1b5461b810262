//! The side that asks: HTTP/1.1 on connections that are kept, as an API server does it.

use std::iter::Cycle;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsConnector;

/// What is asked, and of whom.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The server.
    pub(crate) address: SocketAddr,
    /// `/mutate` or `/validate` and the review, in turn.
    pub(crate) reviews: Vec<(&'static str, Bytes)>,
}

/// How long each answer took.
pub(crate) type Latencies = Vec<Duration>;

/// Asks from one place.
#[derive(Clone)]
pub(crate) struct Client {
    tls: TlsConnector,
}

impl Client {
    /// Trusts this authority.
    pub(crate) fn new(authority: &Path) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority)?)?;
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        // What an API server speaks to a webhook.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Connects so many times.
    pub(crate) async fn connect(
        &self,
        question: &Question,
        count: usize,
    ) -> anyhow::Result<Vec<Connection>> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(self.connection(question).await.context("cannot connect")?);
        }
        Ok(connections)
    }

    async fn connection(&self, question: &Question) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(question.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = TokioIo::new(self.tls.connect(name, stream).await?);
        let (sender, driver) = http1::handshake(stream).await?;
        tokio::spawn(driver);
        Ok(Connection { sender, reviews: question.reviews.clone().into_iter().cycle() })
    }
}

/// One connection, for one question at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    reviews: Cycle<IntoIter<(&'static str, Bytes)>>,
}

impl Connection {
    /// Asks once and waits for a yes.
    async fn ask(&mut self) -> anyhow::Result<()> {
        let (path, body) = self.reviews.next().context("there is nothing to ask")?;
        let request = Request::post(path)
            .header("Host", "localhost")
            .header("Content-Type", "application/json")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        let answer = std::str::from_utf8(&answer)?;
        // A server that refuses what it should allow would be measured at something else.
        ensure!(status == 200 && answer.contains(r#""allowed":true"#), "{status}: {answer}");
        Ok(())
    }
}

/// Asks again on every connection as soon as it has its answer, until the time is over.
pub(crate) async fn closed_loop(
    connections: &mut Vec<Connection>,
    length: Duration,
) -> anyhow::Result<Latencies> {
    let end = Instant::now() + length;
    let mut tasks = JoinSet::new();
    for mut connection in connections.drain(..) {
        tasks.spawn(async move {
            let mut latencies = Latencies::new();
            let mut now = Instant::now();
            while now < end {
                connection.ask().await?;
                let then = std::mem::replace(&mut now, Instant::now());
                latencies.push(now - then);
            }
            anyhow::Ok((connection, latencies))
        });
    }
    let mut all = Latencies::new();
    while let Some(finished) = tasks.join_next().await {
        let (connection, latencies) = finished??;
        connections.push(connection);
        all.extend(latencies);
    }
    Ok(all)
}

/// What came of asking at a steady rate.
#[derive(Debug)]
pub(crate) struct Steady {
    /// Of those that were answered with a yes.
    pub(crate) latencies: Latencies,
    /// How many were not.
    pub(crate) errors: usize,
}

/// Asks at a rate, whether or not answers come: who has to wait for a free connection waits from
/// the moment at which it was due, so a server that stalls is not spared the questions.
pub(crate) async fn open_loop(
    connections: Vec<Connection>,
    per_second: u32,
    length: Duration,
) -> anyhow::Result<Steady> {
    let (ask, due) = mpsc::unbounded_channel::<Instant>();
    let due = Arc::new(Mutex::new(due));
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let due = Arc::clone(&due);
        tasks.spawn(async move {
            let mut steady = Steady { latencies: Latencies::new(), errors: 0 };
            loop {
                let next = due.lock().await.recv().await;
                let Some(since) = next else { return steady };
                match connection.ask().await {
                    Ok(()) => steady.latencies.push(since.elapsed()),
                    Err(_) => steady.errors += 1,
                }
            }
        });
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let end = Instant::now() + length;
    while Instant::now() < end {
        ticks.tick().await;
        ask.send(Instant::now()).context("nobody asks any more")?;
    }
    drop(ask);
    let mut all = Steady { latencies: Latencies::new(), errors: 0 };
    while let Some(finished) = tasks.join_next().await {
        let Steady { latencies, errors } = finished?;
        all.latencies.extend(latencies);
        all.errors += errors;
    }
    Ok(all)
}
