//! `postern test`: asks what case files ask, and says what came otherwise than expected.
//!
//! What judges is what judges for `check`, and so the server's own functions. There is no cluster.

mod compare;
mod discover;
pub(super) mod file;
mod junit;
mod question;
mod result;
mod update;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use serde_json::json;

use self::file::{Case, Source, at};
use self::result::{CaseResult, Count, FileResult, Outcome as Ended};
use super::check::report::Report;
use super::{Outcome, print};
use crate::crd::document::Flaw;
use crate::folder::{self, Fault, LoadError};
use crate::ledger::json::printable;
use crate::policy::set::PolicySet;
use crate::policy::text::{Line, Lines};

/// The policies of a case file that names none.
const POLICIES: &str = "policies.yaml";

const EXAMPLES: &str = "\
Examples:
  postern test policies
  postern test -o junit policies > report.xml
  postern test --update policies/cases.yaml

Exit codes:
  0   every case passed, or was updated
  1   at least one failed
  2   at least one could not be judged, or there are none
  64  called wrongly";

/// Run test cases of policies, without a cluster
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Case files, and folders with files called cases.yaml or NAME.cases.yaml
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// The form of the result; `json` is one line for each case
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,

    /// Write what came into the case files, as what is expected from now on
    #[arg(long)]
    update: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
    Junit,
}

/// Runs every case. What cannot be judged is told on standard error, and the rest is run all the
/// same.
///
/// # Errors
///
/// There are no cases, some could not be judged, or a file not updated.
pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let (mut files, mut not_updated) = (Vec::new(), 0_usize);
    for path in discover::case_files(&args.paths)? {
        let file = match test(&path, args.update) {
            Ok(file) => file,
            Err(error) => {
                writeln!(io::stderr(), "postern: {}", Lines(&format!("{error:#}")))?;
                not_updated += 1;
                continue;
            }
        };
        match args.output {
            Output::Text => print(&text(&file))?,
            Output::Json => print(&lines(&file)?)?,
            Output::Junit => {}
        }
        for fault in &file.faults {
            writeln!(io::stderr(), "{}\n", Lines(&fault.to_string()))?;
        }
        files.push(file);
    }
    let count = Count::of(&files);
    match args.output {
        Output::Text => print(&format!("\n{}\n", count.sentence()))?,
        Output::Json => {}
        Output::Junit => print(&junit::render(&files))?,
    }
    if not_updated > 0 {
        bail!("{not_updated} of the case files could not be updated");
    }
    match count {
        Count { not_judged: 0, failed: 0, .. } => Ok(Outcome::Done),
        Count { not_judged: 0, .. } => Ok(Outcome::No),
        Count { not_judged, .. } => bail!("{not_judged} could not be judged"),
    }
}

fn test(path: &Path, is_update: bool) -> anyhow::Result<FileResult> {
    let name = path.to_string_lossy().into_owned();
    let none = |faults| FileResult { name: name.clone(), cases: Vec::new(), faults };
    let source = match Source::read(path) {
        Ok(source) => source,
        Err(faults) => return Ok(none(faults)),
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let policies = match folder::load(&policies(&source, folder)) {
        Ok(policies) => policies,
        Err(LoadError { faults }) => {
            let why: Vec<_> = faults.iter().map(Fault::to_string).collect();
            let case = |number| error(&source, number, why.join("\n\n"));
            let cases = (0..source.cases().len()).map(case).collect();
            return Ok(FileResult { cases, faults, name });
        }
    };
    let (mut cases, mut faults, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for (number, case) in source.cases().iter().enumerate() {
        match ask(&source, folder, &policies, number, is_update) {
            Err(flaw) => {
                let told = source.pictured(&[flaw]);
                let why = told.iter().map(Fault::to_string).collect();
                cases.push(error(&source, number, why));
                faults.extend(told);
            }
            Ok(report) => {
                let result = judge(&source, number, case, &report, is_update);
                new.extend(result.came.clone().filter(|_| is_update).map(|came| (number, came)));
                cases.push(result);
            }
        }
    }
    if !new.is_empty() {
        update::update(path, &source, &new)?;
    }
    Ok(FileResult { cases, faults, name })
}

fn error(source: &Source, number: usize, why: String) -> CaseResult {
    CaseResult {
        file: source.name.clone(),
        line: source.line(number),
        name: source.cases().get(number).map(|case| case.name.clone()).unwrap_or_default(),
        outcome: Ended::Error,
        expected: None,
        came: None,
        message: Some(why),
    }
}

fn policies(source: &Source, folder: &Path) -> Vec<PathBuf> {
    match &source.document.content.policies {
        None => vec![folder.join(POLICIES)],
        Some(paths) => paths.iter().map(|path| folder.join(path)).collect(),
    }
}

fn ask(
    source: &Source,
    folder: &Path,
    policies: &PolicySet,
    number: usize,
    is_update: bool,
) -> Result<Report, Flaw> {
    let expects = source.cases().get(number).is_some_and(|case| case.expect.is_some());
    if !expects && !is_update {
        let message = "it expects nothing; give it `expect`, or let `--update` write it";
        return Err(source.flaw(&at(number, None), message));
    }
    question::ask(source, folder, policies, number)
}

fn judge(
    source: &Source,
    number: usize,
    case: &Case,
    report: &Report,
    is_update: bool,
) -> CaseResult {
    let came = match &case.expect {
        Some(expected) => compare::came(expected, report),
        None => compare::all(report),
    };
    let passed = case.expect.as_ref() == Some(&came);
    let surprise = case.expect.as_ref().is_some_and(|it| it.allowed) && !report.allowed;
    let messages = report.phases.iter().filter_map(|phase| phase.message.clone());
    CaseResult {
        file: source.name.clone(),
        line: source.line(number),
        name: case.name.clone(),
        outcome: match (passed, is_update) {
            (true, _) => Ended::Passed,
            (false, true) => Ended::Updated,
            (false, false) => Ended::Failed,
        },
        expected: case.expect.clone().filter(|_| !passed),
        came: (!passed).then_some(came),
        message: messages.into_iter().next().filter(|_| surprise),
    }
}

/// One line for each case; below one that did not pass, what was expected and what came.
fn text(file: &FileResult) -> String {
    file.cases.iter().map(case_text).collect()
}

fn case_text(case: &CaseResult) -> String {
    let word = match case.outcome {
        Ended::Passed => "ok     ",
        Ended::Failed => "FAILED ",
        Ended::Updated => "updated",
        Ended::Error => "ERROR  ",
    };
    let CaseResult { file, line, name, .. } = case;
    let head = format!("{word} {}:{line}: {}\n", Line(file), Line(name));
    // Why there is no answer is told on standard error.
    if matches!(case.outcome, Ended::Passed | Ended::Error) {
        return head;
    }
    head + &case.picture().lines().map(|line| format!("    {line}\n")).collect::<String>()
}

fn lines(file: &FileResult) -> anyhow::Result<String> {
    let mut lines = String::new();
    for case in &file.cases {
        lines.push_str(&format!("{}\n", printable(&serde_json::to_string(case)?)));
    }
    for fault in file.faults_of_its_own() {
        let line = json!({"file": file.name, "outcome": "error", "message": fault.to_string()});
        lines.push_str(&format!("{}\n", printable(&line.to_string())));
    }
    Ok(lines)
}
