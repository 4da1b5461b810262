//! `postern completion SHELL`

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::plugin::TYPED;
use super::{Cli, Outcome, print, words};

const EXAMPLES: &str = "\
Examples:
  source <(postern completion bash)
  postern completion zsh > \"${fpath[1]}/_postern\"
  postern completion fish > ~/.config/fish/completions/postern.fish

For `kubectl postern`, beside kubectl's own completion:
  postern completion kubectl > ~/.local/bin/kubectl_complete-postern
  chmod +x ~/.local/bin/kubectl_complete-postern";

/// Print what makes a shell complete this program's commands and flags
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// For which shell, or for kubectl
    #[arg(value_enum, value_name = "bash|zsh|fish|powershell|elvish|kubectl")]
    shell: Asking,
}

/// Who wants to complete.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Asking {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
    Kubectl,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let shell = match args.shell {
        Asking::Bash => Shell::Bash,
        Asking::Zsh => Shell::Zsh,
        Asking::Fish => Shell::Fish,
        Asking::Powershell => Shell::PowerShell,
        Asking::Elvish => Shell::Elvish,
        Asking::Kubectl => {
            print(&format!("#!/bin/sh\nexec {TYPED} {} \"$@\"\n", words::NAME))?;
            return Ok(Outcome::Done);
        }
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "postern", &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(Outcome::Done)
}
