use futures_util::stream;
use serde_json::{Value, json};

use super::super::client::Pulse;
use super::super::namespaces::Namespaces;
use super::super::policies::{Policies, Snapshot, Snapshots};
use super::super::testing::object;
use super::*;
use crate::policy::request::Fact;

type Told = watcher::Result<Event<kube::core::DynamicObject>>;

/// Follows these events and then waits for more; what is published by then.
async fn follow_all(events: Vec<Told>) -> (Snapshots, Arc<Health>) {
    let (keeper, snapshots) = Policies::new();
    let health = Arc::new(Health::new("policies", Pulse::default()));
    let events = std::sync::Mutex::new(Some(events));
    let watch = move || {
        let events = events.lock().unwrap().take().unwrap_or_default();
        stream::iter(events).chain(stream::pending())
    };
    // The paused clock moves on only when everything has been told.
    let following = follow(watch, keeper, Arc::clone(&health));
    drop(timeout(Duration::from_secs(100), following).await);
    (snapshots, health)
}

fn permit() -> Value {
    json!({"effect": "Permit"})
}

fn names(snapshots: &Snapshots) -> Option<Vec<String>> {
    snapshots.borrow().as_ref().map(|snapshot| snapshot.policies.keys().cloned().collect())
}

fn lost() -> Told {
    Err(watcher::Error::NoResourceVersion)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_before_everything_has_been_told() {
    let told = vec![Ok(Event::Init), Ok(Event::InitApply(object("a", 1, &permit()))), lost()];
    let (snapshots, health) = follow_all(told).await;
    assert_eq!(names(&snapshots), None);
    let said = health.state(Duration::MAX).unwrap_err();
    assert!(said.starts_with("the policies have not been read yet: an answer without"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn no_policies_are_a_set_too() {
    let (snapshots, _) = follow_all(vec![Ok(Event::Init), Ok(Event::InitDone)]).await;
    assert_eq!(names(&snapshots), Some(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn every_change_is_followed() {
    let told = vec![
        Ok(Event::Init),
        Ok(Event::InitApply(object("a", 1, &permit()))),
        Ok(Event::InitApply(object("b", 1, &permit()))),
        Ok(Event::InitDone),
        Ok(Event::Apply(object("c", 1, &permit()))),
        Ok(Event::Delete(object("a", 1, &permit()))),
    ];
    let (snapshots, _) = follow_all(told).await;
    assert_eq!(names(&snapshots), Some(vec!["b".to_owned(), "c".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_stays_while_everything_is_told_again() {
    let told = vec![
        Ok(Event::Init),
        Ok(Event::InitApply(object("a", 1, &permit()))),
        Ok(Event::InitDone),
        lost(),
        Ok(Event::Init),
        Ok(Event::InitApply(object("b", 1, &permit()))),
        lost(),
    ];
    let (snapshots, _) = follow_all(told).await;
    assert_eq!(names(&snapshots), Some(vec!["a".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_told_again_is_gone() {
    let told = vec![
        Ok(Event::Init),
        Ok(Event::InitApply(object("a", 1, &permit()))),
        Ok(Event::InitDone),
        lost(),
        Ok(Event::Init),
        Ok(Event::InitDone),
    ];
    let (snapshots, _) = follow_all(told).await;
    assert_eq!(names(&snapshots), Some(Vec::new()));
}

fn snapshot(keeper: &mut Policies, snapshots: &Snapshots) -> Arc<Snapshot> {
    keeper.publish();
    snapshots.borrow().clone().unwrap()
}

#[test]
fn only_what_is_judged_by_makes_another_revision() {
    let (mut keeper, snapshots) = Policies::new();
    keeper.begin();
    keeper.initial(object("a", 1, &permit()));
    keeper.complete();
    let first = snapshot(&mut keeper, &snapshots);

    let mut written = object("a", 1, &permit());
    written.data["status"] = json!({"observedGeneration": 1});
    keeper.put(written);
    let second = snapshot(&mut keeper, &snapshots);
    assert_eq!(second.revision, first.revision);
    assert!(Arc::ptr_eq(&second.policies["a"].live, &first.policies["a"].live));
    assert_eq!(second.policies["a"].status.as_ref().unwrap().observed_generation, Some(1));

    keeper.begin();
    keeper.initial(object("a", 1, &permit()));
    keeper.complete();
    assert_eq!(snapshot(&mut keeper, &snapshots).revision, first.revision, "told again");

    // The same generation, and nevertheless another spec: seen of a real API server.
    let more = json!({"effect": "Permit", "priority": 1});
    keeper.put(object("a", 1, &more));
    let third = snapshot(&mut keeper, &snapshots);
    assert!(third.revision > first.revision);
    assert_eq!(third.policies["a"].live.policy.priority, 1);

    let mut other = object("a", 1, &more);
    other.metadata.uid = Some("another".to_owned());
    keeper.put(other);
    let fourth = snapshot(&mut keeper, &snapshots);
    assert!(fourth.revision > third.revision);
    assert_eq!(fourth.policies["a"].live.policy.id.uid.as_deref(), Some("another"));

    keeper.remove(&object("a", 1, &more));
    assert!(snapshot(&mut keeper, &snapshots).revision > fourth.revision);
}

#[test]
fn one_object_of_the_wrong_shape_hides_no_other() {
    let (mut keeper, snapshots) = Policies::new();
    keeper.begin();
    keeper.initial(object("a", 1, &json!({"effect": "Permit", "novelty": 1})));
    keeper.initial(object("b", 1, &json!(7)));
    keeper.initial(object("c", 1, &permit()));
    keeper.complete();
    let snapshot = snapshot(&mut keeper, &snapshots);
    let faults: Vec<_> = snapshot.policies.values().map(|it| it.live.fault.is_some()).collect();
    assert_eq!(faults, [true, true, false]);
}

#[test]
fn a_namespace_that_was_not_seen_has_no_labels_that_are_known() {
    let namespaces = Namespaces::default();
    let mut keeper = namespaces.keeper();
    let object = |name: &str, tier: &str| {
        let metadata = json!({"metadata": {"name": name, "labels": {"tier": tier}}});
        serde_json::from_value(metadata).unwrap()
    };
    let tier = |name: &str| match namespaces.labels(name) {
        Fact::Known(labels) => labels.get("tier").cloned(),
        Fact::Unknown => Some("unknown".to_owned()),
    };
    assert_eq!(tier("a").as_deref(), Some("unknown"));
    keeper.begin();
    keeper.initial(object("a", "app"));
    assert_eq!(tier("a").as_deref(), Some("unknown"), "not all has been told");
    keeper.initial(serde_json::from_value(json!({"metadata": {"name": "bare"}})).unwrap());
    keeper.complete();
    assert_eq!(tier("a").as_deref(), Some("app"));
    assert_eq!(tier("bare"), None);
    assert_eq!(tier("b").as_deref(), Some("unknown"));
    keeper.put(object("a", "data"));
    assert_eq!(tier("a").as_deref(), Some("data"));
    keeper.remove(&object("a", "data"));
    assert_eq!(tier("a").as_deref(), Some("unknown"));
}

#[test]
fn a_watch_lasts_shorter_than_the_silence_that_counts() {
    for (limit, expected) in [(3, 1), (30, 10), (300, 60), (86_400, 60)] {
        assert_eq!(duration(Duration::from_secs(limit)), Duration::from_secs(expected));
    }
}

#[test]
fn a_page_is_not_what_an_api_server_says() {
    let page = kube::core::Status {
        message: "<!DOCTYPE HTML>\n<p>No".to_owned(),
        code: 404,
        ..Default::default()
    };
    let said = reason(&kube::Error::Api(Box::new(page)));
    assert_eq!(said, "it answers with status 404 and a page, as no API server does");
}

/// In the library's words is a picture of what was printed.
#[test]
fn a_token_that_could_not_be_renewed_is_not_shown() {
    let broken = serde_saphyr::from_str::<u8>("hush").unwrap_err();
    let error = AuthError::AuthExecParse(Box::new(broken));
    let said = reason(&kube::Error::Service(Box::new(error)));
    assert!(said.ends_with("does not print an ExecCredential"), "{said}");
}
