//! Layer 3, `kubectl debug POD` as kubectl 1.37 does it: flags to container, review and back.
//!
//! So that the command line can judge what a developer would type, and a refusal can name a
//! command that passes. The rules are kubectl's (`pkg/cmd/debug`) and the API server's defaults;
//! the recorded reviews in `tests/corpus/reviews` are the proof.

mod command_line;
mod container;
mod custom;
mod defaults;
mod env;
mod parse;
mod review;
mod shell;

pub use command_line::shell_word;
pub use custom::{CustomError, CustomProfile};
pub use env::{EnvError, parse_env};
pub use parse::{CommandError, DebugCommand, given};
pub use review::{NotAPod, impersonated, review};
pub use shell::ShellError;

use crate::policy::request::PullPolicy;
use crate::policy::text::Quoted;

/// The flags of `kubectl debug POD` that decide what container is added.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DebugOptions {
    /// `--image`
    pub image: String,
    /// `--profile`
    pub profile: Profile,
    /// `--target`
    pub target: Option<String>,
    /// `-c`, `--container`; kubectl makes up `debugger-xxxxx` where it is left out.
    pub container: Option<String>,
    /// `--env`, name and value. kubectl keeps one value for a name: the last.
    pub env: Vec<(String, String)>,
    /// `--image-pull-policy`
    pub image_pull_policy: Option<PullPolicy>,
    /// `-i`, `--stdin`
    pub stdin: bool,
    /// `-t`, `--tty`; kubectl wants `stdin` with it.
    pub tty: bool,
    /// What stands behind `--`.
    pub command: Vec<String>,
    /// `--arguments-only`: `command` goes into `args` and leaves the image's entry point alone.
    pub arguments_only: bool,
    /// `--custom`
    pub custom: Option<CustomProfile>,
}

/// `--profile`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Changes nothing; the default up to kubectl 1.35, to be removed in 1.39.
    Legacy,
    /// Adds `SYS_PTRACE`; the default since kubectl 1.36.
    #[default]
    General,
    /// Changes nothing.
    Baseline,
    /// What the restricted level of the Pod Security Standards wants.
    Restricted,
    /// Adds `NET_ADMIN` and `NET_RAW`.
    Netadmin,
    /// Privileged.
    Sysadmin,
}

impl Profile {
    /// Every profile, in the order of kubectl's help.
    pub const ALL: [Self; 6] = [
        Self::Legacy,
        Self::General,
        Self::Baseline,
        Self::Restricted,
        Self::Netadmin,
        Self::Sysadmin,
    ];

    /// As kubectl spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::General => "general",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
            Self::Netadmin => "netadmin",
            Self::Sysadmin => "sysadmin",
        }
    }

    /// From kubectl's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text)
    }
}

/// Flags that kubectl itself turns away, or the API server whatever webhooks say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DebugError {
    /// `--image` is empty.
    #[error("`--image` names the debug container's image and may not be empty")]
    ImageMissing,
    /// `-t` without `-i`.
    #[error("`-t` needs `-i` with it, kubectl refuses it alone")]
    TtyWithoutStdin,
    /// `-c` is no DNS label (`ValidateDNS1123Label`).
    #[error(
        "`-c`: the API server takes no container called {}: a name is at most 63 lower-case \
         letters, digits and `-`, with no `-` at its ends", Quoted(.0)
    )]
    ContainerName(String),
    /// A name in `--env` or `--custom` (`IsRelaxedEnvVarName`, of every API server since 1.34).
    #[error(
        "the API server takes no variable called {}: a name is printable ASCII without \
         `=`", Quoted(.0)
    )]
    VariableName(String),
}

#[cfg(test)]
mod tests;
