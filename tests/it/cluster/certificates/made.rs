//! One server, which finds nothing, or what it should not find.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::super::support::Postern;
use super::caller::Caller;
use super::replicas::{der, shown};
use super::{Ground, IMAGE, POLICY, decoded, merge, of_secret, wait};
use crate::server::Authority;

#[test]
fn from_nothing_the_door_is_guarded() {
    let ground = Ground::clean();
    let mut postern = ground.postern("postern-0", &[]);
    let remark = "there is no mutating, no validating webhook configuration";
    postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200") && said.contains(remark));
    ground.install(&postern, &postern);
    ground.wait_until_allowed(&postern);
    let refused = ground.debug("nicolaka/netshoot");
    assert!(!refused.success() && refused.stderr.contains("not approved here"), "{refused:?}");

    let secret = ground.secret();
    assert_eq!(secret["type"], "Opaque");
    let keys: Vec<_> = secret["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    assert!(ground.both_trust(&ground.held("ca.crt")));
    postern.wait_for_readiness(|said| said.contains("[+]certificate ok\n"));
    for key in ["tls.key", "ca.key"] {
        let line = ground.held(key).lines().nth(1).unwrap().to_owned();
        assert!(!postern.log().contains(&line), "{key} is in the log");
    }
    let metrics = postern.probe("/metrics");
    for kind in ["serving", "ca"] {
        let line = format!(r#"postern_certificate_expiry_timestamp_seconds{{kind="{kind}"}} 1"#);
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains(r#"kind="retiring_ca""#), "{metrics}");
    let made = r#"postern_certificate_rotations_total{what="ca",result="done"} 1"#;
    assert!(metrics.contains(made), "{metrics}");

    // Started again it finds what it has made.
    let before = ground.secret()["data"].clone();
    postern.stop();
    postern.start_again();
    postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
    ground.wait_until_allowed(&postern);
    assert_eq!(ground.secret()["data"], before);
}

#[test]
fn what_somebody_overwrites_is_put_back() {
    let ground = Ground::clean();
    let postern = ground.postern("postern-0", &[]);
    ground.install(&postern, &postern);
    ground.wait_until_allowed(&postern);
    let bundle = ground.held("ca.crt");
    for kind in ["mutating", "validating"] {
        let other = BASE64.encode(Authority::new("somebody else").pem());
        let path = "/webhooks/0/clientConfig/caBundle";
        let patch = json!([{"op": "replace", "path": path, "value": other}]).to_string();
        let object = format!("{kind}webhookconfiguration/postern");
        let line = ["patch", &object, "--type=json", "-p", &patch];
        ground.cluster.kubectl("admin").args(line).ok();
        wait("the bundle is put back", &postern, || ground.trusted(kind) == bundle);
    }
    ground.cluster.settle_webhooks();
    ground.wait_until_allowed(&postern);
    // Nothing else of them was touched.
    let object = "get validatingwebhookconfiguration/postern -o json --show-managed-fields";
    let object: Value = serde_json::from_str(&ground.admin(object).stdout).unwrap();
    assert_eq!(object["webhooks"][0]["timeoutSeconds"], 3);
    let managers: Vec<_> = object["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["manager"] == "postern")
        .map(|it| it["fieldsV1"].to_string())
        .collect();
    assert_eq!(managers.len(), 1, "{object}");
    assert!(!managers[0].contains("timeoutSeconds"), "{managers:?}");
}

#[test]
fn a_secret_that_is_spoilt_or_deleted_is_repaired_without_a_failed_call() {
    let ground = Ground::clean();
    // API servers are given a thirtieth of it to hear of a new authority.
    let lifetimes = ["--tls-lifetime", "5m", "--tls-ca-lifetime", "10m"];
    let mut postern = ground.postern("postern-0", &lifetimes);
    ground.install(&postern, &postern);
    ground.wait_until_allowed(&postern);
    let caller = Caller::start(&ground.cluster.kubeconfig("alice"), ground.cluster.server());

    for (key, text) in [
        ("tls.crt", Some("no PEM")),
        ("tls.key", None),
        ("ca.key", Some("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n")),
        ("ca.crt", Some("")),
    ] {
        let before = ground.secret()["metadata"]["resourceVersion"].clone();
        merge(&ground, "secret/postern-tls", &of_secret(key, text));
        wait(&format!("{key} is repaired"), &postern, || {
            let secret = ground.secret();
            let now = decoded(&secret["data"][key]);
            secret["metadata"]["resourceVersion"] != before
                && !now.is_empty()
                && text.is_none_or(|text| now != text)
                && ground.both_trust(&decoded(&secret["data"]["ca.crt"]))
        });
    }
    let (before, leaf) = (ground.held("ca.key"), ground.held("tls.crt"));
    ground.admin("delete -n postern-system secret/postern-tls");
    wait("it is made anew", &postern, || {
        let output = ground.cluster.kubectl("admin");
        output.args("get -n postern-system secret/postern-tls".split(' ')).run().success()
            && ground.held("ca.key") != before
    });
    wait("a certificate of the new authority is served", &postern, || {
        let held = ground.held("tls.crt");
        held != leaf && shown(&postern, &ground.held("ca.crt")) == Ok(der(&held))
    });
    let calls = caller.calls();
    assert_eq!(caller.failed(), Vec::<String>::new());
    assert!(calls > 50, "{calls}");
    postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_secret_of_somebody_else_is_left_alone() {
    let ground = Ground::clean();
    let theirs = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "postern-tls", "namespace": "postern-system"},
        "stringData": {"tls.crt": "theirs", "tls.key": "theirs"},
    });
    ground.cluster.apply(&theirs.to_string());
    let before = ground.secret();
    let mut postern = ground.postern("postern-0", &[]);
    let said = postern.wait_for_readiness(|said| said.contains("left alone"));
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    assert!(said.contains("[-]certificate failed: there is none yet: "), "{said}");
    assert!(said.contains("filled by somebody else and is left alone"), "{said}");
    ground.install(&postern, &postern);
    assert!(!ground.debug(IMAGE).success(), "nobody can connect");
    assert_eq!(ground.secret(), before);
    // Gone, there is nothing in the way any more.
    ground.admin("delete -n postern-system secret/postern-tls");
    ground.wait_until_allowed(&postern);
}

#[test]
fn without_the_rights_it_says_which_are_missing() {
    let ground = Ground::clean();
    let options = ["--tls-secret", "postern-system/other"];
    let kubeconfig = ground.cluster.kubeconfig("postern").display().to_string();
    let all = [&options[..], &["--kubeconfig", &kubeconfig]].concat();
    let program = Path::new(env!("CARGO_BIN_EXE_postern"));
    let mut postern = Postern::start_with(&ground.cluster, program, &[POLICY], &all);
    let said = postern.wait_for_readiness(|said| said.contains("forbidden"));
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    assert!(said.contains("cannot list resource \"secrets\""), "{said}");
}

#[test]
fn an_api_server_that_is_away_is_waited_for() {
    let mut ground = Ground::clean();
    ground.cluster.kill_api_server();
    let mut postern = ground.postern("postern-0", &[]);
    let why = "[-]certificate failed: there is none yet: the certificates have not been read yet: ";
    let said = postern.wait_for_readiness(|said| said.contains(why));
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    assert!(postern.probe("/livez").starts_with("HTTP/1.1 200"), "it must not be started again");

    ground.cluster.start_api_server_again();
    postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
    ground.install(&postern, &postern);
    ground.wait_until_allowed(&postern);
    let (authority, leaf) = (ground.held("ca.crt"), der(&ground.held("tls.crt")));

    ground.cluster.kill_api_server();
    let said = postern.wait_for_readiness(|said| said.contains("certificate ok: the Lease"));
    assert!(said.starts_with("HTTP/1.1 200"), "what it has is served on: {said}");
    assert_eq!(shown(&postern, &authority), Ok(leaf));
    ground.cluster.start_api_server_again();
    postern.wait_for_readiness(|said| said.contains("[+]certificate ok\n"));
}
