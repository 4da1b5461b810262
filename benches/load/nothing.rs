//! The server that does nothing: it reads the body and says yes.
//!
//! The same crates as Postern, with the same TLS versions, protocols and `TCP_NODELAY`, and nothing
//! else of it: no limits, no deadlines, no log, no metrics.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum_server::accept::{TcpConfigAcceptor, TcpSocketConfig};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};

/// As long as the yes that Postern says to the same review; the API server wants its uid back.
const YES: [&str; 2] = [
    r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":""#,
    concat!(
        r#"","allowed":true,"auditAnnotations":"#,
        r#"{"decision":"019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071","policies":"developers","#,
        r#""verdict":"allowed"}}}"#,
    ),
];
/// What `/patch` says between both: as much as the policies that are measured have Postern fill in.
const PATCH: &str = r#"[
    {"op":"add","path":"/spec/ephemeralContainers/0/targetContainerName","value":"tomcat"},
    {"op":"add","path":"/spec/ephemeralContainers/0/securityContext","value":{
        "allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},
        "seccompProfile":{"type":"RuntimeDefault"}}}
]"#;
/// What stands before the uid, early in every review.
const UID: &[u8] = br#""uid":""#;

/// Serves on a free port and says which, as Postern does, in a line of JSON.
pub(crate) fn serve(folder: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let tcp = TcpConfigAcceptor::new(TcpSocketConfig::new().nodelay(true));
        let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(tls(folder)?)).acceptor(tcp);
        writeln!(io::stderr(), r#"{{"address":"{address}"}}"#)?;
        axum_server::from_tcp(listener)?
            .acceptor(acceptor)
            .serve(router().into_make_service())
            .await?;
        Ok(())
    })
}

fn router() -> Router {
    Router::new()
        .route("/validate", post(yes))
        .route("/mutate", post(yes))
        .route("/patch", post(yes_with_a_patch))
}

async fn yes_with_a_patch(body: Bytes) -> impl axum::response::IntoResponse {
    let [before, after] = YES;
    let patch = format!(r#"","patchType":"JSONPatch","patch":"{}"#, BASE64.encode(PATCH));
    ([(CONTENT_TYPE, "application/json")], [before, uid(&body), &patch, after].concat())
}

/// Taking `Bytes` is what reads the body.
async fn yes(body: Bytes) -> impl axum::response::IntoResponse {
    let [before, after] = YES;
    ([(CONTENT_TYPE, "application/json")], [before, uid(&body), after].concat())
}

fn uid(body: &[u8]) -> &str {
    let found = body.windows(UID.len()).position(|window| window == UID);
    let uid = found.and_then(|at| body.get(at + UID.len()..)?.get(..36)).unwrap_or_default();
    std::str::from_utf8(uid).unwrap_or_default()
}

fn tls(folder: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(folder.join("tls.crt"))?.collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("tls.key"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain?, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
