//! What the parser takes for a contradiction lets nothing in.

use super::generate::{is_refused, tangled};
use super::world::{Fields, Level};
use super::*;

/// Permits of which many say something against themselves.
fn permit() -> impl Strategy<Value = Policy> {
    (tangled(), 0..4_usize).prop_map(|(mut policy, part)| {
        (policy.effect, policy.weight) = (Effect::Permit, Weight::Enforce);
        match part {
            0 => {
                (policy.set, policy.defaults) = (policy.defaults, Fields::default());
                (policy.remove, policy.rules.pod_security) = (Vec::new(), Some(Level::Restricted));
            }
            1 => policy.images.deny = policy.images.allow.clone().unwrap_or_default(),
            2 => policy.images.require_digest = true,
            _ => {}
        }
        policy
    })
}

#[test]
fn a_permit_that_is_refused_for_what_it_says_would_permit_nothing() {
    let cases = 400;
    let tally = check(cases, (permit(), vec(request(), 12)), |(policy, requests), tally| {
        if !is_refused(&policy) {
            return Ok(());
        }
        tally.note("refused");
        let policies = [policy];
        // What is set is not set in pods of Windows.
        for request in requests.iter().filter(|it| !it.added.is_empty() && !it.pod.windows) {
            let allowed = model::mutate_then_validate(&policies, request);
            prop_assert!(!allowed, "{}", shown(&policies, &request.review()));
        }
        Ok(())
    });
    tally.at_least_one_in(5, cases, "refused");
}
