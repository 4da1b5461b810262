use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::super::testing::{api_server, refusal};
use super::*;

const LONG: Duration = Duration::from_secs(3600);

fn limits(allow_ttl: Duration, deny_ttl: Duration) -> AccessLimits {
    AccessLimits { allow_ttl, deny_ttl, answer: LONG }
}

fn answer(allowed: bool) -> (u16, Value) {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {}, "status": {"allowed": allowed},
    });
    (201, review)
}

fn alice() -> User {
    let extra = BTreeMap::from([("scopes".to_owned(), vec!["x".to_owned(), "y".to_owned()])]);
    let requester = Requester { username: "alice".to_owned(), groups: vec!["dev".to_owned()] };
    User { requester: Arc::new(requester), uid: "7".to_owned(), extra }
}

#[tokio::test]
async fn everything_that_is_known_of_the_requester_is_passed_on() {
    let (client, asked) = api_server(async |_| answer(true));
    let access = Access::new(client, limits(LONG, LONG));
    assert_eq!(access.may_use(&alice(), "on-call", "payments").await, Right::Granted);
    let (line, review) = asked.lock().unwrap()[0].clone();
    assert!(line.starts_with("POST /apis/authorization.k8s.io/v1/subjectaccessreviews"), "{line}");
    let expected = json!({
        "user": "alice",
        "uid": "7",
        "groups": ["dev"],
        "extra": {"scopes": ["x", "y"]},
        "resourceAttributes": {
            "verb": "use",
            "group": "postern.dev",
            "version": "v1alpha1",
            "resource": "debugpolicies",
            "name": "on-call",
            "namespace": "payments",
        },
    });
    assert_eq!(review["spec"], expected);
}

#[tokio::test]
async fn equal_questions_at_once_are_asked_once() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let (client, asked) = api_server(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            answer(true)
        }
    });
    let access = Arc::new(Access::new(client, limits(LONG, LONG)));
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let access = Arc::clone(&access);
            tokio::spawn(async move { access.may_use(&alice(), "p", "n").await })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    opened.add_permits(100);
    for one in asking {
        assert_eq!(one.await.unwrap(), Right::Granted);
    }
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn questions_that_differ_in_anything_are_different() {
    let (client, asked) = api_server(async |_| answer(true));
    let access = Access::new(client, limits(LONG, LONG));
    let other = |change: fn(&mut User)| {
        let mut user = alice();
        change(&mut user);
        user
    };
    let users = [
        alice(),
        other(|user| Arc::make_mut(&mut user.requester).username = "bob".to_owned()),
        other(|user| user.uid = "8".to_owned()),
        other(|user| Arc::make_mut(&mut user.requester).groups.push("sre".to_owned())),
        other(|user| user.extra.clear()),
    ];
    for _ in 0..2 {
        for user in &users {
            access.may_use(user, "p", "n").await;
        }
        access.may_use(&alice(), "q", "n").await;
        access.may_use(&alice(), "p", "m").await;
    }
    assert_eq!(asked.lock().unwrap().len(), users.len() + 2);
}

#[tokio::test]
async fn a_yes_and_a_no_are_kept_for_times_of_their_own() {
    for (allowed, limits, expected) in [
        (true, limits(LONG, Duration::ZERO), 1),
        (true, limits(Duration::ZERO, LONG), 2),
        (false, limits(LONG, Duration::ZERO), 2),
        (false, limits(Duration::ZERO, LONG), 1),
    ] {
        let (client, asked) = api_server(move |_| async move { answer(allowed) });
        let access = Access::new(client, limits);
        let right = if allowed { Right::Granted } else { Right::Denied };
        for _ in 0..2 {
            assert_eq!(access.may_use(&alice(), "p", "n").await, right);
        }
        assert_eq!(asked.lock().unwrap().len(), expected, "{allowed}, {limits:?}");
    }
}

#[tokio::test]
async fn an_error_is_no_answer_and_is_not_kept() {
    let forbidden = "subjectaccessreviews.authorization.k8s.io is forbidden";
    let (client, asked) = api_server(move |number| async move {
        match number {
            1 => refusal(403, "Forbidden", forbidden),
            // Says nothing.
            2 => (201, json!({"apiVersion": "v1", "kind": "x", "spec": {}})),
            _ => answer(true),
        }
    });
    let access = Access::new(client, limits(LONG, LONG));
    assert_eq!(access.may_use(&alice(), "p", "n").await, Right::Unknown);
    assert_eq!(access.trouble().as_deref(), Some(forbidden));
    assert_eq!(access.may_use(&alice(), "p", "n").await, Right::Unknown);
    assert_eq!(access.may_use(&alice(), "p", "n").await, Right::Granted);
    assert_eq!(access.trouble(), None);
    assert_eq!(asked.lock().unwrap().len(), 3);
}

/// A server that allows and denies at once is not believed.
#[tokio::test]
async fn a_denial_wins() {
    let (client, _) = api_server(async |_| {
        let (code, mut review) = answer(true);
        review["status"]["denied"] = json!(true);
        (code, review)
    });
    let access = Access::new(client, limits(LONG, LONG));
    assert_eq!(access.may_use(&alice(), "p", "n").await, Right::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_slow_api_server_is_not_waited_for() {
    let (client, _) = api_server(async |number| {
        if number == 1 {
            std::future::pending::<()>().await;
        }
        answer(true)
    });
    let limits = AccessLimits { answer: Duration::from_millis(500), ..limits(LONG, LONG) };
    let access = Access::new(client, limits);
    assert_eq!(access.may_use(&alice(), "p", "n").await, Right::Unknown);
    assert!(access.trouble().is_some_and(|why| why.contains("no answer within 500ms")));
    assert_eq!(access.may_use(&alice(), "p", "n").await, Right::Granted);
}
