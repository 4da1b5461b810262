//! The same program as a plugin of kubectl. Whoever calls it by the name `kubectl-postern` typed
//! `kubectl postern`, and reads that in everything it says about how it is called.

use std::ffi::OsStr;
use std::path::Path;

use clap::{Command, CommandFactory};

use super::Cli;

/// How kubectl finds it.
const FILE: &str = "kubectl-postern";
/// What people type then.
pub(super) const TYPED: &str = "kubectl postern";

/// The command line by the name that the program was called by.
pub(super) fn command(program: Option<&OsStr>) -> Command {
    let command = Cli::command();
    let stem = program.and_then(|program| Path::new(program).file_stem());
    if stem != Some(OsStr::new(FILE)) {
        return command;
    }
    let names: Vec<_> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    examples(command.bin_name(TYPED), &names)
}

/// Examples are typed as they stand.
fn examples(command: Command, names: &[String]) -> Command {
    let command = match command.get_after_help().map(ToString::to_string) {
        Some(text) => command.after_help(retyped(text, names)),
        None => command,
    };
    command.mut_subcommands(|command| examples(command, names))
}

fn retyped(text: String, names: &[String]) -> String {
    names.iter().fold(text, |text, name| {
        text.replace(&format!("postern {name}"), &format!("{TYPED} {name}"))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::command;

    #[test]
    fn is_called_what_was_typed() {
        for (program, typed) in [
            ("kubectl-postern", "kubectl postern"),
            ("/opt/krew/bin/kubectl-postern", "kubectl postern"),
            ("kubectl-postern.exe", "kubectl postern"),
            ("postern", "postern"),
            ("/postern", "postern"),
            ("kubectl-posterns", "postern"),
        ] {
            let mut command = command(Some(OsStr::new(program)));
            let audit = command.find_subcommand_mut("audit").unwrap();
            let examples = audit.get_after_help().unwrap().to_string();
            assert!(examples.contains(&format!("\n  {typed} audit list")), "{program}: {examples}");
            let usage = command.render_usage().to_string();
            assert!(usage.starts_with(&format!("Usage: {typed} ")), "{program}: {usage}");
        }
    }
}
