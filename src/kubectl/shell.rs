//! The words of one simple command, as a POSIX shell splits them.

/// Why a text is not one simple command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShellError {
    /// A quote without its other half.
    #[error("a quote is not closed")]
    OpenQuote,
    /// Nothing behind the last backslash.
    #[error("nothing follows the backslash at the end")]
    Backslash,
    /// Something that a shell would replace or act on.
    #[error("`{0}` means something to a shell that is not done here; put it in single quotes")]
    Meaning(char),
    /// A byte that is no part of a text.
    #[error("what stands in $'…' is not a text")]
    NotText,
}

/// Splits a command into words. Quotes are taken off and a line break behind a backslash is none;
/// what a shell would expand is an error, because there is nothing here to expand it from.
pub(super) fn words(text: &str) -> Result<Vec<String>, ShellError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            _ if character.is_whitespace() => words.extend(word.take()),
            '\\' => match rest.next() {
                Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err(ShellError::Backslash),
            },
            '\'' => single_quoted(&mut rest, word.get_or_insert_default())?,
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '$' if rest.as_str().starts_with('\'') => {
                rest.next();
                escaped(&mut rest, word.get_or_insert_default())?;
            }
            '#' | '~' if word.is_none() => return Err(ShellError::Meaning(character)),
            '$' | '`' | '|' | '&' | ';' | '<' | '>' | '(' | ')' => {
                return Err(ShellError::Meaning(character));
            }
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single_quoted(
    rest: &mut impl Iterator<Item = char>,
    word: &mut String,
) -> Result<(), ShellError> {
    for character in rest {
        if character == '\'' {
            return Ok(());
        }
        word.push(character);
    }
    Err(ShellError::OpenQuote)
}

fn double_quoted(
    rest: &mut impl Iterator<Item = char>,
    word: &mut String,
) -> Result<(), ShellError> {
    while let Some(character) = rest.next() {
        match character {
            '"' => return Ok(()),
            '$' | '`' => return Err(ShellError::Meaning(character)),
            '\\' => match rest.next().ok_or(ShellError::OpenQuote)? {
                '\n' => {}
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            _ => word.push(character),
        }
    }
    Err(ShellError::OpenQuote)
}

/// The inside of `$'…'`: what [`super::DebugOptions::command_line`] writes, and the usual letters.
fn escaped(rest: &mut core::str::Chars<'_>, word: &mut String) -> Result<(), ShellError> {
    let mut bytes = Vec::new();
    while let Some(character) = rest.next() {
        let plain = match character {
            '\'' => {
                let text = String::from_utf8(bytes).map_err(|_error| ShellError::NotText)?;
                word.push_str(&text);
                return Ok(());
            }
            '\\' => match rest.next().ok_or(ShellError::OpenQuote)? {
                digit @ '0'..='7' => {
                    bytes.push(octal(digit, rest)?);
                    continue;
                }
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'e' => '\u{1b}',
                other @ ('\'' | '"' | '\\' | '?') => other,
                other => return Err(ShellError::Meaning(other)),
            },
            other => other,
        };
        bytes.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Err(ShellError::OpenQuote)
}

/// Up to three octal digits, of which the first has been read.
fn octal(first: char, rest: &mut core::str::Chars<'_>) -> Result<u8, ShellError> {
    let mut number = first.to_digit(8).unwrap_or_default();
    for _ in 0..2 {
        let Some(digit) = rest.clone().next().and_then(|next| next.to_digit(8)) else { break };
        rest.next();
        number = number * 8 + digit;
    }
    u8::try_from(number).map_err(|_error| ShellError::NotText)
}
