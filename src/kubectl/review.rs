//! The review that an API server would send for a debug container.

use serde_json::{Value, json};

use crate::policy::request::Requester;

/// A review that nobody sent needs a uid too.
const UID: &str = "00000000-0000-0000-0000-000000000000";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// The document is not a pod that a container could be added to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a pod: {0}")]
pub struct NotAPod(pub &'static str);

/// Who `kubectl --as USER --as-group GROUP` acts as, with the groups that the API server adds.
#[must_use]
pub fn impersonated(user: &str, groups: &[String]) -> Requester {
    let mut groups = groups.to_vec();
    let service_account = user.strip_prefix("system:serviceaccount:");
    if let Some((namespace, _)) = service_account.and_then(|rest| rest.split_once(':'))
        && groups.is_empty()
    {
        groups.push("system:serviceaccounts".to_owned());
        groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    if !groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED) {
        let anonymous = user == "system:anonymous";
        groups.push(if anonymous { UNAUTHENTICATED } else { AUTHENTICATED }.to_owned());
    }
    Requester { username: user.to_owned(), groups }
}

/// The AdmissionReview (`admission.k8s.io/v1`, UPDATE of `pods/ephemeralcontainers`) of a request
/// that adds `container` to `pod`. A pod without a namespace is taken to be in `default`.
///
/// # Errors
///
/// `pod` is not a pod.
pub fn review(pod: &Value, container: &Value, requester: &Requester) -> Result<Value, NotAPod> {
    let (old, name, namespace) = stored(pod)?;
    let mut new = old.clone();
    let spec = new.get_mut("spec").and_then(Value::as_object_mut);
    let spec = spec.ok_or(NotAPod("it has no `spec`"))?;
    let existing = spec.entry("ephemeralContainers").or_insert_with(|| json!([]));
    if existing.is_null() {
        *existing = json!([]);
    }
    let existing = existing.as_array_mut();
    existing.ok_or(NotAPod("`spec.ephemeralContainers` is not a list"))?.push(container.clone());
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    Ok(json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": UID,
            "kind": kind,
            "resource": resource,
            "subResource": "ephemeralcontainers",
            "requestKind": kind,
            "requestResource": resource,
            "requestSubResource": "ephemeralcontainers",
            "name": name,
            "namespace": namespace,
            "operation": "UPDATE",
            "userInfo": {"username": requester.username, "groups": requester.groups},
            "object": new,
            "oldObject": old,
            "dryRun": false,
            "options": {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    }))
}

/// The pod as the API server holds it, with its name and namespace.
fn stored(pod: &Value) -> Result<(Value, String, String), NotAPod> {
    if pod.get("kind").and_then(Value::as_str).is_some_and(|kind| kind != "Pod") {
        return Err(NotAPod("its `kind` is another"));
    }
    let mut pod = pod.clone();
    let document = pod.as_object_mut().ok_or(NotAPod("it is not a mapping"))?;
    document.insert("kind".to_owned(), "Pod".into());
    document.insert("apiVersion".to_owned(), "v1".into());
    let metadata = document.get_mut("metadata").and_then(Value::as_object_mut);
    let metadata = metadata.ok_or(NotAPod("it has no `metadata`"))?;
    let name = metadata.get("name").and_then(Value::as_str).map(str::to_owned);
    let name = name.ok_or(NotAPod("it has no `metadata.name`"))?;
    let namespace = metadata.entry("namespace").or_insert_with(|| "default".into());
    let namespace = namespace.as_str().map(str::to_owned);
    let namespace = namespace.ok_or(NotAPod("its `metadata.namespace` is not a text"))?;
    let volumes = pod.pointer_mut("/spec/volumes").and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten().filter_map(Value::as_object_mut) {
        // `SetDefaults_Volume`: a manifest may leave the source out.
        if volume.keys().all(|field| field == "name") {
            volume.insert("emptyDir".to_owned(), json!({}));
        }
    }
    Ok((pod, name, namespace))
}
