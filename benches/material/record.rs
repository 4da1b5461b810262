//! A record of the usual size.

use postern::ledger::Record;

/// A decision of the usual size: one container, hardened by one policy.
const RECORD: &str = r#"{
  "id": "01a20c91-a3e8-7000-8000-000000000001", "time": "2026-11-24T08:00:01Z",
  "cluster": "staging", "writer": "", "sequence": 0,
  "reviewUid": "705ab4f5-6393-11e8-b7cc-42010a800002", "phase": "Validate",
  "surface": "EphemeralContainer", "operation": "UPDATE",
  "requester": {"username": "jane@example.com", "uid": "u-17",
    "groups": ["dev", "on-call", "system:authenticated"]},
  "namespace": "payments",
  "pod": {"name": "payments-api-7d4b9-x2x1k", "uid": "0b4e0f2a-5d0c-4f6e-9c55-1f6d2f0f8a11",
    "owner": "ReplicaSet/payments-api-7d4b9", "node": "node-a", "serviceAccount": "payments-api"},
  "injections": [{
    "name": "debugger-x7k2p", "image": "busybox:1.36",
    "imageParsed": {"registry": "docker.io", "repository": "library/busybox", "tag": "1.36"},
    "target": "app",
    "privileges": {"podSecurity": "restricted", "privileged": false, "capabilities": [],
      "runAsUser": 1000, "runAsNonRoot": true, "allowPrivilegeEscalation": false},
    "env": [{"name": "DEBUG_REASON", "source": "value"}], "mounts": [], "command": ["sh"],
    "interactive": true,
    "permittedBy": {"name": "developers", "uid": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
      "generation": 3,
      "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    "changes": [{"field": "securityContext.runAsNonRoot", "value": "true"},
      {"field": "securityContext.allowPrivilegeEscalation", "value": "false"},
      {"field": "securityContext.capabilities.drop", "value": "[\"ALL\"]"},
      {"field": "securityContext.seccompProfile.type", "value": "\"RuntimeDefault\""}]
  }],
  "injectionsTotal": 1, "verdict": "Allowed", "answer": "Allowed", "enforcement": "Enforce",
  "findings": [], "justification": "INC-4711", "timings": {"judgeUs": 18}
}"#;

/// It, read.
pub(crate) fn usual() -> Record {
    serde_json::from_str(RECORD).unwrap()
}
