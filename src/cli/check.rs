//! `postern check`: judges reviews, or a `kubectl debug` command, without a cluster.
//!
//! What decides is [`crate::gate::judge()`], the server's own function; what is built for a command
//! is what kubectl builds. Nothing is recorded.

pub(super) mod ask;
pub(super) mod assume;
pub(super) mod examine;
mod explanation;
mod live;
pub(super) mod report;
mod text;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};

use self::ask::DebugArgs;
use self::assume::Assumptions;
use self::examine::examine;
use self::live::{ClusterArgs, Live};
use self::report::Report;
use super::{Format, Outcome};
use crate::admission::decode::Review;
use crate::folder;
use crate::policy::circumstances::Circumstances;
use crate::policy::set::PolicySet;
use crate::policy::text::Lines;

const EXAMPLES: &str = "\
Examples:
  postern check -p policies -f review.json
  kubectl get pod web -o yaml | postern check --cluster --pod - --image busybox --as alice
  kubectl get pod web -o yaml | postern check -p policies --pod - \\
    --image busybox:1.36 --profile restricted --as alice --as-group dev -- id

Exit codes:
  0   all are allowed
  1   at least one is refused
  2   at least one could not be judged
  64  called wrongly";

/// Judge recorded reviews, or a kubectl debug command, by policies in files or in a cluster
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("question").required(true).args(["reviews", "pod"]))]
pub struct Args {
    /// Files or folders with policies
    #[arg(short, long = "policies", value_name = "PATH", num_args = 1..)]
    #[arg(required_unless_present = "cluster")]
    policies: Vec<PathBuf>,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// Files with one AdmissionReview each; `-` is standard input
    #[arg(short = 'f', long = "filename", value_name = "REVIEW", num_args = 1..)]
    reviews: Vec<PathBuf>,

    /// The webhooks to ask; `both` lets the first one's changes take effect before the second
    #[arg(long, value_enum, default_value_t = Phases::Both)]
    phase: Phases,

    /// Say of each policy why it does or does not speak, and what it objects to
    #[arg(long)]
    explain: bool,

    /// The form of the result; `json` is one line for each review
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,

    #[command(flatten)]
    debug: DebugArgs,

    #[command(flatten)]
    assumptions: Assumptions,
}

/// Which webhooks are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Phases {
    Mutate,
    Validate,
    Both,
}

/// One thing to be judged.
pub(super) struct Question {
    /// What it is called in results: a file, or a command.
    pub(super) name: String,
    /// An AdmissionReview as JSON.
    pub(super) body: Vec<u8>,
}

/// By which policies, and what else is known.
pub(super) struct Asked {
    pub(super) policies: PolicySet,
    pub(super) circumstances: Circumstances,
    /// Where to ask for what is not assumed.
    pub(super) cluster: Option<Live>,
}

impl Asked {
    /// What is known of one review.
    fn circumstances(&self, review: &Review) -> Circumstances {
        let Self { policies, circumstances, cluster } = self;
        let live = |cluster: &Live| cluster.circumstances(circumstances, policies, review);
        cluster.as_ref().map_or_else(|| circumstances.clone(), live)
    }
}

/// Judges everything that was asked. What cannot be judged is told on standard error, and the rest
/// is judged all the same.
///
/// # Errors
///
/// The policies cannot be loaded, or a review cannot be read.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let files = folder::load(&args.policies)?;
    let (cluster, policies) = if args.cluster.cluster {
        let (live, policies) = args.cluster.look(&files)?;
        (Some(live), policies)
    } else {
        (None, files)
    };
    if policies.policies().is_empty() {
        writeln!(io::stderr(), "postern: no policies were found, so nothing is permitted")?;
    }
    args.assumptions.check(&policies)?;
    let circumstances = args.assumptions.assumed().circumstances(&policies);
    let asked_of = Asked { policies, circumstances, cluster };
    let questions = args.debug.pod.iter().map(|pod| args.debug.question(pod));
    let questions = questions.chain(args.reviews.iter().map(|path| ask::review(path)));
    let (mut outcome, mut asked, mut failures) = (Outcome::Done, 0_usize, Vec::new());
    for question in questions {
        asked += 1;
        match question.and_then(|question| judge(question, args, &asked_of)) {
            Ok(report) => {
                if !report.allowed {
                    outcome = Outcome::No;
                }
                let text = args.output.render(&report, || text::render(&report))?;
                let divided = if args.output == Format::Yaml { "---\n" } else { "" };
                super::print(&format!("{divided}{text}"))?;
            }
            Err(error) => failures.push(error),
        }
    }
    match (asked, failures.pop()) {
        (_, None) => Ok(outcome),
        (1, Some(error)) => Err(error),
        (_, Some(last)) => {
            failures.push(last);
            for error in &failures {
                writeln!(io::stderr(), "postern: {}", Lines(&format!("{error:#}")))?;
            }
            bail!("{} of {asked} reviews could not be judged", failures.len())
        }
    }
}

fn judge(question: Question, args: &Args, asked: &Asked) -> anyhow::Result<Report> {
    let Question { name, body } = question;
    let examination = examine(asked, args.phase, &body).with_context(|| name.clone())?;
    let explanation = args.explain.then(|| explanation::explained(asked, &examination)).flatten();
    Ok(Report { explanation, ..Report::new(name, examination) })
}
