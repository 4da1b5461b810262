//! What `docs/install.md` tells people to type, typed: by a real shell, with the real helm and
//! kubectl, on a real API server.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::helm::{NAMESPACE, program, said};
use crate::cluster::support::Cluster;

/// What is not typed here, and why.
const NOT_HERE: [(&str, &str); 4] = [
    ("kubectl rollout status", "nothing runs without a node"),
    ("helm test", "nothing runs without a node"),
    ("kubectl debug", "who_breaks_the_glass_is_not_asked_about_and_leaves_a_trace does it"),
    ("kubectl delete pvc", "no controller says that nobody uses it any more"),
];

/// Headings under which nothing is installed at first.
const ANEW: [&str; 4] = ["Helm", "Kustomize", "Plain manifests", "Emergencies"];

const CERT_MANAGER: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: KINDs.cert-manager.io}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {kind: TITLE, plural: KINDs, singular: KIND}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// A folder to type in, with all that the page takes for granted.
struct Desk {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Desk {
    fn set_up() -> Desk {
        let desk = Desk { cluster: Cluster::start(), folder: tempfile::tempdir().unwrap() };
        let kubectl = desk.cluster.programs().join("kubectl");
        let postern = Path::new(env!("CARGO_BIN_EXE_postern"));
        fs::create_dir(desk.folder.path().join("bin")).unwrap();
        for (name, program) in [("helm", program()), ("kubectl", &kubectl), ("postern", postern)] {
            symlink(program, desk.folder.path().join("bin").join(name)).unwrap();
        }
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
        symlink(checkout.join("deploy"), desk.folder.path().join("deploy")).unwrap();
        let authority = rcgen::generate_simple_self_signed(vec!["postern".to_owned()]).unwrap();
        let certificate = authority.cert.pem();
        let key = authority.signing_key.serialize_pem();
        for (name, pem) in [("ca.pem", &certificate), ("tls.crt", &certificate), ("tls.key", &key)]
        {
            fs::write(desk.folder.path().join(name), pem).unwrap();
        }
        for (kind, title) in [("issuer", "Issuer"), ("certificate", "Certificate")] {
            desk.cluster.apply(&CERT_MANAGER.replace("KIND", kind).replace("TITLE", title));
        }
        desk
    }

    fn shell(&self, line: &str) -> std::process::Output {
        let bin = self.folder.path().join("bin").display().to_string();
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", line])
            .env_clear()
            .env("PATH", format!("{bin}:/usr/bin:/bin"))
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.cluster.kubeconfig("admin"))
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn types(&self, line: &str) {
        let output = self.shell(line);
        assert!(output.status.success(), "{line}\n{}", said(&output));
    }

    fn clear(&self) {
        let kinds = "validatingwebhookconfiguration,mutatingwebhookconfiguration,deployment,service,\
                     networkpolicy,role,rolebinding,serviceaccount,resourcequota,clusterrole,\
                     clusterrolebinding,poddisruptionbudget,crd";
        for line in [
            format!("helm uninstall postern -n {NAMESPACE} --ignore-not-found"),
            format!("kubectl delete {kinds} -l app.kubernetes.io/instance=postern -n {NAMESPACE}"),
            format!("kubectl delete pvc --all --wait=false -n {NAMESPACE}"),
        ] {
            self.types(&line);
        }
        // What the controller of claims would do.
        let free = r#"-p '{"metadata":{"finalizers":null}}'"#;
        let line = format!("kubectl patch pvc postern-ledger -n {NAMESPACE} --type=merge {free}");
        drop(self.shell(&line));
    }
}

/// The lines of the page's shell blocks, each with its heading.
fn lines(page: &str) -> Vec<(String, String)> {
    let (mut heading, mut inside, mut lines) = (String::new(), false, Vec::new());
    for line in fs::read_to_string(page).unwrap().lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => lines.push((heading.clone(), line.to_owned())),
            line if line.starts_with("##") => {
                heading = line.trim_start_matches(['#', ' ']).to_owned()
            }
            _ => {}
        }
    }
    lines
}

#[test]
fn what_the_page_tells_to_type_can_be_typed() {
    let desk = Desk::set_up();
    let mut last = String::new();
    let mut typed = 0;
    for (heading, line) in lines("docs/install.md") {
        if heading != last && ANEW.contains(&heading.as_str()) && typed > 0 {
            desk.clear();
        }
        if heading != last && heading == "Without helm" {
            desk.clear();
            desk.types("kubectl apply --server-side -k deploy/overlays/high-availability");
        }
        last = heading;
        if NOT_HERE.iter().any(|(words, _)| line.starts_with(words)) {
            continue;
        }
        desk.types(&line);
        typed += 1;
    }
    assert!(typed >= 18, "{typed}");
    // The last lines take away all but what holds something.
    let left = desk.shell(&format!(
        "kubectl get deployments,poddisruptionbudgets,services,roles,\
         validatingwebhookconfigurations,clusterroles -n {NAMESPACE} -l \
         app.kubernetes.io/instance=postern -o name"
    ));
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}
