use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::super::policies::Seen;
use super::super::testing::object;
use super::*;
use crate::crd::live;
use crate::policy::evaluate::{Defaults, evaluate};
use crate::policy::testing::{asking, container, permit, require};

fn snapshot(policies: &[(&str, serde_json::Value)]) -> Snapshot {
    let policies = policies.iter().map(|(name, spec)| {
        let object = object(name, 1, spec);
        let live = Arc::new(live::read(&object.metadata, object.data.get("spec")));
        ((*name).to_owned(), Seen { live, status: None })
    });
    Snapshot { revision: 1, policies: policies.collect::<BTreeMap<_, _>>() }
}

fn allows(set: &PolicySet) -> bool {
    evaluate(set, &asking(vec![container("busybox:1.36")]), Defaults::Applied).allows()
}

#[test]
fn both_sources_are_one_set() {
    let images = json!({"effect": "Permit", "containers": {"images": {"allow": ["busybox"]}}});
    let (set, reports) = join(&[require("file")], &snapshot(&[("cluster", images)]));
    assert_eq!(set.policies().len(), 2);
    assert!(allows(&set));
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].name.as_str(), &reports[0].fault), ("cluster", &None));
    assert_eq!(reports[0].generation, Some(1));
}

#[test]
fn a_name_that_a_file_has_is_the_files() {
    let permits_all = json!({
        "effect": "Permit",
        "containers": {"images": {"allow": ["**"]}, "podSecurity": "privileged"},
    });
    let (set, reports) = join(&[require("same")], &snapshot(&[("same", permits_all)]));
    assert!(!allows(&set), "the cluster's Permit permits nothing");
    assert_eq!(reports[0].fault.as_ref().unwrap().reason, "NameTaken");

    let (set, _) = join(&[permit("same")], &snapshot(&[]));
    assert!(allows(&set), "the file's Permit alone");
    let (set, _) = join(&[permit("same")], &snapshot(&[("same", json!({"effect": "Require"}))]));
    assert!(!allows(&set), "the cluster's Require objects");
}
