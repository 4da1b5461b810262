//! As much of kustomize as the overlays use: further objects, JSON patches of one object, and
//! objects that are left out.

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde_json::Value;

/// The files of a folder below `deploy/overlays`.
pub(super) struct Files {
    kustomization: &'static str,
    files: &'static [(&'static str, &'static str)],
}

/// The files of one folder, each read when this is compiled.
macro_rules! folder {
    ($folder:literal: $($file:literal),+) => {
        Files {
            kustomization: file!($folder, "kustomization.yaml"),
            files: &[$(($file, file!($folder, $file))),+],
        }
    };
}
macro_rules! file {
    ($folder:literal, $file:literal) => {
        include_str!(concat!("../../../deploy/overlays/", $folder, "/", $file))
    };
}

pub(super) static DEV: Files = folder!("dev": "deployment.yaml", "claim.yaml");
pub(super) static HIGH_AVAILABILITY: Files = folder!(
    "high-availability": "deployment.yaml", "networkpolicy.yaml", "claim.yaml", "budget.yaml",
    "signing.yaml"
);
pub(super) static CERT_MANAGER: Files = folder!(
    "cert-manager": "deployment.yaml", "clusterrole.yaml", "role.yaml", "rolebinding.yaml",
    "webhooks.yaml", "certificates.yaml"
);

/// What of a `kustomization.yaml` is understood; another key is an error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kustomization {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    resources: Vec<String>,
    patches: Vec<Patch>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    path: String,
    target: Option<Target>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    kind: String,
    name: String,
}

impl Target {
    fn of(object: &Value) -> Option<Self> {
        let text = |pointer| Some(object.pointer(pointer)?.as_str()?.to_owned());
        Some(Self { kind: text("/kind")?, name: text("/metadata/name")? })
    }
}

impl Files {
    /// The base, changed by this overlay.
    pub(super) fn apply(&self, mut objects: Vec<Value>) -> anyhow::Result<Vec<Value>> {
        let kustomization: Kustomization =
            serde_saphyr::from_str(self.kustomization).context("kustomization.yaml")?;
        for name in kustomization.resources.iter().filter(|name| !name.starts_with("..")) {
            let further: Vec<Value> =
                serde_saphyr::from_multiple(self.text(name)?).with_context(|| name.clone())?;
            objects.extend(further);
        }
        for Patch { path, target } in &kustomization.patches {
            let text = self.text(path)?;
            match target {
                Some(target) => patch(&mut objects, target, text),
                None => leave_out(&mut objects, text),
            }
            .with_context(|| path.clone())?;
        }
        Ok(objects)
    }

    fn text(&self, name: &str) -> anyhow::Result<&'static str> {
        let found = self.files.iter().find(|(file, _)| *file == name);
        found.map(|(_, text)| *text).ok_or_else(|| anyhow!("{name} is not embedded"))
    }
}

fn patch(objects: &mut [Value], target: &Target, text: &str) -> anyhow::Result<()> {
    let patch: json_patch::Patch = serde_saphyr::from_str(text).context("not a JSON patch")?;
    let mut found = 0;
    for object in objects.iter_mut().filter(|it| Target::of(it).as_ref() == Some(target)) {
        json_patch::patch(object, &patch)?;
        found += 1;
    }
    if found == 0 {
        bail!("there is no {} `{}`", target.kind, target.name);
    }
    Ok(())
}

/// `$patch: delete`, the one patch without a target.
fn leave_out(objects: &mut Vec<Value>, text: &str) -> anyhow::Result<()> {
    let patch: Value = serde_saphyr::from_str(text)?;
    let target = Target::of(&patch);
    if target.is_none() || patch.get("$patch").and_then(Value::as_str) != Some("delete") {
        bail!("a patch without a target leaves an object out, with `$patch: delete`");
    }
    let before = objects.len();
    objects.retain(|object| Target::of(object) != target);
    if objects.len() + 1 != before {
        bail!("it does not name one object");
    }
    Ok(())
}
