//! Certificates that an administrator brings in files.

use std::path::Path;
use std::time::SystemTime;

use super::caller::Caller;
use super::{Ground, IMAGE, wait};
use crate::server::{Authority, Pair};

/// Key first: the server tries again until both fit.
fn put(folder: &Path, pair: &Pair) {
    for (name, text) in [("tls.key", &pair.key), ("tls.crt", &pair.certificate)] {
        let beside = folder.join(format!("{name}.new"));
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, folder.join(name)).unwrap();
    }
}

/// Everything in a folder, and when it was written.
fn files(folder: &Path) -> Vec<(String, Vec<u8>, SystemTime)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            let written = entry.metadata().unwrap().modified().unwrap();
            (name, std::fs::read(entry.path()).unwrap(), written)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn an_authority_is_replaced_by_its_administrator_without_a_failed_call() {
    let ground = Ground::clean();
    let mut postern = ground.postern_with_files(&[]);
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = postern.path("certs");
    let before = old.serving();
    put(&folder, &before);
    wait("the old one is served", &postern, || served(&postern, &old, &before));
    let install = |bundle: &str| {
        let (mutate, validate) = (postern.url("mutate"), postern.url("validate"));
        ground.cluster.install_webhooks(&mutate, &validate, bundle);
    };
    install(&old.pem());
    ground.wait_until_allowed(&postern);
    let caller = Caller::start(&ground.cluster.kubeconfig("alice"), ground.cluster.server());
    // As docs/certificates.md says: trust both, serve the new one, trust the new one.
    install(&(old.pem() + &new.pem()));
    let after = new.serving();
    put(&folder, &after);
    wait("the new one is served", &postern, || served(&postern, &new, &after));
    install(&new.pem());
    assert!(ground.debug(IMAGE).success());
    let calls = caller.calls();
    assert_eq!(caller.failed(), Vec::<String>::new());
    assert!(calls > 20, "{calls}");

    let brought = files(&folder);
    postern.stop();
    postern.start_again();
    ground.wait_until_allowed(&postern);
    assert_eq!(files(&folder), brought, "nothing is ever written there");
}

fn served(postern: &super::Postern, authority: &Authority, pair: &Pair) -> bool {
    let shown = super::replicas::shown(postern, &authority.pem());
    shown == Ok(super::replicas::der(&pair.certificate))
}

#[test]
fn a_certificate_for_another_host_is_refused_by_the_api_server() {
    let ground = Ground::clean();
    let postern = ground.postern_with_files(&[]);
    let authority = Authority::new("ours");
    put(&postern.path("certs"), &authority.serving_as("elsewhere.example"));
    wait("it is loaded", &postern, || postern.log().contains("Certificates loaded"));
    let (mutate, validate) = (postern.url("mutate"), postern.url("validate"));
    ground.cluster.install_webhooks(&mutate, &validate, &authority.pem());
    let refused = ground.debug(IMAGE);
    assert!(!refused.success());
    let why = "tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);

    let ca = postern.path("ours.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let ca = ca.display().to_string();
    let url = postern.url("validate");
    let inspected = postern.run(&["certs", "inspect", "--url", &url, "--ca", &ca]);
    assert_eq!(inspected.status, Some(1), "{inspected:?}");
    assert!(inspected.stdout.contains("not valid for name \"127.0.0.1\""), "{inspected:?}");
}

#[test]
fn an_expired_certificate_is_said_and_refused() {
    let ground = Ground::clean();
    let authority = Authority::new("ours");
    let mut postern = ground.postern_with_files(&[]);
    postern.stop();
    put(&postern.path("certs"), &authority.expired());
    postern.start_again();
    let said = postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 503"));
    assert!(said.contains("[-]certificate failed: expired at 2002-01-01T00:00:00Z"), "{said}");
    let (mutate, validate) = (postern.url("mutate"), postern.url("validate"));
    ground.cluster.install_webhooks(&mutate, &validate, &authority.pem());
    let refused = ground.debug(IMAGE);
    assert!(refused.stderr.contains("x509: certificate has expired"), "{}", refused.stderr);

    let path = postern.path("certs/tls.crt").display().to_string();
    let inspected = postern.run(&["certs", "inspect", &path]);
    assert_eq!(inspected.status, Some(1), "{inspected:?}");
    assert!(inspected.stdout.contains("ended at 2002-01-01T00:00:00Z"), "{inspected:?}");
    put(&postern.path("certs"), &authority.serving());
    ground.wait_until_allowed(&postern);
    postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
}
