use std::fs;
use std::process::Command;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::certificate::facts::can_be_served;
use crate::certificate::{Pem, read};

/// A certificate of its own authority, valid in these years, and its key.
fn pair(from: i32, until: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn files(pem: &str, key_pem: &str) -> (TempDir, Origin) {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::write(&certificate, pem).unwrap();
    fs::write(&key, key_pem).unwrap();
    let source = Source::Files { certificate, key };
    (folder, Origin { source, demands: Demands::default(), names: Vec::new() })
}

fn load(certificate: &str, key: &str) -> Result<Certificates, String> {
    let (_folder, files) = files(certificate, key);
    Certificates::load(files).map_err(|error| error.to_string())
}

fn year(year: i16) -> Timestamp {
    format!("{year}-06-01T00:00:00Z").parse().unwrap()
}

#[test]
fn one_file_may_hold_certificate_and_key() {
    let (certificate, key) = pair(2020, 2030);
    let both = format!("some words\n{key}{certificate}");
    load(&both, &both).unwrap();
}

#[test]
fn a_certificate_that_is_no_pem_is_called_that() {
    let (certificate, key) = pair(2020, 2030);
    let (folder, files) = files("", &key);
    let text = Pem { place: String::new(), text: certificate.into_bytes() };
    let der = &read::certificates(&text).unwrap()[0].der;
    fs::write(folder.path().join("tls.crt"), der).unwrap();
    let error = Certificates::load(files).unwrap_err().to_string();
    assert!(error.contains("tls.crt` is DER, not PEM; `openssl x509 -inform der"), "{error}");
}

#[test]
fn two_keys_are_one_too_many() {
    let (certificate, key) = pair(2020, 2030);
    let error = load(&certificate, &format!("{key}{key}")).unwrap_err();
    assert!(error.contains("holds 2 private keys that can be read, one is wanted"), "{error}");
}

#[test]
fn what_is_no_certificate_inside_is_named_by_its_position() {
    let (certificate, key) = pair(2020, 2030);
    let hollow = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let error = load(&format!("{certificate}{hollow}"), &key).unwrap_err();
    assert!(error.starts_with("certificate 2 of "), "{error}");
    let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    let error = load(&format!("{certificate}{broken}"), &key).unwrap_err();
    assert!(error.ends_with("is not PEM: a block is not base64"), "{error}");
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let error = load(&" ".repeat(2 * 1024 * 1024), "").unwrap_err();
    assert!(error.ends_with("it is too large"), "{error}");
}

#[test]
fn a_pair_that_is_not_valid_yet_is_taken_once_it_is() {
    let (certificate, key) = pair(2020, 2030);
    let (folder, files) = files(&certificate, &key);
    let certificates = Certificates::load(files).unwrap();
    let (certificate, key) = pair(2025, 2040);
    fs::write(folder.path().join("tls.crt"), certificate).unwrap();
    fs::write(folder.path().join("tls.key"), key).unwrap();

    let error = certificates.reload(year(2024)).unwrap_err().to_string();
    assert!(error.contains("is valid from 2025-01-01T00:00:00Z"), "{error}");
    let check = certificates.check(year(2024));
    assert!(check.to_string().starts_with("[+]certificate ok: the old one stays"), "{check}");

    certificates.reload(year(2025)).unwrap();
    assert_eq!(certificates.check(year(2025)).to_string(), "[+]certificate ok");
    assert_eq!(certificates.check(year(2035)).state, Ok(None));
}

#[test]
fn readiness_ends_with_the_certificate() {
    let (certificate, key) = pair(2020, 2030);
    let certificates = load(&certificate, &key).unwrap();
    assert_eq!(certificates.check(year(2029)).state, Ok(None));
    assert_eq!(certificates.check(year(2030)).state, Err("expired at 2030-01-01T00:00:00Z".into()));
    let early = Err("not valid before 2020-01-01T00:00:00Z".into());
    assert_eq!(certificates.check(year(2019)).state, early);
}

#[test]
fn what_is_wrong_with_a_key_is_said_with_what_to_do() {
    let (certificate, key) = pair(2020, 2030);
    let (_, other) = pair(2020, 2030);
    let error = load(&certificate, &other).unwrap_err();
    assert!(error.ends_with("the key is not that of the certificate, the first in its file"));
    let pkcs8 = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let lines = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n";
    let pkcs1 = key.replace("KEY-----\nM", &format!("KEY-----\n{lines}M"));
    for encrypted in [pkcs8, pkcs1] {
        let error = load(&certificate, &encrypted).unwrap_err();
        assert!(error.ends_with("is encrypted; `openssl pkey -in FILE -out FILE` takes that away"));
    }
}

/// A certificate that signed itself, and its key; rcgen makes only what a server takes.
fn made_by_openssl(key: &[&str]) -> String {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-subj", "/CN=localhost", "-nodes", "-days", "2"])
        .args(["-keyout", "/dev/stdout", "-out", "/dev/stdout", "-newkey"])
        .args(key)
        .output()
        .expect("openssl, as of Debian's package, makes keys that a server refuses");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap()
}

/// What `certs inspect` says of a certificate alone is what the server says of its key.
#[test]
fn the_keys_that_are_taken_are_those_that_can_be_told_from_outside() {
    let ec = |curve| vec!["ec", "-pkeyopt", curve];
    for (key, taken) in [
        (vec!["ed448"], false),
        (vec!["rsa:1024"], false),
        (vec!["rsa:2047"], false),
        (vec!["rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"], false),
        (ec("ec_paramgen_curve:secp256k1"), false),
        (ec("ec_paramgen_curve:P-224"), false),
        (ec("ec_paramgen_curve:P-256"), true),
        (ec("ec_paramgen_curve:P-521"), true),
        (vec!["ed25519"], true),
        (vec!["rsa:2048"], true),
    ] {
        let pem = made_by_openssl(&key);
        let loaded = load(&pem, &pem).map(drop);
        assert_eq!(loaded.is_ok(), taken, "{key:?}: {loaded:?}");
        let text = Pem { place: String::new(), text: pem.into_bytes() };
        let leaf = &read::certificates(&text).unwrap()[0];
        assert_eq!(can_be_served(&leaf.der), taken, "{key:?}");
    }
}

/// As editors on Windows leave it: what follows it is a certificate all the same.
#[test]
fn a_byte_order_mark_hides_no_certificate() {
    let (certificate, key) = pair(2020, 2030);
    load(&format!("\u{feff}{certificate}"), &key).unwrap();
}

#[test]
fn a_certificate_for_other_names_is_served_and_spoken_of() {
    let (certificate, key) = pair(2020, 2030);
    let of = |names: &[&str]| {
        let (_folder, origin) = files(&certificate, &key);
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Certificates::load(Origin { names, ..origin }).unwrap().check(year(2024)).state
    };
    assert_eq!(of(&["localhost"]), Ok(None));
    let remark = of(&["postern.a.svc", "localhost", "127.0.0.1", "*.a.svc"]).unwrap().unwrap();
    let words = "it is not for `postern.a.svc`, `127.0.0.1`, `*.a.svc` (`--tls-names`)";
    assert!(remark.starts_with(words), "{remark}");
}

/// The certificate of a client in place of its authority's would let nobody in.
#[test]
fn client_authorities_are_authorities() {
    use rcgen::{BasicConstraints, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa};
    let params = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params
    };
    let mut authority = params("house");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let house = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let client = params("kube-apiserver").signed_by(&KeyPair::generate().unwrap(), &house);
    let (client, authority) = (client.unwrap().pem(), house.pem());
    // One that signed itself stands for itself, if it is for clients at all.
    let (itself, _) = pair(2020, 2030);
    let own = |change: fn(&mut CertificateParams)| {
        let mut params = params("house");
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    };
    let no_authority = own(|params| params.is_ca = IsCa::ExplicitNoCa);
    let of_a_server =
        own(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    // Called as its authority is, and so like one that signed itself.
    let namesake = params("house").signed_by(&KeyPair::generate().unwrap(), &house).unwrap().pem();
    let loaded = |pem: &str| {
        let (certificate, key) = pair(2020, 2030);
        let (folder, mut origin) = files(&certificate, &key);
        let path = folder.path().join("clients.pem");
        fs::write(&path, pem).unwrap();
        origin.demands.client_ca = Some(path);
        Certificates::load(origin).map(drop).map_err(|error| error.to_string())
    };
    for good in [authority.clone(), itself, no_authority] {
        loaded(&good).unwrap();
    }
    for bad in [namesake, of_a_server] {
        let error = loaded(&bad).unwrap_err();
        assert!(error.ends_with("is no authority, and no client could show it either"), "{error}");
    }
    let error = loaded(&format!("{authority}{client}")).unwrap_err();
    assert!(error.contains("client authority: certificate 2 (`CN=kube-apiserver`)"), "{error}");
    assert!(
        error.ends_with("is no authority; give the one that signed it (`CN=house`)"),
        "{error}"
    );
}
