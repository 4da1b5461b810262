//! Writing over nothing that was not read.

use std::fmt::Debug;
use std::time::Duration;

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
    told(api.patch(name, &PatchParams::apply(&format!("{MANAGER}-{by}")), &patch)).await
}

/// Changes it if it is still the version that was read.
pub(super) async fn change<K>(
    api: &Api<K>,
    name: &str,
    version: &str,
    fields: Value,
) -> Result<K, Unwritten>
where
    K: Clone + DeserializeOwned + Debug,
{
    told(api.patch(name, &params(), &Patch::Merge(preconditioned(fields, version)))).await
}

/// The same, where lists are of named things of which only some are changed.
pub(super) async fn change_named<K>(
    api: &Api<K>,
    name: &str,
    version: &str,
    fields: Value,
) -> Result<K, Unwritten>
where
    K: Clone + DeserializeOwned + Debug,
{
    told(api.patch(name, &params(), &Patch::Strategic(preconditioned(fields, version)))).await
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
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

async fn told<K>(asked: impl Future<Output = kube::Result<K>>) -> Result<K, Unwritten> {
    match timeout(PATIENCE, asked).await {
        Ok(Ok(object)) => Ok(object),
        // Gone since it was read is outrun as well.
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
            Err(Unwritten::Outrun)
        }
        Ok(Err(error)) => Err(Unwritten::Refused(reason(&error))),
        Err(_) => Err(Unwritten::Refused(silence())),
    }
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
