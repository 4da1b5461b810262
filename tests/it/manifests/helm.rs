//! The real helm, which sees nothing of the user's settings.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use crate::cluster::support::built_by;

pub(crate) const CHART: &str = "deploy/chart";
pub(crate) const NAMESPACE: &str = "postern-system";

/// The built one. The first call ever builds it, which takes minutes.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built_by("tests/helm/build.sh", &[]).join("helm"))
}

/// A call of it, in the checkout.
pub(crate) fn helm(arguments: &[&str]) -> Command {
    let home = std::env::temp_dir().join(format!("postern-helm-{}", std::process::id()));
    let mut command = Command::new(program());
    command.env_clear().env("HOME", home).args(arguments);
    command
}

/// What it printed; it must succeed.
pub(crate) fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What it wrote to standard error.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The chart with these values, as text.
pub(crate) fn template(values: &[&str]) -> Command {
    let mut command = helm(&["template", "postern", CHART, "--namespace", NAMESPACE]);
    for value in values {
        command.args(["--set", value]);
    }
    command
}

/// The objects of the chart with these values.
pub(crate) fn render(values: &[&str]) -> Vec<Value> {
    objects(&printed(&mut template(values)))
}

/// The objects of a text.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    objects.into_iter().filter(|object| !object.is_null()).collect()
}
