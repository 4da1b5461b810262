//! As much of a pod as tells of its debug containers. Pods are large, and many are read at once.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod as Whole};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Deserialize;

/// A pod.
#[derive(Debug, Clone, Deserialize, Resource)]
#[resource(inherit = Whole)]
pub(super) struct Pod {
    pub(super) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    ephemeral_containers: Option<Vec<Ephemeral>>,
}

/// An ephemeral container, as it was asked for.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ephemeral {
    pub(super) name: String,
    #[serde(default)]
    pub(super) image: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

impl Pod {
    /// Its ephemeral containers.
    pub(super) fn debug_containers(&self) -> &[Ephemeral] {
        let containers = self.spec.as_ref().and_then(|spec| spec.ephemeral_containers.as_deref());
        containers.unwrap_or_default()
    }

    /// What the kubelet says of them.
    pub(super) fn debug_statuses(&self) -> &[ContainerStatus] {
        let status = self.status.as_ref();
        let statuses = status.and_then(|status| status.ephemeral_container_statuses.as_deref());
        statuses.unwrap_or_default()
    }
}
