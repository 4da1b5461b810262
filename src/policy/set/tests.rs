use proptest::prelude::*;

use super::super::rule::{Enforcement, Selector};
use super::super::testing::{asking, permit};
use super::*;

/// Every pattern of which a policy may have one; none: it speaks to all.
fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    proptest::option::of(proptest::sample::select(words))
}

proptest! {
    /// The indexes leave out nothing that speaks to a request, and let in nothing that does not.
    #[test]
    fn indexes_find_what_asking_every_policy_finds(
        selectors in proptest::collection::vec(
            (one_of(&["u:ana", "u:bob", "g:dev", "g:ops"]), one_of(&["pay", "team-*", "*", "t*b"])),
            0..150,
        ),
        user in proptest::sample::select(&["ana", "bob", "eve"]),
        groups in proptest::sample::subsequence(vec!["dev", "ops", "qa"], 0..=3),
        namespace in proptest::sample::select(&["pay", "team-a", "team-b", "x"]),
    ) {
        let policies: Vec<_> = selectors.iter().enumerate().map(|(number, (subject, place))| {
            let mut policy = permit(&format!("p{number:03}"));
            let subject = subject.map(|text| match text.split_once(':').unwrap() {
                ("u", name) => Subject::User(name.to_owned()),
                (_, name) => Subject::Group(name.to_owned()),
            });
            policy.enforcement = Enforcement::Enforce;
            policy.selector = Selector {
                subjects: subject.map(|subject| vec![subject]),
                namespaces: place.map(|pattern| vec![NamePattern::new(pattern)]),
                ..Selector::default()
            };
            policy
        }).collect();
        let mut asked = asking(Vec::new());
        asked.namespace = namespace.to_owned();
        let requester = Arc::make_mut(&mut asked.requester);
        requester.username = user.to_owned();
        requester.groups = groups.iter().map(|group| (*group).to_owned()).collect();

        let slow: Vec<_> = policies.iter().filter(|policy| speaks_to(policy, &asked)).collect();
        let slow: Vec<_> = slow.iter().map(|policy| policy.id.name.clone()).collect();
        let set = PolicySet::new(policies.clone());
        let names = |set: &PolicySet| -> Vec<_> {
            set.speaking_to(&asked).iter().map(|policy| policy.id.name.clone()).collect()
        };
        prop_assert_eq!(names(&set), slow.clone());
        prop_assert_eq!(names(&set.narrowed_to(&asked)), slow);
    }
}
