//! What another server shows, whether it can be believed or not.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::provider;

const PATIENCE: Duration = Duration::from_secs(10);

/// Connects and takes down the certificates that are shown. Nothing is sent: whoever looks at a
/// certificate has not decided yet whether to trust it.
///
/// # Errors
///
/// Nobody is there, or nobody who speaks TLS; in words.
pub async fn shown(host: &str, port: u16) -> io::Result<Vec<CertificateDer<'static>>> {
    let looking = async {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::other(format!("`{host}` is no name of a server")))?;
        let socket = TcpStream::connect((host, port)).await?;
        let provider = Arc::new(provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Onlooker(provider)))
            .with_no_client_auth();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, socket);
        let stream = connecting.await.map_err(in_words)?;
        let (_, connection) = stream.get_ref();
        let chain = connection.peer_certificates().unwrap_or_default();
        Ok(chain.iter().map(|it| it.clone().into_owned()).collect())
    };
    let late = |_| Err(io::Error::other(format!("it shows nothing within {PATIENCE:?}")));
    timeout(PATIENCE, looking).await.unwrap_or_else(late)
}

/// Why a handshake came to no end.
fn in_words(error: io::Error) -> io::Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let why = match (tls, error.kind()) {
        (Some(Error::InvalidMessage(_)), _) => {
            "it does not speak TLS; is this the port for the API server, not the one of the probes?"
        }
        (Some(Error::AlertReceived(_)), _) => "it refuses the handshake, and shows no certificate",
        (_, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            "it hangs up before it shows a certificate"
        }
        _ => return error,
    };
    io::Error::other(why)
}

/// Believes everything, because nothing follows from it.
#[derive(Debug)]
struct Onlooker(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
