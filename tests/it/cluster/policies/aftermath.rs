//! After a decision: the Events on the pod, what became of the container, and what nothing allowed.

use std::time::{Duration, Instant};

use postern::ledger::Query;
use postern::ledger::event::{ContainerOutcome, What};
use postern::ledger::{Entry, Event};
use postern::store::{AnyLedger, Location};
use regex::Regex;
use serde_json::json;

use super::super::node::not_run;
use super::super::support::{Node, pod};
use super::{House, IMAGE, house, permit};

#[test]
fn describe_says_who_was_let_in_and_who_was_not_and_why() {
    let house = house();
    house.room("after-events");
    let justified = "justification: {required: true}\n";
    house.apply(&permit("after-events", "after-events", justified));
    let for_bob = permit("after-events-bob", "after-events", "")
        .replace("    namespaces:", "    subjects: [{kind: User, name: bob}]\n    namespaces:");
    house.apply(&for_bob);
    let added =
        json!({"name": "dry", "image": IMAGE, "env": [{"name": "DEBUG_REASON", "value": "x"}]});
    let patch = json!({"spec": {"ephemeralContainers": [added]}}).to_string();
    // First, so that its Event would be there before those that are waited for.
    let dry = "patch pod api -n after-events --subresource=ephemeralcontainers --dry-run=server -p";
    let dry: Vec<_> = dry.split(' ').chain([patch.as_str()]).collect();
    house.cluster.kubectl("alice").args(dry).ok();

    let debug = |user: &str, line: &str| {
        let line = format!("debug api -n after-events {line}");
        house.cluster.kubectl(user).args(line.split(' ')).run()
    };
    let refused = debug("alice", "--image=nicolaka/netshoot -c net");
    assert!(!refused.success(), "{refused:?}");
    let reason = debug("alice", "--image=busybox:1.36 -c look --env=DEBUG_REASON=INC-7");
    assert!(reason.success(), "{reason:?}");
    assert!(debug("bob", "--image=busybox:1.36 -c look-too").success());

    let mut events = String::new();
    house.wait("the Events", || {
        let described = house.cluster.kubectl("alice").args(DESCRIBE.split(' ')).ok();
        let section = described.split("Events:").nth(1).unwrap_or_default();
        events = columns(section);
        events.contains("look-too")
    });
    let uid = house.cluster.get("after-events", "pod/api")["metadata"]["uid"].clone();
    let uid = uid.as_str().unwrap();
    let count =
        format!("get events -n after-events --field-selector involvedObject.uid={uid} -o name");
    assert_eq!(house.admin(&count).stdout.lines().count(), 3, "none of a dry run");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("cluster_pod_events", events));
}

const DESCRIBE: &str = "describe pod api -n after-events";

/// The lines of a table, without what differs from run to run.
fn columns(table: &str) -> String {
    let gap = Regex::new(" {2,}").unwrap();
    let decision = Regex::new("decision [0-9a-f-]{36}").unwrap();
    let mut lines = String::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut cells: Vec<_> = gap.split(line).collect();
        if cells[0] == "Normal" || cells[0] == "Warning" {
            cells[2] = "<age>";
        }
        lines += &format!("{}\n", decision.replace(&cells.join(" | "), "decision <decision>"));
    }
    lines
}

/// What a ledger says beside its decisions.
struct Told<'h>(&'h House);

impl Told<'_> {
    fn events(&self) -> Vec<What> {
        let location: Location = self.0.postern().ledger().parse().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let stored = runtime.block_on(async {
            let ledger = AnyLedger::open_read_only(&location).await.unwrap();
            ledger.list_events(&Query { limit: 10_000, ..Query::default() }).await.unwrap()
        });
        let event = |entry| match entry {
            Entry::Event(event) => {
                let Event { what, .. } = *event;
                what
            }
            Entry::Decision(decision) => panic!("{decision:?}"),
        };
        stored.iter().rev().map(|stored| event(stored.entry().unwrap())).collect()
    }

    /// What became of a container, once there are so many words of it.
    fn outcomes(&self, wanted: usize, name: &str, patience: Duration) -> Vec<ContainerOutcome> {
        let end = Instant::now() + patience;
        loop {
            let events = self.events();
            let outcomes: Vec<_> = events
                .iter()
                .filter_map(|what| match what {
                    What::Observed { container, outcome, .. } if container == name => {
                        Some(outcome.clone())
                    }
                    _ => None,
                })
                .collect();
            if outcomes.len() >= wanted {
                return outcomes;
            }
            let log = self.0.postern().log();
            assert!(Instant::now() < end, "{name}: {events:#?}\n{log}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn unattested(&self) -> Vec<String> {
        let unattested = |what| match what {
            What::Unattested { namespace, pod, container, image, .. } => {
                Some(format!("{namespace}/{pod}: {container} of {image}"))
            }
            _ => None,
        };
        self.events().into_iter().filter_map(unattested).collect()
    }

    /// Waits until all pods have been searched twice more, the second time from the start.
    fn searched(&self) {
        let searches = || {
            let metrics = self.0.postern().probe("/metrics");
            let line = "postern_pod_scans_total{result=\"done\"} ";
            let number = metrics.lines().find_map(|found| found.strip_prefix(line));
            number.map_or(0, |number| number.trim().parse::<u64>().unwrap())
        };
        let before = searches();
        self.0.wait("two more searches", || searches() >= before + 2);
    }
}

const SOON: Duration = Duration::from_secs(20);

#[test]
fn what_became_of_containers_and_what_nothing_allowed_is_in_the_ledger() {
    let house = House::open(&[], &["--scan-interval", "1s", "--follow-limit", "1h"]);
    let told = Told(&house);
    for namespace in ["after", "after-refused"] {
        house.room(namespace);
    }
    house.apply(&permit("after", "after*", ""));
    house.wait_until_allowed("alice", "after");

    // Takes half a minute to be noticed; the rest happens meanwhile.
    refuse_later(&house);
    let line = "debug api -n after-refused --image=busybox:1.36 -c never";
    let refused = house.cluster.kubectl("alice").args(line.split(' ')).run();
    assert!(refused.stderr.contains("refuses-later.example.com"), "{refused:?}");
    assert_eq!(house.postern().audit(&["-n", "after-refused"])[0]["answer"], "Allowed");

    let line = "debug api -n after --image=busybox:1.36 -c stays";
    house.cluster.kubectl("alice").args(line.split(' ')).ok();
    house.cluster.report_running("after", "api");
    let runs = told.outcomes(1, "stays", SOON);
    let is_running = |outcome: &ContainerOutcome| match outcome {
        ContainerOutcome::Running { started_at: Some(_), image_id } => {
            image_id.starts_with("sha256:")
        }
        _ => false,
    };
    assert!(is_running(&runs[0]), "{runs:?}");
    a_container_runs_and_ends(&house, &told);

    let never = told.outcomes(1, "never", Duration::from_secs(60));
    assert_eq!(never, [ContainerOutcome::NeverAppeared {}]);
    assert_eq!(told.unattested(), [""; 0], "everything so far was allowed");
    passed_by(&house, &told);

    // It was stopped in between, and knows from the ledger whom it followed.
    assert!(house.admin("delete pod api -n after --grace-period=0 --force").success());
    let gone = told.outcomes(2, "stays", Duration::from_secs(90));
    assert_eq!((gone.len(), &gone[1]), (2, &ContainerOutcome::PodGone {}));
}

/// Whatever Postern allows in one namespace another webhook refuses, which is asked at the same
/// time and never answers.
fn refuse_later(house: &House) {
    let hook = json!({
        "name": "refuses-later.example.com",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "after-refused"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                   "resources": ["pods/ephemeralcontainers"]}],
        "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
    });
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "refuses-later"}, "webhooks": [hook],
    });
    house.cluster.apply(&configuration.to_string());
    house.cluster.settle_webhooks();
}

/// On a real node, where there can be one.
fn a_container_runs_and_ends(house: &House, told: &Told<'_>) {
    let node = match Node::start(&house.cluster) {
        Ok(node) => node,
        Err(why) => return not_run("a_container_runs_and_ends", &why),
    };
    node.create_pod(&house.cluster, &pod("after", "real"));
    let line = ["debug", "real", "-n", "after", "--image=busybox:1.36", "-c", "ends", "--"];
    let command = ["sh", "-c", "sleep 2; exit 3"];
    house.cluster.kubectl("alice").args(line.iter().chain(&command)).ok();
    let end = Instant::now() + Duration::from_secs(60);
    let mut outcomes = told.outcomes(1, "ends", Duration::from_secs(60));
    while !matches!(outcomes.last(), Some(ContainerOutcome::Ended { .. })) {
        assert!(Instant::now() < end, "{outcomes:?}\n{}", house.postern().log());
        std::thread::sleep(Duration::from_millis(200));
        outcomes = told.outcomes(1, "ends", SOON);
    }
    let Some(ContainerOutcome::Ended { started_at, finished_at, image_id, exit_code, reason }) =
        outcomes.pop()
    else {
        panic!("{outcomes:?}");
    };
    assert_eq!((exit_code, reason.as_str()), (3, "Error"));
    assert!(started_at.unwrap() < finished_at.unwrap(), "{started_at:?} {finished_at:?}");
    let digest = Regex::new("sha256:[0-9a-f]{64}$").unwrap();
    assert!(digest.is_match(&image_id), "{image_id}");
    // It may have been seen running, and must not have been said to be anything else.
    let runs = |outcome: &_| matches!(outcome, ContainerOutcome::Running { .. });
    assert!(outcomes.len() <= 1 && outcomes.iter().all(runs), "{outcomes:?}");
}

/// A container that is added while no webhook is called.
fn passed_by(house: &House, told: &Told<'_>) {
    house.cluster.remove_webhooks();
    let line = "debug api -n after --image=evil.example.com/shell -c strange";
    house.cluster.kubectl("alice").args(line.split(' ')).ok();
    house.wait("the stranger", || !told.unattested().is_empty());
    let expected = ["after/api: strange of evil.example.com/shell"];
    told.searched();
    assert_eq!(told.unattested(), expected);
    let metrics = house.postern().probe("/metrics");
    assert!(metrics.contains("postern_unattested_containers_total 1\n"), "{metrics}");
    let log = house.postern().log();
    assert_eq!(log.matches("was allowed by no decision of this ledger").count(), 1, "{log}");

    house.postern().stop();
    house.postern().start_again();
    told.searched();
    assert_eq!(told.unattested(), expected, "not again after a restart");
}
