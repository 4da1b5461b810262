//! The Pod Security Standards as Postern has them beside those that the API server runs.
//!
//! `tests/pod-security` is a program around upstream's own module. It is asked about generated pods
//! and about upstream's own fixtures, whose containers are made ephemeral ones. The two must agree
//! on every check, not on the answer alone: one complaint does not hide another. Where they are not
//! asked the same, [`exceptions`] says so; what no exception names is a bug.

mod exceptions;
mod generate;
mod upstream;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;

use postern::admission::decode::{Subject, decode};
use postern::policy::pod_security::{Violation, violations};
use postern::policy::rule::Level;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use self::exceptions::{EXCEPTIONS, narrow};
use self::upstream::{Checks, Upstream};
use crate::properties::{Tally, check};

/// The version of `latest` that `policy/pod_security.rs` is written after.
const POLICY: &str = "v1.37";
const MODULE: &str = "v0.37.2";
const CASES: u32 = 5_000;

const BASELINE: &[&str] = &[
    "hostNamespaces",
    "appArmorProfile",
    "capabilities_baseline",
    "hostPathVolumes",
    "privileged",
    "procMount",
    "seLinuxOptions",
    "seccompProfile_baseline",
    "windowsHostProcess",
];
const RESTRICTED: &[&str] = &[
    "hostNamespaces",
    "allowPrivilegeEscalation",
    "appArmorProfile",
    "capabilities_restricted",
    "privileged",
    "procMount_restricted",
    "restrictedVolumes",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile_restricted",
    "windowsHostProcess",
];
/// Checks of upstream that cannot be asked of an ephemeral container: they look at the pod alone,
/// or at fields that the API forbids here.
const NOT_ASKED: &[&str] = &["hostPorts", "hostProbesAndHostLifecycle", "sysctls"];

fn asked_at(level: Level) -> &'static [&'static str] {
    if level == Level::Restricted { RESTRICTED } else { BASELINE }
}

/// What the API server sends when the pod's one ephemeral container is added.
fn review(pod: &Value) -> Value {
    let mut review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "subResource": "ephemeralcontainers",
            "name": "api",
            "namespace": "payments",
            "operation": "UPDATE",
            "userInfo": {"username": "alice"},
        },
    });
    for object in ["object", "oldObject"] {
        review["request"][object] = pod.clone();
    }
    review["request"]["oldObject"]["spec"]["ephemeralContainers"] = json!([]);
    review
}

/// The checks that the container breaks, under upstream's names.
fn postern(level: Level, pod: &Value) -> Checks {
    let review = decode(&serde_json::to_vec(&review(pod)).unwrap()).unwrap();
    let debug = match review.subject {
        Subject::Debug(debug) => debug,
        other => panic!("{other:?}\n{pod:#}"),
    };
    let [container] = &*debug.request.injections else { panic!("not one container:\n{pod:#}") };
    let found = violations(level, container, &debug.request.pod, &[]);
    found.iter().map(|violation| upstream_name(level, violation).to_owned()).collect()
}

fn upstream_name(level: Level, violation: &Violation) -> &'static str {
    // Restricted replaces some of baseline's checks by its own.
    let either = |baseline, restricted| {
        if level == Level::Restricted { restricted } else { baseline }
    };
    match violation {
        Violation::HostNamespaces { .. } => "hostNamespaces",
        // Upstream says it of the target itself, which is never so here.
        Violation::Privileged | Violation::PrivilegedTarget { .. } => "privileged",
        Violation::HostProcess { .. } => "windowsHostProcess",
        Violation::CapabilityAdded { .. } | Violation::CapabilitiesNotDropped => {
            either("capabilities_baseline", "capabilities_restricted")
        }
        Violation::AppArmorProfile { .. } => "appArmorProfile",
        Violation::SeLinuxType { .. }
        | Violation::SeLinuxUser { .. }
        | Violation::SeLinuxRole { .. } => "seLinuxOptions",
        Violation::ProcMount { .. } => either("procMount", "procMount_restricted"),
        Violation::SeccompProfile { .. } | Violation::SeccompProfileMissing => {
            either("seccompProfile_baseline", "seccompProfile_restricted")
        }
        Violation::HostPath { .. }
        | Violation::VolumeUnknown { .. }
        | Violation::VolumeKind { .. } => either("hostPathVolumes", "restrictedVolumes"),
        Violation::PrivilegeEscalation => "allowPrivilegeEscalation",
        Violation::NotRunAsNonRoot => "runAsNonRoot",
        Violation::RunAsRoot { .. } => "runAsUser",
    }
}

/// Asks both about a pod with one ephemeral container; `Err` is a difference that no exception
/// explains, else the checks that Postern says are broken.
fn agree(
    upstream: &mut Upstream,
    level: Level,
    pod: &Value,
    tally: &Tally,
) -> Result<Checks, String> {
    let (narrowed, exceptions) = narrow(level, pod);
    let mut asked = |pod: &Value| {
        let mut checks = upstream.judge(level, pod);
        checks.retain(|check| !NOT_ASKED.contains(&check.as_str()));
        checks
    };
    let (whole, ours) = (asked(pod), postern(level, pod));
    let names: Vec<_> = exceptions.iter().map(|exception| exception.name).collect();
    let seen = || format!("at {}, exceptions {names:?}, pod {pod}", level.as_str());
    let theirs = if exceptions.is_empty() { whole.clone() } else { asked(&narrowed) };
    if ours != theirs {
        let versions = format!("{MODULE}, latest {POLICY}");
        return Err(format!("Postern: {ours:?}; upstream ({versions}): {theirs:?}; {}", seen()));
    }
    // What an exception takes out must be nothing to Postern, or it would hide a difference.
    if !exceptions.is_empty() {
        let narrowed = postern(level, &narrowed);
        if narrowed != ours {
            return Err(format!("Postern: {ours:?}, but narrowed {narrowed:?}; {}", seen()));
        }
    }
    for check in whole.symmetric_difference(&theirs) {
        let mut named = exceptions.iter().filter(|e| e.checks.contains(&check.as_str())).peekable();
        if named.peek().is_none() {
            return Err(format!("no exception is about {check}; {}", seen()));
        }
        named.for_each(|exception| tally.note(exception.name));
    }
    tally.note_if(whole != theirs, "excepted");
    tally.note_if(whole.is_empty() != ours.is_empty(), "another answer");
    Ok(ours)
}

fn start() -> Upstream {
    let upstream = Upstream::start();
    let about = &upstream.about;
    let versions = (about.module.as_str(), about.policy.as_str());
    assert_eq!(versions, (MODULE, POLICY), "read what changed, then change Postern and this test");
    for level in [Level::Baseline, Level::Restricted] {
        let known = asked_at(level).iter().chain(NOT_ASKED).map(|check| (*check).to_owned());
        let known: Checks = known.collect();
        assert_eq!(about.checks[level.as_str()], known, "upstream's checks at {}", level.as_str());
    }
    upstream
}

#[test]
fn generated_containers_break_the_checks_that_upstream_says_they_break() {
    let upstream = RefCell::new(start());
    let tallies = [Level::Baseline, Level::Restricted].map(|level| (level, Tally::default()));
    check(CASES, generate::pod(), |pod, _| {
        for (level, tally) in &tallies {
            let broken = agree(&mut upstream.borrow_mut(), *level, &pod, tally)
                .map_err(TestCaseError::fail)?;
            tally.note("cases");
            tally.note_if(broken.is_empty(), "allowed");
            tally.note_if(broken.len() > 1, "more than one check");
            for check in asked_at(*level).iter().filter(|check| broken.contains(**check)) {
                tally.note(check);
            }
        }
        Ok(())
    });
    for (level, tally) in &tallies {
        eprintln!("{} by {MODULE}, latest {POLICY}: {tally:#?}", level.as_str());
        everything_was_met(*level, tally);
    }
}

/// Every check was broken, and every exception made a difference.
fn everything_was_met(level: Level, tally: &Tally) {
    let cases = u32::try_from(tally.count("cases")).unwrap();
    if cases < CASES {
        return; // Fewer were asked for, and some things are rare.
    }
    tally.at_least_one_in(6, cases, "allowed");
    tally.at_least_one_in(8, cases, "more than one check");
    for check in asked_at(level) {
        tally.at_least_one_in(50, cases, check);
    }
    let possible = |checks: &[&str]| checks.iter().any(|check| asked_at(level).contains(check));
    for exception in EXCEPTIONS.iter().filter(|exception| possible(exception.checks)) {
        tally.at_least_one_in(1_000, cases, exception.name);
    }
}

/// The pod as it is when only one of its ephemeral containers is added.
fn each_container(pod: &Value) -> Vec<Value> {
    let containers = pod["spec"]["ephemeralContainers"].as_array().unwrap();
    let alone = |container| {
        let mut pod = pod.clone();
        pod["spec"]["ephemeralContainers"] = json!([container]);
        pod
    };
    containers.iter().map(alone).collect()
}

#[test]
fn upstreams_fixtures_hold_for_ephemeral_containers() {
    let (mut upstream, tally) = (start(), Tally::default());
    let (mut left_out, mut overridden) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    for fixture in upstream::fixtures() {
        let level = if fixture.level == "baseline" { Level::Baseline } else { Level::Restricted };
        let verdict = if fixture.pass { "pass" } else { "fail" };
        let name = format!("{}/{verdict}/{}", fixture.level, fixture.name);
        let Some(pod) = fixture.pod else {
            left_out.entry(fixture.left_out.unwrap()).or_default().push(name);
            continue;
        };
        let whole = upstream.judge(level, &pod);
        assert_eq!(whole.is_empty(), fixture.pass, "moved, {name} is another case: {whole:?}");
        let mut broken = Checks::new();
        for pod in each_container(&pod) {
            let found = agree(&mut upstream, level, &pod, &tally);
            broken.extend(found.unwrap_or_else(|why| panic!("{name}: {why}")));
            tally.note("containers");
        }
        tally.note(verdict);
        if broken.is_empty() != fixture.pass {
            overridden.push(name);
        }
    }
    let mut report = format!("{MODULE}, latest {POLICY}\n");
    for verdict in ["pass", "fail", "containers"] {
        writeln!(report, "{verdict}: {}", tally.count(verdict)).unwrap();
    }
    for (why, names) in left_out {
        writeln!(report, "left out, {why}: {}\n  {}", names.len(), names.join("\n  ")).unwrap();
    }
    for exception in EXCEPTIONS.iter().filter(|exception| tally.count(exception.name) > 0) {
        writeln!(report, "excepted, {}: {}", exception.name, tally.count(exception.name)).unwrap();
    }
    // `seLinuxOptions: {}` of a container is the runtime's default, whatever the pod says.
    writeln!(report, "overridden by the container:\n  {}", overridden.join("\n  ")).unwrap();
    insta::assert_snapshot!("pod_security_fixtures", report);
    assert!(tally.count("pass") >= 20 && tally.count("fail") >= 80, "{report}");
}
