//! What a release consists of, made of the program that the tests run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::manifests::helm;

/// A moment that no commit has.
const EPOCH: &str = "1767225600";

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The program, without what makes a debug build slow to pack.
fn program(folder: &Path) -> PathBuf {
    let program = folder.join("postern");
    run(Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_postern")));
    program
}

/// The files of a release, by name.
fn release(program: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut command = Command::new("tests/release.sh");
    command.arg(folder).arg(program).env("SOURCE_DATE_EPOCH", EPOCH);
    command.env("RELEASE_URL", "https://releases.test/v1");
    run(&mut command).lines().map(PathBuf::from).collect()
}

fn names(files: &[PathBuf]) -> Vec<&str> {
    files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect()
}

/// `postern-vVERSION-linux-ARCHITECTURE`
fn base(files: &[PathBuf]) -> String {
    let archive = names(files).into_iter().find(|name| name.ends_with(".tar.gz")).unwrap();
    archive.trim_end_matches(".tar.gz").to_owned()
}

fn check_sums(folder: &Path) {
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(folder));
}

#[test]
fn an_archive_is_complete_and_the_same_each_time() {
    let folder = TempDir::new().unwrap();
    let program = program(folder.path());
    let first = release(&program, &folder.path().join("first"));
    let second = release(&program, &folder.path().join("second"));
    assert_eq!(names(&first), names(&second));
    for (one, other) in first.iter().zip(&second) {
        assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{} differs", one.display());
    }

    let dist = folder.path().join("first");
    check_sums(&dist);
    let base = base(&first);
    assert_eq!(base, format!("postern-v{}-linux-{}", env!("CARGO_PKG_VERSION"), architecture()));
    let archive = dist.join(format!("{base}.tar.gz"));
    let listed = run(Command::new("tar").args(["-tvzf"]).arg(&archive).env("TZ", "UTC"));
    for line in listed.lines() {
        assert!(line.contains(" 0/0 ") && line.contains("2026-01-01 00:00"), "{line}");
        assert!(line.starts_with("drwxr-xr-x") || !line.starts_with('d'), "{line}");
    }

    run(Command::new("tar").arg("-xzf").arg(&archive).current_dir(folder.path()));
    let unpacked = folder.path().join(&base);
    let sums = fs::read_to_string(unpacked.join("SHA256SUMS")).unwrap();
    check_sums(&unpacked);
    let files: BTreeSet<_> = sums.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    for expected in [
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "completions/_postern",
        "completions/kubectl_complete-postern",
        "completions/postern.bash",
        "completions/postern.elv",
        "completions/postern.fish",
        "completions/postern.ps1",
        "crds.yaml",
        "install.yaml",
        "man/man1/postern.1",
        "man/man1/postern-audit-list.1",
        "postern",
        "postern.cdx.json",
        "schemas/cases.json",
        "schemas/ledger-record.json",
        "schemas/policy.json",
    ] {
        assert!(files.contains(expected), "{expected} is not in {files:?}");
    }
    for (file, delivered) in [
        ("crds.yaml", "deploy/crds/debugpolicies.postern.dev.yaml"),
        ("install.yaml", "deploy/base/install.yaml"),
    ] {
        let delivered = fs::read(delivered).unwrap();
        assert!(fs::read(unpacked.join(file)).unwrap() == delivered, "{file}");
        assert!(fs::read(dist.join(file)).unwrap() == delivered, "{file}");
    }
    let chart = dist.join(format!("postern-{}.tgz", env!("CARGO_PKG_VERSION")));
    let rendered = run(Command::new(helm::program()).args(["template", "postern"]).arg(&chart));
    assert!(rendered.contains("kind: ValidatingWebhookConfiguration"), "{rendered}");
    assert!(run(Command::new(unpacked.join("postern")).arg("--version")).starts_with("postern "));

    components(&fs::read_to_string(unpacked.join("postern.cdx.json")).unwrap(), folder.path());
    manifest(&fs::read_to_string(dist.join("krew.yaml")).unwrap(), &base, &archive);
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" }
}

/// What is in the program, and nothing of where it was listed.
fn components(text: &str, folder: &Path) {
    let here = std::env::current_dir().unwrap();
    for place in [here.as_path(), folder, Path::new("/tmp/")] {
        assert!(!text.contains(place.to_str().unwrap()), "it names {}", place.display());
    }
    let list: Value = serde_json::from_str(text).unwrap();
    assert_eq!(list["bomFormat"], "CycloneDX");
    assert_eq!(list["metadata"]["component"]["name"], "postern");
    let components = list["components"].as_array().unwrap();
    let is_in = |name: &str| components.iter().any(|component| component["name"] == name);
    for name in ["rustls", "aws-lc-rs", "sqlx", "kube", "libsqlite3-sys"] {
        assert!(is_in(name), "{name} is missing");
    }
    for name in ["proptest", "trycmd", "jsonschema"] {
        assert!(!is_in(name), "{name} is for tests alone");
    }
    let sums = components.iter().filter(|component| component["hashes"].is_array()).count();
    assert!(sums * 10 > components.len() * 9, "{sums} of {} have sums", components.len());
}

/// What krew reads: the archive, its sum, and what is taken out of it.
fn manifest(text: &str, base: &str, archive: &Path) {
    let manifest: Value = serde_saphyr::from_str(text).unwrap();
    let spec = &manifest["spec"];
    assert_eq!(spec["version"], format!("v{}", env!("CARGO_PKG_VERSION")));
    let platform = &spec["platforms"][0];
    assert_eq!(platform["uri"], format!("https://releases.test/v1/{base}.tar.gz"));
    assert_eq!(platform["selector"]["matchLabels"]["arch"], architecture());
    let sum = run(Command::new("sha256sum").arg(archive));
    assert_eq!(platform["sha256"].as_str(), sum.split(' ').next());
    let listed = run(Command::new("tar").arg("-tzf").arg(archive));
    for file in platform["files"].as_array().unwrap() {
        let from = file["from"].as_str().unwrap();
        assert!(listed.lines().any(|line| line == from), "{from} is not in the archive");
    }
}

#[test]
fn a_release_needs_a_time_and_the_tool_that_lists_components() {
    let folder = TempDir::new().unwrap();
    let script = || {
        let mut command = Command::new("tests/release.sh");
        command.arg(folder.path().join("dist")).arg(env!("CARGO_BIN_EXE_postern"));
        command
    };
    let said = |command: &mut Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let without_tool = said(script().env("XDG_CACHE_HOME", folder.path()));
    assert!(without_tool.contains("'make tools' builds it"), "{without_tool}");
    let without_time = said(script().env("GIT_DIR", folder.path()).env_remove("SOURCE_DATE_EPOCH"));
    assert!(without_time.contains("set SOURCE_DATE_EPOCH"), "{without_time}");
}
