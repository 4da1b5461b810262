//! Speaks TLS to Postern's webhooks, as the API server would, and says nothing else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::certificate::facts::{is_for, needs_a_voucher};
use crate::doctor::authorities;
use crate::doctor::survey::{
    ClientConfig as Target, Handshake, Hook, ServiceReference, Shown, Trust,
};

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn handshakes(hooks: &[Hook]) -> Vec<Handshake> {
    let mut all: Vec<Handshake> = Vec::new();
    let mut seen: Vec<(String, Option<String>)> = Vec::new();
    for hook in hooks {
        let target = &hook.webhook.client_config;
        let Some((host, port)) = address(target) else { continue };
        let address = format!("{host}:{port}");
        // Both webhooks mostly lead to one server.
        let key = (address.clone(), target.ca_bundle.clone());
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let object = format!("{} webhooks[{}]", hook.object(), hook.index);
        let outcome = shake(&host, port, target.ca_bundle.as_deref().unwrap_or_default()).await;
        all.push(Handshake { object, address, outcome });
    }
    all
}

/// Where the API server goes.
fn address(target: &Target) -> Option<(String, u16)> {
    if let Some(ServiceReference { namespace, name, port, .. }) = &target.service {
        return Some((format!("{name}.{namespace}.svc"), *port));
    }
    let url: http::Uri = target.url.as_deref()?.parse().ok()?;
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), url.port_u16().unwrap_or(443)))
}

async fn shake(host: &str, port: u16, ca_bundle: &str) -> Shown {
    match timeout(PATIENCE, speak(host, port, ca_bundle)).await {
        Ok(Ok(shown)) => shown,
        Ok(Err(why)) => Shown::Nothing(why),
        Err(_late) => Shown::Nothing(format!("no connection within {PATIENCE:?}")),
    }
}

async fn speak(host: &str, port: u16, ca_bundle: &str) -> Result<Shown, String> {
    let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let onlooker = Arc::new(Onlooker::new(ca_bundle)?);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&onlooker) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    // A server that asks who calls has shown itself before it hangs up.
    let seen = onlooker.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    let seen = seen.filter(|seen| seen.is_signed_for);
    match (seen, connected) {
        // What is wrong with the bundle is told of the bundle.
        _ if onlooker.judge.is_none() => Err("there is no authority to judge it by".to_owned()),
        (Some(Seen { leaf, trust, .. }), _) => Ok(Shown::Certificate { leaf, trust }),
        (None, Ok(_)) => Err("it showed no certificate".to_owned()),
        (None, Err(error)) => Err(error.to_string()),
    }
}

/// Sees what is shown and what would be thought of it. It lets the handshake end whatever that is,
/// because nothing is ever sent; but whoever shows it must have its key.
#[derive(Debug)]
struct Onlooker {
    judge: Option<Arc<WebPkiServerVerifier>>,
    /// Authorities as they were given: one that is shown itself is believed, as in Go.
    known: Vec<Vec<u8>>,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug)]
struct Seen {
    leaf: Vec<u8>,
    trust: Trust,
    /// Anybody can show a certificate: its key must have signed, or have been found not to.
    is_signed_for: bool,
}

impl Onlooker {
    fn new(ca_bundle: &str) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let known = authorities(ca_bundle).unwrap_or_default();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(known.iter().cloned().map(CertificateDer::from));
        let judge = if roots.is_empty() {
            None
        } else {
            let builder =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
            Some(builder.map_err(|error| error.to_string())?)
        };
        Ok(Self { judge, known, algorithms, seen: Mutex::new(None) })
    }

    /// What became of the signature by which a handshake shows whose the certificate is.
    fn signed(
        &self,
        outcome: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen.as_mut() {
            seen.is_signed_for = true;
            if outcome.is_err() {
                seen.trust = Trust::NotItsOwn;
            }
        }
        outcome
    }

    fn trust(
        &self,
        verdict: Result<ServerCertVerified, Error>,
        leaf: &CertificateDer<'_>,
        name: &str,
    ) -> Trust {
        let known = self.known.iter().any(|known| known == leaf.as_ref());
        match verdict {
            Ok(_) => Trust::Believed,
            // Its name was not looked at yet.
            Err(error) if known && needs_a_voucher(&error) => {
                if is_for(leaf, name) {
                    Trust::Believed
                } else {
                    Trust::WrongName
                }
            }
            Err(Error::InvalidCertificate(why)) => match why {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Trust::NotNow,
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Trust::WrongName,
                other => Trust::Stranger(other.to_string()),
            },
            Err(other) => Trust::Stranger(other.to_string()),
        }
    }
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let trust = match &self.judge {
            None => Trust::Stranger("there is no authority to believe".to_owned()),
            Some(judge) => {
                let verdict = judge.verify_server_cert(leaf, others, name, ocsp, now);
                self.trust(verdict, leaf, &name.to_str())
            }
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(Seen { leaf: leaf.to_vec(), trust, is_signed_for: false });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed(verify_tls12_signature(message, certificate, signed, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed(verify_tls13_signature(message, certificate, signed, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::server::{ClientHello, ResolvesServerCert};
    use rustls::sign::CertifiedKey;
    use rustls::version::{TLS12, TLS13};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Go believes what is in the bundle itself, but by its names only.
    #[test]
    fn a_certificate_that_is_its_own_authority_is_believed_by_its_names() {
        let mut params = CertificateParams::new(vec!["postern.a.svc".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let onlooker = Onlooker::new(&BASE64.encode(made.pem())).unwrap();
        let trust = |name: &'static str| {
            let name = ServerName::try_from(name).unwrap();
            let now = UnixTime::now();
            onlooker.verify_server_cert(made.der(), &[], &name, &[], now).unwrap();
            onlooker.seen.lock().unwrap().take().unwrap().trust
        };
        assert_eq!(trust("postern.a.svc"), Trust::Believed);
        assert_eq!(trust("postern.b.svc"), Trust::WrongName);
    }

    /// Shows a certificate with whatever key.
    #[derive(Debug)]
    struct Shows(Arc<CertifiedKey>);

    impl ResolvesServerCert for Shows {
        fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }

    /// Whoever stands in for Postern can show its certificate, but not sign with its key.
    #[tokio::test]
    async fn a_certificate_without_its_key_is_not_believed() {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let made = params.self_signed(&key).unwrap();
        let bundle = BASE64.encode(made.pem());
        for version in [&TLS12, &TLS13] {
            for (key, wanted) in
                [(&key, Trust::Believed), (&KeyPair::generate().unwrap(), Trust::NotItsOwn)]
            {
                let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                let signs = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).unwrap();
                let shown = CertifiedKey::new(vec![made.der().clone()], signs);
                let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
                let config = ServerConfig::builder_with_provider(provider)
                    .with_protocol_versions(&[version])
                    .unwrap()
                    .with_no_client_auth()
                    .with_cert_resolver(Arc::new(Shows(Arc::new(shown))));
                let listener = TcpListener::bind("localhost:0").await.unwrap();
                let port = listener.local_addr().unwrap().port();
                let server = tokio::spawn(async move {
                    let (socket, _) = listener.accept().await.unwrap();
                    drop(TlsAcceptor::from(Arc::new(config)).accept(socket).await);
                });
                let shown = shake("localhost", port, &bundle).await;
                server.await.unwrap();
                let Shown::Certificate { trust, .. } = shown else { panic!("{shown:?}") };
                assert_eq!(trust, wanted, "{version:?}");
            }
        }
    }
}
