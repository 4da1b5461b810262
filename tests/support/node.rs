//! A real node: the real kubelet on a real container runtime, so that debug containers run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::port::Port;
use super::workshop::Workshop;
use super::{Cluster, build, claim_port};

/// The node of a cluster, called `localhost`.
///
/// It runs in namespaces of its own for processes and mounts. Whatever it starts or mounts goes
/// when it goes, because the kernel sees to it; what it would change on this machine, it changes
/// there.
#[derive(Debug)]
pub(crate) struct Node {
    workshop: Workshop,
    // Held for what dropping it does.
    _port: Port,
}

impl Node {
    /// Starts the node and waits until it is ready, about ten seconds. The error says why this
    /// machine cannot have one: not root, not Debian, packages missing, or what went wrong.
    ///
    /// There is no registry. These images are on the node, all of them a busybox:
    /// `docker.io/library/busybox:1.36` and `:latest`, `registry.example.com/app/server:1.0`,
    /// `registry.example.com/debug/busybox:1.36` and `/netshoot:1`; and one that runs as user
    /// 65532, `registry.example.com/debug/nonroot:1.36`. The pull policy must not be `Always`,
    /// which is what the API server fills in for `:latest`.
    pub(crate) fn start(cluster: &Cluster) -> Result<Node, String> {
        Node::start_with(cluster, &[])
    }

    /// Whether this machine can have one; the error says why not.
    pub(super) fn check() -> Result<(), String> {
        script(&["check"])
    }

    /// The same with the images of these archives too.
    pub(super) fn start_with(cluster: &Cluster, archives: &[&Path]) -> Result<Node, String> {
        Node::check()?;
        let kubelet = build(&["kubelet"]).join("kubelet");
        let port = claim_port(&cluster.programs);
        let mut workshop = Workshop::open("node");
        for name in ["ca.crt", "kubelet.crt", "kubelet.key", "kubelet.kubeconfig"] {
            let copied = std::fs::copy(cluster.workshop.path(name), workshop.path(name));
            copied.map_err(|error| format!("cannot copy {name}: {error}"))?;
        }
        workshop.write("containerd.toml", containerd_configuration(&workshop));
        let routes = cluster.network.routes();
        workshop.write("cni/10-pods.conflist", network(&workshop, port.number, routes).to_string());
        workshop.write("kubelet.json", kubelet_configuration(&workshop, port.number).to_string());
        script(&["image", &workshop.text("images.tar")])?;
        for (number, archive) in archives.iter().enumerate() {
            std::fs::copy(archive, workshop.path(&format!("images-{number}.tar")))
                .map_err(|error| format!("cannot copy {}: {error}", archive.display()))?;
        }

        let mut command = cluster.network.command(Path::new("unshare"));
        command
            .args(["--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "sh"])
            .arg(script_path())
            .arg("run")
            .arg(workshop.folder())
            .arg(kubelet)
            .args(cluster.network.node_address());
        workshop.start("node", &mut command);
        workshop.wait_until("the node", Duration::from_secs(90), || is_ready(cluster))?;
        Ok(Node { workshop, _port: port })
    }

    /// Ends a container's process as the kernel does when memory runs out: it is told nothing.
    /// `id` is what the pod's status calls it.
    pub(crate) fn kill_container(&self, id: &str) {
        let killed = Command::new("ctr")
            .args(["--address", &self.workshop.text("containerd.sock"), "--namespace", "k8s.io"])
            .args(["tasks", "kill", "--signal", "SIGKILL", id.trim_start_matches("containerd://")])
            .output()
            .unwrap_or_else(|error| panic!("cannot start ctr: {error}"));
        let said = String::from_utf8_lossy(&killed.stderr);
        assert!(killed.status.success(), "ctr tasks kill: {said}");
    }

    /// Creates a pod on this node and waits until it is ready.
    pub(crate) fn create_pod(&self, cluster: &Cluster, pod: &Value) {
        let mut pod = pod.clone();
        if let Some(spec) = pod.get_mut("spec") {
            spec["nodeName"] = json!("localhost");
        }
        for list in ["initContainers", "containers"] {
            let containers = pod.pointer_mut(&format!("/spec/{list}"));
            for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
                container["imagePullPolicy"] = json!("IfNotPresent");
            }
        }
        let created = cluster
            .kubectl("admin")
            .args([
                "create",
                "-o",
                "jsonpath={.metadata.namespace} pod/{.metadata.name}",
                "-f",
                "-",
            ])
            .stdin(pod.to_string())
            .ok();
        cluster
            .kubectl("admin")
            .args(["wait", "--for=condition=Ready", "--timeout=60s", "-n"])
            .args(created.split(' '))
            .timeout(Duration::from_secs(70))
            .ok();
    }
}

pub(super) fn script_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/node.sh")
}

fn script(args: &[&str]) -> Result<(), String> {
    let output = Command::new(script_path())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start {}: {error}", script_path().display()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

fn is_ready(cluster: &Cluster) -> bool {
    let condition = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    let asked = cluster.kubectl("admin").args(["get", "node", "localhost", "-o", condition]).run();
    asked.stdout == "True"
}

fn containerd_configuration(workshop: &Workshop) -> String {
    let folder = workshop.folder().display();
    format!(
        r#"version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"

[grpc]
address = "{folder}/containerd.sock"

# Its default is a folder of the machine.
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "registry.example.com/pause:1"
# Where the node may not lower the score, containers would not start.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
# The one that works on every file system.
snapshotter = "native"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/cni"
"#
    )
}

/// Every pod is on the end of a cable of its own: unlike a bridge, that goes when the pod goes.
fn network(workshop: &Workshop, port: u16, routes: &[&str]) -> Value {
    // The port is this node's alone, so the addresses are too.
    let [high, low] = port.to_be_bytes();
    let routes: Vec<Value> = routes.iter().map(|to| json!({"dst": to})).collect();
    json!({
        "cniVersion": "0.4.0",
        "name": workshop.name(),
        "plugins": [{
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "dataDir": workshop.text("addresses"),
                "ranges": [[{"subnet": format!("10.{high}.{low}.0/24")}]],
                "routes": routes,
            },
        }],
    })
}

fn kubelet_configuration(workshop: &Workshop, port: u16) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "127.0.0.1",
        "port": port,
        "healthzPort": 0,
        "tlsCertFile": workshop.text("kubelet.crt"),
        "tlsPrivateKeyFile": workshop.text("kubelet.key"),
        // Only the API server has a certificate of this authority for a client; so nobody else on
        // this machine can run a command in a pod.
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": false},
            "x509": {"clientCAFile": workshop.text("ca.crt")},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": format!("unix://{}", workshop.text("containerd.sock")),
        // Without a group for each pod, every container's group is named after the container, which
        // is how the janitor finds it.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "oomScoreAdj": 0,
        "podLogsDir": workshop.text("pod-logs"),
        "volumePluginDir": workshop.text("volume-plugins"),
        "resolvConf": "",
        "makeIPTablesUtilChains": false,
        // A test machine may be as full as it likes.
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%",
                         "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "1s",
        // How long a pod may take to see that a Secret of its has changed.
        "syncFrequency": "2s",
    })
}
