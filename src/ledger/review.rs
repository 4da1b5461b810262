//! A recorded decision as the review that it answered, as far as the ledger holds it.

use serde_json::{Map, Value, json};

use super::{EnvVar, Evidence, Injection, Mount, Record};
use crate::document;

impl EnvVar {
    /// Whether it stands for what an `envFrom` brings.
    #[must_use]
    pub fn is_prefix(&self) -> bool {
        self.name.ends_with('*') && self.source != "value"
    }
}

impl Mount {
    /// Whether it is of `volumeDevices`.
    #[must_use]
    pub fn is_device(&self) -> bool {
        self.path.is_empty()
    }
}

impl Record {
    /// The AdmissionReview that this record is about, with what it holds of it. Values of variables
    /// are empty. Nothing where the record does not hold enough: nobody judged it, or it is of a
    /// version that did not keep the evidence.
    #[must_use]
    pub fn review(&self) -> Option<Value> {
        let evidence = self.evidence.as_ref()?;
        let kept = self.injections.len() == self.injections_total && !self.injections.is_empty();
        let containers: Option<Vec<Value>> = self.injections.iter().map(container).collect();
        let containers = containers.filter(|_| kept)?;
        let old = self.pod(evidence)?;
        let mut new = old.clone();
        let list = new.get_mut("spec")?.get_mut("ephemeralContainers")?;
        list.as_array_mut()?.extend(containers);
        let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
        Some(json!({
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "request": {
                "uid": self.review_uid,
                "kind": kind,
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "subResource": "ephemeralcontainers",
                "name": self.pod.name,
                "namespace": self.namespace,
                "operation": self.operation,
                "userInfo": self.requester,
                "object": new,
                "oldObject": old,
                // A dry run is not recorded.
                "dryRun": false,
            },
        }))
    }

    fn pod(&self, evidence: &Evidence) -> Option<Value> {
        let labels = evidence.labels.as_ref()?;
        let mut spec = evidence.spec.clone()?;
        let fields = spec.as_object_mut()?;
        let mut annotations = Map::new();
        for (container, profile) in
            fields.remove("appArmor").iter().filter_map(Value::as_object).flatten()
        {
            let key = format!("container.apparmor.security.beta.kubernetes.io/{container}");
            annotations.insert(key, profile.clone());
        }
        let mounts = self.injections.iter().flat_map(|injection| &injection.mounts);
        let volumes: Vec<_> = mounts
            .filter(|mount| !mount.kind.is_empty())
            .map(|mount| json!({"name": mount.volume, (mount.kind.as_str()): {}}))
            .collect();
        fields.insert("volumes".to_owned(), volumes.into());
        let debuggers = fields.entry("ephemeralContainers").or_insert_with(|| json!([]));
        debuggers.as_array_mut()?.iter_mut().enumerate().for_each(name);
        fields.insert("nodeName".to_owned(), self.pod.node.clone().into());
        fields.insert("serviceAccountName".to_owned(), self.pod.service_account.clone().into());
        Some(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.pod.name,
                "namespace": self.namespace,
                "uid": self.pod.uid,
                "labels": labels,
                "annotations": annotations,
            },
            "spec": spec,
        }))
    }
}

/// Of most containers that were there before no more is recorded than that they were. A name with a
/// space is nobody else's.
fn name((position, debugger): (usize, &mut Value)) {
    if let Some(fields) = debugger.as_object_mut() {
        fields.entry("name").or_insert_with(|| format!("debugger {position}").into());
    }
}

fn container(injection: &Injection) -> Option<Value> {
    let mut container = injection.container.clone()?;
    let fields = container.as_object_mut()?;
    let mut put = |field: &str, value: Value| drop(fields.insert(field.to_owned(), value));
    put("name", injection.name.clone().into());
    put("image", injection.image.clone().into());
    if let Some(target) = &injection.target {
        put("targetContainerName", target.clone().into());
    }
    if !injection.command.is_empty() {
        put("command", json!(injection.command));
    }
    let (many, single): (Vec<_>, Vec<_>) = injection.env.iter().partition(|it| it.is_prefix());
    let single: Vec<_> = single.iter().map(|it| env(&it.name, &it.source)).collect();
    if !single.is_empty() {
        put("env", single.into());
    }
    let many: Vec<_> = many.iter().map(|it| env_from(&it.name, &it.source)).collect();
    if !many.is_empty() {
        put("envFrom", many.into());
    }
    let (devices, mounts): (Vec<_>, Vec<_>) =
        injection.mounts.iter().partition(|mount| mount.is_device());
    if !mounts.is_empty() {
        let mount = |mount: &&Mount| {
            let mut json = json!({"name": mount.volume, "mountPath": mount.path});
            if !mount.writable {
                document::put(&mut json, &["readOnly"], true.into());
            }
            json
        };
        put("volumeMounts", mounts.iter().map(mount).collect());
    }
    if !devices.is_empty() {
        let device = |mount: &&Mount| json!({"name": mount.volume, "devicePath": ""});
        put("volumeDevices", devices.iter().map(device).collect());
    }
    Some(container)
}

/// As [`super::EnvVar::source`] spells it.
fn env(name: &str, source: &str) -> Value {
    let key = |name: &str| json!({"name": name, "key": ""});
    let from = match source.split_once('/') {
        Some(("secret", secret)) => json!({"secretKeyRef": key(secret)}),
        Some(("configMap", map)) => json!({"configMapKeyRef": key(map)}),
        Some(("file", volume)) => {
            json!({"fileKeyRef": {"volumeName": volume, "path": "", "key": ""}})
        }
        _ if source == "value" => return json!({"name": name, "value": ""}),
        _ if source == "pod" => json!({"fieldRef": {"fieldPath": "metadata.name"}}),
        _ => json!({(source): {}}),
    };
    json!({"name": name, "valueFrom": from})
}

fn env_from(name: &str, source: &str) -> Value {
    let prefix = name.strip_suffix('*').unwrap_or(name);
    let mut from = match source.split_once('/') {
        Some(("secret", secret)) => json!({"secretRef": {"name": secret}}),
        Some(("configMap", map)) => json!({"configMapRef": {"name": map}}),
        _ => json!({(source): {}}),
    };
    if !prefix.is_empty() {
        document::put(&mut from, &["prefix"], prefix.into());
    }
    from
}
