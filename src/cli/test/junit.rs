//! JUnit's XML, as CI systems read it. A handful of elements without namespaces: no crate needed.

use std::fmt::{self, Display, Write};

use super::result::{CaseResult, Count, FileResult, Outcome};
use crate::policy::text::Lines;

/// The whole document.
pub(super) fn render(files: &[FileResult]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.push_str(&format!("<testsuites name=\"postern test\"{}>\n", counts(files)));
    files.iter().for_each(|file| suite(&mut xml, file));
    xml.push_str("</testsuites>\n");
    xml
}

fn counts<'a>(files: impl IntoIterator<Item = &'a FileResult>) -> String {
    let Count { passed, failed, updated, not_judged } = Count::of(files);
    let tests = passed + failed + updated + not_judged;
    format!(" tests=\"{tests}\" failures=\"{failed}\" errors=\"{not_judged}\"")
}

fn suite(xml: &mut String, file: &FileResult) {
    let name = Escaped(&file.name);
    xml.push_str(&format!("  <testsuite name=\"{name}\"{}>\n", counts([file])));
    file.cases.iter().for_each(|case| element(xml, case));
    for fault in file.faults_of_its_own() {
        let text = fault.to_string();
        xml.push_str(&format!(
            "    <testcase name=\"{name}\" classname=\"{name}\" file=\"{name}\"{}",
            error(&text)
        ));
    }
    xml.push_str("  </testsuite>\n");
}

fn element(xml: &mut String, case: &CaseResult) {
    let file = Escaped(&case.file);
    xml.push_str(&format!(
        "    <testcase name=\"{}\" classname=\"{file}\" file=\"{file}\" line=\"{}\"",
        Escaped(&case.name),
        case.line
    ));
    match case.outcome {
        Outcome::Passed | Outcome::Updated => xml.push_str("/>\n"),
        Outcome::Failed => xml.push_str(&format!(
            ">\n      <failure message=\"another answer than expected\">{}</failure>\n    \
             </testcase>\n",
            Escaped(&case.picture())
        )),
        Outcome::Error => xml.push_str(&error(case.message.as_deref().unwrap_or_default())),
    }
}

/// The rest of a test case that could not be judged.
fn error(text: &str) -> String {
    let first = Escaped(text.lines().next().unwrap_or_default());
    let text = Escaped(text);
    format!(">\n      <error message=\"{first}\">{text}</error>\n    </testcase>\n")
}

/// Text inside an element or an attribute. What XML has no place for is escaped as for a terminal.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Lines(self.0).to_string().chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => write!(f, "{}", character.escape_unicode()),
            _ => f.write_char(character),
        })
    }
}
