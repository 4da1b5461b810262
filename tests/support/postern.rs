//! The built `postern`, running in front of a cluster as an administrator would run it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::port::Port;
use super::run::{Output, run};
use super::workshop::Workshop;
use super::{Cluster, claim_port, clean_command};

/// How long Postern may take to start, to stop, or to read changed policies.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Postern with certificates, a folder of policies and a SQLite ledger of its own. It can be
/// stopped and started again: address, certificates, policies and ledger stay.
#[derive(Debug)]
pub(crate) struct Postern {
    workshop: Workshop,
    program: PathBuf,
    port: Port,
    runs: bool,
    options: Vec<String>,
    /// Instead of options: all that the manifests tell it, each place moved to this machine.
    arguments: Option<Vec<String>>,
}

impl Postern {
    /// Starts `program` with these policies (file names and YAML) and waits until it listens. The
    /// API server does not know of it before [`Postern::install`].
    pub(crate) fn start(cluster: &Cluster, program: &Path, policies: &[(&str, &str)]) -> Postern {
        Postern::start_with(cluster, program, policies, &[])
    }

    /// The same with the policies of the cluster, which it sees as the installed roles let it.
    pub(crate) fn start_in(
        cluster: &Cluster,
        program: &Path,
        policies: &[(&str, &str)],
        options: &[&str],
    ) -> Postern {
        let kubeconfig = cluster.kubeconfig("postern").display().to_string();
        let mut all = vec!["--cluster-policies", "--kubeconfig", &kubeconfig];
        all.extend(options);
        Postern::start_with(cluster, program, policies, &all)
    }

    pub(crate) fn start_with(
        cluster: &Cluster,
        program: &Path,
        policies: &[(&str, &str)],
        options: &[&str],
    ) -> Postern {
        let mut postern = Postern {
            workshop: Workshop::open("postern"),
            program: program.to_owned(),
            port: claim_port(&cluster.programs),
            runs: false,
            options: options.iter().map(|&option| option.to_owned()).collect(),
            arguments: None,
        };
        for (name, yaml) in policies {
            postern.write_policy(name, yaml);
        }
        if !postern.makes_certificates() {
            let certificates = postern.workshop.text("certs");
            let issued = postern.run(&["certs", "issue", "--dir", &certificates]);
            assert!(issued.success(), "postern certs issue: {}", issued.stderr);
        }
        postern.start_again();
        postern
    }

    /// Whether it is told to make its certificates itself.
    fn makes_certificates(&self) -> bool {
        self.options.iter().any(|option| option == "--tls-secret")
    }

    /// Starts it with the arguments of an installed Deployment, and with no rights but those that
    /// were installed. What differs is where things are: addresses, the ledger.
    pub(crate) fn start_installed(
        cluster: &Cluster,
        program: &Path,
        arguments: &[String],
    ) -> Postern {
        let mut postern = Postern {
            workshop: Workshop::open("postern"),
            program: program.to_owned(),
            port: claim_port(&cluster.programs),
            runs: false,
            options: Vec::new(),
            arguments: None,
        };
        let mut moved: Vec<String> =
            arguments.iter().map(|argument| postern.moved(argument)).collect();
        moved.push(format!("--kubeconfig={}", cluster.kubeconfig("postern").display()));
        postern.arguments = Some(moved);
        postern.start_again();
        postern
    }

    fn moved(&self, argument: &str) -> String {
        let flag = argument.split('=').next().unwrap_or_default();
        match flag {
            "--listen" => format!("--listen={}", self.address()),
            "--health-listen" => "--health-listen=127.0.0.1:0".to_owned(),
            "--ledger" => format!("--ledger={}", self.ledger()),
            // Nobody here can be called by the name of a Service.
            "--tls-names" => "--tls-names=127.0.0.1".to_owned(),
            _ => argument.to_owned(),
        }
    }

    /// Starts it after [`Postern::stop`] and waits until it listens; nothing if it runs.
    pub(crate) fn start_again(&mut self) {
        if self.runs {
            return;
        }
        let address = self.address();
        let mut command = match &self.arguments {
            Some(arguments) => {
                let mut command = clean_command(&self.program);
                command.args(arguments);
                command
            }
            None => self.command(&address),
        };
        command.current_dir(self.workshop.folder());
        self.workshop.start("postern", &mut command);
        self.runs = true;
        let listens = || TcpStream::connect(&address).is_ok();
        if let Err(why) = self.workshop.wait_until("Postern", PATIENCE, listens) {
            panic!("{why}");
        }
    }

    fn command(&self, address: &str) -> Command {
        let mut command = clean_command(&self.program);
        command
            .args(["serve", "--listen", address, "--health-listen", "127.0.0.1:0"])
            .args(["--ledger", &self.ledger()])
            .args(["--cluster-name", "test", "--drain-delay", "0s"])
            .args(&self.options);
        if !self.makes_certificates() {
            command.args(["--tls-cert", &self.workshop.text("certs/tls.crt")]);
            command.args(["--tls-key", &self.workshop.text("certs/tls.key")]);
        }
        if !self.options.iter().any(|option| option == "--writer") {
            command.args(["--writer", "postern-0"]);
        }
        // Without a file there is no folder either, and the cluster's policies are all there is.
        if self.policies().exists() {
            command.args(["--policies", &self.workshop.text("policies")]);
        }
        command
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.runs = false;
        if let Err(why) = self.workshop.stop("postern", PATIENCE) {
            panic!("{why}");
        }
    }

    /// Ends it at once, as a machine that loses its power would.
    pub(crate) fn kill(&mut self) {
        self.runs = false;
        self.workshop.kill("postern");
    }

    /// A file of its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.workshop.path(name)
    }

    /// Tells the API server to ask it, as the installed configurations say.
    pub(crate) fn install(&self, cluster: &Cluster) {
        cluster.install_webhooks(&self.url("mutate"), &self.url("validate"), &self.authority());
    }

    /// The same where Postern itself says whom to trust; returns when the API server has heard it.
    pub(crate) fn install_untrusted(&self, cluster: &Cluster) {
        cluster.install_webhooks(&self.url("mutate"), &self.url("validate"), "");
        let end = Instant::now() + PATIENCE;
        for kind in ["mutating", "validating"] {
            let object = format!("{kind}webhookconfiguration/postern");
            let bundle = "/webhooks/0/clientConfig/caBundle";
            while cluster.get("default", &object).pointer(bundle).is_none() {
                assert!(Instant::now() < end, "{kind}: not after {PATIENCE:?}\n{}", self.log());
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        cluster.settle_webhooks();
    }

    /// The URL of one of its webhooks: `mutate` or `validate`.
    pub(crate) fn url(&self, webhook: &str) -> String {
        format!("https://{}/{webhook}", self.address())
    }

    /// The authority that issued its certificate, as PEM.
    pub(crate) fn authority(&self) -> String {
        let path = self.workshop.path("certs/ca.pem");
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// The folder of its certificates: `tls.crt`, `tls.key`, `ca.pem`.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.workshop.path("certs")
    }

    /// Where its ledger is, as `--ledger` wants it.
    pub(crate) fn ledger(&self) -> String {
        format!("sqlite:{}", self.workshop.text("ledger.db"))
    }

    /// The decisions that `postern audit list` lists with these further arguments, oldest first.
    pub(crate) fn audit(&self, arguments: &[&str]) -> Vec<Value> {
        let ledger = self.ledger();
        let list = ["audit", "list", "-o", "json", "--ledger", &ledger];
        let listed = self.run(&[&list, arguments].concat());
        assert!(listed.success(), "postern audit list: {}", listed.stderr);
        let mut records: Vec<Value> = listed.stdout.lines().map(super::parse).collect();
        records.reverse();
        records
    }

    /// The folder of its policies.
    pub(crate) fn policies(&self) -> PathBuf {
        self.workshop.path("policies")
    }

    /// A policy file of that folder.
    pub(crate) fn policy(&self, name: &str) -> String {
        let path = self.policies().join(name);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// Puts a policy file into its folder, or another text into one that is there.
    /// [`Postern::wait_for_policies`] waits for the effect.
    pub(crate) fn write_policy(&self, name: &str, yaml: &str) {
        // Beside it first, under a name that Postern does not read: it never sees half a policy.
        let beside = self.workshop.write(&format!("policies/.{name}"), yaml);
        let path = self.policies().join(name);
        std::fs::rename(beside, &path)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Does something to the policies and waits until the running server has loaded them again.
    pub(crate) fn wait_for_policies<T>(&mut self, change: impl FnOnce(&Postern) -> T) -> T {
        let loaded = |log: &str| log.matches("Policies are in force").count();
        let before = loaded(&self.workshop.log("postern"));
        let done = change(self);
        let log = self.workshop.log_file("postern");
        let again = || loaded(&std::fs::read_to_string(&log).unwrap_or_default()) > before;
        if let Err(why) = self.workshop.wait_until("the changed policies", PATIENCE, again) {
            panic!("{why}");
        }
        done
    }

    /// What the running server has logged.
    pub(crate) fn log(&self) -> String {
        self.workshop.log("postern")
    }

    /// Where its probes and metrics are.
    pub(crate) fn health(&self) -> String {
        let log = self.log();
        // The last line of that kind is of the server that runs.
        let line = log.lines().rfind(|line| line.contains("Listening on")).unwrap_or_default();
        let fields = super::parse(line);
        let health = fields["health"].as_str().or(fields["fields"]["health"].as_str());
        health.unwrap_or_default().to_owned()
    }

    /// One of `/livez`, `/readyz` and `/metrics`, with its status line.
    pub(crate) fn probe(&self, path: &str) -> String {
        let health = self.health();
        let mut answer = String::new();
        let asked = TcpStream::connect(&health).and_then(|mut stream| {
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
            stream.read_to_string(&mut answer)
        });
        assert!(asked.is_ok(), "{path} of `{health}`: {asked:?}");
        answer
    }

    /// Waits until `/readyz` is as `right` wants it, and returns it.
    pub(crate) fn wait_for_readiness(&mut self, right: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let end = Instant::now() + PATIENCE;
        while !right(&last) {
            assert!(Instant::now() < end, "not so after {PATIENCE:?}: {last}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
            last = self.probe("/readyz");
        }
        last
    }

    /// Runs the program with other arguments, to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_for(PATIENCE.as_secs(), arguments)
    }

    /// The same where it may take so many seconds.
    pub(crate) fn run_for(&self, seconds: u64, arguments: &[&str]) -> Output {
        let mut command: Command = clean_command(&self.program);
        command.args(arguments).current_dir(self.workshop.folder());
        run(&mut command, &[], Duration::from_secs(seconds))
            .unwrap_or_else(|error| panic!("postern {arguments:?}: {error}"))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.number)
    }
}
