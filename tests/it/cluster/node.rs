//! On a real node: what the old tutorials show, end to end.

use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::desk::{Desk, Shared};
use super::site::site;
use super::support::{Node, Output, pod};

/// The pod of the tutorials: an application and something beside it.
fn shop() -> Value {
    let mut shop = pod("team-node", "shop");
    let image = "registry.example.com/app/server:1.0";
    shop["spec"]["containers"] = json!([
        {"name": "web", "image": image, "command": ["sleep", "4711"]},
        {"name": "log", "image": image, "command": ["sleep", "4712"]},
    ]);
    shop
}

#[test]
fn a_person_looks_into_a_running_pod() {
    let node = match Node::start(&site().cluster) {
        Ok(node) => node,
        Err(why) => return not_run("a_person_looks_into_a_running_pod", &why),
    };
    let mut desk = Desk::open("team-node");
    node.create_pod(desk.cluster(), &shop());

    let debug = "kubectl debug shop -n team-node --image=busybox:1.36 --target=web";
    let look = format!("{debug} -i -c look");
    let session = desk.converses("alice", &look, &[("ps\n", "sleep 4711"), ("exit 3\n", "")]);
    assert!(session.stdout.contains("sleep 4711"), "{session:?}");
    assert!(!session.stdout.contains("sleep 4712"), "only the target's: {session:?}");
    desk.keep("alice", &look, &once(&session));
    let ended = wait_for_end(&desk, "look");
    assert_eq!(ended["state"]["terminated"]["exitCode"], 3);

    desk.note("It has ended. It cannot be started again");
    assert_eq!(desk.types("alice", &look).status, Some(1));
    desk.note("nor told to restart");
    put(&mut desk, |containers| containers[0]["restartPolicy"] = json!("Always"));
    desk.note("nor removed");
    put(&mut desk, Vec::clear);
    desk.note("A second one needs a new name");
    assert!(desk.types("alice", &format!("{debug} -c look-again -- sleep 1")).success());
    assert_eq!(wait_for_end(&desk, "look-again")["restartCount"], 0);
    assert_eq!(wait_for_end(&desk, "look")["restartCount"], 0);

    let describe = "kubectl describe pod shop -n team-node";
    let mut described = desk.cluster().kubectl("alice").args(describe.split(' ').skip(1)).run();
    let section = described.stdout.split("Ephemeral Containers:").nth(1).unwrap_or_default();
    let section = section.split("Conditions:").next().unwrap_or_default();
    described.stdout = format!("(...)\nEphemeral Containers:{section}(...)\n");
    desk.keep("alice", describe, &described);
    desk.close("node");
}

/// Puts the pod back with its debuggers changed, which must be refused.
fn put(desk: &mut Desk<Shared>, change: impl FnOnce(&mut Vec<Value>)) {
    let mut pod = desk.read_pod("shop");
    change(pod["spec"]["ephemeralContainers"].as_array_mut().unwrap());
    desk.json_file("pod.json", &pod);
    let path = "/api/v1/namespaces/team-node/pods/shop/ephemeralcontainers";
    let put = desk.types("alice", &format!("kubectl replace --raw {path} -f pod.json"));
    assert_eq!(put.status, Some(1));
}

/// The status of a debugger, once it has ended.
fn wait_for_end(desk: &Desk<Shared>, name: &str) -> Value {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let pod = desk.read_pod("shop");
        let statuses = pod["status"]["ephemeralContainerStatuses"].as_array();
        let status = statuses.into_iter().flatten().find(|status| status["name"] == name);
        if let Some(status) = status.filter(|status| status["state"]["terminated"].is_object()) {
            return status.clone();
        }
        assert!(Instant::now() < end, "{name} has not ended: {status:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Each line once: on a slow machine a command is typed again, and answered again.
fn once(session: &Output) -> Output {
    let mut lines: Vec<&str> = Vec::new();
    for line in session.stdout.lines() {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Output { stdout: lines.join("\n"), ..session.clone() }
}

/// Not a silent pass: the harness keeps to itself what `eprintln!` prints of a test that succeeds.
pub(super) fn not_run(test: &str, why: &str) {
    drop(writeln!(io::stderr(), "not run: {test}, because {why}"));
}
