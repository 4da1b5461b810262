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
}

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
        };
        this.prepare();
        this.start_again();
        this
    }

    fn prepare(&self) {
        let workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner);
        let data = workshop.path("data");
        fs::create_dir(&data).unwrap();
        if let Some((user, group)) = self.user {
            fs::set_permissions(workshop.folder(), Permissions::from_mode(0o711)).unwrap();
            chown(&data, Some(user), Some(group)).unwrap();
        }
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
        let mut workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = workshop.folder().to_owned();
        let mut command = self.command("postgres", &folder);
        command
            .arg("-D")
            .arg(workshop.path("data"))
            .args(["-h", self.host().0, "-p", &self.port.number.to_string(), "-k", ""])
            // Durable as far as PostgreSQL can see; the tests are not about this machine's disk.
            .args(["-c", "max_connections=200", "-c", "fsync=off"]);
        workshop.start("postgres", &mut command);
        let listens = || {
            let connects = || TcpStream::connect(("127.0.0.1", self.port.number)).is_ok();
            (self.network.is_apart() || connects()) && self.answers(&folder)
        };
        workshop.wait_until("PostgreSQL", PATIENCE, listens).unwrap_or_else(|why| panic!("{why}"));
    }

    fn answers(&self, folder: &Path) -> bool {
        let ready = self
            .command("pg_isready", folder)
            .args(["-q", "-h", self.host().1, "-p", &self.port.number.to_string()])
            .status();
        ready.is_ok_and(|status| status.success())
    }

    /// Ends it as an administrator would, with clients connected.
    pub(crate) fn stop(&self) {
        let data = self.data();
        let mut command = self.command("pg_ctl", data.parent().unwrap());
        let status = command.args(["stop", "-s", "-m", "fast", "-D"]).arg(&data).status();
        assert!(status.unwrap().success());
        let mut workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner);
        drop(workshop.stop("postgres", PATIENCE));
    }

    /// Ends it as a power cut would, save for what the kernel still writes.
    pub(crate) fn kill(&self) {
        let data = self.data();
        let mut command = self.command("pg_ctl", data.parent().unwrap());
        let status = command.args(["stop", "-s", "-m", "immediate", "-D"]).arg(&data).status();
        assert!(status.unwrap().success());
        let mut workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner);
        drop(workshop.stop("postgres", PATIENCE));
    }

    fn data(&self) -> PathBuf {
        self.workshop.lock().unwrap_or_else(PoisonError::into_inner).path("data")
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
