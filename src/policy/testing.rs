//! Policies and questions for tests, with nothing limited and nothing asked beyond the name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::circumstances::Circumstances;
use super::expression::Documents;
use super::image::ImagePattern;
use super::request::{
    ContainerFacts, DebugRequest, Fact, Injection, PodFacts, PodSpecFacts, PullPolicy, Requester,
    Surface,
};
use super::rule::{
    Access, Constraints, Effect, Enforcement, EnvConstraint, ImageConstraint, MountAccess, Policy,
    PolicyId, Selector, TargetConstraint, VolumeConstraint,
};

pub(crate) fn unlimited() -> Constraints {
    Constraints {
        images: ImageConstraint::default(),
        pod_security: None,
        capabilities: None,
        targets: TargetConstraint::default(),
        env: EnvConstraint {
            allow: None,
            deny: Vec::new(),
            from_secrets: Access::Allow,
            from_config_maps: Access::Allow,
        },
        volumes: VolumeConstraint {
            mounts: MountAccess::ReadWrite,
            deny: Vec::new(),
            devices: Access::Allow,
        },
        commands: None,
        interactive: Access::Allow,
        rules: Vec::new(),
        per_pod: None,
        per_request: None,
        per_user_per_hour: None,
        justification: None,
    }
}

pub(crate) fn policy(name: &str, effect: Effect) -> Policy {
    let id = PolicyId { name: name.to_owned(), uid: None, generation: None, hash: String::new() };
    Policy {
        id: Arc::new(id),
        effect,
        enforcement: Enforcement::Enforce,
        priority: 0,
        selector: Selector::default(),
        authorize: false,
        expires: None,
        constraints: unlimited(),
        defaults: Vec::new(),
        set: Vec::new(),
        remove: Vec::new(),
        contact: None,
        broken: None,
    }
}

pub(crate) fn permit(name: &str) -> Policy {
    policy(name, Effect::Permit)
}

pub(crate) fn require(name: &str) -> Policy {
    policy(name, Effect::Require)
}

pub(crate) fn images(patterns: &[&str]) -> ImageConstraint {
    let patterns = patterns.iter().map(|text| ImagePattern::parse(text).unwrap()).collect();
    ImageConstraint { allow: Some(patterns), ..ImageConstraint::default() }
}

pub(crate) fn container(image: &str) -> Injection {
    Injection {
        pull_policy: Some(PullPolicy::IfNotPresent),
        interactive: true,
        ..Injection::bare("debugger", image)
    }
}

pub(crate) fn asking(containers: Vec<Injection>) -> DebugRequest {
    DebugRequest {
        surface: Surface::EphemeralContainer,
        requester: Arc::new(Requester {
            username: "alice".to_owned(),
            groups: vec!["dev".to_owned()],
        }),
        namespace: "payments".to_owned(),
        pod: PodFacts {
            name: "api".to_owned(),
            labels: Fact::Known(BTreeMap::new()),
            spec: Fact::Known(PodSpecFacts {
                containers: vec![ContainerFacts {
                    name: "app".to_owned(),
                    ..ContainerFacts::default()
                }],
                ..PodSpecFacts::default()
            }),
            ephemeral_containers: 0,
            privileged_debuggers: Vec::new(),
        },
        injections: containers,
        circumstances: Circumstances::default(),
        documents: Documents::default(),
    }
}
