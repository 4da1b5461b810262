//! Every query of the dashboard and of the alerts, asked of a Prometheus that watches both servers.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Loaded, PAUSE, loaded};
use crate::alerts::{metrics_in, rules};
use crate::cluster::support::built_by;
use crate::cluster::support::port::Port;
use crate::cluster::support::workshop::Workshop;

const DASHBOARD: &str = include_str!("../../../../../deploy/chart/files/dashboard.json");
const PATIENCE: Duration = Duration::from_secs(60);

/// A Prometheus that asks both servers every second.
struct Prometheus {
    workshop: Workshop,
    port: Port,
}

impl Prometheus {
    fn start(loaded: &Loaded) -> Self {
        let programs = built_by("tests/prometheus/build.sh", &[]);
        let port = Port::claim(&loaded.house.cluster.programs().with_file_name("ports"));
        let mut workshop = Workshop::open("prometheus");
        let configuration = configuration(loaded);
        let configuration = workshop.write("prometheus.yaml", configuration);
        let mut command = Command::new(programs.join("prometheus"));
        command
            .env_clear()
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", workshop.text("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{}", port.number))
            .arg("--log.level=warn");
        workshop.start("prometheus", &mut command);
        Self { workshop, port }
    }

    fn get(&self, loaded: &Loaded, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port.number);
        let answer =
            loaded.runtime.block_on(async { loaded.client.get(url).send().await?.text().await });
        let answer = answer.unwrap_or_default();
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// What a query gives now: the error, or how many series.
    fn ask(&self, loaded: &Loaded, query: &str) -> Result<usize, String> {
        let answer = self.get(loaded, &format!("query?query={}", encoded(query)));
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"]["result"].as_array().map_or(0, Vec::len)),
            _ => Err(format!("{}\n{}", answer["error"], self.workshop.log("prometheus"))),
        }
    }
}

/// Also the rules, as they are.
fn configuration(loaded: &Loaded) -> String {
    let cluster = &loaded.house.cluster;
    let kubeconfig = std::fs::read_to_string(cluster.kubeconfig("admin")).unwrap();
    let kubeconfig: Value = serde_json::from_str(&kubeconfig).unwrap();
    let token = &kubeconfig["users"][0]["user"]["token"];
    let authority = &kubeconfig["clusters"][0]["cluster"]["certificate-authority"];
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/chart/files/rules.yaml");
    format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}']\n\
         scrape_configs:\n\
         - job_name: postern\n  static_configs: [{{targets: ['{}']}}]\n\
         - job_name: apiserver\n  scheme: https\n  authorization: {{credentials: {token}}}\n  \
           tls_config: {{ca_file: {authority}}}\n  static_configs: [{{targets: ['{}']}}]\n",
        rules.display(),
        loaded.house.postern().health(),
        cluster.server().trim_start_matches("https://"),
    )
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "%{byte:02x}").unwrap();
        text
    })
}

/// Every query of a panel, with its panel's title, as Grafana would send it.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$__rate_interval", "10s");
            let query = query.replace("\"$job\"", "\".*\"").replace("\"$instance\"", "\".*\"");
            assert!(!query.contains('$'), "{title}: {query}");
            queries.push((title.to_owned(), query));
        }
    }
    queries
}

#[test]
fn every_query_of_the_dashboard_and_of_the_alerts_finds_what_it_asks_for() {
    let loaded = loaded();
    let prometheus = Prometheus::start(loaded);
    let queries = queries();
    assert!(queries.len() > 50, "{}", queries.len());
    let end = Instant::now() + PATIENCE;
    loop {
        loaded.work();
        let asked = queries.iter().map(|query| (query, prometheus.ask(loaded, &query.1)));
        let empty: Vec<_> = asked.filter(|(_, answer)| !matches!(answer, Ok(1..))).collect();
        if empty.is_empty() {
            break;
        }
        assert!(Instant::now() < end, "{empty:#?}");
        std::thread::sleep(PAUSE);
    }
    let annotations: Value = serde_json::from_str(DASHBOARD).unwrap();
    for annotation in annotations["annotations"]["list"].as_array().unwrap() {
        let query = annotation["expr"].as_str().unwrap().replace("\"$job\"", "\".*\"");
        prometheus.ask(loaded, &query).unwrap();
    }
    alerts_ask_for_what_is_there(loaded, &prometheus);
    alerts_are_silent(loaded, &prometheus);
}

/// Each metric of each alert is one that the two servers show.
fn alerts_ask_for_what_is_there(loaded: &Loaded, prometheus: &Prometheus) {
    for rule in rules() {
        prometheus.ask(loaded, &rule.expr).unwrap();
        for metric in metrics_in(&rule.expr) {
            // It is there once somebody was excused.
            if metric != "apiserver_admission_match_condition_exclusions_total" {
                let found = prometheus.ask(loaded, &metric).unwrap();
                assert!(found > 0, "{}: there is no {metric}", rule.alert);
            }
        }
    }
}

/// They are evaluated, and none wakes anybody.
fn alerts_are_silent(loaded: &Loaded, prometheus: &Prometheus) {
    let answer = prometheus.get(loaded, "rules?type=alert");
    let groups = answer["data"]["groups"].as_array().unwrap();
    let seen: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert_eq!(seen.len(), rules().len());
    for rule in seen {
        assert_eq!(rule["health"], "ok", "{rule:#}");
        // The pods that it was asked about are none of this cluster, so no Event can be written.
        assert_ne!(rule["state"], "firing", "{rule:#}");
    }
}

/// As the page on operating says.
#[test]
fn the_audit_log_of_the_api_server_tells_of_decisions_and_of_what_went_past() {
    let events = loaded().house.cluster.audit_events();
    let annotations = events.iter().filter_map(|event| event["annotations"].as_object());
    let annotations: Vec<_> = annotations.flatten().collect();
    let is_there = |key: &str, value: &str| {
        annotations.iter().any(|(is, said)| is.starts_with(key) && said.as_str() == Some(value))
    };
    assert!(is_there("validate.postern.dev/verdict", "allowed"), "{annotations:#?}");
    assert!(is_there("validate.postern.dev/verdict", "refused"), "{annotations:#?}");
    assert!(is_there("validate.postern.dev/policies", "many-1"), "{annotations:#?}");
    assert!(annotations.iter().any(|(key, _)| *key == "validate.postern.dev/decision"));
    let past = "failed-open.mutation.webhook.admission.k8s.io/round_0_index_";
    assert!(is_there(past, "mutate.postern.dev"), "{annotations:#?}");
    let page = std::fs::read_to_string("docs/operate.md").unwrap();
    assert!(page.contains("failed-open.mutation.webhook.admission.k8s.io/"));
}
