//! `postern doctor`: is the door guarded?

mod report;
mod text;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::bail;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;

use self::report::Report;
use super::{Format, Misuse, Outcome, print, somebody};
use crate::cluster::{SurveyOptions, survey};
use crate::doctor::{Code, Diagnosis, Severity, diagnose};
use crate::folder;
use crate::policy::rule::Policy;
use crate::server::tls;

const EXAMPLES: &str = "\
Examples:
  postern doctor
  postern doctor --as alice --as-group dev -n payments --pod api-7d4b
  postern doctor --context production -o json | jq '.findings[] | select(.severity != \"info\")'
  postern doctor --fail-on high --accept rbac-webhooks=cert-manager

Nothing is changed: it reads, and tries the door in dry runs.

Exit codes:
  0   nothing was found that is as bad as --fail-on
  1   something was, or nothing could be looked at
  2   the cluster could not be asked
  64  called wrongly";

/// Say whether the door is guarded: webhooks, certificates, policies, rights, and a try
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How to reach the cluster; else as a pod of it, else as kubectl would
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Where the pod to try on is
    #[arg(short, long, value_name = "NS", value_parser = name)]
    namespace: Option<String>,

    /// The pod to try on, in dry runs; else one that runs
    #[arg(long, value_name = "NAME", value_parser = name)]
    pod: Option<String>,

    /// As whom to try; else as whoever runs this
    #[arg(long = "as", id = "as_user", value_name = "USER",
          value_parser = somebody)]
    user: Option<String>,

    /// A group of who tries; give all, the API server adds but `system:authenticated`
    #[arg(long = "as-group", value_name = "GROUP", requires = "as_user",
          value_parser = somebody)]
    groups: Vec<String>,

    /// The policies that the server has in files, beside those of the cluster
    #[arg(short, long = "policies", value_name = "PATH", num_args = 1..)]
    policies: Vec<PathBuf>,

    /// What Postern's webhook configurations are called
    #[arg(long, value_name = "NAME", default_value = "postern", value_parser = name)]
    webhook_configurations: String,

    /// From which severity on the answer is no
    #[arg(long, value_name = "SEVERITY", default_value = "medium", value_parser = severity())]
    fail_on: Severity,

    /// A finding that is known and meant; with =TEXT only where the finding holds TEXT
    #[arg(long, value_name = "CODE[=TEXT]", value_parser = Accepted::parse)]
    accept: Vec<Accepted>,

    /// The form of the result; `json` is one line
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

fn severity() -> impl TypedValueParser<Value = Severity> {
    let names = PossibleValuesParser::new(Severity::ALL.map(Severity::as_str));
    let find = |name: &str| Severity::ALL.into_iter().find(|severity| severity.as_str() == name);
    names.try_map(move |name| find(&name).ok_or("unknown severity"))
}

/// A name of an object, which becomes part of a path.
fn name(text: &str) -> Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    if text.len() <= 253 && text.starts_with(alphanumeric) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("no object of Kubernetes is called so")
    }
}

/// A finding that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Accepted {
    code: Code,
    text: Option<String>,
}

impl Accepted {
    fn parse(text: &str) -> Result<Self, String> {
        let (code, text) = match text.split_once('=') {
            // Whatever is found has no text in it: that would accept all of them.
            Some((_, "")) => return Err("want a text after the `=`, or no `=`".to_owned()),
            Some((code, text)) => (code, Some(text.to_owned())),
            None => (text, None),
        };
        let known = Code::ALL.iter().find(|it| it.as_str() == code);
        let known = known.ok_or("no finding has this code; docs/doctor.md has all")?;
        Ok(Self { code: *known, text })
    }

    fn covers(&self, diagnosis: &Diagnosis) -> bool {
        let holds = |text: &String| {
            let in_evidence = diagnosis.evidence.iter().any(|seen| {
                [&seen.object, &seen.field, &seen.value].iter().any(|it| it.contains(text))
            });
            in_evidence || diagnosis.what.contains(text)
        };
        self.code == diagnosis.code && self.text.as_ref().is_none_or(holds)
    }
}

/// Looks, and says what was found.
///
/// # Errors
///
/// The cluster cannot be asked, or the policies in files cannot be loaded.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let options = args.options()?;
    // Whoever asks for the process's provider gets this one, as in the server.
    drop(tls::provider().install_default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let survey = runtime.block_on(survey(options));
    tell_progress("");
    // A name that nobody resolves is waited for by nobody.
    runtime.shutdown_background();
    let survey = survey?;
    let found = diagnose(&survey, Timestamp::now());
    let accepted = |it: &Diagnosis| args.accept.iter().any(|accepted| accepted.covers(it));
    let report = Report::new(&survey, found, args.fail_on, accepted);
    print(&args.output.render(&report, || text::render(&report))?)?;
    Ok(if report.guarded { Outcome::Done } else { Outcome::No })
}

impl Args {
    fn options(&self) -> anyhow::Result<SurveyOptions> {
        let files = folder::load(&self.policies)?;
        if files.policies().is_empty() && !self.policies.is_empty() {
            bail!(Misuse("there are no policies in `--policies`".to_owned()));
        }
        Ok(SurveyOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            namespace: self.namespace.clone(),
            pod: self.pod.clone(),
            requester: self.user.clone().map(|user| (user, self.groups.clone())),
            configuration: self.webhook_configurations.clone(),
            files: files.policies().iter().map(|it| Policy::clone(it)).collect(),
            progress: tell_progress,
        })
    }
}

/// One line on the terminal, drawn anew each time; an empty one takes it away.
fn tell_progress(what: &str) {
    let mut terminal = io::stderr();
    if terminal.is_terminal() {
        let line = if what.is_empty() { String::new() } else { format!("looking at {what} …") };
        // Nobody may be left to read it.
        drop(write!(terminal, "\r\u{1b}[K{line}"));
    }
}
