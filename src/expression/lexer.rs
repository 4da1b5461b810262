//! Source text into tokens.

use super::literal;
use super::{Flaw, shown};

/// A token and where it starts, as a byte offset.
#[derive(Debug, Clone)]
pub(super) struct Token<'s> {
    pub(super) at: usize,
    pub(super) kind: Kind<'s>,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'s> {
    /// A name; the words that cannot name a variable are told apart by the parser.
    Word(&'s str),
    /// A name in backticks, which only a field can have: `` `app.example.com/name` ``.
    Escaped(&'s str),
    /// A number as it was written; its sign, if any, is a token before it.
    Int(&'s str),
    Uint(&'s str),
    Double(&'s str),
    Text(String),
    Bytes(Vec<u8>),
    /// Punctuation and operators.
    Sign(&'static str),
    End,
}

/// The longest come first, so that `<=` is not read as `<`.
const SIGNS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}", "=",
];

/// Reads all tokens; the last is always [`Kind::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Token<'_>>, Flaw> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        at = skip_blank(source, at);
        let rest = source.get(at..).unwrap_or_default();
        let Some(first) = rest.chars().next() else {
            found.push(Token { at, kind: Kind::End });
            return Ok(found);
        };
        let (kind, length) = token(rest, first)
            .map_err(|(inside, message)| Flaw { at: at.saturating_add(inside), message })?;
        found.push(Token { at, kind });
        at = at.saturating_add(length.max(1));
    }
}

type Spelled<'s> = Result<(Kind<'s>, usize), (usize, String)>;

fn token(rest: &str, first: char) -> Spelled<'_> {
    if let Some(found) = literal::quoted(rest) {
        return found;
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let length = run(rest, |c| c.is_ascii_alphanumeric() || c == '_');
        return Ok((Kind::Word(rest.get(..length).unwrap_or_default()), length));
    }
    let second = rest.chars().nth(1).unwrap_or(' ');
    if first.is_ascii_digit() || (first == '.' && second.is_ascii_digit()) {
        return number(rest);
    }
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(&"=") => Err((0, "a single `=` compares nothing; write `==`".to_owned())),
        Some(sign) => Ok((Kind::Sign(sign), sign.len())),
        None if first == '&' || first == '|' => {
            Err((0, format!("a single `{first}` is no operator; write `{first}{first}`")))
        }
        None if first == '`' => escaped(rest),
        None => {
            Err((0, format!("`{}` has no meaning here", first.escape_debug().collect::<String>())))
        }
    }
}

fn escaped(rest: &str) -> Spelled<'_> {
    let name = rest.get(1..).and_then(|after| after.split_once('`')).map_or("", |(name, _)| name);
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-/ ".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err((0, "not a name in backticks".to_owned()));
    }
    Ok((Kind::Escaped(name), name.len().saturating_add(2)))
}

fn number(rest: &str) -> Spelled<'_> {
    let spelled = |length: usize| rest.get(..length).unwrap_or_default();
    let next_is = |length: usize, one_of: [char; 2]| {
        rest.get(length..).is_some_and(|after| after.starts_with(one_of))
    };
    let mut length;
    let mut fraction = false;
    if rest.starts_with("0x") {
        length = 2 + run(rest.get(2..).unwrap_or_default(), |c| c.is_ascii_hexdigit());
    } else {
        length = run(rest, |c| c.is_ascii_digit());
        if let Some(after) = rest.get(length..).and_then(|after| after.strip_prefix('.')) {
            let digits = run(after, |c| c.is_ascii_digit());
            if digits > 0 {
                (fraction, length) = (true, length + 1 + digits);
            }
        }
        if next_is(length, ['e', 'E']) {
            let after = rest.get(length + 1..).unwrap_or_default();
            let sign = usize::from(after.starts_with(['+', '-']));
            let digits = run(after.get(sign..).unwrap_or_default(), |c| c.is_ascii_digit());
            if digits > 0 {
                (fraction, length) = (true, length + 1 + sign + digits);
            }
        }
    }
    let (kind, length) = if fraction {
        (Kind::Double(spelled(length)), length)
    } else if next_is(length, ['u', 'U']) {
        (Kind::Uint(spelled(length)), length + 1)
    } else {
        (Kind::Int(spelled(length)), length)
    };
    let after = rest.get(length..).and_then(|after| after.chars().next());
    if after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err((0, format!("`{}…` is not a number", shown(spelled(length)))));
    }
    Ok((kind, length))
}

fn run(text: &str, keep: impl Fn(char) -> bool) -> usize {
    text.find(|c| !keep(c)).unwrap_or(text.len())
}

fn skip_blank(source: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = source.get(at..).unwrap_or_default();
        let blank = run(rest, |c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
        let comment = match rest.get(blank..) {
            Some(after) if after.starts_with("//") => after.find('\n').unwrap_or(after.len()),
            _ => 0,
        };
        if blank + comment == 0 {
            return at;
        }
        at += blank + comment;
    }
}
