//! What the running server writes to its log, and how much of it.

use serde_json::{Value, json};

use crate::server::{Server, Site};

const DEBUGGER: &str = include_str!("../corpus/reviews/debug-profile-restricted.validate.json");
const POLICIES: &str = include_str!("../corpus/reviews/policies.yaml");

/// Posts a review of the debugger with these changes; the message and the log line's decision.
async fn post(site: &Site, server: &Server, phase: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut review: Value = serde_json::from_str(DEBUGGER).unwrap();
    change(&mut review["request"]);
    let request = site.client().build().unwrap().post(server.url(phase));
    let request = request.header("content-type", "application/json").body(review.to_string());
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["response"].clone()
}

fn lines(server: &Server, message: &str) -> Vec<Value> {
    let log = server.log();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["message"] == message).collect()
}

/// Each attempt was a line or two, several a minute for as long as the API server was away.
#[test]
fn a_cluster_that_cannot_be_asked_is_complained_of_once() {
    let site = Site::new();
    // It answers, and its certificate is not believed.
    let other = site.start(&[]);
    let config = format!(
        r#"{{"current-context": "c", "clusters": [{{"name": "k", "cluster": {{"server": "{}"}}}}],
            "contexts": [{{"name": "c", "context": {{"cluster": "k"}}}}]}}"#,
        other.url("")
    );
    std::fs::write(site.path("kubeconfig"), config).unwrap();
    let server = site.start(&["--kubeconfig", "kubeconfig"]);
    server.wait_for_line("cannot be watched");
    // For two more attempts, after half a second and after one.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let log = server.log();
    assert_eq!(log.matches("cannot be watched").count(), 1, "{log}");
    assert!(!log.contains("\"ERROR\""), "{log}");
}

/// A pipe that was full stopped every answer, the probes, and the end.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::await_holding_lock, reason = "only who reads the log waits for it")]
async fn a_log_that_nobody_reads_delays_nothing() {
    let site = Site::new();
    let mut server = site.start(&["--drain-delay", "0s"]);
    let (url, live) = (server.url("/validate"), server.health_url("/livez"));
    let client = site.client().build().unwrap();
    let unread = server.leave_log_unread();
    // Some more than a pipe and a reader hold.
    for _ in 0..300 {
        let request = client.post(&url).header("content-type", "application/json");
        assert!(request.body(DEBUGGER).send().await.unwrap().status().is_success());
    }
    assert!(client.get(live).send().await.unwrap().status().is_success());
    server.signal("TERM");
    // Nor is a reader that comes back late told less.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    drop(unread);
    assert!(server.ended().await.success());
    server.wait_for_line("Stopped");
    assert_eq!(lines(&server, "Decided").len(), 300, "{}", server.log());
}

#[tokio::test]
async fn each_decision_is_one_line_that_says_who_what_and_why_and_nothing_of_the_container() {
    let site = Site::new();
    site.install_policies(&[("policies.yaml", POLICIES)]);
    let server = site.start(&["--log-level", "trace"]);
    let allowed = post(&site, &server, "/validate", |_| {}).await;
    assert_eq!(allowed["allowed"], true, "{allowed}");
    let refused = post(&site, &server, "/validate", |request| {
        request["userInfo"]["username"] = json!("eve\n{\"message\":\"Decided\"}");
        request["userInfo"]["groups"] = json!(["strangers"]);
        let containers = request["object"]["spec"]["ephemeralContainers"].as_array_mut().unwrap();
        let added = containers.last_mut().unwrap();
        added["env"] = json!([{"name": "PASSWORD", "value": "hunter2"}]);
        added["command"] = json!(["sh", "-c", "echo swordfish"]);
        added["args"] = json!(["opensesame"]);
    })
    .await;
    assert_eq!(refused["allowed"], false, "{refused}");
    post(&site, &server, "/mutate", |request| request["dryRun"] = json!(true)).await;

    server.wait_for_line("\"Passed\"");
    let decided = lines(&server, "Decided");
    assert_eq!(decided.len(), 2, "{decided:#?}");
    let annotations = |response: &Value| response["auditAnnotations"]["decision"].clone();
    let [yes, no] = [&decided[0], &decided[1]];
    assert_eq!(yes["decision"], annotations(&allowed));
    assert_eq!(no["decision"], annotations(&refused));
    let fields = |line: &Value| {
        let words = "phase verdict answer reason namespace pod user policies dry_run changes";
        words.split(' ').map(|word| line[word].clone()).collect::<Vec<_>>()
    };
    let wanted = json!([
        "validate",
        "allowed",
        "allowed",
        "permitted",
        "default",
        "tomcat-test",
        "alice",
        "look-around",
        false,
        0
    ]);
    assert_eq!(Value::from(fields(yes)), wanted);
    let wanted = json!(["validate", "refused", "refused", "policy", "default", "tomcat-test"]);
    assert_eq!(Value::from(fields(no)[..6].to_vec()), wanted);
    assert!(no["user"].as_str().unwrap().starts_with("eve"), "{no}");
    assert!(no["duration_us"].as_u64().unwrap() > 0);
    for secret in ["hunter2", "swordfish", "opensesame"] {
        assert!(!server.log().contains(secret), "{}", server.log());
    }
}

#[tokio::test]
async fn the_log_level_follows_the_settings_file_while_the_server_runs() {
    let site = Site::new();
    site.install_settings("max-in-flight: 9\n");
    let server = site.start_quiet(&["--config", "config/postern.yaml"]);
    let pass =
        async || post(&site, &server, "/mutate", |request| request["dryRun"] = json!(true)).await;
    pass().await;
    assert!(lines(&server, "Passed").is_empty(), "info is the default");

    site.install_settings("max-in-flight: 9\nlog-level: debug\n");
    server.wait_for_line("The log level is `debug` from now on");
    pass().await;
    server.wait_for_line("\"Passed\"");

    site.install_settings("log-level: loud\n");
    server.wait_for_line("The log level stays `debug`");
    site.install_settings("log-level: error\n");
    server.wait_for_line("The log level is `error` from now on");
    pass().await;
    let refused = post(&site, &server, "/validate", |_| {}).await;
    assert_eq!(refused["allowed"], false);
    assert_eq!(lines(&server, "Passed").len(), 1);
    assert!(lines(&server, "Decided").is_empty());

    // At once, whatever the file system tells: the content is what decides.
    site.install_settings("log-level: info\n");
    server.signal("HUP");
    server.wait_for_line("The log level is `info` from now on");
}

#[tokio::test]
async fn what_a_flag_or_a_variable_says_no_file_changes_and_no_hangup_ends_the_server() {
    let site = Site::new();
    site.install_settings("log-level: info\n");
    let mut server = site.start(&["--config", "config/postern.yaml"]);
    site.install_settings("log-level: error\n");
    server.signal("HUP");
    server.wait_for_line("SIGHUP changes nothing");
    server.signal("HUP");
    post(&site, &server, "/mutate", |request| request["dryRun"] = json!(true)).await;
    server.wait_for_line("\"Passed\"");
    assert!(server.runs());
}

#[tokio::test]
async fn buckets_name_a_decision_only_where_that_is_asked_for() {
    let site = Site::new();
    for (arguments, named) in [(&["--metrics-exemplars"][..], true), (&[], false)] {
        let server = site.start(arguments);
        let refused = post(&site, &server, "/validate", |_| {}).await;
        let decision = refused["auditAnnotations"]["decision"].as_str().unwrap();
        let exemplar = format!(" # {{decision=\"{decision}\"}} 0.");
        assert_eq!(server.open_metrics().await.contains(&exemplar), named);
        assert!(!server.health("/metrics").await.1.contains(decision), "the older format has none");
    }
}
