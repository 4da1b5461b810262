//! The certificates of one control plane: its authority, its server, its client to the kubelet.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// A certificate authority that lives as long as a test.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, both as PEM.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The certificate.
    pub(crate) certificate: String,
    /// The private key, PKCS#8.
    pub(crate) key: String,
    /// The public key alone.
    pub(crate) public_key: String,
}

impl Authority {
    /// A new one.
    pub(crate) fn new() -> Authority {
        let mut params = named("Test authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, key())
            .unwrap_or_else(|error| panic!("cannot issue a certificate: {error}"));
        Authority { issuer }
    }

    /// The authority's own certificate as PEM.
    pub(crate) fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server under these names and addresses.
    pub(crate) fn server(&self, names: &[&str]) -> Identity {
        self.issue(named("Test server", names), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate that a client called `name` shows.
    pub(crate) fn client(&self, name: &str) -> Identity {
        self.issue(named(name, &[]), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Identity {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = key();
        let certificate = params
            .signed_by(&key, &self.issuer)
            .unwrap_or_else(|error| panic!("cannot issue a certificate: {error}"));
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            public_key: key.public_key_pem(),
        }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap_or_else(|error| panic!("cannot make a key: {error}"))
}

fn named(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names)
        .unwrap_or_else(|error| panic!("not a name for a certificate: {error}"));
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
