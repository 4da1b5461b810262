//! What an explanation says is what was decided.

use std::sync::Arc;

use postern::admission::decode::Debug;
use postern::policy::evaluate::{Defaults, evaluate};
use postern::policy::explain::{Account, Opinion, Role, Standing, explain};
use postern::policy::rule::{Effect, Enforcement, Policy as Compiled};
use postern::policy::verdict::Ruling;

use super::*;

fn decoded(review: &Value) -> Option<Box<Debug>> {
    let asked = decode(&serde_json::to_vec(review).unwrap()).unwrap();
    let Subject::Debug(mut debug) = asked.subject else { return None };
    debug.request.circumstances = circumstances(&review["known"]);
    debug.faults.is_empty().then_some(debug)
}

/// The opinions of those that speak about one container.
fn opinions(accounts: &[Account], container: usize) -> Vec<(&Arc<Compiled>, &Opinion)> {
    let speaking = accounts.iter().filter_map(|account| match &account.standing {
        Standing::Silent(_) => None,
        Standing::Speaks(opinions) => Some((&account.policy, &opinions[container])),
    });
    speaking.collect()
}

fn is(policy: &Compiled, effect: Effect) -> bool {
    policy.effect == effect && policy.enforcement == Enforcement::Enforce
}

fn agrees(ruling: &Ruling, opinions: &[(&Arc<Compiled>, &Opinion)]) -> Result<(), TestCaseError> {
    let with = |effect| opinions.iter().filter(move |(policy, _)| is(policy, effect));
    let content = |(_, opinion): &&(&Arc<Compiled>, &Opinion)| opinion.objections.is_empty();
    let allowed =
        with(Effect::Require).all(|it| content(&it)) && with(Effect::Permit).any(|it| content(&it));
    prop_assert_eq!(allowed, ruling.allows());
    for finding in &ruling.findings {
        let Some(policy) = &finding.policy else { continue };
        let said = opinions.iter().find(|(other, _)| Arc::ptr_eq(other, policy));
        let said = said.map(|(_, opinion)| opinion.objections.contains(&finding.objection));
        prop_assert_eq!(said, Some(true), "{} {}", &policy.id.name, &finding.objection);
    }
    for (policy, opinion) in opinions {
        let permit = ruling.permit.as_ref().is_some_and(|permit| Arc::ptr_eq(permit, policy));
        if ruling.allows() {
            prop_assert_eq!(permit, opinion.role == Role::Permits, "{}", &policy.id.name);
            prop_assert!(!matches!(opinion.role, Role::Nearest | Role::Refuses));
        }
        let refuses = is(policy, Effect::Require) && !opinion.objections.is_empty();
        prop_assert_eq!(refuses, opinion.role == Role::Refuses, "{}", &policy.id.name);
    }
    let nearest: Vec<_> =
        opinions.iter().filter(|(_, opinion)| opinion.role == Role::Nearest).collect();
    prop_assert!(nearest.len() <= 1);
    if let [(_, nearest)] = nearest[..] {
        let fewest = with(Effect::Permit).map(|(_, opinion)| opinion.objections.len()).min();
        prop_assert_eq!(Some(nearest.objections.len()), fewest);
    }
    Ok(())
}

/// A Permit that was not chosen says what it would say if it were the only policy.
fn says_alone(
    debug: &Debug,
    container: usize,
    opinions: &[(&Arc<Compiled>, &Opinion)],
    tally: &Tally,
) -> Result<(), TestCaseError> {
    let others = opinions
        .iter()
        .filter(|(policy, opinion)| is(policy, Effect::Permit) && opinion.role != Role::Permits);
    for (policy, opinion) in others {
        let alone = PolicySet::new(vec![Compiled::clone(policy)]);
        let verdict = evaluate(&alone, &debug.request, Defaults::Applied);
        let ruling = &verdict.rulings[container];
        if !ruling.allows() {
            let said: Vec<_> = ruling.findings.iter().map(|it| it.objection.clone()).collect();
            prop_assert_eq!(&said, &opinion.objections, "{}", &policy.id.name);
            tally.note("alone");
        }
    }
    Ok(())
}

#[test]
fn what_is_explained_is_what_was_decided() {
    let cases = 400;
    let tally = check(cases, (policies(), vec(request(), 4)), |(policies, requests), tally| {
        let set = load(&policies);
        for request in requests {
            let review = request.review();
            let Some(debug) = decoded(&review) else { continue };
            for defaults in [Defaults::Applied, Defaults::Ignored] {
                let accounts = explain(&set, &debug.request, defaults);
                prop_assert_eq!(accounts.len(), set.policies().len());
                let speaking = set.speaking_to(&debug.request);
                for account in &accounts {
                    let speaks = speaking.iter().any(|it| Arc::ptr_eq(it, &account.policy));
                    let said = matches!(account.standing, Standing::Speaks(_));
                    prop_assert_eq!(speaks, said, "{}", shown(&policies, &review));
                    if let Standing::Silent(mismatch) = &account.standing {
                        prop_assert_ne!(mismatch.part, "spec.match");
                        tally.note(mismatch.part);
                    }
                }
                let verdict = evaluate(&set, &debug.request, defaults);
                for (container, ruling) in verdict.rulings.iter().enumerate() {
                    let opinions = opinions(&accounts, container);
                    let mut agreement = agrees(ruling, &opinions);
                    if defaults == Defaults::Applied {
                        let alone = says_alone(&debug, container, &opinions, tally);
                        agreement = agreement.and(alone);
                    }
                    if let Err(why) = agreement {
                        prop_assert!(false, "{why}\n{}", shown(&policies, &review));
                    }
                    let nearest = |(_, it): &(_, &Opinion)| it.role == Role::Nearest;
                    tally.note_if(ruling.allows(), "allowed");
                    tally.note_if(opinions.iter().any(nearest), "nearest");
                }
            }
        }
        Ok(())
    });
    for what in
        ["allowed", "alone", "nearest", "spec.match.subjects", "spec.match.namespaces.names"]
    {
        tally.at_least_one_in(8, cases, what);
    }
}
