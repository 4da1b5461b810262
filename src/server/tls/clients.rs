//! Lets in only clients with certain names.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

use crate::certificate::facts::facts;
use crate::policy::text::Plain;

/// Another verifier, and then the names.
#[derive(Debug)]
pub(super) struct Named {
    verifier: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

#[derive(thiserror::Error)]
#[error("a client called `{0}` is not let in")]
struct Stranger(String);

/// The TLS library tells other people's errors in this form alone.
impl fmt::Debug for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Named {
    pub(super) fn verifier(
        verifier: Arc<dyn ClientCertVerifier>,
        names: &[String],
    ) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Self { verifier, names: names.to_vec() })
    }

    /// The common name, as Kubernetes names users, or one of the alternative names.
    fn knows(&self, certificate: &[u8]) -> Result<(), Stranger> {
        let facts = facts(certificate);
        let mut names = facts.common_name.iter().chain(&facts.names);
        if names.any(|name| self.names.contains(name)) {
            return Ok(());
        }
        let name = facts.common_name.unwrap_or(facts.subject);
        Err(Stranger(Plain(&name).to_string()))
    }
}

impl ClientCertVerifier for Named {
    fn offer_client_auth(&self) -> bool {
        self.verifier.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verifier.verify_client_cert(end_entity, intermediates, now)?;
        self.knows(end_entity).map_err(|stranger| {
            let why = OtherError(Arc::new(stranger));
            Error::InvalidCertificate(CertificateError::Other(why))
        })?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
