//! `postern completion SHELL`

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Outcome, print};

const EXAMPLES: &str = "\
Examples:
  source <(postern completion bash)
  postern completion zsh > \"${fpath[1]}/_postern\"
  postern completion fish > ~/.config/fish/completions/postern.fish";

/// Print what makes a shell complete this program's commands and flags
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// For which shell
    #[arg(value_enum, value_name = "bash|zsh|fish|powershell|elvish")]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "postern", &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(Outcome::Done)
}
