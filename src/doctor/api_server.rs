//! The API server: its version, its gates, and how often it did without a webhook.

use super::survey::{FailOpen, Hook, Phase, Survey, Version};
use super::{Code, Diagnosis, Severity};

/// The first release with ephemeral containers behind a gate.
const FIRST: u32 = 16;
/// The first release that has them whatever its gates are.
const STABLE: u32 = 25;

pub(super) fn diagnose(survey: &Survey) -> Vec<Diagnosis> {
    subresource(survey).into_iter().chain(fail_open(survey)).collect()
}

fn subresource(survey: &Survey) -> Option<Diagnosis> {
    let Version { minor, text } = survey.version.as_ref()?;
    let kind = survey.subresource_kind.as_ref()?;
    let served = if kind.is_empty() { "not served" } else { kind };
    let about = |code, what: String| {
        Diagnosis::new(code, what).seen("API server", "version", text).seen(
            "/api/v1",
            "pods/ephemeralcontainers",
            served,
        )
    };
    match minor {
        Some(minor) if *minor < FIRST => Some(about(
            Code::VersionOld,
            format!("Kubernetes {text} has no ephemeral containers, and is not supported"),
        )),
        Some(minor) if *minor < STABLE && kind.is_empty() => Some(about(
            Code::FeatureGate,
            format!("Kubernetes {text} serves ephemeral containers behind a gate, which is off"),
        )),
        _ if kind.is_empty() => Some(about(
            Code::SubresourceMissing,
            format!("API server {text} does not serve `pods/ephemeralcontainers`"),
        )),
        _ => None,
    }
}

fn fail_open(survey: &Survey) -> Vec<Diagnosis> {
    let hooks = survey.hooks.iter().flatten();
    let ours: Vec<&Hook> =
        hooks.filter(|hook| hook.configuration == survey.configuration).collect();
    let counts = survey.fail_open.iter().flatten().filter(|it| it.count > 0);
    let ours = counts.filter(|it| {
        let named = ours.iter().any(|hook| hook.webhook.name == it.webhook);
        named || it.webhook.ends_with(".postern.dev")
    });
    ours.map(|counted| {
        let FailOpen { webhook, phase, count } = counted;
        let requests = if *count == 1 { "request" } else { "requests" };
        let what = format!("{count} {requests} passed because `{webhook}` did not answer");
        let found = Diagnosis::new(Code::FailOpen, what).seen(
            "API server /metrics",
            format!(
                "apiserver_admission_webhook_fail_open_count{{name=\"{webhook}\",type=\"{phase}\"}}"
            ),
            count.to_string(),
        );
        // What the mutating webhook misses, the validating one judges.
        if phase != "validating" {
            found.at(Severity::Info).remedy(
                "Nothing to do where Postern was being updated; else see why it did not answer",
            )
        } else if fails_now(survey, webhook) {
            // The tries of this program count too, while failures were ignored.
            found.at(Severity::Low).remedy(
                "Nothing passes any more: `failurePolicy` is Fail now. The API server counts from \
                 its start on; `postern_unattested_containers_total` says whether somebody got in",
            )
        } else {
            found
        }
    })
    .collect()
}

/// Whether no validating webhook of this name lets pass what it does not answer, today.
fn fails_now(survey: &Survey, name: &str) -> bool {
    let hooks = survey.hooks.iter().flatten();
    let mut named =
        hooks.filter(|it| it.phase == Phase::Validating && it.webhook.name == name).peekable();
    named.peek().is_some() && named.all(|hook| hook.webhook.failure_policy == "Fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(minor: u32, kind: &str) -> Option<&'static str> {
        let version = Version { minor: Some(minor), text: format!("v1.{minor}.3") };
        let survey = Survey {
            version: Some(version),
            subresource_kind: Some(kind.to_owned()),
            ..Survey::default()
        };
        diagnose(&survey).first().map(|found| found.code.as_str())
    }

    #[test]
    fn old_clusters_have_a_gate() {
        assert_eq!(code(15, ""), Some("version-old"));
        assert_eq!(code(16, ""), Some("feature-gate"));
        assert_eq!(code(21, "EphemeralContainers"), None);
        assert_eq!(code(24, ""), Some("feature-gate"));
        assert_eq!(code(24, "Pod"), None);
        assert_eq!(code(25, ""), Some("subresource-missing"));
        assert_eq!(code(37, "Pod"), None);
    }

    #[test]
    fn what_passed_unasked_is_counted() {
        let count = |webhook: &str, phase: &str, count| FailOpen {
            webhook: webhook.to_owned(),
            phase: phase.to_owned(),
            count,
        };
        let found = |counts: Vec<FailOpen>| {
            let found = diagnose(&Survey { fail_open: Some(counts), ..Survey::default() });
            found.iter().map(|it| it.severity).collect::<Vec<_>>()
        };
        assert_eq!(found(vec![count("validate.postern.dev", "validating", 3)]), [Severity::Medium]);
        assert_eq!(found(vec![count("mutate.postern.dev", "admit", 3)]), [Severity::Info]);
        assert_eq!(found(vec![count("validate.postern.dev", "validating", 0)]), []);
        assert_eq!(found(vec![count("other.example.com", "validating", 3)]), []);
    }

    /// Otherwise one try under `Ignore` is held against the cluster until its API server restarts.
    #[test]
    fn what_passed_before_failures_refused_is_history() {
        let told = |policy: &str| {
            let webhook = serde_json::json!({
                "name": "validate.postern.dev", "clientConfig": {}, "failurePolicy": policy});
            let hook = Hook {
                phase: Phase::Validating,
                configuration: "postern".to_owned(),
                index: 0,
                webhook: serde_json::from_value(webhook).unwrap(),
            };
            let (webhook, phase) = (hook.webhook.name.clone(), "validating".to_owned());
            let fail_open = Some(vec![FailOpen { webhook, phase, count: 1 }]);
            diagnose(&Survey { hooks: Some(vec![hook]), fail_open, ..Survey::default() }).remove(0)
        };
        let (now, then) = (told("Ignore"), told("Fail"));
        assert_eq!((now.severity, then.severity), (Severity::Medium, Severity::Low));
        assert!(then.remedy.starts_with("Nothing passes any more"), "{}", then.remedy);
        assert!(then.what.starts_with("1 request passed"), "{}", then.what);
    }
}
