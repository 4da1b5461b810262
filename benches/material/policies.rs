//! As many policies as asked for, as a cluster of many teams has them.
//!
//! The same handful speaks to the review, whatever the number. The rest are other teams': most are
//! told apart by requester or namespace, some only by the pod's labels or by whom they exclude.

/// The policies that speak to the review, in words of `deploy/examples`.
const SPEAKING: [&str; 5] = [DEVELOPERS, GUARD_RAILS, ON_CALL, NOTICED, LABELLED];

/// So many `DebugPolicy` documents as YAML; a single one is the Permit that the review needs.
pub(crate) fn policies(count: usize) -> String {
    let speaking = SPEAKING.iter().take(count).map(|policy| (*policy).to_owned());
    let others = (SPEAKING.len()..count).map(other);
    speaking.chain(others).collect()
}

fn other(number: usize) -> String {
    let team = (number / SHAPES.len()).to_string();
    let shape = SHAPES.get(number % SHAPES.len()).copied().unwrap_or_default();
    let spec = shape.replace("TEAM", &team);
    format!(
        "---\n\
         apiVersion: postern.dev/v1alpha1\n\
         kind: DebugPolicy\n\
         metadata: {{name: team-{team}-{number}}}\n\
         spec:\n\
         {spec}"
    )
}

const DEVELOPERS: &str = r#"---
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: developers}
spec:
  effect: Permit
  priority: 10
  match:
    subjects: [{kind: Group, name: dev}]
    namespaces: {names: [default, "shop-*"], exclude: [kube-system]}
    pods: {selector: {matchLabels: {app: tomcat}}}
  containers:
    images: {allow: [registry.example.com/debug/**, "docker.io/library/busybox:1.36"]}
    podSecurity: baseline
    capabilities: {allow: [SYS_PTRACE]}
  limits: {perPod: 5, perRequest: 1}
  defaults:
    targetContainerName: First
    securityContext:
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
      seccompProfile: {type: RuntimeDefault}
  messages: {contact: "platform-help"}
"#;

const GUARD_RAILS: &str = r#"---
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: guard-rails}
spec:
  effect: Require
  containers:
    images: {deny: [ttl.sh/**, docker.io/kalilinux/**]}
    podSecurity: baseline
    capabilities: {allow: [NET_ADMIN, NET_RAW, SYS_PTRACE]}
    env: {fromSecrets: Forbid, names: {deny: ["*PASSWORD*", "*TOKEN*", "*SECRET*"]}}
    volumes: {deny: [hostPath, secret, projected], devices: Forbid}
  limits: {perPod: 10}
  messages: {contact: "platform-help"}
"#;

const ON_CALL: &str = r#"---
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: on-call}
spec:
  effect: Permit
  match: {subjects: [{kind: Group, name: sre}]}
  containers:
    images: {allow: [registry.example.com/**, docker.io/library/*]}
    podSecurity: baseline
    capabilities: {allow: [NET_ADMIN, NET_RAW, SYS_PTRACE]}
    volumes: {mounts: ReadOnly}
  justification: {required: true, pattern: "^[A-Z]+-[0-9]+"}
  defaults:
    targetContainerName: First
    securityContext: {seccompProfile: {type: RuntimeDefault}}
  messages: {contact: "incident-response"}
"#;

const NOTICED: &str = r#"---
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: digests-soon}
spec:
  effect: Require
  enforcement: Audit
  match: {excludeSubjects: [{kind: Group, name: break-glass}]}
  containers: {images: {requireDigest: true}}
"#;

const LABELLED: &str = r#"---
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: servers}
spec:
  effect: Require
  match:
    namespaces: {names: ["de*"], exclude: ["*-sandbox"]}
    pods:
      selector:
        matchExpressions:
        - {key: app.kubernetes.io/component, operator: In, values: [server, worker]}
        - {key: debug.example.com/open, operator: DoesNotExist}
  containers: {targets: {required: true}}
"#;

/// What other teams have, `TEAM` standing for their number.
const SHAPES: [&str; 12] = [
    // By group and namespace, as most.
    r#"  effect: Permit
  match:
    subjects: [{kind: Group, name: team-TEAM}]
    namespaces: {names: [team-TEAM]}
  containers:
    images: {allow: [registry.example.com/team-TEAM/**, "docker.io/library/busybox:1.36"]}
    capabilities: {allow: [SYS_PTRACE]}
  defaults: {securityContext: {allowPrivilegeEscalation: false}}
"#,
    r#"  effect: Permit
  match:
    subjects: [{kind: Group, name: team-TEAM}]
    namespaces: {names: ["team-TEAM-*"]}
  containers: {images: {allow: [registry.example.com/debug/**]}, podSecurity: restricted}
"#,
    r#"  effect: Require
  match: {namespaces: {names: [team-TEAM, "team-TEAM-*"]}}
  containers: {images: {deny: ["**:latest"]}, interactive: Forbid}
"#,
    // Single people.
    r#"  effect: Permit
  match:
    subjects: [{kind: User, name: lead-TEAM@example.com}, {kind: User, name: deputy-TEAM@example.com}]
    namespaces: {names: [team-TEAM, "team-TEAM-*", shared]}
  containers:
    images: {allow: ["docker.io/**"]}
    capabilities: {allow: [NET_ADMIN, NET_RAW, SYS_PTRACE]}
  justification: {required: true, pattern: "^OPS-[0-9]+"}
"#,
    r#"  effect: Permit
  match:
    subjects: [{kind: ServiceAccount, name: debugger, namespace: team-TEAM}]
    pods: {names: ["job-*"]}
  containers: {images: {allow: [registry.example.com/robots/**]}}
"#,
    // The same requester elsewhere.
    r#"  effect: Permit
  match:
    subjects: [{kind: Group, name: dev}]
    namespaces: {names: [stage-TEAM, "preview-TEAM-*"]}
  containers: {images: {allow: ["**"]}, podSecurity: baseline}
  defaults: {targetContainerName: First}
"#,
    // Everybody elsewhere.
    r#"  effect: Require
  match: {namespaces: {names: ["*-production-TEAM"]}}
  containers: {podSecurity: restricted, images: {requireDigest: true}}
  justification: {required: true}
"#,
    r#"  effect: Require
  enforcement: Warn
  match:
    namespaces: {names: ["data-TEAM-*"], exclude: [data-TEAM-sandbox]}
    pods: {selector: {matchLabels: {tier: database}}}
  containers: {command: {allow: ["psql", "psql **"]}}
"#,
    // Others in the same namespace.
    r#"  effect: Permit
  match:
    subjects: [{kind: Group, name: guild-TEAM}]
    namespaces: {names: [default, "team-*"]}
  containers: {images: {allow: [registry.example.com/guild/**]}}
"#,
    r#"  effect: Permit
  priority: 5
  match:
    subjects: [{kind: Group, name: team-TEAM}, {kind: Group, name: neighbours-TEAM}]
    namespaces: {names: ["*"], exclude: [kube-system]}
    pods: {selector: {matchLabels: {team: team-TEAM}}}
  containers: {images: {allow: [registry.example.com/debug/**]}, podSecurity: restricted}
  set: {imagePullPolicy: Always}
"#,
    // The same requester and the same namespace, other pods.
    r#"  effect: Permit
  match:
    subjects: [{kind: Group, name: dev}]
    namespaces: {names: [default]}
    pods: {selector: {matchLabels: {app: app-TEAM, app.kubernetes.io/component: worker}}}
  containers: {images: {allow: [registry.example.com/debug/**]}}
"#,
    r#"  effect: Require
  match:
    subjects: [{kind: Group, name: contractors-TEAM}]
    excludeSubjects: [{kind: Group, name: dev}]
  containers: {targets: {required: true}, volumes: {mounts: None}}
"#,
];
