//! The review that is measured: one that a real API server sent, for a pod of the usual size.
//!
//! The recorded pods are bare: one container, no volumes, no controller, next to no status. Most
//! pods have those, so they are put into the recorded text, into both copies of the pod, in the
//! places where an API server writes them. The rest is as recorded, the order of fields too.

use anyhow::ensure;

const RECORDED: &str = include_str!("../../tests/corpus/reviews/debug-profile-general.mutate.json");

/// What the review asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// A container that a Permit allows once it has filled in its defaults.
    Allowed,
    /// An image that nobody approves of.
    Refused,
    /// A field that the API forbids, so that no policy is asked.
    Faulty,
}

/// For `POST /mutate`: the container as `kubectl debug` made it.
pub(crate) fn mutate(case: Case) -> anyhow::Result<String> {
    review(case, AS_SENT)
}

/// For `POST /validate`: the container as the mutating phase has left it.
pub(crate) fn validate(case: Case) -> anyhow::Result<String> {
    review(case, AS_HARDENED)
}

const AS_SENT: &str = r#""securityContext":{"capabilities":{"add":["SYS_PTRACE"]}}"#;
const AS_HARDENED: &str = r#""securityContext":{"capabilities":{"add":["SYS_PTRACE"],"drop":["ALL"]},"allowPrivilegeEscalation":false,"seccompProfile":{"type":"RuntimeDefault"}}"#;
const IMAGE: &str = r#""name":"dbg-general","image":"busybox:1.36""#;

fn review(case: Case, security_context: &str) -> anyhow::Result<String> {
    let mut review = RECORDED.trim_end().to_owned();
    for (anchor, text) in POD {
        // Written with indents here, sent without.
        let text: String = text.lines().map(str::trim_start).collect();
        review = replaced(&review, anchor, &text, 2)?;
    }
    review = replaced(&review, AS_SENT, security_context, 1)?;
    match case {
        Case::Allowed => Ok(review),
        Case::Refused => {
            replaced(&review, IMAGE, &IMAGE.replace("busybox:1.36", "nicolaka/netshoot"), 1)
        }
        Case::Faulty => {
            let ports = r#","ports":[{"containerPort":8080,"protocol":"TCP"}]"#;
            replaced(&review, IMAGE, &format!("{IMAGE}{ports}"), 1)
        }
    }
}

fn replaced(text: &str, this: &str, by: &str, times: usize) -> anyhow::Result<String> {
    let found = text.matches(this).count();
    ensure!(found == times, "the recorded review has `{this}` {found} times, not {times}");
    Ok(text.replace(this, by))
}

/// What each recorded text becomes.
const POD: [(&str, &str); 6] = [
    (
        r#""labels":{"#,
        r#""labels":{
            "app.kubernetes.io/component":"server",
            "app.kubernetes.io/instance":"tomcat",
            "app.kubernetes.io/managed-by":"Helm",
            "app.kubernetes.io/version":"9.0.85",
            "pod-template-hash":"6d4b75cb6d",
            "team":"shop","#,
    ),
    (
        r#""managedFields":["#,
        r#""ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet",
            "name":"tomcat-test-6d4b75cb6d","uid":"0d1f7f0e-5a3c-4c58-9a53-6f0f3f2b8c11",
            "controller":true,"blockOwnerDeletion":true}],
            "managedFields":[
            {"manager":"kubelet","operation":"Update","apiVersion":"v1",
            "time":"2026-11-23T20:21:03Z","fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:conditions":{
            "k:{\"type\":\"ContainersReady\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},
            "f:status":{},"f:type":{}},
            "k:{\"type\":\"Initialized\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},
            "f:status":{},"f:type":{}},
            "k:{\"type\":\"Ready\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},
            "f:status":{},"f:type":{}}},
            "f:containerStatuses":{},"f:hostIP":{},"f:phase":{},"f:podIP":{},"f:startTime":{}}},
            "subresource":"status"},"#,
    ),
    (
        r#""spec":{"containers":["#,
        r#""spec":{"volumes":[
            {"name":"work","emptyDir":{}},
            {"name":"settings","configMap":{"name":"tomcat-settings","defaultMode":420}},
            {"name":"password","secret":{"secretName":"tomcat-db","defaultMode":256}},
            {"name":"kube-api-access-7xk2p","projected":{"sources":[
            {"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},
            {"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},
            {"downwardAPI":{"items":[{"path":"namespace",
            "fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}}],
            "initContainers":[{"name":"wait-for-db","image":"registry.example.com/tools/wait:2.4",
            "args":["--host","db.shop.svc","--port","5432"],"resources":{},
            "volumeMounts":[{"name":"kube-api-access-7xk2p","readOnly":true,
            "mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],
            "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",
            "imagePullPolicy":"IfNotPresent"}],
            "containers":[{"name":"proxy","image":"registry.example.com/mesh/proxy:1.24.1",
            "args":["proxy","sidecar","--domain","$(POD_NAMESPACE).svc.cluster.local","--log-level=warning"],
            "ports":[{"name":"http-envoy-prom","containerPort":15090,"protocol":"TCP"}],
            "env":[{"name":"POD_NAME","valueFrom":{"fieldRef":{"apiVersion":"v1",
            "fieldPath":"metadata.name"}}},
            {"name":"POD_NAMESPACE","valueFrom":{"fieldRef":{"apiVersion":"v1",
            "fieldPath":"metadata.namespace"}}},
            {"name":"CA_ADDR","value":"mesh-ca.mesh-system.svc:15012"},
            {"name":"DB_PASSWORD","valueFrom":{"secretKeyRef":{"name":"tomcat-db","key":"password"}}}],
            "resources":{"limits":{"cpu":"2","memory":"1Gi"},"requests":{"cpu":"100m","memory":"128Mi"}},
            "volumeMounts":[{"name":"work","mountPath":"/work"},
            {"name":"settings","readOnly":true,"mountPath":"/etc/proxy"},
            {"name":"kube-api-access-7xk2p","readOnly":true,
            "mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],
            "readinessProbe":{"httpGet":{"path":"/healthz/ready","port":15021,"scheme":"HTTP"},
            "timeoutSeconds":3,"periodSeconds":15,"successThreshold":1,"failureThreshold":4},
            "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",
            "imagePullPolicy":"IfNotPresent","securityContext":{"capabilities":{"drop":["ALL"]},
            "privileged":false,"runAsUser":1337,"runAsGroup":1337,"runAsNonRoot":true,
            "readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false}},"#,
    ),
    (r#""nodeName":""#, r#""serviceAccountName":"tomcat","serviceAccount":"tomcat","nodeName":""#),
    (
        r#""securityContext":{},"schedulerName""#,
        r#""securityContext":{"runAsUser":1000,"runAsGroup":1000,"fsGroup":1000,
            "seccompProfile":{"type":"RuntimeDefault"}},"schedulerName""#,
    ),
    (
        r#""status":{"#,
        r#""status":{"conditions":[
            {"type":"PodReadyToStartContainers","status":"True","lastProbeTime":null,
            "lastTransitionTime":"2026-11-23T20:21:02Z"},
            {"type":"Initialized","status":"True","lastProbeTime":null,
            "lastTransitionTime":"2026-11-23T20:21:02Z"},
            {"type":"Ready","status":"True","lastProbeTime":null,
            "lastTransitionTime":"2026-11-23T20:21:03Z"}],
            "hostIP":"10.1.0.4","hostIPs":[{"ip":"10.1.0.4"}],"startTime":"2026-11-23T20:21:00Z",
            "containerStatuses":[{"name":"tomcat-java",
            "state":{"running":{"startedAt":"2026-11-23T20:21:02Z"}},
            "lastState":{},"ready":true,"restartCount":0,"image":"docker.io/library/tomcat:9.0",
            "imageID":"docker.io/library/tomcat@sha256:4a2b8d5e2c1f6e8b7a90c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718",
            "containerID":"containerd://9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0",
            "started":true}],"#,
    ),
];
