//! The server as a process, over real sockets: certificates, limits, reloads and the way it stops.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::{Authority, Pair, Server, Site};

const REVIEW: &str = include_str!("../corpus/reviews/put-no-change.validate.json");
const DEBUGGER: &str = include_str!("../corpus/reviews/debug-profile-restricted.validate.json");

const PERMITS_ALL: &str = r#"
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: all}
spec:
  effect: Permit
  containers: {images: {allow: ["**"]}, podSecurity: privileged}
"#;
const FORBIDS_BUSYBOX: &str = r#"
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: no-busybox}
spec:
  effect: Require
  containers: {images: {deny: ["busybox"]}}
"#;
const BAD: &str = r#"apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: bad}
spec:
  efect: Permit
"#;

/// Whether a debugger is let in by the policies in force.
async fn allows_debugger(client: &reqwest::Client, server: &Server) -> bool {
    let request = client.post(server.url("/validate")).header("content-type", "application/json");
    let answer: serde_json::Value =
        request.body(DEBUGGER).send().await.unwrap().json().await.unwrap();
    answer["response"]["allowed"].as_bool().unwrap()
}

/// Posts a review that is allowed because it adds nothing.
async fn post(client: &reqwest::Client, server: &Server) -> reqwest::Result<reqwest::Response> {
    let request = client.post(server.url("/validate")).header("content-type", "application/json");
    request.body(REVIEW).send().await?.error_for_status()
}

/// The certificate that a new connection is shown.
async fn shown(site: &Site, server: &Server) -> Vec<u8> {
    let client = site.client().tls_info(true).build().unwrap();
    let response = post(&client, server).await.unwrap();
    let info = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    info.peer_certificate().unwrap().to_vec()
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

/// A connection on which a test says what it likes.
async fn connect(
    site: &Site,
    server: &Server,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &str,
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(site.authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(postern::server::tls::provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let tcp = TcpStream::connect(server.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}

async fn connect_1_3(site: &Site, server: &Server) -> TlsStream<TcpStream> {
    connect(site, server, &[&TLS13], "http/1.1").await
}

fn head(length: usize) -> String {
    format!(
        "POST /validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// Everything until the server closes the connection.
async fn read_to_end(stream: &mut TlsStream<TcpStream>) -> String {
    let mut bytes = Vec::new();
    // A connection that is cut without a TLS farewell has said what it said.
    drop(timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await.unwrap());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_rotate_under_load_without_a_failed_request() {
    let site = Site::new();
    let server = Arc::new(site.start(&[]));
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|number| {
            let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
            // Half of them make a new connection each time.
            let idle = if number % 2 == 0 { 0 } else { 8 };
            let client = site.client().pool_max_idle_per_host(idle).build().unwrap();
            tokio::spawn(async move {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    post(&client, &server).await.unwrap();
                    answered += 1;
                }
                answered
            })
        })
        .collect();

    let mut last = site.authority.serving();
    for _ in 0..6 {
        last = site.authority.serving();
        site.install(&last);
        sleep(Duration::from_millis(400)).await;
    }
    let end = Instant::now() + Duration::from_secs(5);
    while shown(&site, &server).await != der(&last.certificate) && Instant::now() < end {
        sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for task in load {
        answered += task.await.unwrap();
    }
    assert!(answered > 100, "{answered}");
    assert_eq!(shown(&site, &server).await, der(&last.certificate));
    assert!(server.log().matches("Certificates loaded").count() >= 4, "{}", server.log());
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_leaves_the_old_one_in_use() {
    let site = Site::new();
    let good = site.authority.serving();
    site.install(&good);
    let server = site.start(&[]);
    let other = site.authority.serving();
    let with = |certificate: &str, key: &str| Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    let cut = &other.certificate[..other.certificate.len() / 2];
    let bad = [
        (with(&other.certificate, &good.key), "cannot be used together"),
        (with("", &other.key), "holds no certificate"),
        (with(&other.certificate, ""), "holds 0 private keys"),
        (with(cut, &other.key), "a block has no end"),
        // A chain whose second certificate is damaged is not served by half.
        (with(&format!("{}{cut}", other.certificate), &other.key), "a block has no end"),
        (site.authority.expired(), "valid from 2001"),
    ];
    for (number, (pair, why)) in bad.iter().enumerate() {
        site.install(pair);
        let line = format!("postern_certificate_reload_failures_total {}", number + 1);
        server.wait_for_metric(&line).await;
        server.wait_for_line(why);
        assert_eq!(shown(&site, &server).await, der(&good.certificate));
        let (status, ready) = server.health("/readyz").await;
        assert_eq!(status, 200, "{ready}");
        assert!(ready.contains("[+]certificate ok: the old one stays in use"), "{ready}");
    }
    assert!(!server.log().contains(&other.key[40..80]), "a key is in the log");

    // And a good one, with what stands between it and the authority, is taken again.
    let chain = with(&format!("{}{}", other.certificate, site.authority.pem()), &other.key);
    site.install(&chain);
    server.wait_for_line("Certificates loaded");
    assert_eq!(shown(&site, &server).await, der(&other.certificate));
    assert!(server.health("/readyz").await.1.contains("[+]certificate ok\n"));
}

#[tokio::test]
async fn an_expired_certificate_at_the_start_is_served_but_not_ready() {
    let site = Site::new();
    site.install(&site.authority.expired());
    let server = site.start(&[]);
    let (status, ready) = server.health("/readyz").await;
    assert_eq!(status, 503, "{ready}");
    assert!(ready.contains("[-]certificate failed: expired at 2002-01-01T00:00:00Z"), "{ready}");
    site.install(&site.authority.serving());
    server.wait_for_line("Certificates loaded");
    assert_eq!(server.health("/readyz").await.0, 200);
}

#[tokio::test]
async fn only_clients_of_the_client_authority_are_let_in() {
    let site = Site::new();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    fs::write(site.path("client-ca.pem"), ours.pem()).unwrap();
    let server = site.start(&["--client-ca", "client-ca.pem"]);
    let client_of = |authority: &Authority| {
        let Pair { certificate, key } = authority.client();
        let identity = reqwest::Identity::from_pem((certificate + &key).as_bytes()).unwrap();
        site.client().identity(identity).build().unwrap()
    };
    assert!(post(&site.client().build().unwrap(), &server).await.is_err());
    assert!(post(&client_of(&theirs), &server).await.is_err());
    post(&client_of(&ours), &server).await.unwrap();

    // The authority can be replaced without a restart.
    fs::write(site.path("client-ca.pem"), theirs.pem()).unwrap();
    server.wait_for_line("Certificates loaded");
    assert!(post(&client_of(&ours), &server).await.is_err());
    post(&client_of(&theirs), &server).await.unwrap();
    // The probes need no certificate.
    assert_eq!(server.health("/livez").await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_with_http_1_and_2() {
    let site = Site::new();
    let server = site.start(&[]);
    for (version, spoken) in
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        for alpn in ["h2", "http/1.1"] {
            let stream = connect(&site, &server, &[version], alpn).await;
            let (_, connection) = stream.get_ref();
            assert_eq!(connection.protocol_version(), Some(spoken));
            assert_eq!(connection.alpn_protocol(), Some(alpn.as_bytes()));
        }
    }
    let client = site.client().build().unwrap();
    assert_eq!(post(&client, &server).await.unwrap().version(), reqwest::Version::HTTP_2);
    let client = site.client().http1_only().build().unwrap();
    assert_eq!(post(&client, &server).await.unwrap().version(), reqwest::Version::HTTP_11);
}

#[tokio::test]
async fn tls_1_2_can_be_dropped() {
    let site = Site::new();
    let server = site.start(&["--tls-min-version", "1.3"]);
    connect_1_3(&site, &server).await;
    let old = tokio::spawn(async move { connect(&site, &server, &[&TLS12], "h2").await });
    let refused = old.await.unwrap_err().into_panic();
    let refused = refused.downcast_ref::<String>().unwrap();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
}

#[test]
fn the_page_names_the_cipher_suites_that_are_offered() {
    let page = fs::read_to_string("docs/certificates.md").unwrap();
    let offered: Vec<_> = postern::server::tls::provider()
        .cipher_suites
        .iter()
        .map(|suite| format!("`{:?}`", suite.suite()))
        .collect();
    for suite in &offered {
        assert!(page.contains(suite), "{suite}");
    }
    assert_eq!(page.matches("`TLS").count(), offered.len());
}

#[tokio::test]
async fn whoever_is_slow_is_cut_off() {
    let site = Site::new();
    let server = site.start(&[]);
    let silent = async {
        let mut tcp = TcpStream::connect(server.address()).await.unwrap();
        timeout(Duration::from_secs(15), tcp.read(&mut [0; 1])).await
    };
    let slow_head = async {
        let mut stream = connect_1_3(&site, &server).await;
        stream.write_all(b"POST /validate HTTP/1.1\r\nHost: loc").await.unwrap();
        timeout(Duration::from_secs(15), stream.read(&mut [0; 1])).await
    };
    let slow_body = async {
        let started = Instant::now();
        let mut stream = connect_1_3(&site, &server).await;
        stream.write_all(head(REVIEW.len()).as_bytes()).await.unwrap();
        stream.write_all(&REVIEW.as_bytes()[..100]).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        answer
    };
    let (silent, slow_head, slow_body) = tokio::join!(silent, slow_head, slow_body);
    // Closed, with or without a reset: no byte comes.
    assert!(!matches!(silent.expect("a connection without a handshake is kept"), Ok(1..)));
    assert!(!matches!(slow_head.expect("a connection without a request is kept"), Ok(1..)));
    assert!(slow_body.starts_with("HTTP/1.1 408 "), "{slow_body}");
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_the_others_served() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut held = Vec::new();
    for _ in 0..512 {
        held.push(TcpStream::connect(server.address()).await.unwrap());
    }
    server.wait_for_metric("postern_connections 512").await;
    let mut one_more = TcpStream::connect(server.address()).await.unwrap();
    let closed = timeout(Duration::from_secs(3), one_more.read(&mut [0; 1])).await;
    assert!(!matches!(closed.expect("one connection too many is kept"), Ok(1..)));
    held.clear();
    server.wait_for_metric("postern_connections 0").await;
    post(&site.client().build().unwrap(), &server).await.unwrap();
}

#[tokio::test]
async fn a_signal_ends_the_server_only_after_what_is_in_flight() {
    let site = Site::new();
    let mut server = site.start(&["--drain-delay", "1s", "--deadline", "10s"]);
    let mut in_flight = connect_1_3(&site, &server).await;
    in_flight.write_all(head(REVIEW.len()).as_bytes()).await.unwrap();
    in_flight.write_all(&REVIEW.as_bytes()[..100]).await.unwrap();
    let client = site.client().http1_only().build().unwrap();
    post(&client, &server).await.unwrap();

    server.signal("TERM");
    server.wait_for_line("Stopping");
    let (status, ready) = server.health("/readyz").await;
    assert_eq!(status, 503);
    assert!(ready.contains("[-]running failed: the server is stopping"), "{ready}");
    assert_eq!(server.health("/livez").await.0, 200);
    // Who does not know yet is served, on old connections and new, and sent elsewhere.
    let response = post(&client, &server).await.unwrap();
    assert_eq!(response.headers()["connection"], "close");
    post(&site.client().build().unwrap(), &server).await.unwrap();

    sleep(Duration::from_millis(1500)).await;
    assert!(TcpStream::connect(server.address()).await.is_err());
    assert!(server.runs(), "it ended before its last request:\n{}", server.log());
    in_flight.write_all(&REVIEW.as_bytes()[100..]).await.unwrap();
    let answer = read_to_end(&mut in_flight).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_under_load_fails_no_request_and_loses_no_record() {
    let site = Site::new();
    let ledger = ["--ledger", "sqlite:ledger.db"];
    let mut server = site.start(&[&ledger[..], &["--drain-delay", "1s"]].concat());
    let url = server.url("/validate");
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (url, client) = (url.clone(), site.client().http1_only().build().unwrap());
            tokio::spawn(async move {
                let mut answered = 0;
                loop {
                    let request = client.post(&url).header("content-type", "application/json");
                    match request.body(DEBUGGER).send().await {
                        Ok(response) => {
                            assert_eq!(response.status(), 200);
                            response.bytes().await.unwrap();
                            answered += 1;
                        }
                        // The end of the drain: nobody listens any more.
                        Err(error) if error.is_connect() => return answered,
                        Err(error) => panic!("after {answered} answers: {error:?}"),
                    }
                }
            })
        })
        .collect();
    sleep(Duration::from_millis(500)).await;
    server.signal("INT");
    let mut answered = 0;
    for task in load {
        answered += task.await.unwrap();
    }
    assert!(answered > 40, "{answered}");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    assert!(!site.path("ledger.db-wal").exists(), "the ledger was not closed");
    let listed = site.run(&[&["audit", "list", "-o", "json"], &ledger[..]].concat());
    assert_eq!(listed.lines().count(), answered);
    // And the ledger is free for the next server.
    site.start(&ledger);
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once() {
    let site = Site::new();
    let mut server = site.start(&["--drain-delay", "1m"]);
    server.signal("TERM");
    server.wait_for_line("Stopping");
    server.signal("TERM");
    let status = server.ended().await;
    assert_eq!((status.code(), status.signal()), (Some(2), None), "{}", server.log());
}

#[tokio::test]
async fn policies_are_loaded_again_when_their_folder_changes() {
    let site = Site::new();
    let server = site.start(&[]);
    let client = site.client().build().unwrap();
    assert!(!allows_debugger(&client, &server).await);
    site.install_policies(&[("all.yaml", PERMITS_ALL)]);
    server.wait_for_line("Policies are in force");
    assert!(allows_debugger(&client, &server).await);
    // More than once, and in place as well.
    site.install_policies(&[("dev.yaml", PERMITS_ALL), ("ops.yaml", FORBIDS_BUSYBOX)]);
    let metric = r#"postern_policies{effect="Require",enforcement="Enforce"} 1"#;
    server.wait_for_metric(metric).await;
    assert!(!allows_debugger(&client, &server).await);
    fs::write(site.path("policies/..data/ops.yaml"), "").unwrap();
    server.wait_for_metric(&metric.replace("} 1", "} 0")).await;
    assert!(allows_debugger(&client, &server).await);
}

#[tokio::test]
async fn policies_that_cannot_be_read_leave_the_old_ones_in_force() {
    let site = Site::new();
    site.install_policies(&[("all.yaml", PERMITS_ALL)]);
    let server = site.start(&[]);
    let client = site.client().build().unwrap();
    for (number, name) in ["bad-1.yaml", "bad-2.yaml"].into_iter().enumerate() {
        site.install_policies(&[("all.yaml", PERMITS_ALL), (name, BAD)]);
        let line = format!("postern_policies_reload_failures_total {}", number + 1);
        server.wait_for_metric(&line).await;
        let (status, ready) = server.health("/readyz").await;
        assert_eq!(status, 200, "{ready}");
        assert!(ready.contains("[+]policies ok: the old ones stay in force: "), "{ready}");
        assert!(ready.contains(&format!("{name}:5:3: ")), "{ready}");
        // The log has the picture of the line.
        let line = server.wait_for_line("The old policies stay in force");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(line["message"].as_str().unwrap().contains("5 |   efect: Permit"), "{line}");
        assert!(allows_debugger(&client, &server).await);
    }
    site.install_policies(&[]);
    server.wait_for_line("There is no policy");
    assert!(!allows_debugger(&client, &server).await);
    assert!(server.health("/readyz").await.1.contains("[+]policies ok\n"));
}

#[tokio::test]
async fn what_is_wrong_at_the_start_is_said_before_an_address_is_taken() {
    let site = Site::new();
    for (arguments, code, words) in [
        (vec!["--tls-cert", "nowhere.crt"], 2, "`nowhere.crt` cannot be read"),
        (vec!["--client-ca", "tls/tls.key"], 2, "`tls/tls.key` holds no certificate"),
        (vec!["--policies", "nowhere"], 2, "nowhere"),
        (vec!["--ledger", "postgres://x"], 64, "`--ledger-key` is not given"),
        (vec!["--listen", "192.0.2.1:1"], 2, "`192.0.2.1:1` cannot be listened on"),
        (vec!["--deadline", "1"], 64, "--deadline"),
        (vec!["--config", "nowhere.yaml"], 2, "`--config` is `nowhere.yaml`"),
    ] {
        let mut server = site.launch(&arguments);
        assert_eq!(server.ended().await.code(), Some(code), "{arguments:?}: {}", server.log());
        server.wait_for_line(words);
        assert!(!server.log().contains("Listening"), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_decision_is_one_line_in_the_log_without_what_was_sent() {
    let site = Site::new();
    let server = site.start(&["--log-level", "info"]);
    let client = site.client().build().unwrap();
    let request = client.post(server.url("/validate")).header("content-type", "application/json");
    let answer: serde_json::Value =
        request.body(DEBUGGER).send().await.unwrap().json().await.unwrap();
    let line = server.wait_for_line("Decided");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["decision"], answer["response"]["auditAnnotations"]["decision"]);
    assert_eq!(line["phase"], "validate");
    assert_eq!(line["answer"], "refused");
    assert_eq!(line["reason"], "policy");
    assert!(line["duration_us"].is_u64());
    assert_eq!(line["user"], "alice");
    // Whom and where a line names; nothing else of what was sent is in it.
    for sent in ["system:authenticated", "busybox", "dbg-general", "SYS_PTRACE"] {
        assert!(!server.log().contains(sent), "{sent}: {}", server.log());
    }
}

#[tokio::test]
async fn dev_needs_nothing_and_prints_requests_that_do_what_it_says() {
    let site = Site::new();
    let server = site.start_dev();
    let ca = fs::read_to_string(site.path("certs/ca.pem")).unwrap();
    let ca = reqwest::Certificate::from_pem(ca.as_bytes()).unwrap();
    let client = site.client().tls_certs_only([ca]).build().unwrap();
    let mut answers = Vec::new();
    for name in ["refused", "allowed"] {
        let file = format!(".postern/{name}.json");
        server.wait_for_line(&format!("{}/validate --data @{file}", server.address()));
        let request = client.post(server.url("/validate"));
        let request = request.header("content-type", "application/json");
        let review = fs::read(site.path(&file)).unwrap();
        let answer: serde_json::Value =
            request.body(review).send().await.unwrap().json().await.unwrap();
        answers.push(answer["response"]["allowed"].as_bool().unwrap());
    }
    assert_eq!(answers, [false, true]);
    assert_eq!(server.health("/readyz").await.0, 200);
    drop(server);

    // What is there is kept: no new certificate the second time.
    let before = fs::read(site.path("certs/tls.crt")).unwrap();
    drop(site.start_dev());
    assert_eq!(fs::read(site.path("certs/tls.crt")).unwrap(), before);
    // An expired one is not.
    let Pair { certificate, key } = site.authority.expired();
    fs::write(site.path("certs/tls.crt"), certificate).unwrap();
    fs::write(site.path("certs/tls.key"), key).unwrap();
    drop(site.start_dev());
    assert_ne!(fs::read(site.path("certs/tls.crt")).unwrap(), before);
}
