//! What to do about a refusal: the `kubectl debug` command that would pass, where there is one.
//!
//! Nothing is suggested that was not judged: candidates go through the same evaluation as the
//! request did. This runs on refusals alone, and the number of candidates is bounded.

use std::sync::Arc;

use serde_json::Value;

use crate::admission::container;
use crate::admission::decode::{AddedJson, Debug};
use crate::admission::message::Remedy;
use crate::expression::scene::Sent;
use crate::kubectl::{DebugOptions, Profile};
use crate::policy::evaluate::{Defaults, evaluate, reason_in};
use crate::policy::image::ImageRef;
use crate::policy::request::{DebugRequest, Injection, Os};
use crate::policy::rule::{Effect, Enforcement, Justification, Policy};
use crate::policy::set::PolicySet;
use crate::policy::verdict::{Objection, Verdict};

/// Profiles in the order in which they are tried; the first is kubectl's default.
const PROFILES: [Profile; 5] = [
    Profile::General,
    Profile::Baseline,
    Profile::Restricted,
    Profile::Netadmin,
    Profile::Sysadmin,
];
/// How many images are tried: the one asked for, and examples of what policies approve.
const MAX_IMAGES: usize = 6;
/// How many examples of what policies approve are looked at.
const MAX_EXAMPLES: usize = 1000;
/// Longest command that is worth pasting, in bytes.
const MAX_COMMAND_BYTES: usize = 400;

/// What stands for a reason that anything will do for.
const ROOM: &str = "WHY";

/// How many commands are tried where policies have expressions, of which each may take long.
const MAX_WITH_EXPRESSIONS: usize = 20;

/// What can be done about a refusal.
pub(super) fn remedy(policies: &PolicySet, debug: &Debug, verdict: &Verdict) -> Remedy {
    // The same command would be refused again for as long as nothing hardens its container.
    if evaluate(policies, &debug.request, Defaults::Applied).allows() {
        return Remedy::NotHardened;
    }
    command_that_passes(policies, debug, verdict).map_or(Remedy::None, Remedy::Try)
}

/// A command for the first refused container that policy would permit, if there is one.
fn command_that_passes(policies: &PolicySet, debug: &Debug, verdict: &Verdict) -> Option<String> {
    let request = &debug.request;
    let position = verdict.rulings.iter().position(|ruling| !ruling.allows())?;
    let asked = request.injections.get(position)?;
    let sent = debug.added.get(position)?;
    // Whom policies speak to does not hang on the containers, and many of those are tried.
    let policies = &policies.narrowed_to(request);
    let reasons = reasons_to_give(policies, request, asked, verdict);
    let images = images(policies, request, &asked.image_asked);
    let targets = targets(policies, request, asked);
    let uses = uses(sent);
    let candidates = uses.iter().flat_map(|used| {
        let (images, targets, reasons) = (&images, &targets, &reasons);
        images.iter().flat_map(move |image| {
            profiles(request).flat_map(move |profile| {
                targets.iter().map(move |target| DebugOptions {
                    image: image.clone(),
                    profile,
                    target: target.clone(),
                    env: reasons.clone(),
                    ..used.clone()
                })
            })
        })
    });
    let most = policies.asks_for_documents().map_or(usize::MAX, |_| MAX_WITH_EXPRESSIONS);
    let mut question = request.clone();
    let mut passes = |options: &DebugOptions| passes(policies, request, &mut question, options);
    let mut passing = candidates.take(most).find(&mut passes)?;
    // Nobody is asked for a reason who gets in without.
    for (variable, _) in reasons.iter().filter(|(name, _)| reason_in(asked, name).is_none()) {
        let mut without = passing.clone();
        without.env.retain(|(name, _)| name != variable);
        if passes(&without) {
            passing = without;
        }
    }
    let command = passing.command_line(&request.pod.name, &request.namespace);
    (command.len() <= MAX_COMMAND_BYTES).then_some(command)
}

/// The flags that say how the container is used, as far as they can be told from it: with the
/// command that was asked for, and without.
fn uses(sent: &AddedJson) -> Vec<DebugOptions> {
    let flag = |field: &str| sent.json.get(field).and_then(Value::as_bool) == Some(true);
    let words = |field: &str| -> Vec<String> {
        let words = sent.json.get(field).and_then(Value::as_array).into_iter().flatten();
        words.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let stdin = flag("stdin");
    let name = sent.json.get("name").and_then(Value::as_str).unwrap_or_default();
    let container = (!is_made_up(name)).then(|| name.to_owned());
    let tty = stdin && flag("tty");
    let plain = DebugOptions { container, stdin, tty, ..DebugOptions::default() };
    // kubectl fills in one of the two, by `--arguments-only`.
    let (command, arguments_only) = match (words("command"), words("args")) {
        (command, args) if args.is_empty() => (command, false),
        (command, args) if command.is_empty() => (args, true),
        _ => (Vec::new(), false),
    };
    // A command that is too long to be shown is not tried.
    if command.is_empty() || command.iter().map(String::len).sum::<usize>() > MAX_COMMAND_BYTES {
        return vec![plain];
    }
    vec![DebugOptions { command, arguments_only, ..plain.clone() }, plain]
}

/// Whether kubectl chose the name, which it does where none is given: five letters and digits.
fn is_made_up(name: &str) -> bool {
    let is_end = |end: &str| end.len() == 5 && end.bytes().all(|it| it.is_ascii_alphanumeric());
    name.is_empty() || name.strip_prefix("debugger-").is_some_and(is_end)
}

/// A Windows pod takes none of the profiles that set what only Linux has.
fn profiles(request: &DebugRequest) -> impl Iterator<Item = Profile> + use<> {
    let os = request.pod.spec.known().and_then(|spec| spec.os);
    let any = move |profile: &Profile| os != Some(Os::Windows) || *profile == Profile::Baseline;
    PROFILES.into_iter().filter(any)
}

/// Whether it would be let in. `question` is the request with some other container.
fn passes(
    policies: &PolicySet,
    request: &DebugRequest,
    question: &mut DebugRequest,
    options: &DebugOptions,
) -> bool {
    let Ok(json) = options.ephemeral_container("new") else { return false };
    let name = json.get("name").and_then(Value::as_str).unwrap_or_default();
    let Ok(injection) = container::read(name, &json) else { return false };
    question.injections = vec![injection];
    question.documents = Sent::adding(&request.documents, name, json.clone());
    evaluate(policies, question, Defaults::Applied).allows()
}

/// The policies of an effect that decide about this request.
fn enforced<'p>(
    policies: &'p PolicySet,
    request: &DebugRequest,
    effect: Effect,
) -> impl Iterator<Item = &'p Arc<Policy>> {
    policies
        .speaking_to(request)
        .into_iter()
        .filter(move |policy| policy.effect == effect && policy.enforcement == Enforcement::Enforce)
}

/// The image asked for, then what the Permits for this requester approve that is nearest to it:
/// another tag of the same repository, or what they name first. Whether those exist is not known
/// here.
fn images(policies: &PolicySet, request: &DebugRequest, asked: &str) -> Vec<String> {
    let approved = enforced(policies, request, Effect::Permit)
        .flat_map(|policy| policy.constraints.images.allow.iter().flatten())
        .filter_map(|pattern| pattern.example_near(asked));
    let mut approved: Vec<String> = approved.take(MAX_EXAMPLES).collect();
    let asked_for = ImageRef::parse(asked).ok();
    approved.sort_by_cached_key(|text| {
        let image = ImageRef::parse(text).ok();
        let is_same = |(one, other): (&ImageRef, &ImageRef)| {
            one.registry == other.registry && one.repository == other.repository
        };
        !asked_for.as_ref().zip(image.as_ref()).is_some_and(is_same)
    });
    let mut images: Vec<String> = Vec::new();
    for image in [asked.to_owned()].into_iter().chain(approved) {
        if images.len() < MAX_IMAGES && !images.contains(&image) {
            images.push(image);
        }
    }
    images
}

/// The target asked for, then the pod's first container that policies for this requester let be
/// one, then none.
fn targets(policies: &PolicySet, request: &DebugRequest, asked: &Injection) -> Vec<Option<String>> {
    let may_be_target = |name: &str| {
        let lets = |policy: &Arc<Policy>| {
            let allow = policy.constraints.targets.allow.as_ref();
            allow.is_none_or(|allow| allow.iter().any(|pattern| pattern.matches(name)))
        };
        enforced(policies, request, Effect::Permit).any(lets)
            && enforced(policies, request, Effect::Require).all(lets)
    };
    let mut containers = request.pod.spec.known().into_iter().flat_map(|spec| &spec.containers);
    let first = containers.find(|container| may_be_target(&container.name));
    let first = first.map(|container| container.name.clone());
    let mut targets = vec![asked.target.clone(), first, None];
    if asked.target.is_none() {
        // Nobody who named no target is told to, unless a policy wants one.
        targets.swap(1, 2);
    }
    targets.dedup();
    targets
}

/// The variables with reasons: what was given, and an example where that is missing or not what
/// policies want.
fn reasons_to_give(
    policies: &PolicySet,
    request: &DebugRequest,
    asked: &Injection,
    verdict: &Verdict,
) -> Vec<(String, String)> {
    let is_missing = |variable: &str| {
        let mut objections = verdict.rulings.iter().flat_map(|ruling| &ruling.findings);
        objections.any(|finding| match &finding.objection {
            Objection::JustificationMissing { env } => env == variable,
            _ => false,
        })
    };
    let wanted: Vec<_> = [Effect::Permit, Effect::Require]
        .into_iter()
        .flat_map(|effect| enforced(policies, request, effect))
        .filter_map(|policy| policy.constraints.justification.as_ref())
        .collect();
    let mut reasons: Vec<(String, String)> = Vec::new();
    for Justification { env, .. } in &wanted {
        let given = reason_in(asked, env);
        let is_new = reasons.iter().all(|(variable, _)| variable != env);
        if is_new && (given.is_some() || is_missing(env)) {
            reasons.push((env.clone(), fitting(given, env, &wanted)));
        }
    }
    reasons
}

/// The text that most of those who read the variable take: what was given, room for a reason, or an
/// example of one.
fn fitting(given: Option<&str>, variable: &str, wanted: &[&Justification]) -> String {
    let readers = || wanted.iter().filter(|it| it.env == variable);
    let patterns: Vec<_> = readers().filter_map(|it| it.pattern.as_ref()).collect();
    let examples = readers().filter_map(|it| it.example.as_deref());
    let texts = [given.unwrap_or(ROOM)].into_iter().chain(examples);
    let rank = |text: &&str| patterns.iter().filter(|it| !it.is_match(text)).count();
    texts.min_by_key(rank).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Policy, images, is_made_up, targets};
    use crate::policy::image::ImagePattern;
    use crate::policy::request::{ContainerFacts, Fact};
    use crate::policy::rule::NamePattern;
    use crate::policy::set::PolicySet;
    use crate::policy::testing::{asking, container, permit, require};

    #[test]
    fn another_tag_of_the_same_image_comes_before_other_images() {
        let mut policy = permit("all");
        let patterns = ["registry.example.com/debug/**", "busybox:1.36"];
        let patterns = patterns.map(|pattern| ImagePattern::parse(pattern).unwrap());
        policy.constraints.images.allow = Some(patterns.into());
        let set = PolicySet::new(vec![policy]);
        let tried = |asked: &str| images(&set, &asking(Vec::new()), asked);
        let other = "registry.example.com/debug/busybox";
        assert_eq!(tried("busybox"), ["busybox", "busybox:1.36", other]);
        assert_eq!(tried("docker.io/library/busybox:1.35")[1], "busybox:1.36");
        assert_eq!(tried("alpine")[1], "registry.example.com/debug/alpine");
    }

    #[test]
    fn a_target_that_policies_refuse_is_not_suggested() {
        let allow = |mut policy: Policy, names: &[&str]| {
            let names = names.iter().map(|name| NamePattern::new(name));
            policy.constraints.targets.allow = Some(names.collect());
            policy
        };
        let asked = container("busybox");
        let mut request = asking(vec![asked.clone()]);
        let Fact::Known(spec) = &mut request.pod.spec else { panic!("an unknown pod") };
        let sidecar = ContainerFacts { name: "sidecar".to_owned(), ..ContainerFacts::default() };
        spec.containers.push(sidecar);
        let tried = |policies| targets(&PolicySet::new(policies), &request, &asked);
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(tried(vec![permit("all")]), [None, name("app")]);
        assert_eq!(tried(vec![allow(permit("one"), &["side*"])]), [None, name("sidecar")]);
        assert_eq!(
            tried(vec![permit("all"), allow(require("some"), &["sidecar"])]),
            [None, name("sidecar")]
        );
        assert_eq!(tried(vec![allow(permit("other"), &["x"])]), [None]);
    }

    #[test]
    fn a_name_that_kubectl_made_up_is_none_that_somebody_chose() {
        for name in ["", "debugger-x7k2z", "debugger-check"] {
            assert!(is_made_up(name), "{name}");
        }
        for name in ["debugger-x7k2", "debugger-x7k2zz", "debugger-a-b-c", "debugger", "dbg"] {
            assert!(!is_made_up(name), "{name}");
        }
    }
}
