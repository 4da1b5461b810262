//! `make playground`, and what it tells people to paste.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The playground, built if need be: `cargo test --test it` alone builds no examples.
fn playground() -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_postern")).parent().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--example", "playground"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success());
    let mut command = Command::new(folder.join("examples/playground"));
    // The node has a test of its own.
    command.arg("--no-node").stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn once_types_both_commands_and_shows_the_record() {
    let output = playground().arg("--once").output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    for shown in ["is not approved here", "try: kubectl debug", "allowed  alice", "REFUSED  alice"]
    {
        assert!(stdout.contains(shown), "{shown} is not in\n{stdout}");
    }
}

#[test]
fn wrong_options_are_misuse() {
    let output = playground().arg("--twice").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).starts_with("usage:"));
}

#[test]
fn what_it_prints_can_be_pasted_and_nothing_is_left_when_it_stops() {
    let mut running = Running::start();
    let guide = running.guide();
    let pasted: Vec<&str> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| {
            line.starts_with("export") || line.contains("kubectl") || line.contains("audit")
        })
        .collect();
    let [export, refused, allowed, audit] = pasted[..] else { panic!("{guide}") };
    let paste = |line: &str| -> Output {
        Command::new("sh").args(["-c", &format!("{export}; {line}")]).output().unwrap()
    };
    assert!(text(&paste(refused).stderr).contains("is not approved here"));
    let output = paste(allowed);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let listed = text(&paste(audit).stdout);
    assert!(listed.contains("allowed") && listed.contains("REFUSED"), "{listed}");

    let kubeconfig = PathBuf::from(export.split("KUBECONFIG=").nth(1).unwrap());
    let policies = guide.lines().find(|line| line.ends_with("/policies")).unwrap().trim();
    assert!(kubeconfig.is_file() && Path::new(policies).join("developers.yaml").is_file());
    running.stop();
    for left in [kubeconfig.parent().unwrap(), Path::new(policies).parent().unwrap()] {
        assert!(!left.exists(), "{} is left", left.display());
    }
}

/// A playground that runs until it is told to stop.
struct Running {
    child: Child,
}

impl Running {
    fn start() -> Running {
        let child = playground().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child }
    }

    /// What it prints once everything runs.
    fn guide(&mut self) -> String {
        let mut guide = String::new();
        for line in BufReader::new(self.child.stdout.take().unwrap()).lines() {
            guide += &(line.unwrap() + "\n");
            if guide.contains("Ctrl-C") {
                return guide;
            }
        }
        let mut why = String::new();
        drop(self.child.stderr.take().unwrap().read_to_string(&mut why));
        panic!("it ended by itself: {guide}\n{why}");
    }

    fn stop(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a failed test; its janitors clean up behind it. Else it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
