//! Checkpoints in a ConfigMap, written with no more rights than are delivered for it.

use postern::cluster::CheckpointMap;

use super::house;
use crate::manifests::helm::render;

const MAP: &str = "configmap/postern-checkpoints";

async fn put(user: &str, name: &str, writer: &str, note: &str) -> Result<(), String> {
    drop(postern::server::tls::provider().install_default());
    let kubeconfig = house().cluster.kubeconfig(user);
    let map = CheckpointMap::connect(Some(&kubeconfig), "postern-system", name, writer).await;
    map.unwrap().put(note).await
}

#[tokio::test]
async fn each_server_has_a_key_of_its_own_in_the_one_map_that_it_may_write() {
    let house = house();
    super::own_namespace(&house.cluster);
    let refused = put("postern", "postern-checkpoints", "postern-0", "early\n").await.unwrap_err();
    assert!(refused.contains("cannot patch resource \"configmaps\""), "{refused}");

    for object in render(&["checkpoints.configMap.enabled=true"]) {
        if object["metadata"]["name"] == "postern-checkpoints" {
            house.cluster.apply(&object.to_string());
        }
    }
    let mut made = Err(String::new());
    for _ in 0..100 {
        // The authorizer takes a moment to hear of a role.
        made = put("postern", "postern-checkpoints", "postern-0", "one\n").await;
        if made.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(made, Ok(()));
    put("postern", "postern-checkpoints", "postern-1", "other\n").await.unwrap();
    put("postern", "postern-checkpoints", "postern-0", "two\n\n— key\n").await.unwrap();
    let data = &house.cluster.get("postern-system", MAP)["data"];
    let expected = serde_json::json!({"postern-0": "two\n\n— key\n", "postern-1": "other\n"});
    assert_eq!(*data, expected);

    let refused = put("postern", "another", "postern-0", "no\n").await.unwrap_err();
    assert!(refused.contains("forbidden"), "{refused}");
    let read = house.cluster.kubectl("postern").args(["get", "-n", "postern-system", MAP]).run();
    assert!(read.stderr.contains("Forbidden"), "{read:?}");
}
