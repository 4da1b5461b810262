//! Debug containers that are there already.
//!
//! A pod does not tell who added them. So they are judged as if by whoever may the most: one is
//! told of only where nobody at all could add it today.

use crate::policy::rule::{Effect, Policy};
use crate::policy::set::PolicySet;

use super::survey::{Debugger, Debuggers, Survey};
use super::{Code, Diagnosis, Severity};

pub(super) fn diagnose(survey: &Survey) -> Vec<Diagnosis> {
    let Some(Debuggers { pods, truncated, policies, refused, .. }) = &survey.debuggers else {
        return Vec::new();
    };
    let more = truncated.then(|| {
        let what = format!("Only {pods} pods were searched for debug containers");
        Diagnosis::new(Code::DebuggersNotAll, what).seen("pods", "number", format!("over {pods}"))
    });
    refused.iter().map(|debugger| about(debugger, *policies)).chain(more).collect()
}

fn about(debugger: &Debugger, policies: usize) -> Diagnosis {
    let Debugger { namespace, pod, container, image, has_ended, objections } = debugger;
    let state = if *has_ended { "ended" } else { "not ended" };
    let what = format!(
        "Pod {namespace}/{pod} has debug container `{container}` ({state}), which nobody could add \
         by the policies of today"
    );
    let found = Diagnosis::new(Code::DebuggerNotAllowed, what)
        .at(if *has_ended { Severity::Low } else { Severity::Medium })
        .seen(
            format!("Pod/{namespace}/{pod}"),
            format!("spec.ephemeralContainers[{container}].image"),
            image,
        )
        .remedy(format!(
            "postern audit list --namespace {namespace} --pod {pod}; kubectl delete pod {pod} -n \
             {namespace}"
        ));
    let by = format!("{policies} policies");
    objections.iter().fold(found, |found, objection| found.seen(&by, "objection", objection))
}

/// The policies as they would meet whoever is permitted most: Permits speak to everybody at any
/// time, and only those Requires are left that speak to everybody.
#[must_use]
pub fn anybody(policies: &PolicySet) -> PolicySet {
    let relaxed = policies.policies().iter().filter_map(|policy| {
        let mut policy = Policy::clone(policy);
        policy.authorize = false;
        policy.constraints.per_user_per_hour = None;
        policy.constraints.per_request = None;
        let selector = &mut policy.selector;
        let somebody = selector.subjects.is_some() || !selector.exclude_subjects.is_empty();
        let sometimes = selector.schedule.is_some() || !selector.conditions.is_empty();
        match policy.effect {
            Effect::Require if somebody || sometimes => None,
            Effect::Require => Some(policy),
            Effect::Permit => {
                selector.subjects = None;
                selector.exclude_subjects.clear();
                selector.schedule = None;
                selector.conditions.clear();
                Some(policy)
            }
        }
    });
    PolicySet::new(relaxed.collect())
}
