//! Programs that run beside the tests, and the promise that none of them outlives the tests.

use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A private folder and the programs that run in it. Dropping it ends the programs and removes the
/// folder; so does the death of this process, however it comes about.
#[derive(Debug)]
pub(crate) struct Workshop {
    folder: PathBuf,
    running: Vec<(String, Child)>,
    janitor: Child,
}

/// Waits for its standard input to end, which happens when whoever started it lets go of the pipe
/// or dies, by any signal. Then it kills the programs whose ids it was told, if they still are the
/// ones that name the folder, and removes what they left: the folder, and the control groups of
/// containers, which the kernel keeps after all their processes are gone.
const JANITOR: &str = r#"
trap '' INT HUP TERM
pids=
while read -r pid; do pids="$pids $pid"; done
for pid in $pids; do
    grep -qsF -- "$1" "/proc/$pid/cmdline" && kill -KILL "$pid"
done
containers=$(ls "$1/containerd-state/io.containerd.runtime.v2.task/k8s.io" 2>/dev/null)
left=100
while [ "$left" -gt 0 ]; do
    # Killed programs take a moment to let go.
    groups=
    for id in $containers; do
        for group in /sys/fs/cgroup/k8s.io/"$id" /sys/fs/cgroup/*/k8s.io/"$id"; do
            [ ! -d "$group" ] || rmdir "$group" 2>/dev/null || groups=remain
        done
    done
    rm -rf -- "$1" 2>/dev/null
    [ -z "$groups" ] && [ ! -e "$1" ] && break
    left=$((left - 1))
    sleep 0.1
done
[ -z "$containers" ] || rmdir /sys/fs/cgroup/k8s.io /sys/fs/cgroup/*/k8s.io 2>/dev/null
"#;

impl Workshop {
    /// A new folder, readable by nobody else: it will hold keys and tokens.
    pub(crate) fn open(purpose: &str) -> Workshop {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let folder = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("postern-{purpose}-{}-{number}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => break folder,
                // Left by an earlier process with the same id.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot make {}: {error}", folder.display()),
            }
        };
        let janitor = Command::new("sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of the Ctrl-C that ends the tests.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start sh: {error}"));
        Workshop { folder, running: Vec::new(), janitor }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder's name, fit for naming other things after it.
    pub(crate) fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The path of something in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The same as a string, for arguments and configuration.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file into the folder and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let written = fs::create_dir_all(path.parent().unwrap_or(&self.folder))
            .and_then(|()| fs::write(&path, content));
        written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// Starts a program that runs until the workshop closes. What it writes goes to its log.
    ///
    /// One of its arguments must name the folder: by that the janitor knows the process as ours.
    /// Returns its id.
    pub(crate) fn start(&mut self, name: &str, command: &mut Command) -> u32 {
        let log = self.log_file(name);
        let file = File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) =
            file.unwrap_or_else(|error| panic!("cannot write {}: {error}", log.display()));
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let id = child.id();
        let told = self.janitor.stdin.as_mut().map(|pipe| writeln!(pipe, "{id}"));
        self.running.push((name.to_owned(), child));
        assert!(matches!(told, Some(Ok(()))), "the janitor of {} is gone", self.folder.display());
        id
    }

    /// Asks a program to end with SIGTERM and waits until it has. The error says how else it ended,
    /// or that it did not.
    pub(crate) fn stop(&mut self, name: &str, limit: Duration) -> Result<(), String> {
        let position = self.running.iter().position(|(running, _)| running == name);
        let (_, mut child) = self.running.remove(position.ok_or(format!("{name} does not run"))?);
        let asked = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
        let end = Instant::now() + limit;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    return Err(format!("{name} ended with {status}\n{}", self.log(name)));
                }
                _ if Instant::now() > end || asked.is_err() => break,
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
        // The only failure is that it has ended this moment.
        drop(child.kill());
        drop(child.wait());
        Err(format!("{name} did not end within {limit:?}\n{}", self.log(name)))
    }

    /// Kills a program.
    pub(crate) fn kill(&mut self, name: &str) {
        let position = self.running.iter().position(|(running, _)| running == name);
        let Some(position) = position else { panic!("{name} does not run") };
        let (_, mut child) = self.running.remove(position);
        // The only failure is that it has ended this moment.
        drop(child.kill());
        drop(child.wait());
    }

    /// Everything that a program wrote so far.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read(self.log_file(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Asks `ready` again and again until it says yes. The error says what happened instead: a
    /// program ended, or `limit` passed.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), String> {
        let end = Instant::now() + limit;
        while !ready() {
            let mut ended = None;
            for (name, child) in &mut self.running {
                if let Ok(Some(status)) = child.try_wait() {
                    ended = Some(format!("{name} ended with {status}"));
                }
            }
            if ended.is_some() || Instant::now() > end {
                let ended = ended.unwrap_or_else(|| format!("not so after {limit:?}"));
                return Err(format!("{what}: {ended}{}", self.last_words()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The file of that.
    pub(crate) fn log_file(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.log"))
    }

    fn last_words(&self) -> String {
        let mut words = String::new();
        for (name, _) in &self.running {
            let log = self.log(name);
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default();
            words += &format!("\n--- {name} ---\n{}", last.join("\n"));
        }
        words
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        for (_, child) in self.running.iter_mut().rev() {
            // The only failure is that it has ended already.
            drop(child.kill());
            drop(child.wait());
        }
        drop(self.janitor.stdin.take());
        drop(self.janitor.wait());
    }
}
