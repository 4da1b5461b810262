//! What a request over TLS costs Postern, beside a server on the same stack that does nothing.
//!
//! Everything runs in turns in one run, on loopback, so that what else the machine is doing falls
//! on all alike: compare the ratios. `docs/performance.md` says what the numbers mean.

mod client;
mod measure;
mod nothing;
mod report;
mod server;
mod site;
mod soak;

#[path = "../material/policies.rs"]
mod policies;
#[expect(dead_code, reason = "only what is allowed is asked for here")]
#[path = "../material/review.rs"]
mod review;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, ValueEnum};

/// Load Postern over TLS, beside a server that does nothing
#[derive(Debug, Parser)]
struct Args {
    /// About how long the run may take
    #[arg(long, value_name = "NUMBER", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,

    /// Instead: load one server steadily for so many minutes, and see whether its memory grows
    #[arg(long, value_name = "MINUTES", conflicts_with_all = ["seconds", "output"],
          value_parser = clap::value_parser!(u32).range(1..=1440))]
    soak: Option<u32>,

    /// How to print the numbers
    #[arg(short, long, value_enum, value_name = "text|json", default_value = "text")]
    output: Output,

    /// Serve as the one that does nothing, with the certificate in this folder
    #[arg(long, hide = true, value_name = "DIR")]
    do_nothing: Option<PathBuf>,

    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> anyhow::Result<()> {
    let Args { seconds, soak, output, do_nothing, bench: _ } = Args::parse();
    if let Some(folder) = do_nothing {
        return nothing::serve(&folder);
    }
    // One thread asks, so that the server has the other core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(minutes) = soak {
        let text = runtime.block_on(soak::run(minutes)).context("nothing was measured")?;
        return Ok(io::stdout().write_all(text.as_bytes())?);
    }
    let report = runtime.block_on(measure::run(seconds)).context("nothing was measured")?;
    let text = match output {
        Output::Text => report.to_string(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
