//! `--env`, which kubectl reads as a comma-separated record once it holds a second `=`.

/// Why kubectl would not take an `--env`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// No `=` in it.
    #[error("a variable is written NAME=VALUE")]
    NoValue,
    /// Text with more than one `=` is a CSV record to kubectl.
    #[error(
        "a value that holds `=` and `\"` or `,` is written as kubectl reads it: as a CSV field"
    )]
    Quotes,
}

/// The variables of one `--env`: kubectl (pflag) takes `A=1,2` as one and `A=1,B=2` as two.
///
/// # Errors
///
/// kubectl would refuse the flag.
pub fn parse_env(text: &str) -> Result<Vec<(String, String)>, EnvError> {
    let fields = match text.matches('=').count() {
        0 => return Err(EnvError::NoValue),
        1 => vec![text.trim_matches('"').to_owned()],
        _ => csv_record(text)?,
    };
    let pair = |field: String| {
        let pair = field.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.ok_or(EnvError::NoValue)
    };
    fields.into_iter().map(pair).collect()
}

/// One `--env` text that [`parse_env`] reads as this variable. (kubectl has no way to write a value
/// that ends in `"` and holds no `=`.)
pub(super) fn render(name: &str, value: &str) -> String {
    let pair = format!("{name}={value}");
    if !value.contains('=') || !value.contains(['"', ',', '\n', '\r']) {
        return pair;
    }
    format!("\"{}\"", pair.replace('"', "\"\""))
}

/// The first record of a CSV text (RFC 4180), strict about quotes like Go's `encoding/csv`.
fn csv_record(text: &str) -> Result<Vec<String>, EnvError> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find([',', '\n']).unwrap_or(rest.len());
                let (field, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
                if field.contains('"') {
                    return Err(EnvError::Quotes);
                }
                (field.to_owned(), behind)
            }
        };
        fields.push(field);
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None if behind.is_empty() || behind.starts_with('\n') => return Ok(fields),
            None => return Err(EnvError::Quotes),
        }
    }
}

/// The field up to its closing quote, and what is behind that.
fn quoted_field(mut rest: &str) -> Result<(String, &str), EnvError> {
    let mut field = String::new();
    loop {
        let (text, behind) = rest.split_once('"').ok_or(EnvError::Quotes)?;
        field.push_str(text);
        match behind.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Ok((field, behind)),
        }
    }
}
