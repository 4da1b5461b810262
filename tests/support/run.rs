//! Runs a program to its end: what it reads, what it says, and how long it may take.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What a program that has ended left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// The exit code; none if a signal ended it.
    pub(crate) status: Option<i32>,
    /// What it wrote to its standard output.
    pub(crate) stdout: String,
    /// What it wrote to its standard error.
    pub(crate) stderr: String,
}

impl Output {
    /// Whether it ended with exit code 0.
    pub(crate) fn success(&self) -> bool {
        self.status == Some(0)
    }
}

/// Runs a program to its end, with `stdin` as all of its input. One that is not done within `limit`
/// is killed, and that is the error; so is a program that cannot be started.
pub(crate) fn run(command: &mut Command, stdin: &[u8], limit: Duration) -> Result<Output, String> {
    let mut session = Session::start(command, limit)?;
    let input = session.child.stdin.take();
    thread::scope(|scope| {
        // On a thread of its own: a program that writes much before it reads would wait for us
        // while we wait for it.
        scope.spawn(move || {
            if let Some(mut input) = input {
                // A program may end without having read everything.
                drop(input.write_all(stdin));
            }
        });
        session.finish()
    })
}

/// Runs a program and talks to it: types the first part of each step, then waits until the program
/// has printed the second. After the last step its input stays open, so that step must end it.
/// What shows no effect for a while is typed again, as a person would.
pub(crate) fn converse(
    command: &mut Command,
    steps: &[(&str, &str)],
    limit: Duration,
) -> Result<Output, String> {
    let mut session = Session::start(command, limit)?;
    let mut input = session.child.stdin.take();
    for (typed, awaited) in steps {
        let seen = session.stdout.text().len();
        let mut again = Instant::now();
        let answered = |session: &Session| {
            session.stdout.text().get(seen..).is_some_and(|new| new.contains(awaited))
        };
        while session.goes_on() {
            if Instant::now() >= again {
                // A program that has ended is noticed by the next look at it.
                drop(input.as_mut().map(|input| input.write_all(typed.as_bytes())));
                again = Instant::now() + Duration::from_secs(3);
            }
            if answered(&session) {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
    let output = session.finish();
    drop(input);
    output
}

/// A running program whose output is being collected.
struct Session {
    name: String,
    child: Child,
    stdout: Collector,
    stderr: Collector,
    limit: Duration,
    end: Instant,
}

impl Session {
    fn start(command: &mut Command, limit: Duration) -> Result<Session, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        let stdout = Collector::of(child.stdout.take());
        let stderr = Collector::of(child.stderr.take());
        Ok(Session { name, child, stdout, stderr, limit, end: Instant::now() + limit })
    }

    /// Whether the program runs and may go on running.
    fn goes_on(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None)) && Instant::now() < self.end
    }

    fn finish(&mut self) -> Result<Output, String> {
        while self.goes_on() {
            thread::sleep(Duration::from_millis(5));
        }
        let status = self.child.try_wait().ok().flatten();
        if status.is_none() {
            // The only failure is that it ended this moment.
            drop(self.child.kill());
            drop(self.child.wait());
        }
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        let Session { name, limit, .. } = self;
        match status {
            Some(status) => Ok(Output { status: status.code(), stdout, stderr }),
            None => Err(format!(
                "{name} was killed: not done after {limit:?}\nstdout: {stdout}\nstderr: {stderr}"
            )),
        }
    }
}

/// Reads a pipe to its end.
struct Collector {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Collector {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Collector {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&bytes);
        let reader = pipe.map(|mut pipe| {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                    let read = buffer.get(..length).unwrap_or_default();
                    collected.lock().unwrap_or_else(PoisonError::into_inner).extend(read);
                }
            })
        });
        Collector { bytes, reader }
    }

    /// What came so far.
    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What came until the end.
    fn all(&mut self) -> String {
        drop(self.reader.take().map(thread::JoinHandle::join));
        self.text()
    }
}
