//! Formats that Kubernetes names: labels, subdomains, UUIDs and their kin.

use super::{Done, Given, Line, misfit, urls};
use crate::expression::value::Value;

/// A format and what judges it.
#[derive(Debug)]
pub(in crate::expression) struct NamedFormat {
    pub(in crate::expression) name: &'static str,
    judge: fn(&str) -> bool,
    /// What a text of the format looks like.
    shape: &'static str,
}

macro_rules! formats {
    ($($constant:ident $name:literal $judge:expr, $shape:literal;)*) => {
        $(static $constant: NamedFormat =
            NamedFormat { name: $name, judge: $judge, shape: $shape };)*
        const ALL: &[&NamedFormat] = &[$(&$constant),*];
        pub(super) const TABLE: &[Line] = &[
            ("format.named", "string -> optional<format>", named),
            ("validate", "format . string -> optional<list<string>>", validate),
            $((concat!("format.", $name), "-> format", |_| Ok(Value::Format(&$constant))),)*
        ];
    };
}

formats! {
    LABEL "dns1123Label" label,
        "lower-case letters, digits and `-`, 63 characters at most";
    SUBDOMAIN "dns1123Subdomain" subdomain,
        "lower-case letters, digits, `-` and `.`, 253 characters at most";
    LABEL_1035 "dns1035Label" label_1035,
        "lower-case letters, digits and `-`, a letter first, 63 characters at most";
    QUALIFIED "qualifiedName" qualified_name, "[DOMAIN/]NAME, the name 63 characters at most";
    LABEL_PREFIX "dns1123LabelPrefix" |text| label(&masked(text)),
        "lower-case letters, digits and `-`, 63 characters at most";
    SUBDOMAIN_PREFIX "dns1123SubdomainPrefix" |text| subdomain(&masked(text)),
        "lower-case letters, digits, `-` and `.`, 253 characters at most";
    LABEL_1035_PREFIX "dns1035LabelPrefix" |text| label_1035(&masked(text)),
        "lower-case letters, digits and `-`, a letter first, 63 characters at most";
    LABEL_VALUE "labelValue" |text| text.is_empty() || plain_name(text),
        "letters, digits, `-`, `_` and `.`, 63 characters at most";
    URI "uri" |text| urls::Url::parse(text).is_some(), "an absolute URL or path";
    UUID "uuid" uuid, "32 hexadecimal digits, with or without dashes";
    BYTE "byte" base64, "base64";
    DATE "date" date, "a date such as 2026-01-02";
    DATETIME "datetime" datetime, "a time such as 2026-01-02T03:04:05Z";
}

fn named<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Text(name)] = given.values else { return misfit() };
    let found = ALL.iter().find(|format| format.name == name.as_str());
    Ok(found.map_or(Value::Optional(None), |format| Value::some(Value::Format(format))))
}

fn validate<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Format(format), Value::Text(text)] = given.values else { return misfit() };
    given.budget.make(text.as_str().len().saturating_mul(4))?;
    if (format.judge)(text.as_str()) {
        return Ok(Value::Optional(None));
    }
    let message = format!("it is not {}", format.shape);
    Ok(Value::some(Value::list(vec![Value::text(message)])))
}

fn lower_or_digit(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn word(text: &str) -> bool {
    text.starts_with(lower_or_digit)
        && text.ends_with(lower_or_digit)
        && text.chars().all(|c| lower_or_digit(c) || c == '-')
}

fn label(text: &str) -> bool {
    text.len() <= 63 && word(text)
}

fn label_1035(text: &str) -> bool {
    label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(word)
}

/// A name to which something will be added may end in a dash.
fn masked(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(before) if !before.is_empty() => {
            let mut kept = before.to_owned();
            kept.pop();
            kept.push('a');
            kept
        }
        _ => text.to_owned(),
    }
}

fn plain_name(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| edge(c) || "-_.".contains(c))
}

fn qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => subdomain(prefix) && plain_name(name),
        None => plain_name(text),
    }
}

fn uuid(text: &str) -> bool {
    let mut rest = text;
    for (place, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if place > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        let Some((digits, after)) = rest.split_at_checked(length) else { return false };
        if !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

fn base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len().saturating_sub(digits.len());
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && padding <= 2
        && digits.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '/')
}

fn date(text: &str) -> bool {
    text.len() == 10 && text.is_ascii() && text.parse::<jiff::civil::Date>().is_ok()
}

fn datetime(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let Some((day, time)) = lower.split_once('t') else { return false };
    if !date(day) {
        return false;
    }
    let Some((clock, rest)) = time.split_at_checked(8) else { return false };
    let in_range = |from: usize, most: &str| {
        clock
            .get(from..from + 2)
            .is_some_and(|two| two.chars().all(|c| c.is_ascii_digit()) && two <= most)
    };
    let colons = clock.get(2..3) == Some(":") && clock.get(5..6) == Some(":");
    if !colons || !in_range(0, "23") || !in_range(3, "59") || !in_range(6, "59") {
        return false;
    }
    let zone = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            fraction.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        Some(_) => return false,
        None => rest,
    };
    let offset = |zone: &str| {
        zone.len() == 6
            && zone.starts_with(['+', '-'])
            && zone.char_indices().skip(1).all(|(at, c)| match at {
                3 => c == ':',
                _ => c.is_ascii_digit(),
            })
    };
    zone == "z" || offset(zone)
}
