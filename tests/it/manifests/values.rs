//! `docs/values.md` is written from `values.yaml`, and the schema knows each value.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::helm::{render, template};
use super::{all, texts};
use crate::documented::is_page;

const VALUES: &str = "deploy/chart/values.yaml";

const HEAD: &str = "\
# Values of the chart

Written from `deploy/chart/values.yaml` (`UPDATE_DOCS=1 cargo test --test it manifests`). How to install with them is in
[install.md](install.md). `values.schema.json` refuses a value that is not here, and one of another shape.

| value | left out | |
| --- | --- | --- |
";

/// A value with what is said above it.
#[derive(Debug)]
struct Documented {
    path: String,
    text: String,
}

/// The values that have a comment. One without is a group of others, which have.
fn documented() -> Vec<Documented> {
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut comment = String::new();
    let mut found = Vec::new();
    // The first lines are about the file.
    let text = fs::read_to_string(VALUES).unwrap();
    let (_, text) = text.split_once("\n\n").unwrap();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some(said) = line.strip_prefix("# ") {
            comment = format!("{comment} {said}").trim().to_owned();
        } else if line.is_empty() {
            comment.clear();
        } else if let Some((key, _)) = line.split_once(':').filter(|_| !line.starts_with('-')) {
            path.retain(|(depth, _)| *depth < indent);
            path.push((indent, key.to_owned()));
            if !comment.is_empty() {
                let path: Vec<_> = path.iter().map(|(_, key)| key.as_str()).collect();
                found.push(Documented { path: path.join("."), text: std::mem::take(&mut comment) });
            }
        }
    }
    found
}

fn defaults() -> Value {
    serde_saphyr::from_str(&fs::read_to_string(VALUES).unwrap()).unwrap()
}

fn at<'a>(values: &'a Value, path: &str) -> &'a Value {
    values.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or_else(|| panic!("{path}"))
}

#[test]
fn the_page_of_values_is_that_of_the_chart() {
    let defaults = defaults();
    let mut page = HEAD.to_owned();
    for Documented { path, text } in documented() {
        let default = at(&defaults, &path).to_string();
        let text = text.replace('|', "\\|");
        writeln!(page, "| `{path}` | `{default}` | {text} |").unwrap();
    }
    is_page("docs/values.md", &page);
}

#[test]
fn every_value_says_what_it_is_for() {
    let documented: Vec<String> = documented().into_iter().map(|it| it.path).collect();
    let mut undocumented = Vec::new();
    walk(&defaults(), String::new(), &documented, &mut undocumented);
    assert!(undocumented.is_empty(), "{undocumented:?}");
    assert!(documented.len() > 90, "{}", documented.len());
}

fn walk(value: &Value, path: String, documented: &[String], missing: &mut Vec<String>) {
    if documented.contains(&path) {
        return;
    }
    match value.as_object().filter(|fields| !fields.is_empty()) {
        None => missing.push(path),
        Some(fields) => {
            for (key, field) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(field, path, documented, missing);
            }
        }
    }
}

/// What the schema lets be given is what the file lists: no more and no less.
#[test]
fn the_schema_knows_the_values_and_no_others() {
    let text = fs::read_to_string("deploy/chart/values.schema.json").unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let defaults = defaults();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&defaults));
    compare(&schema, &defaults, "");
}

fn compare(schema: &Value, value: &Value, path: &str) {
    let Some(properties) = schema["properties"].as_object() else { return };
    if path != ".global" {
        assert_eq!(schema["additionalProperties"], false, "{path}");
    }
    // What is said of an issuer is the user's alone.
    if path == ".certManager.issuerRef" {
        return;
    }
    let known: Vec<_> = properties.keys().collect();
    let mut listed: Vec<_> = value.as_object().unwrap().keys().collect();
    listed.sort();
    let mut sorted = known.clone();
    sorted.sort();
    assert_eq!(sorted, listed, "{path}");
    for (key, field) in properties {
        compare(field, &value[key], &format!("{path}.{key}"));
    }
}

/// Helm takes `null` for "no default either": where a template or the server cannot do without, that is
/// refused by name. What is left out is no ledger, no level and no budget otherwise.
#[test]
fn a_value_that_is_needed_cannot_be_taken_away() {
    let may_be_away = [
        "resources",
        "podSecurityContext",
        "topologySpreadConstraints",
        // Refused with a sentence.
        "networkPolicy.apiServerPorts",
        "networkPolicy.metricsFrom",
        "grafana.dashboard.labels",
    ];
    let text = fs::read_to_string("deploy/chart/values.schema.json").unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let defaults = defaults();
    for Documented { path, .. } in documented() {
        let empty =
            ["null", "\"\"", "[]", "{}"].contains(&at(&defaults, &path).to_string().as_str());
        let mut here = &schema;
        for part in path.split('.') {
            let required = texts(here, "/required");
            let is_away = empty || may_be_away.iter().any(|it| path.starts_with(it));
            assert!(is_away || required.iter().any(|it| it == part), "{path}");
            here = &here["properties"][part];
        }
    }
    for away in ["ledger.type", "clusterName", "settings.podEvents", "forward.to", "tls"] {
        let output = template(&[&format!("{away}=null")]).output().unwrap();
        let name = away.rsplit('.').next().unwrap();
        let said = super::helm::said(&output);
        assert!(said.contains(&format!("missing property '{name}'")), "{away}: {said}");
    }
}

/// A mistyped value is not silently nothing.
#[test]
fn what_is_no_value_is_refused_by_name() {
    for (given, named) in [
        ("replicas=3", "replicas"),
        ("ledger.kind=postgres", "kind"),
        ("webhook.validating.namespaceSelector.a=b", "namespaceSelector"),
        ("webhook.validating.failurePolicy=fail", "failurePolicy"),
        ("replicaCount=many", "replicaCount"),
        ("image.digest=latest", "digest"),
        ("ports.https=443", "https"),
        ("breakGlass.group=a'b", "group"),
        ("webhook.mutating.timeoutSeconds=31", "timeoutSeconds"),
        // It would need a `dnsConfig`, which the chart does not give.
        ("dnsPolicy=None", "dnsPolicy"),
    ] {
        let output = template(&[given]).output().unwrap();
        let said = super::helm::said(&output);
        assert!(!output.status.success(), "{given}");
        assert!(said.contains(named), "{given}: {said}");
    }
}

/// Each flag of the server is one that the chart gives, or one with a reason why not.
#[test]
fn no_setting_of_the_server_is_forgotten() {
    let left_to_extra_args = [
        // Made on the spot, for nobody's cluster.
        "dev",
        // A pod knows its cluster.
        "kubeconfig",
        "help",
    ];
    let flags = flags();
    let given = given();
    for flag in flags.iter().filter(|flag| !left_to_extra_args.contains(&flag.as_str())) {
        assert!(given.contains(flag), "no value of the chart gives `--{flag}`");
    }
    // And the other way round: an argument that the server does not know would end its start.
    for flag in &given {
        assert!(flags.contains(flag), "the server has no `--{flag}`");
    }
}

/// What a value is for is refused as an argument, with a value that there is.
#[test]
fn no_flag_with_a_value_is_forgotten_among_the_arguments() {
    let left = ["dev", "kubeconfig", "policies", "tls-names", "help"];
    let values: Vec<String> = documented().into_iter().map(|it| it.path).collect();
    for flag in flags().iter().filter(|flag| !left.contains(&flag.as_str())) {
        let output = template(&[&format!("extraArgs[0]=--{flag}")]).output().unwrap();
        let said = super::helm::said(&output);
        let (_, instead) = said.split_once(&format!("--{flag} is the chart's to give. ")).unwrap();
        let words = instead.split([' ', ',']).collect::<Vec<_>>();
        let is_value = |word: &&str| values.iter().any(|value| value == word);
        assert!(flag == "writer" || words.iter().any(is_value), "{instead}");
    }
}

/// The flags of the server, without their dashes.
fn flags() -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_postern")).args(["serve", "--help"]).output();
    let help = String::from_utf8(output.unwrap().stdout).unwrap();
    let lines = help.lines().map(str::trim).filter_map(|line| line.strip_prefix("--"));
    let flags: Vec<String> = lines.map(flag).collect();
    assert!(flags.len() > 30, "{flags:?}");
    flags
}

/// `keep-for` of `keep-for <DURATION>` or `keep-for=400d`.
fn flag(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect()
}

/// The flags that some set of values gives.
fn given() -> Vec<String> {
    let danger: &[&str] = &["settings.dangerAllowOnLedgerFailure=true"];
    let sets = super::SETS.iter().map(|(_, values)| *values).chain([danger]);
    let mut given = Vec::new();
    for values in sets {
        let objects = render(values);
        let deployment = all(&objects, "Deployment")[0];
        let arguments = texts(deployment, "/spec/template/spec/containers/0/args");
        assert_eq!(arguments[0], "serve");
        given.extend(arguments.iter().skip(1).map(|it| flag(it.strip_prefix("--").unwrap())));
    }
    given
}
