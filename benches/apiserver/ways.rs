//! What can be in the way of a PATCH, each in a namespace of its own.

use std::fs;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::server::Server;
use crate::site::Site;
use crate::support::Cluster;

/// As many as the design's numbers are about.
pub(crate) const POLICIES: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Nothing,
    /// A ValidatingAdmissionPolicy of three rules.
    Policy,
    /// A mutating and a validating webhook that do nothing.
    IdlePair,
    /// The same, but for a patch that is always the same one: the API server's own work with it.
    PatchingPair,
    /// Both of Postern's, `--ledger memory`.
    Postern,
    /// Both of Postern's, `--ledger sqlite:…`.
    PosternDurable,
}

impl Way {
    pub(crate) const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Policy,
        Self::IdlePair,
        Self::PatchingPair,
        Self::Postern,
        Self::PosternDurable,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Policy => "a ValidatingAdmissionPolicy",
            Self::IdlePair => "a pair of webhooks that do nothing",
            Self::PatchingPair => "a pair that does nothing but patch",
            Self::Postern => "Postern, ledger in memory",
            Self::PosternDurable => "Postern, durable ledger",
        }
    }

    /// The policies that are measured speak to namespaces called so.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Nothing => "shop-nothing",
            Self::Policy => "shop-policy",
            Self::IdlePair => "shop-idle",
            Self::PatchingPair => "shop-patching",
            Self::Postern => "shop-postern",
            Self::PosternDurable => "shop-durable",
        }
    }

    /// Whether the container comes out hardened.
    pub(crate) fn hardens(self) -> bool {
        matches!(self, Self::PatchingPair | Self::Postern | Self::PosternDurable)
    }
}

/// Everything that is in some way. It goes with this value.
pub(crate) struct Ways {
    _servers: [Server; 3],
    _site: Site,
}

impl Ways {
    pub(crate) fn set_up(cluster: &Cluster) -> anyhow::Result<Self> {
        for way in Way::ALL {
            cluster.create_namespace(way.namespace(), &[]);
        }
        cluster.apply(&policy(Way::Policy.namespace()));
        let site = Site::with_policies(POLICIES)?;
        let authority = fs::read(site.authority()).context("no authority")?;
        let idle = Server::start(site.do_nothing()?)?;
        let memory = Server::start(site.postern("memory"))?;
        let ledger = format!("sqlite:{}", site.path("ledger.db").display());
        let durable = Server::start(site.postern(&ledger))?;
        for (way, server) in [
            (Way::IdlePair, &idle),
            (Way::PatchingPair, &idle),
            (Way::Postern, &memory),
            (Way::PosternDurable, &durable),
        ] {
            for kind in ["Mutating", "Validating"] {
                cluster.apply(&webhook(kind, way, server, &authority).to_string());
            }
        }
        cluster.settle_webhooks();
        Ok(Self { _servers: [idle, memory, durable], _site: site })
    }
}

/// As `deploy` has it, for one namespace.
fn webhook(kind: &str, way: Way, server: &Server, authority: &[u8]) -> Value {
    let namespace = way.namespace();
    let verb = match (kind, way) {
        ("Mutating", Way::PatchingPair) => "patch",
        ("Mutating", _) => "mutate",
        _ => "validate",
    };
    let mut webhook = json!({
        "name": format!("{verb}.{namespace}.example.com"),
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "url": format!("https://{}/{verb}", server.address),
            "caBundle": BASE64.encode(authority),
        },
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                   "resources": ["pods/ephemeralcontainers"], "scope": "Namespaced"}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        // Who does not answer would be measured as quick.
        "failurePolicy": "Fail",
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": 3,
    });
    if kind == "Mutating" {
        webhook["reinvocationPolicy"] = json!("IfNeeded");
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": format!("{kind}WebhookConfiguration"),
        "metadata": {"name": namespace},
        "webhooks": [webhook],
    })
}

/// What can be had without a webhook: an image, no privileges, no secrets.
fn policy(namespace: &str) -> String {
    let added = "object.spec.ephemeralContainers";
    let rule = |expression: &str| json!({"expression": format!("{added}.all(c, {expression})")});
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "debug"},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                "resources": ["pods/ephemeralcontainers"],
            }]},
            "validations": [
                rule("c.image.startsWith('registry.example.com/debug/')"),
                rule("!has(c.securityContext) || !has(c.securityContext.privileged)"),
                rule("!has(c.env) || c.env.all(e, !has(e.valueFrom))"),
            ],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "debug"},
        "spec": {
            "policyName": "debug",
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {
                "kubernetes.io/metadata.name": namespace,
            }}},
        },
    });
    format!("{policy}\n---\n{binding}\n")
}
