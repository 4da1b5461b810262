//! The pod as it was before the request, as far as policies and records ask.

use std::collections::BTreeMap;

use json_patch::jsonptr::Pointer;

use super::{container, wire};
use crate::policy::request::{ContainerFacts, Fact, Os, PodFacts, PodSpecFacts, Volume};

/// What the record says of a pod beyond what policies ask.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct PodIdentity {
    pub uid: String,
    pub owner: String,
    pub node: String,
    pub service_account: String,
}

/// What the subresource speaks in: a Pod since 1.22, `EphemeralContainers` before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Pod,
    EphemeralContainers,
}

impl Shape {
    /// Where its list of ephemeral containers is.
    pub(super) fn list(self) -> &'static Pointer {
        match self {
            Self::Pod => const { Pointer::from_static("/spec/ephemeralContainers") },
            Self::EphemeralContainers => const { Pointer::from_static("/ephemeralContainers") },
        }
    }
}

/// Takes out of the pod what only the record asks for.
pub(super) fn identity(old: &mut wire::OldPod<'_>) -> PodIdentity {
    let owners = old.metadata.value.owner_references.iter().flatten();
    let owner = owners
        .filter(|owner| owner.controller == Some(true))
        .map(|owner| format!("{}/{}", owner.kind, owner.name))
        .next();
    let mut spec = old.spec.as_mut();
    let mut text = |take: fn(&mut wire::OldPodSpec<'_>) -> Option<String>| {
        spec.as_mut().and_then(|spec| take(&mut spec.value)).unwrap_or_default()
    };
    PodIdentity {
        node: text(|spec| spec.node_name.take()),
        service_account: text(|spec| spec.service_account_name.take()),
        uid: std::mem::take(&mut old.metadata.value.uid),
        owner: owner.unwrap_or_default(),
    }
}

pub(super) fn pod_facts(
    old: wire::OldPod<'_>,
    shape: Shape,
    name: String,
    ephemeral: usize,
) -> PodFacts {
    let (labels, spec) = match shape {
        Shape::EphemeralContainers => (Fact::Unknown, Fact::Unknown),
        Shape::Pod => {
            let app_armor = old.metadata.value.annotations.map(|a| a.app_armor).unwrap_or_default();
            let spec = old
                .spec
                .map_or(Fact::Unknown, |spec| Fact::Known(spec_facts(spec.value, app_armor)));
            (Fact::Known(old.metadata.value.labels.unwrap_or_default()), spec)
        }
    };
    PodFacts {
        name,
        labels,
        spec,
        ephemeral_containers: ephemeral,
        privileged_debuggers: Vec::new(),
    }
}

fn spec_facts(
    spec: wire::OldPodSpec<'_>,
    app_armor_annotations: BTreeMap<String, String>,
) -> PodSpecFacts {
    let containers = |list: Option<Vec<wire::PodContainer>>| {
        let facts = |container: wire::PodContainer| ContainerFacts {
            name: container.name,
            run_as_user: container.security_context.as_ref().and_then(|own| own.run_as_user),
            privileged: container.security_context.is_some_and(|own| own.privileged == Some(true)),
        };
        list.into_iter().flatten().map(facts).collect()
    };
    let host = [
        ("hostPID", spec.host_pid),
        ("hostNetwork", spec.host_network),
        ("hostIPC", spec.host_ipc),
    ];
    let volume = |volume: wire::Volume| Volume { name: volume.name, kind: volume.kind };
    PodSpecFacts {
        os: spec.os.and_then(|os| match os.name.as_str() {
            "linux" => Some(Os::Linux),
            "windows" => Some(Os::Windows),
            _ => None,
        }),
        user_namespace: spec.host_users == Some(false),
        host_namespaces: host
            .into_iter()
            .filter(|(_, shared)| *shared == Some(true))
            .map(|(field, _)| field)
            .collect(),
        shares_processes: spec.share_process_namespace == Some(true),
        security: spec.security_context.map(container::security_context).unwrap_or_default(),
        containers: containers(spec.containers),
        init_containers: containers(spec.init_containers),
        volumes: spec.volumes.into_iter().flatten().map(volume).collect(),
        app_armor_annotations,
    }
}
