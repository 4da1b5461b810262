//! The real kubectl, called the way a user calls it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::run::{Output, converse, run};

/// One call of kubectl as one user.
#[derive(Debug)]
pub(crate) struct Kubectl {
    command: Command,
    stdin: Vec<u8>,
    limit: Duration,
}

impl Kubectl {
    pub(super) fn new(command: Command) -> Kubectl {
        Kubectl { command, stdin: Vec::new(), limit: Duration::from_secs(30) }
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Kubectl {
        self.command.args(args);
        self
    }

    /// The folder it runs in, for the files that its arguments name. The test's own, unless given.
    pub(crate) fn folder(mut self, folder: &Path) -> Kubectl {
        self.command.current_dir(folder);
        self
    }

    /// What kubectl reads from its standard input, which ends after it. Nothing, unless given.
    pub(crate) fn stdin(mut self, stdin: impl AsRef<[u8]>) -> Kubectl {
        self.stdin = stdin.as_ref().to_vec();
        self
    }

    /// Kills kubectl, and fails the test, if it is not done after this long (30 s unless given).
    pub(crate) fn timeout(mut self, limit: Duration) -> Kubectl {
        self.limit = limit;
        self
    }

    /// Runs it to its end, whatever that is.
    pub(crate) fn run(mut self) -> Output {
        let said = self.said();
        run(&mut self.command, &self.stdin, self.limit)
            .unwrap_or_else(|error| panic!("kubectl {said}: {error}"))
    }

    /// Runs it as a session (`debug -i`, `attach -i`) that a person types into. Each step is what
    /// is typed and what must then be printed; the last step must end the session:
    /// `converse(&[("id\n", "uid=0"), ("exit 3\n", "")])`.
    ///
    /// With [`Kubectl::stdin`] instead, what a session prints is lost now and then: the runtime
    /// stops sending output when the input ends, and when the container does.
    pub(crate) fn converse(mut self, steps: &[(&str, &str)]) -> Output {
        let said = self.said();
        converse(&mut self.command, steps, self.limit)
            .unwrap_or_else(|error| panic!("kubectl {said}: {error}"))
    }

    /// Runs it, fails the test unless it succeeds, and returns what it printed.
    pub(crate) fn ok(self) -> String {
        let said = self.said();
        let output = self.run();
        assert!(
            output.success(),
            "kubectl {said} ended with {:?}\nstdout: {}\nstderr: {}",
            output.status,
            output.stdout,
            output.stderr
        );
        output.stdout
    }

    /// Starts it with all three streams piped and leaves it running, for a session that the test
    /// talks to. Ending it is up to the caller; `stdin` and `timeout` are not used.
    pub(crate) fn spawn(mut self) -> Child {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start kubectl: {error}"))
    }

    fn said(&self) -> String {
        format!("{:?}", self.command.get_args().collect::<Vec<_>>())
    }
}
