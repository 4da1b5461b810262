//! What is installed: the chart, what kustomize and `postern manifests` make of it, and what a real
//! API server and a real helm make of that.

pub(crate) mod helm;
mod installed;
mod least;
mod promises;
mod refusals;
mod same;
mod typed;
mod uninstalled;
mod values;
mod written;

use serde_json::Value;

/// The sets of values that are looked at, each with why.
const SETS: [(&str, &[&str]); 11] = [
    ("as it is", &[]),
    ("for trying out", &["ledger.sqlite.persistence.enabled=false", "logFormat=text"]),
    ("with several servers", SEVERAL),
    ("with cert-manager", &["certManager.enabled=true"]),
    (
        "with cert-manager's issuer of the house",
        &[
            "certManager.enabled=true",
            "certManager.issuerRef.name=house",
            "certManager.issuerRef.kind=ClusterIssuer",
        ],
    ),
    (
        "with a certificate that is brought",
        &["tls.existingSecret=own", "tls.caBundle=-----BEGIN CERTIFICATE-----"],
    ),
    (
        "with everything that asks pods off",
        &["settings.podEvents=false", "settings.followLimit=0s", "settings.scanInterval=0s"],
    ),
    (
        "with emergencies",
        &[
            "breakGlass.group=system:break-glass",
            "webhook.validating.matchConditions[0].name=not-robots",
            "webhook.validating.matchConditions[0].expression=request.userInfo.username != 'robot'",
        ],
    ),
    (
        "with everything sent elsewhere",
        &[
            "checkpoints.configMap.enabled=true",
            "checkpoints.to={https://witness.example.com/postern}",
            "forward.to={stdout:,https://siem.example.com/in}",
            "forward.existingSecret=siem",
            "forward.tokenKey=token",
            "forward.caKey=ca.crt",
            "ledger.keepFor=400d",
            "ledger.keepRecords=1000000",
            "ledger.keepBytes=20Gi",
            "policies.existingConfigMap=rules",
            "settingsFile.existingConfigMap=settings",
            "metricsExemplars=true",
            "otlpEndpoint=http://collector.observability:4318",
        ],
    ),
    (
        "with everything from a registry of the house",
        &[
            "global.imageRegistry=registry.example.com",
            "image.repository=tools/postern",
            "image.digest=sha256:0123456789012345678901234567890123456789012345678901234567890123",
            "imagePullSecrets[0].name=registry",
            "commonLabels.team=platform",
            "commonAnnotations.owner=platform@example.com",
            "podAnnotations.a=b",
            "podLabels.c=d",
            "priorityClassName=",
            "networkPolicy.enabled=false",
            "ports.https=10250",
            "fullnameOverride=door",
            "clusterName=west",
        ],
    ),
    (
        "with clients that must show who they are",
        &[
            "tls.clientCA.existingSecret=clients",
            "tls.clientCA.names={kube-apiserver}",
            "tls.tokenSecret=token",
            "tls.minVersion=1.3",
            "tls.lifetime=30d",
            "tls.caLifetime=720h",
            "podSecurityContext.runAsUser=null",
        ],
    ),
];

const SEVERAL: &[&str] = &[
    "replicaCount=3",
    "ledger.type=postgres",
    "ledger.postgres.existingSecret=postern-ledger",
    "ledger.signingKey.generate=true",
];

/// The one object of this kind and name.
fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found =
        objects.iter().filter(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    let one = found.next().unwrap_or_else(|| panic!("there is no {kind} {name}"));
    assert!(found.next().is_none(), "{kind} {name} is there twice");
    one
}

/// Every object of this kind.
fn all<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|it| it["kind"] == kind).collect()
}

/// A list in an object; empty where there is none.
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of such a list.
fn texts(value: &Value, pointer: &str) -> Vec<String> {
    list(value, pointer).iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}
