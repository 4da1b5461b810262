//! Certificates that the API server would not believe.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::{Ward, ward};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Ward {
    /// Has Postern show a certificate for this name from now on, and the API server believe its
    /// authority.
    fn show(&mut self, issuer: &Issuer, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap().pem();
        self.postern.stop();
        let folder = self.postern.certificates();
        std::fs::write(folder.join("tls.crt"), certificate).unwrap();
        std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
        self.postern.start_again();
        self.postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
    }

    /// New certificates that are valid for so long, in use at once and believed.
    fn issue_anew(&mut self, days: u32) {
        self.postern.stop();
        let days = days.to_string();
        let issued = ["certs", "issue", "--dir", "certs", "--force", "--days", &days];
        assert!(self.postern.run(&issued).success());
        self.postern.start_again();
        self.postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
        self.postern.install(&self.cluster);
        self.remember();
    }

    fn believe(&self, which: &str, pem: &str) {
        self.change(which, |webhook| {
            webhook["clientConfig"]["caBundle"] = BASE64.encode(pem).into();
        });
    }
}

#[test]
fn each_fault_of_the_certificate_is_found() {
    let mut ward = ward();
    let other = authority();
    ward.believe("validating", &other.pem());
    assert_eq!(ward.found("-n shop"), ["certificate-untrusted", "webhook-failing"]);

    ward.change("validating", |webhook| {
        webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
    });
    assert_eq!(ward.found("-n shop"), ["ca-bundle-empty", "webhook-failing"]);

    ward.show(&other, "postern.example.com");
    ward.believe("validating", &other.pem());
    let found = ward.found("-n shop");
    // The mutating webhook is as it was, and trusts another authority.
    let wanted = ["certificate-untrusted", "certificate-wrong-name", "webhook-failing"];
    let found: Vec<_> = found.iter().filter(|code| *code != "mutating-unanswered").collect();
    assert_eq!(found, wanted);

    ward.issue_anew(5);
    assert_eq!(
        ward.found("-n shop"),
        ["ca-bundle-expiring", "ca-bundle-expiring", "certificate-expiring"]
    );
    ward.issue_anew(365);
    assert_eq!(ward.found("-n shop"), [""; 0], "mended");
}
