//! The rules of the house that the compiler does not check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by layer; a module names only modules of lower layers.
const LAYERS: &[(u8, &[&str])] = &[
    (0, &["policy"]),
    (1, &["document"]),
    (2, &["expression"]),
    (3, &["admission", "certificate", "crd", "kubectl", "ledger"]),
    (4, &["doctor", "gate", "watch"]),
    (5, &["cluster", "config", "folder", "forward", "server", "store", "telemetry"]),
    (6, &["app"]),
    (7, &["cli"]),
    (8, &["main"]),
];

/// Outside crates that are not everybody's, and who may name them.
const OWNERS: &[(&str, &[&str])] = &[
    ("annotate_snippets", &["folder"]),
    ("anyhow", &["app", "cli"]),
    ("arc_swap", &["app", "gate", "server"]),
    ("axum", &["app", "server"]),
    ("axum_server", &["app", "server"]),
    ("aws_lc_rs", &["ledger", "server"]),
    ("base64", &["admission", "doctor", "ledger"]),
    ("clap", &["cli", "config"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy_table", &["cli"]),
    ("csv", &["ledger"]),
    ("ct_merkle", &["ledger"]),
    ("http", &["cluster", "forward"]),
    ("http_body_util", &["cluster", "forward"]),
    ("hyper", &["forward", "server"]),
    ("hyper_util", &["forward", "server"]),
    ("json_patch", &["admission", "cli", "gate"]),
    ("k8s_openapi", &["cluster", "crd"]),
    ("kube", &["cluster", "crd"]),
    ("moka", &["cluster"]),
    ("notify", &["watch"]),
    ("pem", &["certificate", "ledger"]),
    ("prometheus_client", &["server", "telemetry"]),
    ("rcgen", &["certificate"]),
    ("rustls", &["app", "certificate", "cluster", "forward", "server"]),
    ("rustls_native_certs", &["forward"]),
    ("schemars", &["cli", "crd", "ledger"]),
    (
        "serde",
        &[
            "admission",
            "cli",
            "cluster",
            "config",
            "crd",
            "doctor",
            "document",
            "folder",
            "gate",
            "kubectl",
            "ledger",
            "store",
        ],
    ),
    (
        "serde_json",
        &[
            "admission",
            "cli",
            "cluster",
            "config",
            "crd",
            "doctor",
            "document",
            "expression",
            "folder",
            "forward",
            "gate",
            "kubectl",
            "ledger",
            "server",
            "store",
        ],
    ),
    ("serde_saphyr", &["cli", "config", "crd", "folder"]),
    ("sha2", &["app", "certificate", "crd", "ledger", "server", "store", "watch"]),
    ("semver", &["expression"]),
    ("similar", &["cli", "config", "store"]),
    ("rustix", &["store"]),
    ("sqlx", &["store"]),
    ("tokio", &["app", "cli", "cluster", "forward", "gate", "server", "store", "watch"]),
    ("tokio_rustls", &["cluster", "forward", "server"]),
    ("tower", &["cluster", "server"]),
    ("tracing_subscriber", &["telemetry"]),
];

/// Lines of a file before its tests.
const MAX_LINES: usize = 400;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// `gate` of `src/gate/judge.rs`.
fn module(path: &Path) -> String {
    let below = path.strip_prefix("src").unwrap();
    below.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(_, modules)| modules.contains(&module)).map(|(layer, _)| *layer)
}

/// Code without comments and without the tests at its end.
fn production(path: &Path) -> String {
    let is_test = path.iter().any(|part| part == "tests.rs" || part == "testing.rs");
    if is_test {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Names that follow `prefix` as a path: `gate` of `crate::gate::…`.
fn named(code: &str, prefix: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(prefix)
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| is_word(c) || c == ':'))
        .map(|(at, _)| code[at + prefix.len()..].chars().take_while(|c| is_word(*c)).collect())
        .collect()
}

fn every_source() -> Vec<(PathBuf, String, String)> {
    let files = sources(Path::new("src")).into_iter().filter(|path| !path.ends_with("lib.rs"));
    files.map(|path| (path.clone(), module(&path), production(&path))).collect()
}

#[test]
fn every_module_of_the_crate_has_a_layer() {
    for (path, module, _) in every_source() {
        assert!(layer(&module).is_some(), "{} has no layer", path.display());
    }
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    for (_, modules) in LAYERS {
        for module in modules.iter().filter(|module| **module != "main") {
            assert!(lib.contains(&format!("pub mod {module};")), "{module} is not in lib.rs");
        }
    }
}

#[test]
fn imports_point_down() {
    let mut seen = 0;
    for (path, module, code) in every_source() {
        let crate_names = if module == "main" { "postern::" } else { "crate::" };
        for other in named(&code, crate_names).iter().filter(|other| **other != module) {
            seen += 1;
            assert!(
                layer(other) < layer(&module),
                "{} names `{other}`, which is not below `{module}`",
                path.display()
            );
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn each_outside_crate_has_an_owner() {
    for (path, module, code) in every_source() {
        for (name, owners) in OWNERS {
            let names_it = code.lines().any(|line| {
                let path = format!("{name}::");
                !named(line, &path).is_empty()
            });
            assert!(
                !names_it || owners.contains(&module.as_str()),
                "{} names the crate `{name}`, which only {owners:?} may",
                path.display()
            );
        }
    }
}

#[test]
fn files_and_lines_are_short() {
    for (path, _, code) in every_source() {
        let lines = code.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines of code", path.display());
    }
    let tests = sources(Path::new("tests"));
    for path in sources(Path::new("src")).into_iter().chain(tests) {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let length = line.chars().count();
            // rustfmt leaves long texts and doc comments that hold a name or an address alone.
            let data = line.contains(['"', '`', '<']);
            assert!(length <= 100 || data, "{}:{} is {length} long", path.display(), number + 1);
        }
    }
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let section = manifest.split("[dependencies]").nth(1).unwrap();
    let section = section.split("[dev-dependencies]").next().unwrap();
    for line in section.lines().filter(|line| line.contains('=') && !line.starts_with('#')) {
        let name = line.split_whitespace().next().unwrap();
        assert!(line.contains(" # "), "{name} gives no reason");
    }
}
