//! From what a developer would type to flags: the way back of `command_line`.

use super::shell::{self, ShellError};
use super::{DebugOptions, EnvError, Profile, parse_env};
use crate::policy::request::PullPolicy;
use crate::policy::text::Quoted;

/// A `kubectl debug POD` command.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DebugCommand {
    /// The pod's name.
    pub pod: String,
    /// `-n`, `--namespace`
    pub namespace: Option<String>,
    /// The flags that decide what container is added, but for `--custom`.
    pub options: DebugOptions,
    /// `--custom`: a file that somebody has to read.
    pub custom: Option<String>,
}

/// Why a text is not a `kubectl debug POD` command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Not one command.
    #[error("{0}")]
    Shell(ShellError),
    /// Another command.
    #[error("it is not `kubectl debug POD …`")]
    NotDebug,
    /// More than one pod, or words in front of `--`.
    #[error("{} is one word too many; what is to run stands behind `--`", Quoted(.0))]
    Word(String),
    /// `node/…`, `deployment/…`.
    #[error("{} is not a pod; kubectl debug adds a container to a pod alone", Quoted(.0))]
    NotAPod(String),
    /// A flag of kubectl that makes something else.
    #[error("`{0}` makes another pod, and this is about containers added to one")]
    AnotherPod(&'static str),
    /// A flag that is not kubectl's, or says nothing about the container.
    #[error("{} is not a flag that is read here; those are {}", Quoted(.0), known())]
    UnknownFlag(String),
    /// A flag at the end without its value.
    #[error("{} has no value", Quoted(.0))]
    NoValue(String),
    /// A flag with a value that it cannot have.
    #[error("`{flag}` may not be {}; it is {right}", Quoted(.given))]
    Value {
        /// The flag.
        flag: &'static str,
        /// What it was given.
        given: String,
        /// What it may be.
        right: String,
    },
    /// `--env` as kubectl would not take it.
    #[error("`--env`: {0}")]
    Env(EnvError),
}

/// One flag of `kubectl debug`.
struct Flag {
    long: &'static str,
    short: Option<char>,
    meaning: Meaning,
}

#[derive(Clone, Copy)]
enum Meaning {
    /// With a value.
    Text(fn(&mut DebugCommand, &str) -> Result<(), CommandError>),
    /// A switch.
    Switch(fn(&mut DebugCommand, bool)),
    /// With a value, and nothing to do with the container.
    Aside,
    /// It asks for something else.
    AnotherPod,
}

macro_rules! flags {
    ($($long:literal $($short:literal)? => $meaning:expr,)+) => {
        [$(Flag { long: $long, short: flags!(@short $($short)?), meaning: $meaning }),+]
    };
    (@short $short:literal) => { Some($short) };
    (@short) => { None };
}

static FLAGS: [Flag; 22] = flags! {
    "--image" => Meaning::Text(|it, value| {
        it.options.image = value.to_owned();
        Ok(())
    }),
    "--profile" => Meaning::Text(|it, value| {
        it.options.profile = Profile::parse(value).ok_or_else(|| wrong_profile(value))?;
        Ok(())
    }),
    "--target" => Meaning::Text(|it, value| some(&mut it.options.target, value)),
    "--container" 'c' => Meaning::Text(|it, value| some(&mut it.options.container, value)),
    "--env" => Meaning::Text(|it, value| {
        it.options.env.extend(parse_env(value).map_err(CommandError::Env)?);
        Ok(())
    }),
    "--image-pull-policy" => Meaning::Text(|it, value| {
        let policy = PullPolicy::parse(value).ok_or_else(|| wrong_pull_policy(value))?;
        it.options.image_pull_policy = Some(policy);
        Ok(())
    }),
    "--custom" => Meaning::Text(|it, value| some(&mut it.custom, value)),
    "--stdin" 'i' => Meaning::Switch(|it, on| it.options.stdin = on),
    "--tty" 't' => Meaning::Switch(|it, on| it.options.tty = on),
    "--arguments-only" => Meaning::Switch(|it, on| it.options.arguments_only = on),
    "--namespace" 'n' => Meaning::Text(|it, value| some(&mut it.namespace, value)),
    "--attach" => Meaning::Switch(|_, _| {}),
    "--quiet" 'q' => Meaning::Switch(|_, _| {}),
    "--context" => Meaning::Aside,
    "--kubeconfig" => Meaning::Aside,
    "--copy-to" => Meaning::AnotherPod,
    "--replace" => Meaning::AnotherPod,
    "--same-node" => Meaning::AnotherPod,
    "--set-image" => Meaning::AnotherPod,
    "--share-processes" => Meaning::AnotherPod,
    "--keep-labels" => Meaning::AnotherPod,
    "--keep-annotations" => Meaning::AnotherPod,
};

impl DebugCommand {
    /// Reads a command as it is typed into a shell, `kubectl debug` included.
    ///
    /// # Errors
    ///
    /// It is another command, or not one that can be understood in full.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        let words = shell::words(text).map_err(CommandError::Shell)?;
        let mut command = Self::default();
        let mut places = Vec::new();
        let mut rest = words.into_iter();
        if rest.next().as_deref() != Some("kubectl") {
            return Err(CommandError::NotDebug);
        }
        while let Some(word) = rest.next() {
            match word.strip_prefix('-') {
                None | Some("") => places.push(word),
                Some("-") => {
                    command.options.command = rest.collect();
                    break;
                }
                Some(more) if more.starts_with('-') => command.long(&word, &mut rest)?,
                Some(letters) => command.short(letters, &mut rest)?,
            }
        }
        let mut places = places.into_iter();
        if places.next().as_deref() != Some("debug") {
            return Err(CommandError::NotDebug);
        }
        let pod = places.next().ok_or(CommandError::NotDebug)?;
        if let Some(word) = places.next() {
            return Err(CommandError::Word(word));
        }
        command.pod = name_of(&pod)?;
        Ok(command)
    }

    fn long(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), CommandError> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let flag = FLAGS.iter().find(|flag| flag.long == name);
        let flag = flag.ok_or_else(|| CommandError::UnknownFlag(name.to_owned()))?;
        match (flag.meaning, value) {
            (Meaning::Switch(set), None) => set(self, true),
            (Meaning::Switch(set), Some(value)) => set(self, switch(flag, &value)?),
            (_, Some(value)) => self.give(flag, &value)?,
            (Meaning::AnotherPod, None) => return Err(CommandError::AnotherPod(flag.long)),
            (Meaning::Text(_) | Meaning::Aside, None) => {
                let value = rest.next().ok_or_else(|| CommandError::NoValue(word.to_owned()))?;
                self.give(flag, &value)?;
            }
        }
        Ok(())
    }

    /// `-it`, `-n payments`, `-npayments`, `-n=payments`.
    fn short(
        &mut self,
        letters: &str,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), CommandError> {
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            let flag = FLAGS.iter().find(|flag| flag.short == Some(letter));
            let flag = flag.ok_or_else(|| CommandError::UnknownFlag(format!("-{letter}")))?;
            let behind = letters.as_str();
            match flag.meaning {
                Meaning::Switch(set) => match behind.strip_prefix('=') {
                    None => set(self, true),
                    Some(value) => {
                        set(self, switch(flag, value)?);
                        return Ok(());
                    }
                },
                _ if behind.is_empty() => {
                    let value = rest.next();
                    let none = || CommandError::NoValue(format!("-{letter}"));
                    return self.give(flag, &value.ok_or_else(none)?);
                }
                _ => return self.give(flag, behind.strip_prefix('=').unwrap_or(behind)),
            }
        }
        Ok(())
    }

    fn give(&mut self, flag: &Flag, value: &str) -> Result<(), CommandError> {
        match flag.meaning {
            Meaning::Text(set) => set(self, value),
            Meaning::Switch(_) | Meaning::Aside => Ok(()),
            Meaning::AnotherPod => Err(CommandError::AnotherPod(flag.long)),
        }
    }
}

fn some(field: &mut Option<String>, value: &str) -> Result<(), CommandError> {
    *field = given(value);
    Ok(())
}

/// To kubectl a flag with an empty text, as of a variable that is not set, is none.
#[must_use]
pub fn given(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn name_of(word: &str) -> Result<String, CommandError> {
    match word.split_once('/') {
        None => Ok(word.to_owned()),
        Some(("pod" | "pods" | "po", name)) => Ok(name.to_owned()),
        Some(_) => Err(CommandError::NotAPod(word.to_owned())),
    }
}

/// As Go's `strconv.ParseBool`.
fn switch(flag: &Flag, value: &str) -> Result<bool, CommandError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => {
            let right = "`true` or `false`".to_owned();
            Err(CommandError::Value { flag: flag.long, given: value.to_owned(), right })
        }
    }
}

fn wrong_profile(given: &str) -> CommandError {
    let right = one_of(Profile::ALL.map(Profile::as_str));
    CommandError::Value { flag: "--profile", given: given.to_owned(), right }
}

fn wrong_pull_policy(given: &str) -> CommandError {
    let right = one_of(PullPolicy::ALL.map(PullPolicy::as_str));
    CommandError::Value { flag: "--image-pull-policy", given: given.to_owned(), right }
}

fn one_of<const N: usize>(words: [&str; N]) -> String {
    format!("one of {}", words.map(|word| format!("`{word}`")).join(", "))
}

fn known() -> String {
    let read = FLAGS.iter().filter(|flag| !matches!(flag.meaning, Meaning::AnotherPod));
    let names = read.map(|flag| match flag.short {
        Some(short) => format!("`{}` (`-{short}`)", flag.long),
        None => format!("`{}`", flag.long),
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
