//! A text that a regular expression matches, for people to put their own in its place.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// Longest text, in bytes: what is longer nobody reads as an example.
const MAX_BYTES: usize = 64;
/// Deepest group that is looked into.
const MAX_DEPTH: usize = 10;
/// How often `+` repeats, which looks like something to be replaced: `INC-000`.
const SOME: usize = 3;

/// An example, where one is seen at first sight; whatever is found does match.
#[must_use]
pub fn sample(pattern: &Regex) -> Option<String> {
    let mut reader = Reader(pattern.as_str().chars().peekable());
    let text = reader.alternatives(0)?;
    pattern.is_match(&text).then_some(text)
}

/// What is left of an expression. It was compiled, so what is odd is only not understood.
struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    /// The first of several.
    fn alternatives(&mut self, depth: usize) -> Option<String> {
        let first = self.sequence(depth)?;
        while self.0.next_if_eq(&'|').is_some() {
            self.sequence(depth)?;
        }
        Some(first)
    }

    fn sequence(&mut self, depth: usize) -> Option<String> {
        let mut text = String::new();
        while self.0.peek().is_some_and(|next| !matches!(next, '|' | ')')) {
            let part = self.part(depth)?;
            let times = self.times()?;
            if text.len().saturating_add(part.len().saturating_mul(times)) > MAX_BYTES {
                return None;
            }
            text.push_str(&part.repeat(times));
        }
        Some(text)
    }

    fn part(&mut self, depth: usize) -> Option<String> {
        match self.0.next()? {
            '^' | '$' => Some(String::new()),
            '.' => Some("x".to_owned()),
            '[' => self.class().map(String::from),
            '(' if depth < MAX_DEPTH => self.group(depth + 1),
            '(' => None,
            '\\' => match self.0.next()? {
                'b' | 'A' | 'z' => Some(String::new()),
                escaped => escape(escaped).map(String::from),
            },
            plain => Some(plain.to_string()),
        }
    }

    fn group(&mut self, depth: usize) -> Option<String> {
        if self.0.next_if_eq(&'?').is_some() {
            // A name or flags; flags alone are no group.
            while self.0.peek().is_some_and(|next| !matches!(next, ':' | '>' | ')')) {
                self.0.next();
            }
            if self.0.next()? == ')' {
                return Some(String::new());
            }
        }
        let text = self.alternatives(depth)?;
        self.0.next_if_eq(&')').map(|_| text)
    }

    /// The first character of a class.
    fn class(&mut self) -> Option<char> {
        let is_negated = self.0.next_if_eq(&'^').is_some();
        let first = match self.0.next()? {
            '\\' => escape(self.0.next()?)?,
            '[' => return None,
            plain => plain,
        };
        loop {
            match self.0.next()? {
                ']' => return Some(if is_negated { 'x' } else { first }),
                '[' => return None,
                '\\' => drop(self.0.next()?),
                _ => {}
            }
        }
    }

    /// How often the part before is there at least, or a few times.
    fn times(&mut self) -> Option<usize> {
        let times = match self.0.peek() {
            Some('?' | '*') => 0,
            Some('+') => SOME,
            Some('{') => return self.counted(),
            _ => return Some(1),
        };
        self.0.next();
        self.0.next_if_eq(&'?');
        Some(times)
    }

    /// `{3}`, `{3,}`, `{3,5}`
    fn counted(&mut self) -> Option<usize> {
        self.0.next();
        let mut digits = String::new();
        while let Some(digit) = self.0.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        while self.0.next()? != '}' {}
        self.0.next_if_eq(&'?');
        digits.parse().ok()
    }
}

/// One character that an escape stands for.
fn escape(escaped: char) -> Option<char> {
    match escaped {
        'd' => Some('0'),
        'w' => Some('a'),
        's' => Some(' '),
        'D' | 'S' => Some('x'),
        other if other.is_ascii_punctuation() => Some(other),
        _ => None,
    }
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
            (r"^(?:JIRA|CHG)[-#]\d{3,6}( .*)?$", "JIRA-000"),
            (r"^#?\w{2}\.[^ ]$", "aa.x"),
            ("(?i)^inc-[0-9]+$", "inc-000"),
            ("(?P<ticket>T[0-9])+?x", "T0T0T0x"),
            (".{10,}", "xxxxxxxxxx"),
            ("why|WHY", "why"),
        ] {
            let pattern = Regex::new(pattern).unwrap();
            assert_eq!(sample(&pattern).as_deref(), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn what_is_not_understood_has_none() {
        for pattern in [
            r"\p{Lu}+",
            "[[:alpha:]]",
            "[a&&b]",
            "a{100}",
            "((a{20}){20}){20}",
            r"^\x41$",
            "(?x) a b # c",
            "((((((((((((a))))))))))))",
            "^$x|",
        ] {
            let pattern = Regex::new(pattern).unwrap();
            let sample = sample(&pattern);
            assert!(sample.as_ref().is_none_or(|it| pattern.is_match(it)), "{pattern}: {sample:?}");
        }
        assert_eq!(sample(&Regex::new("((a{20}){20}){20}").unwrap()), None);
    }
}
