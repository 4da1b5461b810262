//! Connections to receivers: plain, or over TLS to one that an authority vouches for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Trouble;
use super::target::Endpoint;

/// A connection, whatever is below it.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {
    /// What carries it. A farewell in TLS ends what can be read of the wire, and not this.
    fn below(&mut self) -> &mut (dyn AsyncRead + Send + Unpin);
}

impl Wire for TcpStream {
    fn below(&mut self) -> &mut (dyn AsyncRead + Send + Unpin) {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn below(&mut self) -> &mut (dyn AsyncRead + Send + Unpin) {
        self.get_mut().0
    }
}

/// Connects to one receiver.
#[derive(Clone)]
pub(super) struct Dialer {
    endpoint: Endpoint,
    /// Authorities to trust instead of the system's.
    ca: Option<PathBuf>,
    connector: Option<TlsConnector>,
}

impl Dialer {
    pub(super) fn new(endpoint: Endpoint, ca: Option<PathBuf>) -> Self {
        Self { endpoint, ca, connector: None }
    }

    /// A new connection, ready to be written to.
    pub(super) async fn connect(&mut self) -> Result<Box<dyn Wire>, Trouble> {
        let Endpoint { host, port, tls } = &self.endpoint;
        let tcp =
            TcpStream::connect((host.as_str(), *port)).await.map_err(Trouble::while_("connect"))?;
        // The only failure is that a little is sent later.
        drop(tcp.set_nodelay(true));
        if !tls {
            return Ok(Box::new(tcp));
        }
        let name = ServerName::try_from(host.clone()).map_err(|_| Trouble::NotAName)?;
        let connector = match &self.connector {
            Some(connector) => connector.clone(),
            None => self.connector.insert(connector(self.ca.as_deref())?).clone(),
        };
        let tls = connector.connect(name, tcp).await.map_err(Trouble::while_("speak TLS"))?;
        Ok(Box::new(tls))
    }

    /// Reads the authorities anew for the next connection: they may be why this one failed.
    pub(super) fn forget(&mut self) {
        self.connector = None;
    }

    /// Whether the authorities can be used.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        if self.endpoint.tls { connector(self.ca.as_deref()).map(drop) } else { Ok(()) }
    }
}

fn connector(ca: Option<&Path>) -> Result<TlsConnector, Trouble> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Trouble::Authorities(error.to_string()))?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, Trouble> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let wrong = |why: String| Trouble::Authorities(format!("`{}`: {why}", path.display()));
            let authorities =
                CertificateDer::pem_file_iter(path).map_err(|error| wrong(pem(&error)))?;
            for authority in authorities {
                let authority = authority.map_err(|error| wrong(pem(&error)))?;
                roots.add(authority).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("it holds no certificate".to_owned()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                let why = "this system has none; give some by `--forward-ca`";
                return Err(Trouble::Authorities(why.to_owned()));
            }
        }
    }
    Ok(roots)
}

/// The library's own words may show bytes of the file.
fn pem(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        _ => "it is not PEM".to_owned(),
    }
}
