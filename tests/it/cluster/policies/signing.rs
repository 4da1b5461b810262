//! The key that signs the ledger, in a Secret, with no more rights than are delivered for it.

use assert_cmd::Command;
use postern::cluster::SigningSecret;
use postern::ledger::keyring::Keys;
use postern::ledger::note::rotated_to;
use tokio::task::JoinSet;

use super::house;
use crate::manifests::helm::render;

const NAME: &str = "postern-signing-key";
const PLACE: &str = "secret:postern-system/postern-signing-key";

async fn key(name: &str, by: &str) -> Result<Keys, String> {
    drop(postern::server::tls::provider().install_default());
    let kubeconfig = house().cluster.kubeconfig("postern");
    let secret = SigningSecret::connect(Some(&kubeconfig), Some("postern-system"), name, by);
    secret.await.unwrap().load_or_make().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_several_servers_makes_the_one_key() {
    let house = house();
    super::own_namespace(&house.cluster);
    let refused = key(NAME, "postern-0").await.unwrap_err();
    assert!(refused.contains("Secret postern-system/postern-signing-key: secrets"), "{refused}");
    for object in render(&["ledger.signingKey.generate=true"]) {
        if object["metadata"]["name"] == NAME {
            house.cluster.apply(&object.to_string());
        }
    }
    // The authorizer takes a moment to hear of a role, and asks about another name meanwhile.
    for _ in 0..100 {
        let args = ["auth", "can-i", "create", "secrets/postern-signing-key"];
        let may = house.cluster.kubectl("postern").args(args).args(["-n", "postern-system"]).run();
        if may.success() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }

    let mut servers = JoinSet::new();
    for number in 0..6 {
        servers.spawn(async move { key(NAME, &format!("postern-{number}")).await.unwrap() });
    }
    let keys = servers.join_all().await;
    let first = keys[0].current.public();
    assert!(keys.iter().all(|keys| keys.current.public() == first));
    assert_eq!(keys.iter().filter(|keys| keys.is_new).count(), 1);

    let mut rotate = Command::cargo_bin("postern").unwrap();
    rotate.env_clear().args(["audit", "rotate-key", "--ledger-key", PLACE, "--kubeconfig"]);
    let said = rotate.arg(house.cluster.kubeconfig("postern")).assert().success();
    let said = String::from_utf8(said.get_output().stdout.clone()).unwrap();
    let now = key(NAME, "postern-7").await.unwrap();
    assert_eq!(said, format!("old {first}\nnew {}\n", now.current.public()));
    assert_eq!(rotated_to(&now.rotations[0], &[first]).unwrap(), now.current.public());

    let refused = key("postern-tls", "postern-0").await.unwrap_err();
    assert!(refused.contains("forbidden"), "{refused}");
}
