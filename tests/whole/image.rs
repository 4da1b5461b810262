//! The image itself.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::support::network::{NODE, Network};
use crate::town::{example, image, kubectl, not_run, town, wait_until};

/// What the program may weigh.
const MOST: u64 = 25_000_000;

/// The image's archive, unpacked: its configuration and what is in its layers.
fn unpacked(archive: &Path, into: &Path) -> (Value, Vec<String>) {
    let tar = |arguments: &[&str]| {
        let output = Command::new("tar").args(arguments).output().unwrap();
        assert!(output.status.success(), "tar {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let folder = into.to_str().unwrap();
    tar(&["-xf", archive.to_str().unwrap(), "-C", folder]);
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(into.join(name)).unwrap()).unwrap()
    };
    let manifest = &read("manifest.json")[0];
    let mut names = Vec::new();
    for layer in manifest["Layers"].as_array().unwrap() {
        let layer = into.join(layer.as_str().unwrap());
        let layer = layer.to_str().unwrap();
        names.extend(tar(&["-tf", layer]).lines().map(str::to_owned));
        tar(&["-xf", layer, "-C", folder]);
    }
    (read(manifest["Config"].as_str().unwrap()), names)
}

#[test]
fn the_image_is_one_program_and_what_it_is_made_of_and_nobody_is_root() {
    let archive = match image() {
        Ok(archive) => archive,
        Err(why) => return not_run("the_image_is_one_program", &why),
    };
    let folder = tempfile::tempdir().unwrap();
    let (config, names) = unpacked(&archive, folder.path());
    let mut files: Vec<_> = names.iter().filter(|name| !name.ends_with('/')).collect();
    files.sort();
    let expected =
        ["etc/ssl/certs/ca-certificates.crt", "postern", "usr/share/sbom/postern.cdx.json"];
    assert_eq!(files, expected);

    let config = &config["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], json!(["/postern"]));
    let labels = &config["Labels"];
    assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");

    let program = folder.path().join("postern");
    let weighs = fs::metadata(&program).unwrap().len();
    assert!(weighs <= MOST, "the program weighs {weighs} bytes");
    let version = Command::new(&program).arg("--version").env_clear().output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    assert_eq!(version.trim(), concat!("postern ", env!("CARGO_PKG_VERSION")));

    let made_of = fs::read(folder.path().join("usr/share/sbom/postern.cdx.json")).unwrap();
    let made_of: Value = serde_json::from_slice(&made_of).unwrap();
    assert_eq!(made_of["bomFormat"], "CycloneDX");
    let components = made_of["components"].as_array().unwrap();
    for name in ["rustls", "axum", "sqlx", "kube"] {
        let part = components.iter().find(|part| part["name"] == name);
        assert!(part.is_some_and(|part| part["licenses"].is_array()), "{name}: {part:?}");
    }
    let dev = components.iter().find(|part| part["name"] == "insta");
    assert!(dev.is_none(), "what only tests need is not in the program");
}

/// Names are looked up in files and by DNS although there is no shared C library.
#[test]
fn the_program_finds_others_by_name() {
    let test = "the_program_finds_others_by_name";
    let Some(town) = town(test) else { return };
    let _server = NameServer::start(town.cluster.network());
    // Nothing answers where they are; what matters is how it says so.
    for (name, host, said) in [
        ("by-file", "ledger.example.com", "refused"),
        ("by-dns", "known.example.com", "refused"),
        ("by-nothing", "unknown.example.com", "lookup"),
    ] {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": "default", "name": name},
            "spec": {
                "restartPolicy": "Never",
                "hostAliases": [{"ip": "127.0.0.1", "hostnames": ["ledger.example.com"]}],
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": [NODE]},
                "containers": [{
                    "name": "postern",
                    "image": concat!("postern:", env!("CARGO_PKG_VERSION")),
                    "args": ["audit", "list", "--ledger", format!("postgres://x@{host}:5/x")],
                    "securityContext": {"readOnlyRootFilesystem": true, "runAsNonRoot": true},
                }],
            },
        });
        town.cluster.apply(&pod.to_string());
        wait_until("an end", Duration::from_secs(60), || {
            town.cluster.get("default", &format!("pod/{name}"))["status"]["phase"] == "Failed"
        });
        let told = kubectl(&town, &format!("logs {name}"));
        assert!(told.contains(said), "{name}: {told}");
    }
}

/// A name server on the cluster's network.
struct NameServer(Child);

impl NameServer {
    fn start(network: &Network) -> NameServer {
        let mut command = network.command(&example("name-server"));
        let server = command.arg(NODE).stdin(Stdio::piped()).spawn().unwrap();
        NameServer(server)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        // The only failure is that it has ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
