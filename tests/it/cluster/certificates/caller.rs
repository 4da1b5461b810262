//! Somebody who debugs all the time: dry runs through the real API server, as fast as it answers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

/// Calls until it is stopped, and keeps what failed.
pub(super) struct Caller {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<Vec<String>>,
}

impl Caller {
    /// As whoever this kubeconfig is for, into the pod `api` of the namespace `room`.
    pub(super) fn start(kubeconfig: &Path, server: &str) -> Caller {
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&calls));
        let text = std::fs::read_to_string(kubeconfig).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        let token = config["users"][0]["user"]["token"].as_str().unwrap().to_owned();
        let ca = config["clusters"][0]["cluster"]["certificate-authority"].as_str().unwrap();
        let ca = reqwest::Certificate::from_pem(&std::fs::read(ca).unwrap()).unwrap();
        let url =
            format!("{server}/api/v1/namespaces/room/pods/api/ephemeralcontainers?dryRun=All");
        let thread = std::thread::spawn(move || {
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
            runtime.unwrap().block_on(async {
                let mut failed = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    let number = counted.fetch_add(1, Ordering::Relaxed);
                    let request = client
                        .patch(&url)
                        .bearer_auth(&token)
                        .header("content-type", "application/strategic-merge-patch+json")
                        .body(debugger(number));
                    match request.send().await {
                        Ok(answer) if answer.status().is_success() => {}
                        Ok(answer) => failed.push(answer.text().await.unwrap_or_default()),
                        Err(error) => failed.push(error.to_string()),
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                failed
            })
        });
        Caller { stop, calls, thread }
    }

    /// How many calls were made so far.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Stops; what failed.
    pub(super) fn failed(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn debugger(number: usize) -> String {
    let container = json!({
        "name": format!("load-{number}"),
        "image": "busybox:1.36",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    });
    json!({"spec": {"ephemeralContainers": [container]}}).to_string()
}
