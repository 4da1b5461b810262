//! Sockets: how many connections, how long each may keep us waiting, and how they end.

use std::future::{Ready, pending, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use axum::Router;
use axum_server::accept::{Accept, TcpConfigAcceptor, TcpKeepaliveConfig, TcpSocketConfig};
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{AddrListener, Address, Handle, Server};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::{debug, warn};

use super::metrics::{Counted, Metrics};
use super::tls::Certificates;

/// An API server keeps up to 25 idle connections to a webhook, and opens more under load.
const WEBHOOK_CONNECTIONS: usize = 512;
/// Kubelets and scrapers.
const PROBE_CONNECTIONS: usize = 64;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// From the end of the handshake to the end of the first request's headers.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long a connection may rest between requests: longer than the 90 s after which an API server
/// closes it, so that it is never us who close it under a request. A later request's headers share
/// this limit; who may be silent for two minutes gains nothing by being slow.
const IDLE: Duration = Duration::from_secs(120);
/// How long those who connected just before the end may take to send their request.
const IN_THE_DOOR: Duration = Duration::from_millis(500);
/// How long requests in flight may take once the server stops.
pub const DRAIN: Duration = Duration::from_secs(10);
/// Room for a request's headers; a body is read in pieces of this size.
const BUFFER_BYTES: usize = 64 * 1024;
const STREAMS_PER_CONNECTION: u32 = 128;
/// At most one line in the log for this long: anybody can fail a handshake.
const QUIET: Duration = Duration::from_secs(10);

/// An address that is ours; connections to it wait until it is served.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// The address is taken, or not ours to take.
#[derive(Debug, thiserror::Error)]
#[error("`{address}` cannot be listened on: {source}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// Ends a server.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    closed: CancellationToken,
    handle: Handle<Peer>,
}

impl Stop {
    /// Takes no more connections, and lets requests in flight finish for at most [`DRAIN`].
    ///
    /// Whoever has just connected is about to send a request: those who are in the door are let
    /// in, and only then is it closed behind them.
    pub async fn drain(&self) {
        self.closed.cancel();
        let patience = Instant::now() + IN_THE_DOOR;
        while self.handle.connection_count() > 0 && Instant::now() < patience {
            sleep(Duration::from_millis(5)).await;
        }
        self.handle.graceful_shutdown(Some(DRAIN));
    }
}

impl Bound {
    /// Takes the address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// Why it cannot be taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let wrong = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        Ok(Self { listener, address })
    }

    /// The address with its real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves over TLS until stopped.
    ///
    /// # Errors
    ///
    /// The socket failed for good.
    pub async fn serve_tls(
        self,
        router: Router,
        certificates: &Certificates,
        metrics: Arc<Metrics>,
        stop: Stop,
    ) -> io::Result<()> {
        let doorman = Doorman::new(WEBHOOK_CONNECTIONS, Arc::clone(&metrics));
        let acceptor = RustlsAcceptor::new(certificates.config())
            .handshake_timeout(HANDSHAKE)
            .acceptor(doorman);
        let complaints = Complaints::default();
        self.server(stop)
            .acceptor(acceptor)
            .accept_error_handler(move |peer, error| {
                metrics.connection_refused();
                complaints.log(peer, error);
            })
            .serve(router.into_make_service())
            .await
    }

    /// Serves without TLS until stopped.
    ///
    /// # Errors
    ///
    /// The socket failed for good.
    pub async fn serve_plain(self, router: Router, stop: Stop) -> io::Result<()> {
        // Probes are not worth a metric of their own.
        let doorman = Doorman::new(PROBE_CONNECTIONS, Arc::new(Metrics::new()));
        self.server(stop).acceptor(doorman).serve(router.into_make_service()).await
    }

    fn server(self, stop: Stop) -> Server<Peer> {
        let Self { listener, address } = self;
        let listener = ArcSwapOption::from_pointee(listener);
        let entrance = Entrance { listener, address, closed: stop.closed };
        let mut server = Server::from_listener(entrance)
            .handle(stop.handle)
            .first_request_timeout(FIRST_REQUEST);
        let builder = server.http_builder();
        builder.http1().header_read_timeout(IDLE).max_buf_size(BUFFER_BYTES);
        builder
            .http2()
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .keep_alive_interval(IDLE / 4)
            .keep_alive_timeout(HANDSHAKE);
        server
    }
}

/// A listening socket that can be closed while the connections made through it live on.
#[derive(Debug)]
struct Entrance {
    listener: ArcSwapOption<TcpListener>,
    address: SocketAddr,
    closed: CancellationToken,
}

/// An address, our own or somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Peer(SocketAddr);

impl Address for Peer {
    type Stream = TcpStream;
    type Listener = Entrance;
}

impl AddrListener<TcpStream, Peer> for Entrance {
    async fn bind_to(_address: Peer) -> io::Result<Self> {
        // `Bound` has bound it already.
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn accept_stream(&self) -> io::Result<(TcpStream, Peer)> {
        let Some(listener) = self.listener.load_full() else { return pending().await };
        tokio::select! {
            // In this order: who has been waiting when it closes is let in.
            biased;
            accepted = listener.accept() => accepted.map(|(stream, peer)| (stream, Peer(peer))),
            () = self.closed.cancelled() => {
                drop(listener);
                self.listener.store(None);
                pending().await
            }
        }
    }

    fn get_local_addr(&self) -> io::Result<Peer> {
        Ok(Peer(self.address))
    }
}

/// Lets in so many connections at a time and sets up their sockets.
#[derive(Debug, Clone)]
struct Doorman {
    tcp: TcpConfigAcceptor,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Doorman {
    fn new(connections: usize, metrics: Arc<Metrics>) -> Self {
        let keepalive = TcpKeepaliveConfig::new()
            .time(Duration::from_secs(30))
            .interval(Duration::from_secs(10))
            .retries(3);
        // Without TCP_NODELAY an answer can wait 40 ms for the API server's delayed ACK.
        let socket = TcpSocketConfig::new().nodelay(true).keepalive(keepalive);
        let places = Arc::new(Semaphore::new(connections));
        Self { tcp: TcpConfigAcceptor::new(socket), places, metrics }
    }
}

impl<S> Accept<TcpStream, S> for Doorman {
    type Stream = TcpStream;
    type Service = Seated<S>;
    type Future = Ready<io::Result<(TcpStream, Seated<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return ready(Err(io::Error::other("too many connections")));
        };
        let seat = Arc::new(Seat { _place: place, _counted: self.metrics.connected() });
        let accepted = self.tcp.accept(stream, service).into_inner();
        ready(accepted.map(|(stream, service)| (stream, Seated { service, _seat: seat })))
    }
}

/// Given back when the connection ends.
#[derive(Debug)]
struct Seat {
    _place: OwnedSemaphorePermit,
    _counted: Counted,
}

/// A connection's service, which lives as long as the connection.
#[derive(Debug, Clone)]
struct Seated<S> {
    service: S,
    _seat: Arc<Seat>,
}

impl<S: Service<R>, R> Service<R> for Seated<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.service.call(request)
    }
}

/// Logs failed connections, but not each.
#[derive(Debug)]
struct Complaints {
    start: Instant,
    /// Milliseconds since `start`.
    quiet_until: AtomicU64,
    kept_back: AtomicU64,
}

impl Default for Complaints {
    fn default() -> Self {
        let (quiet_until, kept_back) = Default::default();
        Self { start: Instant::now(), quiet_until, kept_back }
    }
}

impl Complaints {
    fn log(&self, peer: Option<&Peer>, error: &io::Error) {
        let peer = peer.map(|Peer(address)| address.to_string()).unwrap_or_default();
        // A health check of a load balancer connects and goes away.
        if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) {
            debug!(peer, "A connection ended before its handshake did");
            return;
        }
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let quiet_until = self.quiet_until.load(Ordering::Relaxed);
        let next = now.saturating_add(u64::try_from(QUIET.as_millis()).unwrap_or(u64::MAX));
        let our_turn = now >= quiet_until
            && self
                .quiet_until
                .compare_exchange(quiet_until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if our_turn {
            let kept_back = self.kept_back.swap(0, Ordering::Relaxed);
            warn!(peer, kept_back, "A connection was not accepted: {error}");
        } else {
            self.kept_back.fetch_add(1, Ordering::Relaxed);
        }
    }
}
