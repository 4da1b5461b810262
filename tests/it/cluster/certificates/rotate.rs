//! `postern certs inspect` and `postern certs rotate`, of certificates that Postern makes.

use serde_json::Value;

use super::super::support::{Output, Postern};
use super::caller::Caller;
use super::replicas::{der, shown};
use super::{Ground, IMAGE, SECRET, apply_rights, wait};

fn certs(ground: &Ground, postern: &Postern, words: &[&str]) -> Output {
    let kubeconfig = ground.cluster.kubeconfig("admin").display().to_string();
    postern.run_for(60, &[&["certs"], words, &["--kubeconfig", &kubeconfig]].concat())
}

fn inspected(ground: &Ground, postern: &Postern) -> (bool, Value) {
    let output = certs(ground, postern, &["inspect", "--secret", SECRET, "-o", "json"]);
    assert!(matches!(output.status, Some(0 | 1)), "{output:?}");
    (output.success(), serde_json::from_str(&output.stdout).unwrap())
}

#[test]
fn what_is_asked_for_is_replaced_now_and_without_a_failed_call() {
    let ground = Ground::clean();
    let lifetimes = ["--tls-lifetime", "2m", "--tls-ca-lifetime", "10m"];
    let mut postern = ground.postern("postern-0", &lifetimes);
    ground.install(&postern, &postern);
    ground.wait_until_allowed(&postern);
    let (good, report) = inspected(&ground, &postern);
    assert!(good && report["accepted"] == true, "{report}");
    let messages = report["checks"].to_string();
    let believed = "the validating webhook `validate.postern.dev` believes it as `127.0.0.1`";
    assert!(messages.contains(believed), "{report}");
    assert_eq!(report["certificates"][0]["names"][0], "127.0.0.1");

    let caller = Caller::start(&ground.cluster.kubeconfig("alice"), ground.cluster.server());
    let (leaf, authority) = (ground.held("tls.crt"), ground.held("ca.key"));
    let rotated = certs(&ground, &postern, &["rotate", "--secret", SECRET]);
    assert!(rotated.success(), "{rotated:?}\n{}", postern.log());
    assert!(rotated.stdout.contains("trusted authorities: 1\n"), "{rotated:?}");
    assert!(rotated.stderr.contains("waiting for a new serving certificate"), "{rotated:?}");
    assert_ne!(ground.held("tls.crt"), leaf);
    assert_eq!(ground.held("ca.key"), authority);

    let rotated = certs(&ground, &postern, &["rotate", "--ca", "--secret", SECRET]);
    assert!(rotated.success(), "{rotated:?}\n{}", postern.log());
    assert!(rotated.stdout.contains("trusted authorities: 2\n"), "{rotated:?}");
    assert_ne!(ground.held("ca.key"), authority);
    assert!(ground.both_trust(&ground.held("ca.crt")));
    wait("it is served", &postern, || {
        shown(&postern, &ground.held("ca.crt")) == Ok(der(&ground.held("tls.crt")))
    });
    let calls = caller.calls();
    assert_eq!(caller.failed(), Vec::<String>::new());
    assert!(calls > 20, "{calls}");

    // Nobody is there who could do it, so the command does.
    postern.stop();
    let leaf = ground.held("tls.crt");
    let rotated = certs(&ground, &postern, &["rotate", "--secret", SECRET, "-o", "json"]);
    assert!(rotated.success(), "{rotated:?}");
    let said: Value = serde_json::from_str(&rotated.stdout).unwrap();
    assert_eq!(said["trustedAuthorities"], 2, "{said}");
    assert_ne!(ground.held("tls.crt"), leaf);
    postern.start_again();
    ground.wait_until_allowed(&postern);
}

#[test]
fn a_certificate_for_another_name_is_found_by_inspection_as_the_api_server_finds_it() {
    let ground = Ground::clean();
    let names = ["--tls-names", "elsewhere.example"];
    let mut postern = ground.postern("postern-0", &names);
    ground.install(&postern, &postern);
    wait("the bundle is written", &postern, || !ground.trusted("validating").is_empty());
    ground.cluster.settle_webhooks();
    let refused = ground.debug(IMAGE);
    assert!(refused.stderr.contains("cannot validate certificate for 127.0.0.1"), "{refused:?}");
    let remark = "the validating webhook calls `127.0.0.1`, which it is not for";
    postern.wait_for_readiness(|said| said.contains(remark));
    let (good, report) = inspected(&ground, &postern);
    assert!(!good && report["accepted"] == false, "{report}");
    for word in ["inspect", "rotate"] {
        let nothing = certs(&ground, &postern, &[word, "--secret", "postern-system/none"]);
        assert_eq!(nothing.status, Some(1), "{nothing:?}");
        assert!(nothing.stderr.contains("there is no Secret postern-system/none"), "{nothing:?}");
    }
    let why = "calls `127.0.0.1`: certificate not valid for name \\\"127.0.0.1\\\"";
    assert!(report["checks"].to_string().contains(why), "{report}");
}

#[test]
fn while_nobody_can_be_told_of_a_new_authority_the_old_certificate_is_served() {
    let ground = Ground::clean();
    let lifetimes = ["--tls-lifetime", "5m", "--tls-ca-lifetime", "20m"];
    let mut postern = ground.postern("postern-0", &lifetimes);
    ground.install(&postern, &postern);
    ground.wait_until_allowed(&postern);
    let (leaf, bundle) = (ground.held("tls.crt"), ground.held("ca.crt"));
    let authority = inspected(&ground, &postern).1["authorities"][0]["sha256"].clone();
    let caller = Caller::start(&ground.cluster.kubeconfig("alice"), ground.cluster.server());

    ground.admin("delete clusterrolebinding postern");
    let asked = format!("postern.dev/replace-authority={}", authority.as_str().unwrap());
    ground.admin(&format!("annotate -n postern-system secret/postern-tls {asked}"));
    let why = "[+]certificate ok: the mutating webhook configuration `postern` cannot be kept: ";
    let said = postern.wait_for_readiness(|said| said.contains(why));
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("forbidden"), "{said}");
    assert_eq!(ground.held("ca.crt").matches("BEGIN").count(), 2);
    assert!(ground.both_trust(&bundle));
    assert_eq!(ground.held("tls.crt"), leaf);
    let failed = r#"postern_certificate_rotations_total{what="webhooks",result="failed"} "#;
    let metrics = postern.probe("/metrics");
    assert!(metrics.contains(failed) && !metrics.contains(&format!("{failed}0\n")), "{metrics}");

    apply_rights(&ground.cluster);
    wait("a certificate of the new authority", &postern, || ground.held("tls.crt") != leaf);
    assert!(ground.both_trust(&ground.held("ca.crt")));
    postern.wait_for_readiness(|said| said.contains("[+]certificate ok\n"));
    assert_eq!(caller.failed(), Vec::<String>::new());
}
