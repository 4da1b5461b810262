//! What stands for a policy that is wrong.

use serde_json::Value;

use crate::policy::rule::{Policy, Selector};

use super::super::debug_policy::{DebugPolicy, Match};
use super::super::problem::{FieldPath, Findings, Place, Problems, Segment};

/// Parts of `match` that have parts of their own, each of which can be wrong alone.
const DIVIDED: [&str; 2] = ["namespaces", "pods"];

/// A policy that objects to whatever it would have judged: it speaks to what its `match` says, and
/// where a part of that is wrong, as if the part had been left out.
pub(in super::super) fn broken(policy: &DebugPolicy, problems: &Problems) -> Policy {
    let whole = super::compile(policy, &mut Findings::default());
    let selector = selector(policy.spec.match_.as_ref(), problems);
    Policy { selector, ..whole }.objecting(problems.to_string())
}

fn selector(match_: Option<&Match>, problems: &Problems) -> Selector {
    let Some(match_) = match_ else { return Selector::default() };
    // The shape has only string keys, so this cannot fail; and `null` would match everything.
    let mut pruned = serde_json::to_value(match_).unwrap_or_default();
    for problem in &problems.0 {
        prune(&mut pruned, &problem.path);
    }
    let Ok(pruned) = serde_json::from_value::<Match>(pruned) else { return Selector::default() };
    let mut left = Findings::default();
    let spec = Place::top("spec");
    let selector = super::selector::compile(Some(&pruned), &spec.key("match"), &mut left);
    left.or_else(selector).unwrap_or_default()
}

/// Takes the part of `match` out that holds `path`.
fn prune(match_: &mut Value, path: &FieldPath) {
    let keys = path.0.iter().map_while(|segment| match segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    });
    let (part, below) = match keys.collect::<Vec<_>>().as_slice() {
        ["spec", "match", part, below, ..] => (*part, Some(*below)),
        ["spec", "match", part] => (*part, None),
        _ => return,
    };
    let Some(parts) = match_.as_object_mut() else { return };
    match (below, parts.get_mut(part).and_then(Value::as_object_mut)) {
        (Some(below), Some(divided)) if DIVIDED.contains(&part) => drop(divided.remove(below)),
        _ => drop(parts.remove(part)),
    }
}
