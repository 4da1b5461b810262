//! Literals: the prefixes, quotes and escapes of quoted ones, and the values of numbers.

use super::Flaw;
use super::lexer::Kind;
use super::syntax::Shape;

type Quoted = Result<(Kind<'static>, usize), (usize, String)>;

/// Reads a string or bytes literal at the head of `rest`, or `None` where there is none. Errors
/// say how far into `rest` they are.
pub(super) fn quoted(rest: &str) -> Option<Quoted> {
    let (bytes, after) = match rest.strip_prefix(['b', 'B']) {
        Some(after) => (true, after),
        None => (false, rest),
    };
    let (raw, after) = match after.strip_prefix(['r', 'R']) {
        Some(after) => (true, after),
        None => (false, after),
    };
    let quote = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quote| after.starts_with(quote))?;
    let start = rest.len().saturating_sub(after.len()).saturating_add(quote.len());
    Some(body(rest, start, quote, raw, bytes))
}

fn body(rest: &str, start: usize, quote: &str, raw: bool, bytes: bool) -> Quoted {
    let text = rest.get(start..).unwrap_or_default();
    let mut made = Made { bytes, out: Vec::new() };
    let mut at = 0;
    loop {
        let left = text.get(at..).unwrap_or_default();
        if left.starts_with(quote) {
            let length = start.saturating_add(at).saturating_add(quote.len());
            let kind = made.finish().ok_or((0, "it is not valid UTF-8".to_owned()))?;
            return Ok((kind, length));
        }
        let Some(c) = left.chars().next() else {
            return Err((0, format!("the closing {quote} is missing")));
        };
        if quote.len() == 1 && (c == '\n' || c == '\r') {
            return Err((0, format!("the closing {quote} is missing on this line")));
        }
        if c == '\\' && !raw {
            let used = made
                .escape(left)
                .ok_or_else(|| (start.saturating_add(at), "not an escape sequence".to_owned()))?;
            at = at.saturating_add(used);
        } else if c == '\\' {
            // A raw literal keeps the backslash, which still guards the quote after it.
            made.push(c);
            at = at.saturating_add(1);
            if let Some(next) = left.chars().nth(1) {
                made.push(next);
                at = at.saturating_add(next.len_utf8());
            }
        } else if c == '\r' {
            // Line ends are those of the language, not of the editor.
            at = at.saturating_add(if left.starts_with("\r\n") { 2 } else { 1 });
            made.push('\n');
        } else {
            made.push(c);
            at = at.saturating_add(c.len_utf8());
        }
    }
}

struct Made {
    bytes: bool,
    out: Vec<u8>,
}

impl Made {
    fn push(&mut self, c: char) {
        self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn finish(self) -> Option<Kind<'static>> {
        if self.bytes {
            return Some(Kind::Bytes(self.out));
        }
        String::from_utf8(self.out).ok().map(Kind::Text)
    }

    /// The value of a numbered escape: a byte of a bytes literal, a character of a string.
    fn number(&mut self, value: u32) -> Option<()> {
        if self.bytes {
            self.out.push(u8::try_from(value).ok()?);
        } else {
            self.push(char::from_u32(value)?);
        }
        Some(())
    }

    /// Takes one escape sequence from the head of `left` and says how long it was.
    fn escape(&mut self, left: &str) -> Option<usize> {
        let kind = left.chars().nth(1)?;
        let simple = match kind {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '?' | '"' | '\'' | '`' => kind,
            'x' | 'X' => return self.digits(left, 2, 2, 16),
            'u' if !self.bytes => return self.digits(left, 2, 4, 16),
            'U' if !self.bytes => return self.digits(left, 2, 8, 16),
            '0'..='3' => return self.digits(left, 1, 3, 8),
            _ => return None,
        };
        self.push(simple);
        Some(2)
    }

    fn digits(&mut self, left: &str, skip: usize, count: usize, radix: u32) -> Option<usize> {
        let end = skip.checked_add(count)?;
        let digits = left.get(skip..end)?;
        if !digits.chars().all(|c| c.is_digit(radix)) {
            return None;
        }
        self.number(u32::from_str_radix(digits, radix).ok()?)?;
        Some(end)
    }
}

/// The value of a number with the sign before it, or `None` where there is no number.
pub(super) fn number(at: usize, negative: bool, kind: &Kind<'_>) -> Result<Option<Shape>, Flaw> {
    let sign = if negative { "-" } else { "" };
    let hex = |text: &str| text.strip_prefix("0x").map(str::to_owned);
    let shape = match kind {
        Kind::Int(text) => match hex(text) {
            Some(digits) => i64::from_str_radix(&format!("{sign}{digits}"), 16).ok(),
            None => format!("{sign}{text}").parse().ok(),
        }
        .map(Shape::Int),
        Kind::Uint(text) if !negative => match hex(text) {
            Some(digits) => u64::from_str_radix(&digits, 16).ok(),
            None => text.parse().ok(),
        }
        .map(Shape::Uint),
        Kind::Double(text) => {
            let value: Option<f64> = format!("{sign}{text}").parse().ok();
            value.filter(|value| value.is_finite()).map(Shape::Double)
        }
        _ => return Ok(None),
    };
    shape.map(Some).ok_or_else(|| Flaw { at, message: "the number is out of range".to_owned() })
}
