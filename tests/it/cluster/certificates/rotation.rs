//! Certificates that live for seconds, replaced again and again under a steady load.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Ground;
use super::caller::Caller;
use super::replicas::der;

#[test]
fn certificates_and_authorities_are_replaced_under_load_without_a_failed_call() {
    let ground = Ground::clean();
    let lifetimes = ["--tls-lifetime", "15s", "--tls-ca-lifetime", "30s"];
    let mut first = ground.postern("postern-0", &lifetimes);
    let mut second = ground.postern("postern-1", &lifetimes);
    ground.install(&first, &second);
    ground.wait_until_allowed(&first);
    let caller = Caller::start(&ground.cluster.kubeconfig("alice"), ground.cluster.server());

    let (mut leaves, mut authorities) = (BTreeSet::new(), BTreeSet::new());
    let mut most = 0;
    let end = Instant::now() + Duration::from_secs(150);
    while leaves.len() < 5 || authorities.len() < 3 {
        assert!(
            Instant::now() < end,
            "{} certificates, {} authorities\n{}\n{}",
            leaves.len(),
            authorities.len(),
            first.log(),
            second.log()
        );
        leaves.insert(der(&ground.held("tls.crt")));
        authorities.insert(ground.held("ca.key"));
        most = most.max(ground.held("ca.crt").matches("BEGIN").count());
        std::thread::sleep(Duration::from_millis(500));
    }
    let calls = caller.calls();
    let failed = caller.failed();
    assert!(failed.is_empty(), "{} of {calls} failed: {}", failed.len(), failed[0]);
    assert!(calls > 300, "{calls}");
    assert!((2..=3).contains(&most), "{most} authorities at a time");
    eprintln!(
        "{calls} calls, 0 failed; {} certificates, {} authorities",
        leaves.len(),
        authorities.len()
    );
    for postern in [&mut first, &mut second] {
        let said = postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
        assert!(said.contains("[+]certificate ok"), "{said}");
        assert!(postern.log().contains("Certificates loaded"), "{}", postern.log());
    }
}
