use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::super::survey::{Phase, Webhook};
use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An authority that is valid from and until so many days from now.
fn authority(from: i64, until: i64) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let at = |days: i64| {
        let distance = DAY * u32::try_from(days.unsigned_abs()).unwrap();
        let now = SystemTime::now();
        if days < 0 { now - distance } else { now + distance }
    };
    params.not_before = at(from).into();
    params.not_after = at(until).into();
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn code_of_bundle(bundle: &str) -> Option<&'static str> {
    let webhook: Webhook = serde_json::from_value(serde_json::json!({
        "name": "v", "clientConfig": {"caBundle": bundle},
    }))
    .unwrap();
    let configuration = "postern".to_owned();
    let hook = Hook { phase: Phase::Validating, configuration, index: 0, webhook };
    bundle_of(&hook)
}

fn bundle_of(hook: &Hook) -> Option<&'static str> {
    bundle(hook, Timestamp::now()).map(|found| found.code.as_str())
}

#[test]
fn each_fault_of_a_bundle_is_found() {
    let of = |days: &[(i64, i64)]| {
        let pems: String =
            days.iter().map(|(from, until)| authority(*from, *until).pem()).collect();
        code_of_bundle(&BASE64.encode(pems))
    };
    assert_eq!(of(&[(-1, 300)]), None);
    assert_eq!(of(&[(-1, 5)]), Some("ca-bundle-expiring"));
    assert_eq!(of(&[(-9, -1)]), Some("ca-bundle-expired"));
    assert_eq!(of(&[(1, 300)]), Some("ca-bundle-expired"), "not valid yet");
    assert_eq!(of(&[(-9, -1), (-1, 300)]), None, "an old one beside a new one");
    assert_eq!(code_of_bundle(""), Some("ca-bundle-empty"));
    assert_eq!(code_of_bundle("%%"), Some("ca-bundle-unreadable"));
    assert_eq!(code_of_bundle(&BASE64.encode("x")), Some("ca-bundle-unreadable"));
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(code_of_bundle(&BASE64.encode(cut)), Some("ca-bundle-unreadable"));
}

#[test]
fn each_fault_of_a_certificate_is_found() {
    let of = |until: i64, trust: Trust| {
        let leaf = authority(-9, until).der().to_vec();
        let outcome = Shown::Certificate { leaf, trust };
        let handshake = Handshake { object: "o".to_owned(), address: "a:1".to_owned(), outcome };
        shown(&handshake, Timestamp::now()).map(|found| found.code.as_str())
    };
    assert_eq!(of(300, Trust::Believed), None);
    assert_eq!(of(5, Trust::Believed), Some("certificate-expiring"));
    assert_eq!(of(-1, Trust::NotNow), Some("certificate-expired"));
    assert_eq!(of(-1, Trust::Stranger("x".to_owned())), Some("certificate-expired"));
    assert_eq!(of(300, Trust::WrongName), Some("certificate-wrong-name"));
    assert_eq!(of(300, Trust::Stranger("x".to_owned())), Some("certificate-untrusted"));
    let outcome = Shown::Nothing("refused".to_owned());
    let handshake = Handshake { object: "o".to_owned(), address: "a:1".to_owned(), outcome };
    let found = shown(&handshake, Timestamp::now()).unwrap();
    assert_eq!(found.code, Code::CertificateNotSeen);
}
