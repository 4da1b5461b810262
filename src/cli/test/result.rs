//! What became of each case.

use serde::Serialize;
use similar::TextDiff;

use super::file::Expect;
use crate::folder::Fault;
use crate::policy::text::Lines;

/// What became of the cases of one file.
#[derive(Debug)]
pub(super) struct FileResult {
    /// The file.
    pub(super) name: String,
    pub(super) cases: Vec<CaseResult>,
    /// Why something could not be judged: cases, or the file, which then has none.
    pub(super) faults: Vec<Fault>,
}

/// What became of one case.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaseResult {
    pub(super) file: String,
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) outcome: Outcome,
    /// What was expected, where it did not come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected: Option<Expect>,
    /// What came instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) came: Option<Expect>,
    /// What the user would have been told, where it was another answer than expected; or why there
    /// is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// It failed, and what came is expected from now on.
    Updated,
    /// It could not be judged.
    Error,
}

impl FileResult {
    /// The faults that no case tells: where there are cases, each says why it could not be judged.
    pub(super) fn faults_of_its_own(&self) -> &[Fault] {
        if self.cases.is_empty() { &self.faults } else { &[] }
    }
}

impl CaseResult {
    /// What was expected beside what came, with the answer that the user would have had.
    pub(super) fn picture(&self) -> String {
        let (expected, came) = (yaml(self.expected.as_ref()), yaml(self.came.as_ref()));
        let diff = TextDiff::from_lines(&expected, &came)
            .unified_diff()
            .context_radius(100)
            .header("expected", "came")
            .to_string();
        // All of it is shown, so there is no need to say which lines.
        let diff = diff.lines().filter(|line| !line.starts_with("@@"));
        let answer =
            self.message.iter().flat_map(|message| ["answer:"].into_iter().chain(message.lines()));
        diff.chain(answer).map(|line| format!("{}\n", Lines(line))).collect()
    }
}

fn yaml(expect: Option<&Expect>) -> String {
    let Some(expect) = expect else { return String::new() };
    serde_saphyr::to_string(expect).unwrap_or_else(|error| format!("{error}\n"))
}

/// How many cases ended in which way.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) updated: usize,
    /// Of a file that cannot be read no cases are known, and each fault counts.
    pub(super) not_judged: usize,
}

impl Count {
    pub(super) fn of<'a>(files: impl IntoIterator<Item = &'a FileResult>) -> Self {
        let mut count = Self::default();
        for file in files {
            count.not_judged += file.faults_of_its_own().len();
            for case in &file.cases {
                match case.outcome {
                    Outcome::Passed => count.passed += 1,
                    Outcome::Failed => count.failed += 1,
                    Outcome::Updated => count.updated += 1,
                    Outcome::Error => count.not_judged += 1,
                }
            }
        }
        count
    }

    pub(super) fn sentence(&self) -> String {
        let Self { passed, failed, updated, not_judged } = self;
        let mut sentence = format!("{passed} passed, {failed} failed");
        if *updated > 0 {
            sentence.push_str(&format!(", {updated} updated"));
        }
        if *not_judged > 0 {
            sentence.push_str(&format!(", {not_judged} could not be judged"));
        }
        sentence
    }
}
