//! A real PostgreSQL server for the tests, on a free loopback port with a data folder of its own;
//! or on the network of a whole cluster, for its pods.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::cluster::support::network::{NODE, Network};
use crate::cluster::support::port::Port;
use crate::cluster::support::workshop::Workshop;

const PATIENCE: Duration = Duration::from_secs(30);

/// A server that can be stopped and started again.
pub(crate) struct Postgres {
    programs: PathBuf,
    workshop: Mutex<Workshop>,
    port: Port,
    /// Who runs it: PostgreSQL refuses to run as root.
    user: Option<(u32, u32)>,
    network: Network,
    /// The folder that is served at the port.
    serving: Mutex<&'static str>,
}

const FIRST: &str = "data";
const STANDBY: &str = "standby";

impl Postgres {
    /// The one that all tests of this process share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One for a test that stops it.
    pub(crate) fn start() -> Self {
        Self::start_on(Network::of_this_machine())
    }

    /// One on the network of a cluster.
    pub(crate) fn start_on(network: Network) -> Self {
        let workshop = Workshop::open("postgres");
        let user = unprivileged();
        let this = Self {
            programs: programs(),
            port: Port::claim(&std::env::temp_dir().join("postern-ports")),
            workshop: Mutex::new(workshop),
            user,
            network,
            serving: Mutex::new(FIRST),
        };
        this.prepare();
        this.start_again();
        this
    }

    fn make_folder(&self, workshop: &Workshop, name: &str) -> PathBuf {
        let data = workshop.path(name);
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
        if let Some((user, group)) = self.user {
            fs::set_permissions(workshop.folder(), Permissions::from_mode(0o711)).unwrap();
            chown(&data, Some(user), Some(group)).unwrap();
        }
        data
    }

    fn prepare(&self) {
        let workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner);
        let data = self.make_folder(&workshop, FIRST);
        let mut command = self.command("initdb", workshop.folder());
        command.args(["--username=postern", "--auth=trust", "--encoding=UTF8", "--no-locale"]);
        let made = command.arg("--no-sync").arg(&data).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        if self.network.is_apart() {
            let rules = fs::OpenOptions::new().append(true).open(data.join("pg_hba.conf"));
            rules.unwrap().write_all(b"host all all 10.0.0.0/8 trust\n").unwrap();
        }
    }

    fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = self.network.command_as(self.user, &self.programs.join(program));
        command.current_dir(folder).env("LC_ALL", "C");
        command
    }

    /// Where it listens, and where it is found.
    fn host(&self) -> (&'static str, &'static str) {
        if self.network.is_apart() { ("0.0.0.0", NODE) } else { ("127.0.0.1", "127.0.0.1") }
    }

    /// After [`Self::stop`] or [`Self::kill`].
    pub(crate) fn start_again(&self) {
        self.serve("postgres", &self.data(), &self.port);
    }

    fn serve(&self, name: &str, data: &Path, port: &Port) {
        let mut workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = workshop.folder().to_owned();
        let mut command = self.command("postgres", &folder);
        command
            .arg("-D")
            .arg(data)
            .args(["-h", self.host().0, "-p", &port.number.to_string(), "-k", ""])
            // Durable as far as PostgreSQL can see; the tests are not about this machine's disk.
            .args(["-c", "max_connections=200", "-c", "fsync=off"]);
        workshop.start(name, &mut command);
        let listens = || {
            let connects = || TcpStream::connect(("127.0.0.1", port.number)).is_ok();
            (self.network.is_apart() || connects()) && self.answers(&folder, port)
        };
        workshop.wait_until("PostgreSQL", PATIENCE, listens).unwrap_or_else(|why| panic!("{why}"));
    }

    fn answers(&self, folder: &Path, port: &Port) -> bool {
        let ready = self
            .command("pg_isready", folder)
            .args(["-q", "-h", self.host().1, "-p", &port.number.to_string()])
            .status();
        ready.is_ok_and(|status| status.success())
    }

    /// Starts another one that follows it.
    pub(crate) fn start_standby(&self) -> Standby<'_> {
        let data = {
            let workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner);
            self.make_folder(&workshop, STANDBY)
        };
        let mut command = self.command("pg_basebackup", data.parent().unwrap());
        command.args(["-h", self.host().1, "-p", &self.port.number.to_string(), "-U", "postern"]);
        command.args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "-D"]);
        let copied = command.arg(&data).output().unwrap();
        let said = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "pg_basebackup: {said}");
        let port = Port::claim(&std::env::temp_dir().join("postern-ports"));
        self.serve(STANDBY, &data, &port);
        Standby { of: self, data }
    }

    fn control(&self, data: &Path, words: &[&str]) {
        let mut command = self.command("pg_ctl", data.parent().unwrap());
        let status = command.args(words).args(["-s", "-D"]).arg(data).status();
        assert!(status.unwrap().success(), "pg_ctl {words:?}");
    }

    /// Ends it as an administrator would, with clients connected.
    pub(crate) fn stop(&self) {
        self.end("postgres", &self.data(), "fast");
    }

    /// Ends it as a power cut would, save for what the kernel still writes.
    pub(crate) fn kill(&self) {
        self.end("postgres", &self.data(), "immediate");
    }

    fn end(&self, name: &str, data: &Path, how: &str) {
        self.control(data, &["stop", "-m", how]);
        let mut workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner);
        drop(workshop.stop(name, PATIENCE));
    }

    fn data(&self) -> PathBuf {
        let serving = *self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        self.workshop.lock().unwrap_or_else(PoisonError::into_inner).path(serving)
    }

    /// Makes an empty database; its URL.
    pub(crate) fn database(&self) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("ledger{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (folder, host, port) = (self.data(), self.host().1, self.port.number);
        let made = self
            .command("createdb", folder.parent().unwrap())
            .args(["-h", host, "-p", &port.to_string(), "-U", "postern", &name])
            .output()
            .unwrap();
        assert!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
        format!("postgres://postern@{host}:{port}/{name}?sslmode=disable")
    }
}

/// A server that has what another has, a moment later.
pub(crate) struct Standby<'p> {
    of: &'p Postgres,
    data: PathBuf,
}

impl Standby<'_> {
    /// It learns of nothing any more.
    pub(crate) fn stop(&self) {
        self.of.end(STANDBY, &self.data, "fast");
    }

    /// After [`Self::stop`], and once the first is no more: it takes its place at its address.
    pub(crate) fn take_over(self) {
        fs::remove_file(self.data.join("standby.signal")).unwrap();
        *self.of.serving.lock().unwrap_or_else(PoisonError::into_inner) = STANDBY;
        self.of.start_again();
    }
}

/// The newest that Debian installed, or that of the path.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| {
        path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()).unwrap_or_default()
    };
    let newest = versions.map(|entry| entry.path()).max_by_key(|path| version(path));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders =
        newest.map(|path| path.join("bin")).into_iter().chain(std::env::split_paths(&path));
    folders.find(|folder| folder.join("initdb").is_file()).unwrap_or_else(|| {
        panic!(
            "PostgreSQL is not installed: `make test` installs it, or `apt-get install postgresql`"
        )
    })
}

/// The user that Debian's package made, where this is root.
fn unprivileged() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let line = line.expect("the user `postgres` that Debian's `postgresql` makes");
    let mut ids = line.split(':').skip(2).map(|id| id.parse().unwrap());
    Some((ids.next().unwrap(), ids.next().unwrap()))
}
