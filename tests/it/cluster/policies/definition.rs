//! What the API server itself says of policies: it explains them, and refuses what it can.

use super::{house, permit, policy};

#[test]
fn every_part_is_explained() {
    let house = house();
    for (field, words) in [
        ("spec.authorize.verb", "verb on debugpolicies/NAME"),
        ("spec.expires", "permits nothing"),
        ("status", "servers that watch this policy"),
        ("status.conditions", "it is in force"),
        ("status.replicas", "have loaded it"),
        ("status.observedGeneration", "conditions speak of"),
    ] {
        let explained = house.admin(&format!("explain debugpolicies.{field}"));
        let said = explained.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(words), "{field}: {said}");
    }
}

#[test]
fn what_a_schema_can_say_is_refused_when_it_is_applied() {
    let house = house();
    let subjects = |subject: &str| {
        permit("nobody", "nowhere", "")
            .replace("  match:\n", &format!("  match:\n    subjects: [{subject}]\n"))
    };
    let expression = |expression: &str| {
        let selector = format!("    pods: {{selector: {{matchExpressions: [{expression}]}}}}\n");
        permit("nobody", "nowhere", "").replace("  match:\n", &format!("  match:\n{selector}"))
    };
    let matching = |part: &str| {
        permit("nobody", "nowhere", "").replace("  match:\n", &format!("  match:\n    {part}\n"))
    };
    let privileged = "containers: {podSecurity: privileged, capabilities: {allow: [SYS_PTRACE]}}\n";
    for (text, words) in [
        (subjects("{kind: ServiceAccount, name: x}"), "a ServiceAccount needs its namespace"),
        (
            subjects("{kind: User, name: x, namespace: here}"),
            "only a ServiceAccount has a namespace",
        ),
        (
            subjects("{kind: Group, name: x, apiGroup: apps}"),
            "apiGroup is rbac.authorization.k8s.io",
        ),
        (subjects("{kind: Robot, name: x}"), "supported values: \"User\""),
        (expression("{key: a, operator: In}"), "operators In and NotIn need at least one value"),
        (expression("{key: a, operator: Exists, values: [b]}"), "take no values"),
        (matching("schedule: {timeZone: UTC}"), "it names neither days nor hours"),
        (matching("surfaces: [Exec]"), "judges EphemeralContainer alone"),
        (policy("nobody", "Permit", "nowhere", privileged), "limits nothing beside podSecurity"),
        (
            policy("nobody", "Require", "nowhere", "expires: \"2030-01-01T00:00:00Z\"\n"),
            "only a Permit expires",
        ),
        (policy("nobody", "Require", "nowhere", "set: {imagePullPolicy: Always}\n"), "put `set`"),
        (permit("nobody", "nowhere", "expires: tomorrow\n"), "date-time"),
        (permit("nobody", "nowhere", "limits: {perPod: 0}\n"), "greater than or equal to 1"),
    ] {
        let applied = house.cluster.kubectl("admin").args(["apply", "-f", "-"]).stdin(&text).run();
        assert!(!applied.success(), "accepted: {text}");
        assert!(applied.stderr.contains(words), "{text}\n{}", applied.stderr);
    }
}
