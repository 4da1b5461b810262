//! `postern manifests`: what a cluster is given to run Postern, without helm and without kustomize.
//!
//! The base is the default rendering of the chart. An overlay is that with the patches that
//! kustomize applies; they are read from the same files, so that all three say the same.

mod overlay;

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Misuse, Outcome, print};
use crate::policy::image::ImageRef;
use crate::policy::text::Plain;

const EXAMPLES: &str = "\
Examples:
  postern manifests | kubectl apply --server-side -f -
  postern manifests high-availability --image registry.example.com/postern:0.1.0 > postern.yaml
  postern manifests cert-manager --namespace security | kubectl diff --server-side -f -

What else can be chosen is in the chart's values: helm template postern deploy/chart";

/// The default rendering of the chart.
const BASE: &str = include_str!("../../deploy/base/install.yaml");

/// The namespace in it.
const NAMESPACE: &str = "postern-system";

/// Namespaces that every cluster has.
const EVERYWHERE: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Print everything that a cluster needs to run Postern
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What for
    #[arg(value_enum, default_value = "base")]
    overlay: Overlay,

    /// Where it goes; the namespace is made, unless every cluster has it (as kube-system). One that
    /// is there is given labels that hold all its pods to restricted Pod Security
    #[arg(short, long, value_name = "NAME", default_value = NAMESPACE)]
    namespace: String,

    /// The image that runs
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,

    /// The form of what is printed; JSON is one List
    #[arg(short, long, value_enum, value_name = "yaml|json", default_value = "yaml")]
    output: Output,
}

/// What the cluster is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Overlay {
    /// One server, its ledger on a volume, its certificate made by itself.
    Base,
    /// To try it out: the ledger is gone with the pod.
    Dev,
    /// Three servers that share a PostgreSQL.
    HighAvailability,
    /// One server whose certificate cert-manager issues.
    CertManager,
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Documents, as `kubectl apply` takes them.
    Yaml,
    /// Indented, with a newline at the end.
    Json,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    print(&text(args)?)?;
    Ok(Outcome::Done)
}

fn text(args: &Args) -> anyhow::Result<String> {
    let Args { overlay, namespace, image, output } = args;
    let untouched = *overlay == Overlay::Base && namespace == NAMESPACE && image.is_none();
    if untouched && *output == Output::Yaml {
        // With its comments, which say why.
        return Ok(BASE.to_owned());
    }
    let mut objects = objects(*overlay)?;
    if !is_namespace(namespace) {
        let wanted = "want 1 to 63 lower-case letters, digits and `-`";
        return Err(Misuse(format!("`--namespace {namespace}`: {wanted}")).into());
    }
    for object in &mut objects {
        rename(object, namespace);
    }
    objects.retain(|object| is_for(object, namespace));
    if let Some(image) = image {
        ImageRef::parse(image)
            .map_err(|why| Misuse(format!("`--image` is `{}`: {why}", Plain(image))))?;
        set_image(&mut objects, image)?;
    }
    write(&objects, *output)
}

/// The objects of an overlay.
///
/// # Errors
///
/// What is embedded does not fit together, which a test would have shown.
pub fn objects(overlay: Overlay) -> anyhow::Result<Vec<Value>> {
    let base = serde_saphyr::from_multiple(BASE).context("cannot read the base")?;
    match overlay {
        Overlay::Base => Ok(base),
        Overlay::Dev => overlay::DEV.apply(base),
        Overlay::HighAvailability => overlay::HIGH_AVAILABILITY.apply(base),
        Overlay::CertManager => overlay::CERT_MANAGER.apply(base),
    }
}

/// What is said about a whole namespace is not said where others were before: their pods would be
/// held to the Pod Security that Postern keeps to itself, and in `kube-system` to its quota.
fn is_for(object: &Value, namespace: &str) -> bool {
    match object.get("kind").and_then(Value::as_str) {
        Some("Namespace") => !EVERYWHERE.contains(&namespace),
        Some("ResourceQuota") => namespace != "kube-system",
        _ => true,
    }
}

fn is_namespace(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Says another namespace wherever ours is said: in `metadata`, in names of hosts, in arguments.
fn rename(value: &mut Value, namespace: &str) {
    match value {
        Value::String(text) => *text = text.replace(NAMESPACE, namespace),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, namespace)),
        Value::Object(fields) => fields.values_mut().for_each(|field| rename(field, namespace)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn set_image(objects: &mut [Value], image: &str) -> anyhow::Result<()> {
    let is_deployment =
        |object: &&mut Value| object.get("kind").and_then(Value::as_str) == Some("Deployment");
    let deployment = objects.iter_mut().find(is_deployment);
    let place = "/spec/template/spec/containers/0/image";
    let held = deployment.and_then(|deployment| deployment.pointer_mut(place));
    *held.ok_or_else(|| anyhow!("the manifests hold no container"))? = json!(image);
    Ok(())
}

fn write(objects: &[Value], output: Output) -> anyhow::Result<String> {
    match output {
        Output::Yaml => {
            let mut text = String::new();
            for object in objects {
                let yaml = serde_saphyr::to_string(object).context("cannot write the YAML")?;
                text.push_str("---\n");
                text.push_str(&yaml);
            }
            Ok(text)
        }
        Output::Json => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            let json = serde_json::to_string_pretty(&list).context("cannot write the JSON")?;
            Ok(format!("{json}\n"))
        }
    }
}
