//! Text that others wrote, made safe to print.

use std::fmt::{self, Write};
use std::sync::LazyLock;

use regex::Regex;

/// Longest piece of foreign text in a message, in characters.
const MAX_CHARS: usize = 128;

/// Shows foreign text in backticks: control, formatting and bidirectional characters escaped, cut
/// to 128 characters. A terminal, a log or an HTTP header may hold the result.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", Plain(self.0))
    }
}

/// As [`Quoted`], without the backticks.
#[derive(Debug, Clone, Copy)]
pub struct Plain<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, character) in self.0.chars().enumerate() {
            if position == MAX_CHARS {
                return f.write_char('…');
            }
            match character {
                '`' => f.write_char('\'')?,
                _ => plain(f, character)?,
            }
        }
        Ok(())
    }
}

/// As [`Plain`], but whole and with its backticks: a file's name, a command.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a>(pub &'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| plain(f, character))
    }
}

/// As [`Line`], for a text that is meant to have several lines.
#[derive(Debug, Clone, Copy)]
pub struct Lines<'a>(pub &'a str);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\n' => f.write_char('\n'),
            _ => plain(f, character),
        })
    }
}

fn plain(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    if is_plain(character) {
        f.write_char(character)
    } else {
        write!(f, "{}", character.escape_unicode())
    }
}

/// Whether a terminal shows the character where it stands and does nothing else with it.
#[must_use]
pub fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// What a reader sees by itself: letters, numbers, punctuation and symbols (a mark needs a letter
/// to stand on), but for those that are not drawn and the blanks that are called something else.
static SEEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"[\p{L}\p{N}\p{P}\p{S}--\p{DI}--[\x{2800}\x{13441}\x{13442}\x{1D159}]]").ok()
});

/// Whether a reader sees anything of the text.
#[must_use]
pub fn shows_something(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_graphic())
        || SEEN.as_ref().is_some_and(|seen| seen.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_shows_nothing() {
        for seen in ["x", "?", "ü", "理由", "سبب", "कारण", "👍", "…", "\u{2801}", "\u{200b}a"]
        {
            assert!(shows_something(seen), "{seen:?}");
        }
        let blanks =
            "\u{2800}\u{13441}\u{1d159}\u{3000}\u{a0}\u{1680}\u{7}\u{34f}\u{180e}\u{17b4}\u{17b5}";
        let fillers = "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{fe00}\u{fe0f}\u{e0100}\u{e01ef}\u{e0041}";
        let marks = "\u{301}\u{345}\u{20dd}\u{903}";
        for unseen in ["", blanks, fillers, marks].iter().flat_map(|all| all.split("")) {
            assert!(!shows_something(unseen), "{unseen:?}");
        }
    }

    #[test]
    fn only_lines_may_break_a_line_and_nothing_else_gets_through() {
        let text = "a`b\n\u{1b}[2J\u{202e}";
        assert_eq!(Quoted(text).to_string(), "`a'b\\u{a}\\u{1b}[2J\\u{202e}`");
        assert_eq!(Line(text).to_string(), "a`b\\u{a}\\u{1b}[2J\\u{202e}");
        assert_eq!(Lines(text).to_string(), "a`b\n\\u{1b}[2J\\u{202e}");
        let long = "x".repeat(MAX_CHARS + 1);
        assert_eq!(Line(&long).to_string(), long);
        assert_eq!(Plain(&long).to_string().chars().count(), MAX_CHARS + 1);
    }
}
