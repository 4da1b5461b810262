//! A server in a process of its own, and what the kernel counts of it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the log is emptied. A pipe holds the lines of several such pauses, and a reader that
/// wakes up for each line would cost the cores more than the lines do.
const PAUSE: Duration = Duration::from_millis(1);
/// The unit of `/proc/PID/stat`, the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it takes reviews.
    pub(crate) address: SocketAddr,
    /// From its start until it was ready.
    pub(crate) ready_after: Duration,
}

/// The one line of the log that is read.
#[derive(Debug, Deserialize)]
struct Listening {
    address: SocketAddr,
    /// The server that does nothing has no such port.
    health: Option<SocketAddr>,
}

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident {
    /// Now.
    pub(crate) now: u32,
    /// The most so far.
    pub(crate) peak: u32,
}

impl Server {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        let started = Instant::now();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start a server")?;
        let log = child.stderr.take().context("a server without a log")?;
        let (tell, told) = mpsc::channel();
        thread::spawn(move || follow(log, &tell));
        // From here on it is killed, whatever happens.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, address: nowhere, ready_after: Duration::ZERO };
        let Listening { address, health } =
            told.recv_timeout(PATIENCE).context("a server did not say where it listens")?;
        while health.is_some_and(|health| !is_ready(health)) {
            ensure!(started.elapsed() < PATIENCE, "a server is not ready");
            thread::sleep(PAUSE);
        }
        server.address = address;
        server.ready_after = started.elapsed();
        Ok(server)
    }

    /// The CPU time that it has had, in user space and in the kernel.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field is the program's name and may hold anything; `utime` and `stime` are the
        // 14th and the 15th.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: Result<Vec<u32>, _> = fields.skip(11).take(2).map(str::parse).collect();
        Ok(TICK * ticks?.into_iter().sum::<u32>())
    }

    /// The memory that it occupies.
    pub(crate) fn resident(&self) -> anyhow::Result<Resident> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            number.and_then(|number| number.parse().ok()).with_context(|| format!("no {name}"))
        };
        Ok(Resident { now: kib("VmRSS")?, peak: kib("VmHWM")? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The only failure is that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads a log to its end, so that the server never waits for it.
fn follow(mut log: impl Read, tell: &Sender<Listening>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut text = Some(String::new());
    while let Ok(length @ 1..) = log.read(&mut buffer) {
        if let Some(so_far) = &mut text {
            so_far.push_str(&String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()));
            let found = so_far.lines().find_map(|line| serde_json::from_str(line).ok());
            if let Some(listening) = found {
                // Whoever is gone does not need to know.
                drop(tell.send(listening));
                text = None;
            }
        }
        thread::sleep(PAUSE);
    }
}

fn is_ready(health: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(health)?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.split_whitespace().nth(1) == Some("200"))
}
