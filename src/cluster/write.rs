//! Writing over nothing that was not read.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cluster::watch::reason;

/// How long the API server may take for one answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Who changes objects, in their `managedFields`.
const MANAGER: &str = "postern";

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// Somebody else was quicker; what is there now has to be read.
    Outrun,
    /// What the API server says, or what kept it from saying anything.
    Refused(String),
}

/// Creates it where it is not there. This is an apply and no `create`, because RBAC can hold it to
/// one name. Whoever creates is a field manager of its own and does not force: if another server
/// has created it meanwhile with other values, that is a conflict.
pub(super) async fn create<K>(
    api: &Api<K>,
    name: &str,
    by: &str,
    object: &impl Serialize,
) -> Result<K, Unwritten>
where
    K: Clone + DeserializeOwned + Debug,
{
    let object = serde_json::to_value(object).map_err(|it| Unwritten::Refused(it.to_string()))?;
    let patch = Patch::Apply(object);
    // What is not found is the namespace, and nobody is faster than that.
    told(&[409], api.patch(name, &PatchParams::apply(&format!("{MANAGER}-{by}")), &patch)).await
}

/// Changes it if it is still the version that was read. `how` is [`Patch::Merge`], or
/// [`Patch::Strategic`] where `fields` has a list of named things that are not all of them.
pub(super) async fn change<K>(
    api: &Api<K>,
    name: &str,
    version: &str,
    fields: Value,
    how: fn(Value) -> Patch<Value>,
) -> Result<K, Unwritten>
where
    K: Clone + DeserializeOwned + Debug,
{
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    // Gone since it was read is outrun as well.
    told(&[404, 409], api.patch(name, &params, &how(preconditioned(fields, version)))).await
}

fn preconditioned(mut fields: Value, version: &str) -> Value {
    if let Some(object) = fields.as_object_mut() {
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("resourceVersion".to_owned(), json!(version));
        }
    }
    fields
}

async fn told<K>(
    outrun: &[u16],
    asked: impl Future<Output = kube::Result<K>>,
) -> Result<K, Unwritten> {
    match timeout(PATIENCE, asked).await {
        Ok(Ok(object)) => Ok(object),
        Ok(Err(kube::Error::Api(status))) if outrun.contains(&status.code) => {
            Err(Unwritten::Outrun)
        }
        Ok(Err(error)) => Err(Unwritten::Refused(reason(&error))),
        Err(_) => Err(Unwritten::Refused(silence())),
    }
}

/// Writes these fields of a Secret in place of the version that was read, or where nothing is.
pub(super) async fn secret(
    api: &Api<Secret>,
    name: &str,
    by: &str,
    version: Option<&str>,
    mut fields: Value,
) -> Result<Secret, Unwritten> {
    if let Some(version) = version {
        return change(api, name, version, fields, Patch::Merge).await;
    }
    if let Some(object) = fields.as_object_mut() {
        object.insert("apiVersion".to_owned(), json!("v1"));
        object.insert("kind".to_owned(), json!("Secret"));
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("name".to_owned(), json!(name));
            metadata.insert("labels".to_owned(), json!({"app.kubernetes.io/name": "postern"}));
        }
    }
    create(api, name, by, &fields).await
}

/// Reads it; `None`: it is not there.
pub(super) async fn read<K>(api: &Api<K>, name: &str) -> Result<Option<K>, String>
where
    K: Clone + DeserializeOwned + Debug,
{
    match timeout(PATIENCE, api.get_opt(name)).await {
        Ok(outcome) => outcome.map_err(|error| reason(&error)),
        Err(_) => Err(silence()),
    }
}

fn silence() -> String {
    "the API server does not answer".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{api_server, refusal};

    #[tokio::test]
    async fn what_is_created_is_forced_upon_nobody() {
        let (client, asked) = api_server(|number| async move {
            match number {
                1 => (201, json!({"metadata": {"name": "s"}})),
                2 => refusal(409, "Conflict", "Apply failed with 4 conflicts"),
                _ => refusal(404, "NotFound", "namespaces \"ns\" not found"),
            }
        });
        let api: Api<Secret> = Api::namespaced(client, "ns");
        let object = json!({"metadata": {"name": "s"}});
        assert!(create(&api, "s", "a", &object).await.is_ok());
        assert_eq!(create(&api, "s", "b", &object).await, Err(Unwritten::Outrun));
        // It was taken for another's write, and nobody was told what is missing.
        let nowhere = Unwritten::Refused("namespaces \"ns\" not found".to_owned());
        assert_eq!(create(&api, "s", "b", &object).await, Err(nowhere));
        let lines: Vec<_> = asked.lock().unwrap().iter().map(|(line, _)| line.clone()).collect();
        let path = "PATCH /api/v1/namespaces/ns/secrets/s?";
        for (line, by) in lines.iter().zip(["a", "b"]) {
            assert!(line.starts_with(path) && !line.contains("force"), "{line}");
            assert!(line.contains(&format!("fieldManager=postern-{by}")), "{line}");
        }
    }

    #[tokio::test]
    async fn what_is_changed_is_the_version_that_was_read() {
        let (client, asked) = api_server(|number| async move {
            match number {
                1 => refusal(404, "NotFound", "gone"),
                _ => refusal(403, "Forbidden", "no"),
            }
        });
        let api: Api<Secret> = Api::namespaced(client, "ns");
        let fields = || json!({"data": {}, "metadata": {"annotations": {"a": "b"}}});
        let outcome: Result<Secret, _> = change(&api, "s", "7", fields(), Patch::Merge).await;
        assert_eq!(outcome, Err(Unwritten::Outrun));
        let outcome: Result<Secret, _> = change(&api, "s", "7", fields(), Patch::Merge).await;
        assert_eq!(outcome, Err(Unwritten::Refused("no".to_owned())));
        let expected = json!({"annotations": {"a": "b"}, "resourceVersion": "7"});
        assert_eq!(asked.lock().unwrap()[0].1["metadata"], expected);
    }
}
