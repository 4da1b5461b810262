//! One source: what is committed is the chart's rendering, and three ways give one result.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::helm::{helm, objects, printed, render, template};
use super::{SEVERAL, one};
use crate::cluster::support::built_by;
use crate::documented::is_page;

const INSTALL: &str = "deploy/base/install.yaml";
const MADE: [&str; 1] = ["namespace.create=true"];

/// `UPDATE_DOCS=1` writes it.
#[test]
fn the_base_is_the_chart_with_its_default_values() {
    is_page(INSTALL, &printed(template(&MADE).arg("--skip-tests")));
}

#[test]
fn helm_has_nothing_to_say_against_the_chart() {
    for values in [&[][..], SEVERAL] {
        let mut command = helm(&["lint", "--strict", super::helm::CHART]);
        command.args(values.iter().flat_map(|value| ["--set", value]));
        let said = printed(&mut command);
        assert!(said.contains("1 chart(s) linted, 0 chart(s) failed"), "{said}");
        assert!(!said.contains("[WARNING]"), "{said}");
    }
}

type Named = BTreeMap<(String, String, String), Value>;

fn named(objects: Vec<Value>) -> Named {
    let text = |object: &Value, pointer| {
        object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let count = objects.len();
    let named: Named = objects
        .into_iter()
        .map(|it| {
            let name = ["/kind", "/metadata/namespace", "/metadata/name"].map(|at| text(&it, at));
            (name.into(), it)
        })
        .collect();
    assert_eq!(named.len(), count, "two objects of one name");
    named
}

fn kustomize(folder: &str) -> Named {
    let kubectl = built_by("tests/cluster/build.sh", &["kubectl"]).join("kubectl");
    let output = Command::new(kubectl).args(["kustomize", folder]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{folder}: {said}");
    named(objects(&String::from_utf8(output.stdout).unwrap()))
}

fn postern(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    printed(command.arg("manifests").args(arguments))
}

fn assert_same(one: &Named, other: &Named, what: &str) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{what}");
    for (name, object) in one {
        assert_eq!(object, &other[name], "{what}: {name:?}");
    }
}

#[test]
fn helm_kustomize_and_postern_say_the_same() {
    let overlays: [(&str, &[&str]); 3] = [
        ("dev", &["ledger.sqlite.persistence.enabled=false", "logFormat=text", "logLevel=debug"]),
        ("high-availability", SEVERAL),
        ("cert-manager", &["certManager.enabled=true"]),
    ];
    let chart = |values: &[&str]| {
        let text = printed(template(&[&MADE, values].concat()).arg("--skip-tests"));
        named(objects(&text))
    };
    let base = kustomize("deploy/base");
    assert_same(&chart(&[]), &base, "the base");
    assert_same(&named(objects(&postern(&[]))), &base, "postern manifests");
    for (overlay, values) in overlays {
        let rendered = chart(values);
        assert_ne!(rendered, base, "{overlay}");
        assert_same(&rendered, &kustomize(&format!("deploy/overlays/{overlay}")), overlay);
        assert_same(&rendered, &named(objects(&postern(&[overlay]))), overlay);
    }
}

#[test]
fn postern_prints_the_base_with_its_reasons() {
    assert_eq!(postern(&[]), fs::read_to_string(INSTALL).unwrap());
}

/// Nothing is left behind of the namespace that the files name.
#[test]
fn another_namespace_and_another_image_are_what_helm_makes_of_them() {
    for (overlay, values) in [("base", &[][..]), ("cert-manager", &["certManager.enabled=true"])] {
        let given = [overlay, "-n", "security", "--image", "registry.example.com/p:one"];
        let printed_here = postern(&given);
        assert!(!printed_here.contains("postern-system"), "{overlay}");
        let mut command = helm(&["template", "postern", super::helm::CHART, "-n", "security"]);
        let image = [
            "namespace.create=true",
            "image.registry=registry.example.com",
            "image.repository=p",
            "image.tag=one",
        ];
        for value in image.iter().chain(values) {
            command.args(["--set", value]);
        }
        let rendered = named(objects(&printed(command.arg("--skip-tests"))));
        assert_same(&rendered, &named(objects(&printed_here)), overlay);
    }
}

#[test]
fn json_is_one_list_of_the_same() {
    let list: Value = serde_json::from_str(&postern(&["dev", "-o", "json"])).unwrap();
    assert_eq!(list["kind"], "List");
    let items = list["items"].as_array().unwrap().clone();
    assert_same(&named(items), &kustomize("deploy/overlays/dev"), "dev");
}

#[test]
fn a_namespace_that_cannot_be_one_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    let output = command.args(["manifests", "-n", "A b"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}

/// Their pods would be refused by the Pod Security that the namespace is given for Postern.
#[test]
fn nothing_is_said_of_a_namespace_that_every_cluster_has() {
    let kinds = |namespace: &str| -> Vec<String> {
        let objects = objects(&postern(&["-n", namespace])).into_iter();
        objects.map(|object| object["kind"].as_str().unwrap().to_owned()).collect()
    };
    let has = |namespace: &str, kind: &str| kinds(namespace).iter().any(|it| it == kind);
    assert!(has("security", "Namespace") && has("security", "ResourceQuota"));
    assert!(!has("default", "Namespace") && has("default", "ResourceQuota"));
    assert!(!has("kube-system", "Namespace") && !has("kube-system", "ResourceQuota"));
    assert!(has("kube-system", "Deployment"));
}

/// The chart holds copies, because it is packed without the rest of the checkout.
/// `UPDATE_DOCS=1` writes them.
#[test]
fn the_charts_files_are_those_of_the_house() {
    for (copy, source) in [
        ("debugpolicies.postern.dev.yaml", "deploy/crds/debugpolicies.postern.dev.yaml"),
        ("examples/developers.yaml", "deploy/examples/developers.yaml"),
        ("examples/guard-rails.yaml", "deploy/examples/guard-rails.yaml"),
        ("examples/on-call.yaml", "deploy/examples/on-call.yaml"),
    ] {
        let source = fs::read_to_string(source).unwrap();
        is_page(&format!("deploy/chart/files/{copy}"), &source);
    }
    let examples = fs::read_dir("deploy/examples").unwrap().map(|it| it.unwrap().path());
    let examples = examples.filter(|path| path.is_file()).count();
    assert_eq!(fs::read_dir("deploy/chart/files/examples").unwrap().count(), examples);
}

#[test]
fn the_charts_definition_is_that_of_the_types() {
    let mut rendered =
        one(&render(&[]), "CustomResourceDefinition", "debugpolicies.postern.dev").clone();
    let metadata = rendered["metadata"].as_object_mut().unwrap();
    assert!(metadata.remove("labels").is_some());
    let annotations = metadata.remove("annotations");
    assert_eq!(annotations, Some(serde_json::json!({"helm.sh/resource-policy": "keep"})));
    assert_eq!(rendered, serde_json::to_value(postern::crd::definition()).unwrap());
}

#[test]
fn chart_and_program_have_one_version() {
    let chart: Value =
        serde_saphyr::from_str(&fs::read_to_string("deploy/chart/Chart.yaml").unwrap()).unwrap();
    for field in ["version", "appVersion"] {
        assert_eq!(chart[field], env!("CARGO_PKG_VERSION"), "{field}");
    }
}
