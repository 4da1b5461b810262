//! Several servers, one authority.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::super::support::Postern;
use super::{Ground, wait};

pub(super) fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

/// The certificate that a server shows to whoever trusts these authorities; an error where none is
/// shown, or one that is not believed.
pub(super) fn shown(postern: &Postern, authorities: &str) -> Result<Vec<u8>, String> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(postern::server::tls::provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(postern.address()).map_err(|error| error.to_string())?;
    while client.is_handshaking() {
        client.complete_io(&mut socket).map_err(|error| error.to_string())?;
    }
    let chain = client.peer_certificates().unwrap_or_default();
    chain.first().map(|it| it.to_vec()).ok_or_else(|| "nothing".to_owned())
}

#[test]
fn three_that_start_at_once_agree_on_one_authority() {
    let ground = Ground::clean();
    let posterns: Vec<Postern> = std::thread::scope(|scope| {
        let start = |number: usize| {
            let ground = &ground;
            scope.spawn(move || ground.postern(&format!("postern-{number}"), &[]))
        };
        let started: Vec<_> = (0..3).map(start).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    ground.install(&posterns[0], &posterns[2]);
    ground.wait_until_allowed(&posterns[0]);
    let (authorities, leaf) = (ground.held("ca.crt"), der(&ground.held("tls.crt")));
    assert_eq!(authorities.matches("BEGIN").count(), 1, "{authorities}");
    for postern in &posterns {
        wait("it serves what the Secret holds", postern, || {
            shown(postern, &authorities) == Ok(leaf.clone())
        });
    }
    let made: Vec<_> =
        posterns.iter().map(|it| it.log().matches("has a new authority").count()).collect();
    assert_eq!(made.iter().sum::<usize>(), 1, "{made:?}");
}

#[test]
fn when_the_holder_of_the_lease_is_killed_another_goes_on() {
    let ground = Ground::clean();
    let lifetimes = ["--tls-lifetime", "60s", "--tls-ca-lifetime", "10m"];
    let mut holder = ground.postern("postern-0", &lifetimes);
    wait("the first has made it", &holder, || holder.log().contains("has a new authority"));
    let mut other = ground.postern("postern-1", &lifetimes);
    ground.install(&other, &other);
    ground.wait_until_allowed(&other);
    let lease = || ground.cluster.get("postern-system", "lease/postern-tls");
    let held_by = |name: &str| {
        lease()["spec"]["holderIdentity"].as_str().unwrap_or_default().starts_with(name)
    };
    assert!(held_by("postern-0"), "{}", lease());
    let before = der(&ground.held("tls.crt"));
    holder.kill();
    wait("the other holds the Lease", &other, || held_by("postern-1"));
    assert_eq!(lease()["spec"]["leaseTransitions"], 1);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while der(&ground.held("tls.crt")) == before {
        assert!(std::time::Instant::now() < end, "nothing is replaced: {}", other.log());
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert!(other.log().contains("has a new serving certificate"), "{}", other.log());
    let leaf = der(&ground.held("tls.crt"));
    wait("it is served", &other, || shown(&other, &ground.held("ca.crt")) == Ok(leaf.clone()));
    other.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_server_that_stops_gives_the_lease_back() {
    let ground = Ground::clean();
    let mut holder = ground.postern("postern-0", &[]);
    wait("it has made it", &holder, || holder.log().contains("has a new authority"));
    let holds = || {
        let lease = ground.cluster.get("postern-system", "lease/postern-tls");
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    };
    assert!(holds().starts_with("postern-0_"), "{}", holds());
    holder.stop();
    assert_eq!(holds(), "");
    let other = ground.postern("postern-1", &[]);
    wait("another takes it", &other, || holds().starts_with("postern-1_"));
}
