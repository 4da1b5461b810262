//! What may stand next on a command line, for kubectl, which asks its plugins.
//!
//! kubectl runs `kubectl_complete-postern` with the words after `kubectl postern`, the last of them
//! unfinished. It wants a line for each word that may stand there, what it means behind a tab, and
//! a number behind a colon in the end.

use clap::{Arg, Command, CommandFactory};

use super::{Cli, Outcome, print};

/// What the words of kubectl's asking begin with.
pub(super) const NAME: &str = "__complete";

/// In kubectl's words: files are what may stand there, or nothing of the sort.
const FILES: u8 = 0;
const NO_FILES: u8 = 4;

/// Print what may stand next
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The words so far; the last is unfinished
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut command = Cli::command();
    command.build();
    let (last, before) =
        args.words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    print(&Place::after(&command, before).candidates(last))?;
    Ok(Outcome::Done)
}

/// Where on the command line a word is to stand.
#[derive(Debug)]
struct Place<'a> {
    command: &'a Command,
    /// How many of the command's own arguments were given.
    given: usize,
    /// The flag whose value it is.
    flag: Option<&'a Arg>,
}

impl<'a> Place<'a> {
    fn after(command: &'a Command, words: &[String]) -> Self {
        let mut place = Place { command, given: 0, flag: None };
        for word in words {
            if place.flag.take().is_some() {
                continue;
            }
            if word.starts_with('-') {
                place.flag = flag(place.command, word).filter(|flag| takes_value(flag));
            } else if let Some(command) = place.command.find_subcommand(word) {
                place = Place { command, given: 0, flag: None };
            } else {
                place.given = place.given.saturating_add(1);
            }
        }
        place
    }

    fn candidates(&self, unfinished: &str) -> String {
        let typed = unfinished.split_once('=').filter(|_| unfinished.starts_with("--"));
        let by_name = typed.and_then(|(name, _)| Some((name, flag(self.command, name)?)));
        let (words, rest) = match (self.flag, by_name) {
            (Some(flag), _) => (values(flag, ""), FILES),
            (None, Some((name, flag))) => (values(flag, &format!("{name}=")), FILES),
            (None, None) if unfinished.starts_with('-') => (self.flags(), NO_FILES),
            (None, None) => self.arguments(),
        };
        let rest = if words.is_empty() { rest } else { NO_FILES };
        let fitting = words.into_iter().filter(|(word, _)| word.starts_with(unfinished));
        let line = |(word, about): (String, String)| match about.as_str() {
            "" => format!("{word}\n"),
            about => format!("{word}\t{about}\n"),
        };
        let lines: String = fitting.map(line).collect();
        format!("{lines}:{rest}\n")
    }

    fn flags(&self) -> Vec<(String, String)> {
        let shown = self.command.get_arguments().filter(|flag| !flag.is_hide_set());
        shown.filter_map(|flag| Some((format!("--{}", flag.get_long()?), help(flag)))).collect()
    }

    fn arguments(&self) -> (Vec<(String, String)>, u8) {
        let shown = self.command.get_subcommands().filter(|command| !command.is_hide_set());
        let about = |command: &Command| command.get_about().map(ToString::to_string);
        let commands: Vec<_> = shown
            .map(|command| (command.get_name().to_owned(), about(command).unwrap_or_default()))
            .collect();
        if !commands.is_empty() {
            return (commands, NO_FILES);
        }
        let mut own = self.command.get_positionals();
        match own.nth(self.given).or_else(|| self.command.get_positionals().last()) {
            Some(argument) => (values(argument, ""), FILES),
            None => (Vec::new(), NO_FILES),
        }
    }
}

/// The flag that is spelled so.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|flag| match word.strip_prefix("--") {
        Some(long) => flag.get_long() == Some(long),
        None => flag.get_short().is_some_and(|short| word == format!("-{short}")),
    })
}

fn takes_value(flag: &Arg) -> bool {
    flag.get_action().takes_values()
}

/// Nothing where any text will do.
fn values(argument: &Arg, before: &str) -> Vec<(String, String)> {
    if !takes_value(argument) {
        return Vec::new();
    }
    let shown = argument.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    shown
        .map(|value| {
            let about = value.get_help().map(ToString::to_string);
            (format!("{before}{}", value.get_name()), about.unwrap_or_default())
        })
        .collect()
}

/// The first line of it.
fn help(argument: &Arg) -> String {
    let text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{Cli, Place};

    fn asked(words: &[&str]) -> String {
        let mut command = Cli::command();
        command.build();
        let (last, before) = words.split_last().unwrap();
        let before: Vec<_> = before.iter().map(ToString::to_string).collect();
        Place::after(&command, &before).candidates(last)
    }

    #[test]
    fn names_what_may_stand_next() {
        let commands = asked(&[""]);
        assert!(commands.contains("audit\tRead the ledger"), "{commands}");
        assert!(!commands.contains("__complete"), "{commands}");
        assert_eq!(asked(&["au"]).lines().count(), 2);
        assert!(asked(&["audit", ""]).contains("\nshow\t"));
        assert!(asked(&["audit", "list", "--na"]).starts_with("--namespace\t"));
        let answers = "allowed\nrefused\n:4\n";
        assert_eq!(asked(&["audit", "list", "--answer", ""]), answers);
        assert_eq!(asked(&["audit", "list", "-n", "shop", "--answer", "al"]), "allowed\n:4\n");
        assert_eq!(asked(&["audit", "list", "--answer=re"]), "--answer=refused\n:4\n");
        assert!(asked(&["completion", ""]).starts_with("bash\n"));
    }

    #[test]
    fn leaves_files_to_the_shell() {
        assert_eq!(asked(&["test", ""]), ":0\n");
        assert_eq!(asked(&["check", "-p", "dep"]), ":0\n");
        assert_eq!(asked(&["check", "--policies=dep"]), ":0\n");
    }
}
