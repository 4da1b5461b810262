//! A text that a regular expression matches, for people to put their own in its place.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Longest text, in bytes: what is longer nobody reads as an example.
const MAX_BYTES: usize = 64;
/// How often `+` repeats, which looks like something to be replaced: `INC-000`.
const SOME: u32 = 3;

/// An example, where a short one is found at first sight; whatever is found does match.
#[must_use]
pub fn sample(pattern: &Regex) -> Option<String> {
    let parsed = regex_syntax::parse(pattern.as_str()).ok()?;
    let mut text = String::new();
    write(&parsed, &mut text)?;
    pattern.is_match(&text).then_some(text)
}

/// Takes no longer than compiling did, which wrote out every repetition, and goes no deeper than
/// the parser did.
fn write(part: &Hir, text: &mut String) -> Option<()> {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => text.push(character(class)?),
        HirKind::Capture(capture) => write(&capture.sub, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, text))?,
        HirKind::Alternation(parts) => write(parts.first()?, text)?,
        HirKind::Repetition(repetition) => {
            let some = if repetition.max.is_none() { SOME } else { 0 };
            let times = if repetition.min == 0 { 0 } else { repetition.min.max(some) };
            (0..times).try_for_each(|_| write(&repetition.sub, text))?;
        }
    }
    (text.len() <= MAX_BYTES).then_some(())
}

/// What looks like something to be replaced, or else the first of the class.
fn character(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let has = |it: &char| class.iter().any(|range| (range.start()..=range.end()).contains(it));
    let first = || class.iter().next().map(|range| range.start());
    let found = ['x', 'A', '0'].into_iter().find(has).or_else(first)?;
    (found == ' ' || found.is_ascii_graphic() || found.is_alphanumeric()).then_some(found)
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::sample;

    #[test]
    fn what_people_write_has_an_example() {
        for (pattern, expected) in [
            (r"^(OPS|INC)-[0-9]+\b", "OPS-000"),
            ("^[A-Z]+-[0-9]+", "AAA-000"),
            (r"^INC\d{7}$", "INC0000000"),
            (r"^(?:JIRA|CHG)[-#]\d{3,6}( .*)?$", "JIRA#000"),
            (r"^#?\w{2}\.[^ ]$", "xx.x"),
            ("(?i)^inc-[0-9]+$", "INC-000"),
            ("(?P<ticket>T[0-9])+?x", "T0T0T0x"),
            (".{10,}", "xxxxxxxxxx"),
            ("why|WHY", "why"),
            (r"\p{Lu}+", "AAA"),
            ("^[[:alpha:]]{2}$", "xx"),
        ] {
            let pattern = Regex::new(pattern).unwrap();
            assert_eq!(sample(&pattern).as_deref(), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn what_is_long_or_odd_has_none() {
        for pattern in ["a{100}", "((a{20}){20}){20}", r"[\x00-\x1f]", r"(?-u:\w)", "a$b"] {
            assert_eq!(sample(&Regex::new(pattern).unwrap()), None, "{pattern}");
        }
    }
}
