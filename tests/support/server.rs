//! A real Postern in a process of its own, on free ports, with certificates and a client for it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::crypto::aws_lc_rs;
use serde_json::Value;
use tempfile::TempDir;

/// How long a server may take for anything that is to happen soon.
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate authority that lives as long as a test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both as PEM.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a server on this machine.
    pub(crate) fn serving(&self) -> Pair {
        self.issue(&["localhost", "127.0.0.1"], |_| {})
    }

    /// For a server under another name.
    pub(crate) fn serving_as(&self, name: &str) -> Pair {
        self.issue(&[name], |_| {})
    }

    /// For a server whose time has passed.
    pub(crate) fn expired(&self) -> Pair {
        self.issue(&["localhost", "127.0.0.1"], |params| {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        })
    }

    /// For a client.
    pub(crate) fn client(&self) -> Pair {
        self.issue(&[], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// The folder in which a server finds what it needs. It outlives the server, so that another can
/// be started in its place.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) authority: Authority,
}

impl Site {
    /// A serving certificate, and one folder of policies without any.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Test authority");
        let site = Self { folder, authority };
        for name in ["tls", "policies"] {
            fs::create_dir(site.path(name)).unwrap();
        }
        site.install(&site.authority.serving());
        site.install_policies(&[]);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces the serving certificate as a kubelet does.
    pub(crate) fn install(&self, pair: &Pair) {
        let Pair { certificate, key } = pair;
        swap(&self.path("tls"), &[("tls.crt", certificate), ("tls.key", key)]);
    }

    /// Replaces all policies as a kubelet does.
    pub(crate) fn install_policies(&self, policies: &[(&str, &str)]) {
        swap(&self.path("policies"), policies);
    }

    /// Replaces the settings file, `config/postern.yaml`, as a kubelet does.
    pub(crate) fn install_settings(&self, yaml: &str) {
        fs::create_dir_all(self.path("config")).unwrap();
        swap(&self.path("config"), &[("postern.yaml", yaml)]);
    }

    /// A client that trusts this site's authority; every call makes new connections.
    pub(crate) fn client(&self) -> reqwest::ClientBuilder {
        drop(aws_lc_rs::default_provider().install_default());
        let ca = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([ca]).timeout(PATIENCE)
    }

    /// Starts a server with these arguments beside the usual ones and waits until it listens.
    pub(crate) fn start(&self, arguments: &[&str]) -> Server {
        let server = self.launch(arguments);
        server.wait_for_line("Listening on");
        server
    }

    /// Runs another command of the program in the folder to its end; returns its standard output.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        let output =
            command.env_clear().current_dir(self.folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts `--dev` in the folder, on free ports all the same.
    pub(crate) fn start_dev(&self) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.env_clear().current_dir(self.folder.path());
        command.args(["serve", "--dev", "--log-format", "json"]);
        command.args(["--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"]);
        let server = Server::launch(command);
        server.wait_for_line("/readyz");
        server
    }

    /// Starts a server that is told no log level but by these arguments.
    pub(crate) fn start_quiet(&self, arguments: &[&str]) -> Server {
        let mut command = self.command();
        command.env_remove("POSTERN_LOG_LEVEL").args(arguments);
        let server = Server::launch(command);
        server.wait_for_line("Listening on");
        server
    }

    /// Starts a server without waiting for anything.
    pub(crate) fn launch(&self, arguments: &[&str]) -> Server {
        let mut command = self.command();
        command.args(arguments);
        Server::launch(command)
    }

    /// The same with a variable of the environment.
    pub(crate) fn launch_with(&self, variable: (&str, &str), arguments: &[&str]) -> Server {
        let mut command = self.command();
        command.envs([variable]).args(arguments);
        Server::launch(command)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.env_clear().current_dir(self.folder.path());
        // Variables, so that an argument of the same name wins.
        command.envs([
            ("POSTERN_LISTEN", "127.0.0.1:0"),
            ("POSTERN_HEALTH_LISTEN", "127.0.0.1:0"),
            ("POSTERN_TLS_CERT", "tls/tls.crt"),
            ("POSTERN_TLS_KEY", "tls/tls.key"),
            ("POSTERN_POLICIES", "policies"),
            ("POSTERN_LEDGER", "memory"),
            ("POSTERN_LOG_LEVEL", "debug"),
        ]);
        command.arg("serve");
        command
    }
}

/// Puts files into a mounted folder as a kubelet does: a new version beside the old one, then one
/// rename of the link through which all of them are seen.
fn swap(mount: &Path, files: &[(&str, &str)]) {
    let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let version = format!("..{}", stamp.as_nanos());
    fs::create_dir(mount.join(&version)).unwrap();
    for (name, content) in files {
        fs::write(mount.join(&version).join(name), content).unwrap();
    }
    let old = fs::read_link(mount.join("..data")).ok();
    symlink(&version, mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    for (name, _) in files {
        drop(symlink(Path::new("..data").join(name), mount.join(name)));
    }
    if let Some(old) = old {
        for entry in fs::read_dir(mount.join(&old)).unwrap() {
            let name = entry.unwrap().file_name();
            if !files.iter().any(|(kept, _)| name == *kept) {
                fs::remove_file(mount.join(name)).unwrap();
            }
        }
        fs::remove_dir_all(mount.join(old)).unwrap();
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Server {
    fn launch(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let told = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *told.lock().unwrap() += &(line + "\n");
            }
        });
        Self { child, log }
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Nobody reads the log as long as this is held: nor may the test, or ask where the server is.
    pub(crate) fn leave_log_unread(&self) -> MutexGuard<'_, String> {
        self.log.lock().unwrap()
    }

    /// The first line with this text, once it is there.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(Instant::now() < end, "`{text}` is not in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn listening(&self, field: &str) -> SocketAddr {
        let line = self.wait_for_line("Listening on");
        let line: Value = serde_json::from_str(&line).unwrap();
        line[field].as_str().unwrap().parse().unwrap()
    }

    /// Where the webhook is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listening("address")
    }

    /// A URL of the webhook.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address())
    }

    /// A URL of the health port.
    pub(crate) fn health_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listening("health"))
    }

    /// Asks the health port: status and text.
    pub(crate) async fn health(&self, path: &str) -> (u16, String) {
        drop(aws_lc_rs::default_provider().install_default());
        let response = reqwest::get(self.health_url(path)).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// `/metrics` in the newer format.
    pub(crate) async fn open_metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.listening("health"));
        drop(aws_lc_rs::default_provider().install_default());
        let accept = "application/openmetrics-text; version=1.0.0, text/plain; q=0.5";
        let request = reqwest::Client::new().get(url).header("accept", accept);
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Waits until `/metrics` has this line.
    pub(crate) async fn wait_for_metric(&self, line: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (_, text) = self.health("/metrics").await;
            if text.lines().any(|found| found == line) {
                return;
            }
            assert!(
                Instant::now() < end,
                "`{line}` is not in the metrics:\n{text}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the server did not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The only failure is that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
