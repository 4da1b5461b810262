//! An API server that says who it is, as docs/certificates.md tells its administrator to have it.

use std::path::Path;

use serde_json::json;

use super::super::support::{Cluster, Output, Postern, pod};
use super::{Ground, IMAGE, POLICY, debug, wait};
use crate::server::Authority;

const TOKEN: &str = "a-token-for-this-test-alone";

/// Shows a client certificate and a token to every webhook.
fn start() -> Cluster {
    let cluster = Cluster::start_with(|workshop, authority| {
        let client = authority.client("kube-apiserver-to-webhooks");
        workshop.write("webhooks.crt", client.certificate);
        workshop.write("webhooks.key", client.key);
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "users": [{"name": "*", "user": {
                "client-certificate": workshop.text("webhooks.crt"),
                "client-key": workshop.text("webhooks.key"),
                "token": TOKEN,
            }}],
        });
        workshop.write("webhooks.kubeconfig", kubeconfig.to_string());
        let plugin = |name: &str| {
            json!({"name": name, "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "WebhookAdmissionConfiguration",
                "kubeConfigFile": workshop.text("webhooks.kubeconfig"),
            }})
        };
        let configuration = json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [plugin("ValidatingAdmissionWebhook"), plugin("MutatingAdmissionWebhook")],
        });
        workshop.write("admission.json", configuration.to_string());
        vec![format!("--admission-control-config-file={}", workshop.text("admission.json"))]
    });
    cluster.create_namespace("room", &[]);
    cluster.create_pod(&pod("room", "api"));
    cluster
}

fn postern(cluster: &Cluster, options: &[&str]) -> Postern {
    let program = Path::new(env!("CARGO_BIN_EXE_postern"));
    let postern = Postern::start_with(cluster, program, &[POLICY], options);
    postern.install(cluster);
    postern
}

/// The API server has got no answer, and Postern says why. What the API server says depends on how
/// far it has come when it hears of it.
fn refused(cluster: &Cluster, postern: &Postern, why: &str) -> Output {
    let output = debug(cluster, IMAGE);
    let failed = "failed calling webhook \"validate.postern.dev\"";
    assert!(!output.success() && output.stderr.contains(failed), "{output:?}");
    assert!(postern.log().contains(why), "{why}: {}", postern.log());
    output
}

#[test]
fn an_api_server_that_says_who_it_is_is_let_in_and_another_is_not() {
    let cluster = start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let kubeconfig = std::fs::read_to_string(cluster.kubeconfig("admin")).unwrap();
    let kubeconfig: serde_json::Value = serde_json::from_str(&kubeconfig).unwrap();
    let ca = kubeconfig["clusters"][0]["cluster"]["certificate-authority"].as_str().unwrap();
    let theirs = file("theirs.pem", &Authority::new("theirs").pem());
    let (good, bad) = (file("good", TOKEN), file("bad", "another-token-of-some-length\n"));

    let let_in = |options: &[&str]| {
        let postern = postern(&cluster, options);
        let output = debug(&cluster, IMAGE);
        assert!(output.success(), "{options:?}: {output:?}\n{}", postern.log());
        let refused = debug(&cluster, "nicolaka/netshoot");
        assert!(refused.stderr.contains("not approved here"), "{refused:?}");
    };
    let_in(&["--client-ca", ca]);
    let name = "kube-apiserver-to-webhooks";
    let_in(&[
        "--client-ca",
        ca,
        "--client-names",
        &format!("x,{name}"),
        "--tls-min-version",
        "1.3",
    ]);
    let_in(&["--client-ca", ca, "--token-file", &good]);

    {
        let postern = postern(&cluster, &["--client-ca", &theirs]);
        refused(&cluster, &postern, "invalid peer certificate: UnknownIssuer");
    }
    {
        let postern = postern(&cluster, &["--client-ca", ca, "--client-names", "somebody"]);
        refused(&cluster, &postern, &format!("a client called `{name}` is not let in"));
    }
    let postern = postern(&cluster, &["--token-file", &bad]);
    let output = refused(&cluster, &postern, "it shows no token that is accepted");
    assert!(!output.stderr.contains(TOKEN), "{output:?}");
    let metrics = postern.probe("/metrics");
    let counted = "postern_requests_turned_away_total{status=\"401\"} ";
    let none = format!("{counted}0\n");
    assert!(metrics.contains(counted) && !metrics.contains(&none), "{metrics}");
    // Both, while one is replaced by the other.
    file("bad", &format!("another-token-of-some-length\n{TOKEN}\n"));
    wait("the token is accepted", &postern, || debug(&cluster, IMAGE).success());
    for secret in [TOKEN, "another-token"] {
        assert!(!postern.log().contains(secret), "a token is in the log");
    }
}

#[test]
fn an_api_server_that_says_nothing_is_not_let_in() {
    let ground = Ground::clean();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), Authority::new("ours").pem()).unwrap();
    let ca = ca.path().display().to_string();
    {
        let postern = ground.postern_with_files(&["--client-ca", &ca]);
        postern.install(&ground.cluster);
        refused(&ground.cluster, &postern, "peer sent no certificates");
    }
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), TOKEN).unwrap();
    let path = token.path().display().to_string();
    let postern = ground.postern_with_files(&["--token-file", &path]);
    postern.install(&ground.cluster);
    refused(&ground.cluster, &postern, "it shows no token that is accepted");
}
