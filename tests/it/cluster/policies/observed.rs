//! What Prometheus sees of a Postern that has much to do, and of the API server in front of it.

mod dashboard;
mod page;
mod series;

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use super::{House, permit};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";
/// As many of each of what an outsider has the number of in hand.
const MANY: usize = 60;

/// A server that has had to do with many users, pods, namespaces, images and policies, and with
/// every part of it that is measured.
struct Loaded {
    house: House,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(Loaded::open)
}

impl Loaded {
    fn open() -> Self {
        let options = ["--scan-interval", "1s", "--checkpoint-interval", "1s"];
        let sent = ["--forward", "file:sent.jsonl", "--checkpoint-to", "file:notes"];
        let short_lived = ["--access-allow-ttl", "0s"];
        let house = House::open(&[], &[&options[..], &sent, &short_lived].concat());
        let policies: Vec<_> = (0..MANY)
            .map(|number| {
                let rights = if number % 2 == 0 { "authorize: {verb: use}\n" } else { "" };
                permit(&format!("many-{number}"), &format!("many-{number}"), rights)
            })
            .collect();
        house.cluster.apply(&policies.join("---\n"));
        let client = {
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
            let ca = house.postern().authority();
            let ca = reqwest::Certificate::from_pem(ca.as_bytes()).unwrap();
            reqwest::Client::builder().tls_certs_only([ca]).build().unwrap()
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let loaded = Self { house, runtime, client };
        loaded.work();
        loaded.work_through_the_api_server();
        loaded
    }

    /// Reviews as the API server would send them, one of each of many.
    fn work(&self) {
        for number in 0..MANY {
            for phase in ["mutate", "validate"] {
                let review = review(number, number % 7 == 0);
                self.post(phase, "application/json", review.to_string());
            }
        }
        self.post("validate", "application/json", "{".to_owned());
        self.post("validate", "text/plain", String::new());
    }

    fn post(&self, phase: &str, kind: &str, body: String) {
        let url = self.house.postern().url(phase);
        let request = self.client.post(url).header("content-type", kind).body(body);
        self.runtime.block_on(request.send()).unwrap();
    }

    /// Both webhooks are asked, are asked in vain, and are asked again.
    fn work_through_the_api_server(&self) {
        let Self { house, .. } = self;
        house.room("many-1");
        assert!(house.debug("alice", "many-1", "busybox").success());
        assert!(!house.debug("alice", "many-1", "nobody/knows").success());
        let nowhere = "https://127.0.0.1:1/";
        let (validate, authority) = {
            let postern = house.postern();
            (postern.url("validate"), postern.authority())
        };
        house.cluster.install_webhooks(nowhere, &validate, &authority);
        house.debug("alice", "many-1", "busybox");
        house.cluster.install_webhooks(nowhere, nowhere, &authority);
        assert!(!house.debug("alice", "many-1", "busybox").success());
        house.postern().install(&house.cluster);
        assert!(house.debug("alice", "many-1", "busybox").success());
    }

    /// `/metrics`, in the format that is asked for.
    fn metrics(&self, accept: &str) -> String {
        let url = format!("http://{}/metrics", self.house.postern().health());
        let request = self.client.get(url).header("accept", accept);
        self.runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() })
    }

    /// `/metrics`, once it has this.
    fn metrics_with(&self, line: &str) -> String {
        let mut text = String::new();
        self.house.wait(line, || {
            text = self.metrics(OPEN_METRICS);
            text.lines().any(|found| found.starts_with(line))
        });
        text
    }
}

/// A user, a pod, a namespace and an image of which there is one each.
fn review(number: usize, dry_run: bool) -> Value {
    let recorded = "tests/corpus/reviews/debug-profile-baseline.validate.json";
    let text = std::fs::read_to_string(recorded).unwrap();
    let text = text.replace("tomcat-test", &format!("pod-{number}"));
    let text = text.replace("busybox:1.36", &format!("busybox:{number}"));
    let mut review: Value = serde_json::from_str(&text).unwrap();
    let namespace = json!(format!("many-{number}"));
    let request = &mut review["request"];
    for object in ["object", "oldObject"] {
        request[object]["metadata"]["namespace"] = namespace.clone();
    }
    request["namespace"] = namespace;
    request["userInfo"]["username"] = json!(format!("user-{number}"));
    request["dryRun"] = json!(dry_run);
    review
}

/// So often is asked again.
const PAUSE: Duration = Duration::from_millis(300);
