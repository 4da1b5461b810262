//! `kubectl postern`: the program as kubectl's plugin, found, called and completed by a real kubectl.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::support::built_by;
use crate::ledger::audit::{ledger_of, some_of_each};

/// A folder on the path with the plugin in it, as krew lays it.
struct Shelf {
    folder: TempDir,
    kubectl: PathBuf,
}

impl Shelf {
    fn new() -> Self {
        let kubectl = built_by("tests/cluster/build.sh", &["kubectl"]).join("kubectl");
        let shelf = Self { folder: tempfile::tempdir().unwrap(), kubectl };
        let bin = shelf.bin();
        fs::create_dir(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_postern"), bin.join("kubectl-postern")).unwrap();
        symlink(&shelf.kubectl, bin.join("kubectl")).unwrap();
        shelf
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn kubectl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.kubectl);
        let path = format!("{}:/usr/bin:/bin", self.bin().display());
        command.env_clear().env("PATH", path).env("HOME", self.folder.path());
        command.current_dir(self.folder.path()).args(arguments).output().unwrap()
    }

    fn says(&self, arguments: &[&str]) -> String {
        let output = self.kubectl(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn kubectl_finds_it_and_it_says_what_was_typed() {
    let shelf = Shelf::new();
    let listed = shelf.kubectl(&["plugin", "list"]);
    let shown = String::from_utf8(listed.stdout).unwrap();
    assert!(shown.contains(shelf.bin().join("kubectl-postern").to_str().unwrap()), "{shown}");
    assert_eq!(String::from_utf8(listed.stderr).unwrap(), "");

    for line in ["postern -h", "postern audit list --help", "postern help check"] {
        let help = shelf.says(&line.split(' ').collect::<Vec<_>>());
        assert!(help.contains("Usage: kubectl postern "), "{line}: {help}");
    }
    let examples = shelf.says(&["postern", "audit", "--help"]);
    assert!(examples.contains("\n  kubectl postern audit list --since 24h"), "{examples}");
    let misused = shelf.kubectl(&["postern", "audit", "list", "--answer", "maybe"]);
    assert_eq!(misused.status.code(), Some(64));
}

#[test]
fn kubectl_postern_reads_the_ledger_that_postern_reads() {
    let shelf = Shelf::new();
    let place = ledger_of(some_of_each());
    let ledger = place.location().to_string();
    let shown = shelf.says(&["postern", "audit", "list", "-n", "shop", "--ledger", &ledger]);
    assert!(shown.contains("  shop  "), "{shown}");
    assert_eq!(shown.lines().count(), 2, "{shown}");
}

#[test]
fn kubectl_completes_what_comes_behind_postern() {
    let shelf = Shelf::new();
    let script = shelf.says(&["postern", "completion", "kubectl"]);
    let complete = shelf.bin().join("kubectl_complete-postern");
    fs::write(&complete, script).unwrap();
    fs::set_permissions(&complete, fs::Permissions::from_mode(0o755)).unwrap();
    let asked = |words: &[&str]| shelf.says(&[&["__complete", "postern"], words].concat());
    assert!(asked(&["aud"]).starts_with("audit\tRead the ledger"));
    assert!(asked(&["audit", "list", "--answer", ""]).starts_with("allowed\nrefused\n:4\n"));
    assert!(asked(&["audit", "list", "--nam"]).starts_with("--namespace\t"));
}

/// What krew is told, once a release fills it in, is beside the archive: `tests/it/release.rs`.
#[test]
fn the_manifest_follows_krews_rules() {
    let text = fs::read_to_string("deploy/krew/postern.yaml").unwrap();
    let manifest: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(
        (&manifest["kind"], &manifest["metadata"]["name"]),
        (&"Plugin".into(), &"postern".into())
    );
    let short = manifest["spec"]["shortDescription"].as_str().unwrap();
    assert!(short.len() <= 70 && !short.ends_with('.') && !short.contains("kubectl"), "{short}");
    let platform = &manifest["spec"]["platforms"][0];
    assert_eq!(platform["bin"], "postern");
    let files = platform["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file["from"].as_str().unwrap().ends_with("/LICENSE")));
    assert!(Path::new("LICENSE").exists());
}
