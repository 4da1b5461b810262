//! What dry runs say: is the door guarded, by whom, and who answers?

use super::survey::{Answer, Phase, Survey, TRIED_NAME, Trial};
use super::{Code, Diagnosis, Severity};
use crate::kubectl::{DebugOptions, Profile, shell_word};

const TRIED: &str = "PATCH pods/ephemeralcontainers?dryRun=All";

/// Who refused.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refusal {
    /// A webhook, with its name.
    Webhook(String),
    /// A webhook that could not be called, with its name.
    CallFailed(String),
    /// A webhook that is not declared free of side effects.
    NoDryRun(String),
    /// The right is missing.
    Rights,
    /// Whoever looks may not act as another.
    Impersonation,
    /// A match condition of a webhook of ours could not be evaluated.
    Condition {
        /// Whose: `ValidatingWebhookConfiguration/postern`.
        object: String,
        /// Where: `webhooks[0].matchConditions[1]`.
        field: String,
    },
    /// The pod is gone.
    Gone,
    /// Pod Security admission, a ValidatingAdmissionPolicy, the API server's own rules.
    Other(&'static str),
}

pub(super) fn diagnose(survey: &Survey) -> Vec<Diagnosis> {
    let mut found = vec![other_doors()];
    let trial = &survey.trial;
    match (&trial.forbidden, &trial.not_tried) {
        (Some(answer), _) => found.extend(forbidden(survey, answer)),
        (None, why) => {
            let why = why.clone().unwrap_or_else(|| "there was no time".to_owned());
            let what = format!("Whether a forbidden container is refused was not tried: {why}");
            found.push(Diagnosis::new(Code::NotTried, what));
        }
    }
    if let Some(answer) = &trial.malformed {
        found.extend(malformed(survey, answer));
    }
    found
}

/// Whether an answer tells of Postern, or of who asked; else another pod may tell more.
#[must_use]
pub fn is_conclusive(survey: &Survey, answer: &Answer) -> bool {
    match (answer, refusal(survey, answer)) {
        (Answer::Through { .. }, _)
        | (_, Refusal::Rights | Refusal::Impersonation | Refusal::Condition { .. }) => true,
        (_, Refusal::Webhook(name) | Refusal::CallFailed(name)) => is_ours(survey, &name),
        (_, Refusal::NoDryRun(_) | Refusal::Gone | Refusal::Other(_)) => false,
    }
}

/// The container that no policy can permit.
fn forbidden(survey: &Survey, answer: &Answer) -> Option<Diagnosis> {
    let trial = &survey.trial;
    let (_, pod) = place(trial);
    let message = match answer {
        Answer::Through { warnings } => return Some(through(trial, warnings)),
        Answer::Refused { message, .. } => message,
    };
    let told = |code, what: String| Diagnosis::new(code, what).seen(TRIED, "answer", message);
    Some(match refusal(survey, answer) {
        Refusal::Webhook(name) if is_ours(survey, &name) => {
            if message.contains(TRIED_NAME) {
                let who = &trial.requester;
                let what = format!("The door is guarded: Postern refused {who} in pod {pod}");
                told(Code::DoorGuarded, what)
            } else {
                let what = format!("Postern refused without judging, in pod {pod}");
                told(Code::RefusedUnjudged, what)
            }
        }
        Refusal::Webhook(name) => {
            told(Code::TrialElsewhere, format!("Webhook `{name}` refused before Postern was asked"))
        }
        Refusal::CallFailed(name) if is_ours(survey, &name) => {
            let what = format!("The API server cannot call webhook `{name}`");
            let found = told(Code::WebhookFailing, what);
            // Somebody answers that there is nothing by that path.
            match message.contains("could not find the requested resource") {
                true => found.remedy(
                    "Let the path in `clientConfig` of the validating webhook be `/validate`, and \
                     that of the mutating one `/mutate`",
                ),
                false => found,
            }
        }
        Refusal::CallFailed(name) => told(
            Code::TrialElsewhere,
            format!("The API server cannot call webhook `{name}`, which is not Postern's"),
        ),
        Refusal::NoDryRun(name) => told(
            Code::TrialElsewhere,
            format!("Webhook `{name}` is not declared free of side effects, so nothing was tried"),
        ),
        Refusal::Rights => told(
            Code::TrialRights,
            format!("{} may not add containers to pod {pod}", trial.requester),
        ),
        Refusal::Impersonation => told(
            Code::TrialRights,
            format!("Whoever runs this may not act as {}, so nothing was tried", trial.requester),
        )
        .remedy("Let whoever runs this impersonate that user and its groups, or leave out `--as`"),
        Refusal::Condition { object, field } => told(
            Code::ConditionsFail,
            format!("A match condition of {object} fails, so Postern is not asked"),
        )
        .seen(object, field, "cannot be evaluated"),
        Refusal::Gone => told(Code::NotTried, format!("Pod {pod} is not there")),
        Refusal::Other(who) => {
            told(Code::TrialElsewhere, format!("{who} refused before Postern was asked"))
        }
    })
}

fn through(trial: &Trial, warnings: &[String]) -> Diagnosis {
    let (_, pod) = place(trial);
    let objects = |warning: &&String| warning.contains(TRIED_NAME);
    let remedy = format!(
        "kubectl get validatingwebhookconfigurations; try it yourself, with a container that stays \
         in the pod and never starts: {}",
        by_hand(trial)
    );
    match warnings.iter().find(objects) {
        Some(warning) => Diagnosis::new(
            Code::DoorNotEnforced,
            format!("Postern objected, but pod {pod} would have got a forbidden container"),
        )
        .seen(TRIED, "warning", warning),
        None => Diagnosis::new(
            Code::DoorOpen,
            format!("The door is open: {} could add any container to pod {pod}", trial.requester),
        )
        .seen(TRIED, "answer", "200, nobody objected")
        .remedy(remedy),
    }
}

/// What kubectl sends. It has no dry run of this, and refuses the image of the try itself.
fn by_hand(trial: &Trial) -> String {
    let debug = DebugOptions {
        image: "postern.invalid/doctor".to_owned(),
        profile: Profile::Restricted,
        ..DebugOptions::default()
    };
    let (namespace, pod) = place(trial);
    let name = pod.split('/').next_back().unwrap_or_default();
    let mut command = debug.command_line(name, namespace);
    if let Some((user, groups)) = &trial.acted_as {
        let groups = groups.iter().map(|group| format!("--as-group={group}"));
        for word in core::iter::once(format!("--as={user}")).chain(groups) {
            command.extend([" ", &shell_word(&word)]);
        }
    }
    command
}

/// The container that Kubernetes does not accept either: whose refusal comes first tells whether
/// the mutating webhook is asked.
fn malformed(survey: &Survey, answer: &Answer) -> Option<Diagnosis> {
    let has_mutating = survey.hooks.as_ref().is_some_and(|hooks| {
        hooks
            .iter()
            .any(|hook| hook.phase == Phase::Mutating && hook.configuration == survey.configuration)
    });
    let unanswered = match refusal(survey, answer) {
        // The API server's own rules come right after the mutating webhooks.
        Refusal::Other(_) => true,
        Refusal::CallFailed(name) => is_ours(survey, &name),
        _ => false,
    };
    let Answer::Refused { message, .. } = answer else { return None };
    (has_mutating && unanswered).then(|| {
        Diagnosis::new(Code::MutatingUnanswered, "The mutating webhook did not answer")
            .seen(TRIED, "answer", message)
    })
}

fn refusal(survey: &Survey, answer: &Answer) -> Refusal {
    let Answer::Refused { code, message } = answer else { return Refusal::Other("Nobody") };
    let named = |before: &str, after: &str| {
        let (_, rest) = message.split_once(before)?;
        let (name, rest) = rest.split_once('"')?;
        rest.starts_with(after).then(|| name.to_owned())
    };
    if let Some(name) = named("admission webhook \"", " denied the request") {
        Refusal::Webhook(name)
    } else if let Some(name) = named("failed calling webhook \"", "") {
        Refusal::CallFailed(name)
    } else if let Some(name) = named("admission webhook \"", " does not support dry run") {
        Refusal::NoDryRun(name)
    } else if *code == 403 && message.contains(" cannot impersonate") {
        Refusal::Impersonation
    } else if let Some(refusal) = failed_condition(survey, message) {
        refusal
    } else if *code == 401 || (*code == 403 && lacks_a_right(message)) {
        Refusal::Rights
    } else if *code == 404 {
        Refusal::Gone
    } else if message.contains("violates PodSecurity") {
        Refusal::Other("Pod Security admission")
    } else if message.contains("ValidatingAdmissionPolicy") {
        Refusal::Other("A ValidatingAdmissionPolicy")
    } else {
        Refusal::Other("The API server itself")
    }
}

fn lacks_a_right(message: &str) -> bool {
    message.contains(" cannot patch resource ")
}

/// The API server names no webhook, but the expression: `expression 'X' resulted in error: …`.
fn failed_condition(survey: &Survey, message: &str) -> Option<Refusal> {
    let hooks = survey.hooks.iter().flatten();
    let mut ours = hooks.filter(|hook| hook.configuration == survey.configuration);
    ours.find_map(|hook| {
        let mut conditions = hook.webhook.match_conditions.iter();
        let position = conditions.position(|condition| {
            message.contains(&format!("expression '{}' resulted in error", condition.expression))
        })?;
        let field = hook.field(&format!("matchConditions[{position}]"));
        Some(Refusal::Condition { object: hook.object(), field })
    })
}

fn is_ours(survey: &Survey, name: &str) -> bool {
    let hooks = survey.hooks.iter().flatten();
    let mut ours = hooks.filter(|hook| hook.configuration == survey.configuration);
    ours.any(|hook| hook.webhook.name == name) || name.ends_with(".postern.dev")
}

/// The namespace, and `namespace/pod`.
fn place(trial: &Trial) -> (&str, String) {
    trial.pod.as_ref().map_or(("default", String::new()), |(namespace, pod)| {
        (namespace, format!("{namespace}/{pod}"))
    })
}

fn other_doors() -> Diagnosis {
    let doors = [
        ("pods/exec", "kubectl exec"),
        ("pods/attach", "kubectl attach"),
        ("pods/portforward", "kubectl port-forward"),
        ("pods CREATE", "kubectl debug --copy-to, kubectl debug node/NAME"),
        ("nodes/proxy", "the kubelet, past all admission"),
    ];
    let what = "Other ways into a pod are not judged by this version of Postern";
    let diagnosis = Diagnosis::new(Code::DoorsNotCovered, what).at(Severity::Info);
    doors.into_iter().fold(diagnosis, |all, (door, by)| all.seen(door, "way in", by))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> Answer {
        Answer::Refused { code, message: message.to_owned() }
    }

    /// Texts of API server 1.37, as kubectl shows them.
    #[test]
    fn tells_who_refused() {
        let who = |code, message: &str| refusal(&Survey::default(), &refused(code, message));
        let webhook = |name: &str| Refusal::Webhook(name.to_owned());
        assert_eq!(
            who(403, "admission webhook \"validate.postern.dev\" denied the request: no"),
            webhook("validate.postern.dev")
        );
        assert_eq!(
            who(500, "Internal error occurred: failed calling webhook \"x.y.z\": failed to call"),
            Refusal::CallFailed("x.y.z".to_owned())
        );
        assert_eq!(
            who(400, "admission webhook \"x.y.z\" does not support dry run"),
            Refusal::NoDryRun("x.y.z".to_owned())
        );
        assert_eq!(
            who(
                403,
                "pods \"a\" is forbidden: User \"m\" cannot patch resource \"pods/ephemeralcontainers\" in"
            ),
            Refusal::Rights
        );
        for how in ["impersonate", "impersonate:user-info"] {
            let message =
                format!("users \"a\" is forbidden: User \"m\" cannot {how} resource \"users\"");
            assert_eq!(who(403, &message), Refusal::Impersonation);
        }
        assert_eq!(
            who(403, "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": x"),
            Refusal::Other("Pod Security admission")
        );
        assert_eq!(
            who(422, "Pod \"a\" is invalid: spec.ephemeralContainers[0].ports: Forbidden"),
            Refusal::Other("The API server itself")
        );
    }

    fn codes(forbidden: Option<Answer>) -> Vec<&'static str> {
        let trial = Trial {
            requester: "alice".to_owned(),
            pod: Some(("shop".to_owned(), "api".to_owned())),
            forbidden,
            ..Trial::default()
        };
        let survey = Survey { configuration: "postern".to_owned(), trial, ..Survey::default() };
        diagnose(&survey).iter().map(|it| it.code.as_str()).skip(1).collect()
    }

    #[test]
    fn what_others_refuse_is_tried_elsewhere() {
        let tells = |answer| is_conclusive(&Survey::default(), &answer);
        assert!(tells(Answer::Through { warnings: Vec::new() }));
        let by = |name: &str| format!("admission webhook \"{name}\" denied the request: no");
        assert!(tells(refused(403, &by("validate.postern.dev"))));
        assert!(!tells(refused(403, &by("engine.example.com"))));
        assert!(!tells(refused(403, "pods \"a\" is forbidden: violates PodSecurity \"x\": y")));
        assert!(!tells(refused(404, "pods \"a\" not found")));
    }

    #[test]
    fn who_answers_by_another_path_is_not_looked_for_among_pods() {
        let remedy = |why: &str| {
            let message = format!(
                "Internal error occurred: failed calling webhook \"validate.postern.dev\": failed to \
                 call webhook: {why}"
            );
            let trial = Trial { forbidden: Some(refused(500, &message)), ..Trial::default() };
            diagnose(&Survey { trial, ..Survey::default() })[1].remedy.clone()
        };
        let wrong_path = remedy("the server could not find the requested resource");
        assert!(wrong_path.starts_with("Let the path in `clientConfig`"), "{wrong_path}");
        assert!(remedy("Post \"https://a/validate\": EOF").starts_with("kubectl get pods"));
    }

    #[test]
    fn each_answer_has_its_finding() {
        let ours = "admission webhook \"validate.postern.dev\" denied the request: ";
        let judged = format!("{ours}\"{TRIED_NAME}\": no policy permits `alice`");
        assert_eq!(codes(Some(refused(403, &judged))), ["door-guarded"]);
        assert_eq!(codes(Some(refused(403, &format!("{ours} no ledger")))), ["refused-unjudged"]);
        let warnings = vec![format!("container \"{TRIED_NAME}\": it is no image")];
        assert_eq!(codes(Some(Answer::Through { warnings })), ["door-not-enforced"]);
        let through = Answer::Through { warnings: vec!["other".to_owned()] };
        assert_eq!(codes(Some(through)), ["door-open"]);
        assert_eq!(codes(None), ["not-tried"]);
        assert_eq!(codes(Some(refused(404, "pods \"api\" not found"))), ["not-tried"]);
    }
}
