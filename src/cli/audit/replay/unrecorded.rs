//! What a record holds, and what is left open by what it does not.

use serde_json::Value;

use crate::ledger::{EnvVar, Injection, Mount, Record};
use crate::policy::extent::{Extent, Step};
use crate::policy::request::DebugRequest;
use crate::policy::rule::{Effect, Policy};
use crate::policy::set::PolicySet;

/// Whether it was refused for how the request was built: no policy has a say in that, and of what
/// was wrong a record has no more than the words.
pub(super) fn is_structural(record: &Record) -> bool {
    record.findings.iter().any(|finding| {
        let place = finding.constraint.as_str();
        finding.policy.is_none()
            && (place == "metadata" || place.starts_with("spec.ephemeralContainers"))
    })
}

/// Whether an expression reads of the added containers, or of the request, what the record does not
/// hold.
pub(super) fn reads_it(record: &Record, policies: &PolicySet, request: &DebugRequest) -> bool {
    if policies.asks_for_documents().is_none() {
        return false;
    }
    let held: Vec<_> = record.injections.iter().map(|it| Held::of(record, it)).collect();
    let are_in_rules = |policy: &Policy| held.iter().any(|held| held.is_exceeded_in_rules(policy));
    let all = policies.policies().iter();
    // Whether a policy speaks is what its conditions decide.
    all.map(AsRef::as_ref).any(|policy| held.iter().any(|it| it.is_exceeded_in_conditions(policy)))
        || policies.speaking_to(request).iter().any(|policy| are_in_rules(policy))
}

/// The policies as they would be at best for whoever asks: those that permit speak of every
/// namespace whose labels they want to know, and those that require of none.
pub(super) fn at_best(policies: &PolicySet) -> PolicySet {
    let all = policies.policies().iter().map(AsRef::as_ref);
    let hindering = |policy: &Policy| policy.effect == Effect::Require && wants_labels(policy);
    PolicySet::new(all.filter(|policy| !hindering(policy)).map(without_labels).collect())
}

fn wants_labels(policy: &Policy) -> bool {
    let mut conditions = policy.selector.conditions.iter();
    !policy.selector.namespace_labels.is_empty()
        || conditions.any(|it| it.expression.reads("namespaceObject").is_some())
}

fn without_labels(policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    let Policy { selector, constraints, .. } = &mut policy;
    selector.namespace_labels.clear();
    selector.conditions.retain(|it| it.expression.reads("namespaceObject").is_none());
    constraints.rules.retain(|it| it.expression.reads("namespaceObject").is_none());
    policy
}

/// Fields of `request` in a replayed review.
const REQUEST: [&str; 9] = [
    "uid",
    "kind",
    "resource",
    "subResource",
    "name",
    "namespace",
    "operation",
    "userInfo",
    "dryRun",
];

/// Fields of a container that are held in any case, be it that they were not there.
const CONTAINER: [&str; 8] = [
    "name",
    "image",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "targetContainerName",
    "tty",
];

/// What a record holds of the documents about one container. What else an expression reads was
/// perhaps there, and another than in the replayed review.
struct Held {
    container: Extent,
    /// Of it and those that were there before, of which hardly anything is.
    any: Extent,
    request: Extent,
}

impl Held {
    fn of(record: &Record, injection: &Injection) -> Self {
        let container = container(injection);
        let spec = record.evidence.as_ref().and_then(|evidence| evidence.spec.as_ref());
        let any = match spec.and_then(|spec| spec.get("ephemeralContainers")) {
            Some(_) => Extent::default(),
            None => container.clone(),
        };
        Self { container, any, request: extent(&REQUEST) }
    }

    fn is_exceeded_in_conditions(&self, policy: &Policy) -> bool {
        let mut conditions = policy.selector.conditions.iter();
        conditions
            .any(|condition| self.is_exceeded(|variable| condition.expression.reads(variable)))
    }

    fn is_exceeded_in_rules(&self, policy: &Policy) -> bool {
        policy.constraints.rules.iter().any(|rule| {
            let of_container = rule.expression.reads("container");
            of_container.is_some_and(|read| !read.is_within(&self.container))
                || self.is_exceeded(|variable| rule.expression.reads(variable))
        })
    }

    fn is_exceeded<'e>(&self, reads: impl Fn(&str) -> Option<&'e Extent>) -> bool {
        let containers = reads("object")
            .and_then(|pod| pod.field("spec")?.field("ephemeralContainers"))
            .and_then(Extent::item);
        containers.is_some_and(|read| !read.is_within(&self.any))
            || reads("request").is_some_and(|read| !read.is_within(&self.request))
    }
}

fn container(injection: &Injection) -> Extent {
    let mut held = extent(&CONTAINER);
    let mut hold = |path: &str| held.add(&steps(path), true);
    // Left out where they are the usual ones, but never in a request.
    let kept = injection.container.as_ref().and_then(Value::as_object);
    let is_kept = |field: &&str| kept.is_some_and(|kept| kept.contains_key(*field));
    let messages = ["terminationMessagePath", "terminationMessagePolicy"];
    messages.into_iter().filter(is_kept).for_each(&mut hold);
    // Command and arguments are recorded as one.
    if injection.command.is_empty() {
        ["command", "args"].into_iter().for_each(&mut hold);
    }
    let (many, single): (Vec<_>, Vec<_>) = injection.env.iter().partition(|it| it.is_prefix());
    variables(&single, &mut hold);
    match many.as_slice() {
        [] => hold("envFrom"),
        [..] => ["envFrom.*.prefix", "envFrom.*.secretRef.name", "envFrom.*.configMapRef.name"]
            .into_iter()
            .for_each(&mut hold),
    }
    match injection.mounts.iter().all(Mount::is_device) {
        true => hold("volumeMounts"),
        false => ["volumeMounts.*.name", "volumeMounts.*.mountPath", "volumeMounts.*.readOnly"]
            .into_iter()
            .for_each(&mut hold),
    }
    let has_devices = injection.mounts.iter().any(Mount::is_device);
    hold(if has_devices { "volumeDevices.*.name" } else { "volumeDevices" });
    held
}

/// Of each kind of variable that there is, a part is held; all of those that there are not.
fn variables(variables: &[&EnvVar], mut hold: impl FnMut(&str)) {
    if variables.is_empty() {
        return hold("env");
    }
    hold("env.*.name");
    let is_there = |source: &str| variables.iter().any(|it| it.source.starts_with(source));
    if !is_there("value") {
        hold("env.*.value");
    }
    if !is_there("pod") {
        hold("env.*.valueFrom.fieldRef");
        hold("env.*.valueFrom.resourceFieldRef");
    }
    let kinds = [
        ("secret/", "secretKeyRef", "name"),
        ("configMap/", "configMapKeyRef", "name"),
        ("file/", "fileKeyRef", "volumeName"),
    ];
    for (source, field, held) in kinds {
        let field = format!("env.*.valueFrom.{field}");
        hold(&if is_there(source) { format!("{field}.{held}") } else { field });
    }
}

fn extent(paths: &[&str]) -> Extent {
    let mut extent = Extent::default();
    paths.iter().for_each(|path| extent.add(&steps(path), true));
    extent
}

/// A path with dots between its fields, and `*` for whatever a list has.
fn steps(path: &str) -> Vec<Step> {
    let step = |name: &str| match name {
        "*" => Step::Item,
        name => Step::Field(name.to_owned()),
    };
    path.split('.').map(step).collect()
}
