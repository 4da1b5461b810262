//! A real control plane for the tests: etcd, kube-apiserver, and the real kubectl to talk to them.
//!
//! `tests/cluster/build.sh` builds the programs once. Every [`Cluster`] has its own folder, ports,
//! users and data, so any number of them run side by side, and nothing of it outlives the process
//! that started it. Without a [`Node`] no container ever runs: the API server takes the pods'
//! status from [`Cluster::create_pod`], which answers for a kubelet.

#![expect(clippy::panic, reason = "a test fails by panicking")]

mod kubectl;
mod manifests;
pub(crate) mod network;
mod node;
mod pki;
pub(crate) mod port;
mod postern;
mod run;
mod webhooks;
mod whole;
pub(crate) mod workshop;

use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) use self::kubectl::Kubectl;
pub(crate) use self::manifests::{installed, pod};
pub(crate) use self::node::Node;
pub(crate) use self::postern::Postern;
pub(crate) use self::run::Output;

use self::network::Network;
use self::pki::Authority;
use self::port::Port;
use self::run::run;
use self::workshop::Workshop;

/// Who can talk to the API server, and in which groups. `admin` may do everything; the groups
/// `dev`, `on-call`, `ops` and `break-glass` have what a debugger needs (`rbac.yaml`); mallory is
/// known, no more. Postern is whom the manifests give its rights.
const USERS: [(&str, &str); 8] = [
    ("admin", "system:masters"),
    ("alice", "dev,sre"),
    ("bob", "on-call"),
    ("carol", "ops"),
    ("grace", "break-glass"),
    ("mallory", ""),
    ("postern", "system:serviceaccounts,system:serviceaccounts:postern-system"),
    ("kubelet", "system:masters"),
];

/// What the API server calls Postern.
const POSTERN: &str = "system:serviceaccount:postern-system:postern";

/// A running control plane.
#[derive(Debug)]
pub(crate) struct Cluster {
    workshop: Workshop,
    programs: PathBuf,
    network: Network,
    server: String,
    // Held so that no other run takes it.
    port: Port,
    /// Further arguments of the API server.
    options: Vec<String>,
}

impl Cluster {
    /// Starts one and waits until it answers. The first call ever builds the programs, which takes
    /// minutes; after that it takes about four seconds.
    pub(crate) fn start() -> Cluster {
        Cluster::start_with(|_, _| Vec::new())
    }

    /// The same with further arguments of the API server. `prepare` writes the files that they name.
    pub(crate) fn start_with(
        prepare_more: impl FnOnce(&Workshop, &Authority) -> Vec<String>,
    ) -> Cluster {
        let programs = build(&["etcd", "kube-apiserver", "kubectl"]);
        let port = claim_port(&programs);
        let (network, workshop) = (Network::of_this_machine(), Workshop::open("cluster"));
        Cluster::start_on(network, workshop, programs, port, prepare_more)
    }

    fn start_on(
        network: Network,
        mut workshop: Workshop,
        programs: PathBuf,
        port: Port,
        prepare_more: impl FnOnce(&Workshop, &Authority) -> Vec<String>,
    ) -> Cluster {
        let server = format!("https://127.0.0.1:{}", network.api_server_port(&port));
        let authority = Authority::new();
        prepare(&workshop, &server, &authority);
        let options = prepare_more(&workshop, &authority);
        start_etcd(&mut workshop, &network, &programs);
        start_api_server(&mut workshop, &network, &programs, &port, &options);

        let mut cluster = Cluster { workshop, programs, network, server, port, options };
        cluster.wait_until_ready();
        cluster.apply(include_str!("rbac.yaml"));
        cluster
    }

    /// Where its programs run, and whatever is to reach them.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// The folder with the programs it is made of, kubectl among them.
    pub(crate) fn programs(&self) -> &Path {
        &self.programs
    }

    /// The URL of the API server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The kubeconfig file of a user: admin, alice, bob, carol, grace, mallory or postern.
    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        assert!(USERS.iter().any(|(name, _)| *name == user), "{user} is not a user of the cluster");
        self.workshop.path(&format!("{user}.kubeconfig"))
    }

    /// A call of kubectl as this user.
    pub(crate) fn kubectl(&self, user: &str) -> Kubectl {
        self.kubeconfig(user);
        let folder = self.workshop.folder();
        Kubectl::new(kubectl_command(&self.network, &self.programs, folder, user))
    }

    /// Creates or changes objects as the admin, from YAML or JSON.
    pub(crate) fn apply(&self, manifest: &str) {
        self.kubectl("admin").args(["apply", "-f", "-"]).stdin(manifest).ok();
    }

    /// Reads one object as the admin: `get("payments", "pod/api")`.
    pub(crate) fn get(&self, namespace: &str, object: &str) -> Value {
        let text = self.kubectl("admin").args(["get", "-n", namespace, object, "-o", "json"]).ok();
        parse(&text)
    }

    /// Creates a namespace with these labels.
    pub(crate) fn create_namespace(&self, name: &str, labels: &[(&str, &str)]) {
        let labels: serde_json::Map<String, Value> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        self.create(&json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }));
    }

    /// Creates a pod and reports it as running, as a kubelet would. [`pod`] makes the manifest.
    pub(crate) fn create_pod(&self, pod: &Value) {
        let mut pod = pod.clone();
        if let Some(Value::Object(spec)) = pod.get_mut("spec") {
            spec.entry("nodeName").or_insert_with(|| json!("node-a"));
        }
        self.create(&pod);
        let text = |pointer: &str, otherwise: &'static str| {
            pod.pointer(pointer).and_then(Value::as_str).unwrap_or(otherwise).to_owned()
        };
        self.report_running(&text("/metadata/namespace", "default"), &text("/metadata/name", ""));
    }

    /// Reports every container of a pod as running, ephemeral ones too.
    pub(crate) fn report_running(&self, namespace: &str, name: &str) {
        let pod = self.get(namespace, &format!("pod/{name}"));
        let status = manifests::running_status(&pod).to_string();
        self.kubectl("admin")
            .args(["patch", "-n", namespace, "pod", name])
            .args(["--subresource=status", "--type=merge", "-p", &status])
            .ok();
    }

    /// What a part wrote so far: `etcd` or `kube-apiserver`.
    pub(crate) fn log(&self, program: &str) -> String {
        self.workshop.log(program)
    }

    /// The API server's audit events for ephemeral containers, exec, attach and port-forward, the
    /// oldest first. They carry the annotations that webhooks set.
    pub(crate) fn audit_events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.workshop.path("audit.log")).unwrap_or_default();
        text.lines().map(parse).collect()
    }

    /// Kills the API server; etcd goes on. Asked to end, it may wait a minute for whoever still
    /// watches.
    pub(crate) fn kill_api_server(&mut self) {
        self.workshop.kill("kube-apiserver");
    }

    /// Starts it after [`Cluster::kill_api_server`] and waits until it answers.
    pub(crate) fn start_api_server_again(&mut self) {
        let Cluster { workshop, network, programs, port, options, .. } = self;
        start_api_server(workshop, network, programs, port, options);
        self.wait_until_ready();
    }

    fn create(&self, object: &Value) {
        self.kubectl("admin").args(["create", "-f", "-"]).stdin(object.to_string()).ok();
    }

    fn wait_until_ready(&mut self) {
        let (network, programs) = (self.network.clone(), self.programs.clone());
        let folder = self.workshop.folder().to_owned();
        let address = self.server.trim_start_matches("https://").to_owned();
        let answers = |path: &str| {
            let mut command = kubectl_command(&network, &programs, &folder, "admin");
            command.args(["get", "--raw", path]);
            run(&mut command, &[], Duration::from_secs(5)).is_ok_and(|output| output.success())
        };
        let ready = self.workshop.wait_until("the API server", Duration::from_secs(60), || {
            // A connection is a cheaper question than a kubectl, where it can be asked.
            (network.is_apart() || TcpStream::connect(&address).is_ok())
                && answers("/readyz")
                // Made a moment after the API server calls itself ready.
                && answers("/api/v1/namespaces/default")
        });
        if let Err(why) = ready {
            panic!("{why}");
        }
    }
}

fn kubectl_command(network: &Network, programs: &Path, folder: &Path, user: &str) -> Command {
    let mut command = network.command(&programs.join("kubectl"));
    command
        // It keeps what it learns about the API under its home; ours must not become the user's,
        // and one user's must not become another's.
        .env("HOME", folder.join(format!("home-{user}")))
        .env("KUBECONFIG", folder.join(format!("{user}.kubeconfig")));
    command
}

/// The programs of the control plane, built if they are not there yet; the folder they are in.
fn build(programs: &[&str]) -> PathBuf {
    built_by("tests/cluster/build.sh", programs)
}

/// The folder that a build script of this repository says it has filled.
pub(crate) fn built_by(script: &str, arguments: &[&str]) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(&script)
        .args(arguments)
        .stdin(Stdio::null())
        // A first build takes minutes, or there is no Go: whoever waits should read why.
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", script.display()));
    assert!(output.status.success(), "{} ended with {}", script.display(), output.status);
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// A command that sees nothing of the user's environment: proxies, kubectl settings, languages.
fn clean_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

fn claim_port(programs: &Path) -> Port {
    Port::claim(&programs.with_file_name("ports"))
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

/// Writes keys, certificates, tokens and kubeconfigs.
fn prepare(workshop: &Workshop, server: &str, authority: &Authority) {
    workshop.write("ca.crt", authority.certificate());
    for (name, identity) in [
        ("apiserver", authority.server(&["127.0.0.1", "localhost", network::KUBERNETES])),
        ("kubelet-client", authority.client("kube-apiserver")),
        ("kubelet", authority.server(&["127.0.0.1", "localhost"])),
        ("service-accounts", authority.client("service-accounts")),
    ] {
        workshop.write(&format!("{name}.crt"), identity.certificate);
        workshop.write(&format!("{name}.key"), identity.key);
        workshop.write(&format!("{name}.pub"), identity.public_key);
    }
    workshop.write("audit.yaml", include_str!("audit.yaml"));

    let mut tokens = String::new();
    for (user, groups) in USERS {
        let token = random_token();
        let username = if user == "postern" { POSTERN } else { user };
        tokens += &format!("{token},{username},uid-of-{user},\"{groups}\"\n");
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "clusters": [{"name": "test", "cluster": {
                "server": server,
                "certificate-authority": workshop.text("ca.crt"),
            }}],
            "users": [{"name": user, "user": {"token": token}}],
        });
        workshop.write(&format!("{user}.kubeconfig"), kubeconfig.to_string());
    }
    workshop.write("tokens.csv", tokens);
}

/// Not a fixed one: with a node, whoever knows the admin's token is root on this machine.
fn random_token() -> String {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .unwrap_or_else(|error| panic!("cannot read /dev/urandom: {error}"));
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn start_etcd(workshop: &mut Workshop, network: &Network, programs: &Path) {
    // On sockets in the private folder: etcd asks nobody who they are.
    let clients = format!("unix://{}", workshop.text("etcd.sock"));
    let peers = format!("unix://{}", workshop.text("etcd-peers.sock"));
    let mut command = network.command(&programs.join("etcd"));
    command
        .args(["--name=test", "--log-level=warn"])
        // What is lost when this machine loses power is a test's.
        .arg("--unsafe-no-fsync")
        .arg(format!("--data-dir={}", workshop.text("etcd")))
        .arg(format!("--listen-client-urls={clients}"))
        .arg(format!("--advertise-client-urls={clients}"))
        .arg(format!("--listen-peer-urls={peers}"))
        .arg(format!("--initial-advertise-peer-urls={peers}"))
        .arg(format!("--initial-cluster=test={peers}"));
    workshop.start("etcd", &mut command);
}

fn start_api_server(
    workshop: &mut Workshop,
    network: &Network,
    programs: &Path,
    port: &Port,
    options: &[String],
) {
    let file = |flag: &str, name: &str| format!("--{flag}={}", workshop.text(name));
    let mut command = network.command(&programs.join("kube-apiserver"));
    command
        .arg(format!("--etcd-servers=unix://{}", workshop.text("etcd.sock")))
        .args(network.api_server_options())
        .arg(format!("--secure-port={}", network.api_server_port(port)))
        // Nobody asks for the service `kubernetes`, and it could not name a loopback address.
        .arg("--endpoint-reconciler-type=none")
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg(file("cert-dir", "apiserver"))
        .arg(file("tls-cert-file", "apiserver.crt"))
        .arg(file("tls-private-key-file", "apiserver.key"))
        .arg(file("service-account-key-file", "service-accounts.pub"))
        .arg(file("service-account-signing-key-file", "service-accounts.key"))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(file("token-auth-file", "tokens.csv"))
        .arg("--authorization-mode=RBAC")
        // As most clusters have it; else the API server itself refuses what Postern must judge.
        .arg("--allow-privileged=true")
        .arg(file("audit-policy-file", "audit.yaml"))
        .arg(file("audit-log-path", "audit.log"))
        .arg("--audit-log-mode=blocking-strict")
        // How it reaches a node, if there is one: by name, because a node cannot have a loopback
        // address as its own.
        .arg("--kubelet-preferred-address-types=Hostname")
        .arg(file("kubelet-certificate-authority", "ca.crt"))
        .arg(file("kubelet-client-certificate", "kubelet-client.crt"))
        .arg(file("kubelet-client-key", "kubelet-client.key"))
        .args(options);
    workshop.start("kube-apiserver", &mut command);
}
