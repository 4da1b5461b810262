//! URLs, taken apart as the API server does: nothing is normalised, neither case nor port nor
//! path.

use core::net::Ipv6Addr;
use std::rc::Rc;

use super::{Done, Given, Line, fail, misfit};
use crate::expression::Trouble;
use crate::expression::value::{Map, Value};

pub(super) const TABLE: &[Line] = &[
    ("url", "string -> url", url),
    ("isURL", "string -> bool", is_url),
    ("getScheme", "url . -> string", scheme),
    ("getHost", "url . -> string", host),
    ("getHostname", "url . -> string", hostname),
    ("getPort", "url . -> string", port),
    ("getEscapedPath", "url . -> string", escaped_path),
    ("getQuery", "url . -> map<string,list<string>>", query),
];

/// The parts of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::expression) struct Url {
    text: String,
    scheme: String,
    host: String,
    path: String,
    query: String,
}

impl Url {
    /// An absolute URL or an absolute path.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return None;
        }
        // The API server reads it twice: first as a server would, which knows no fragment and so
        // takes it for a piece of what is before it, then without the fragment for its parts.
        let whole = Self::read(text)?;
        let Some((before, fragment)) = text.split_once('#') else { return Some(whole) };
        unescaped(fragment, |_| true)?;
        Self::read(before).map(|parts| Self { text: text.to_owned(), ..parts })
    }

    fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::of(text, "", "", text, ""));
        }
        let (scheme, rest) = split_scheme(text)?;
        if scheme.is_empty() && !rest.starts_with('/') {
            return None;
        }
        let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !hierarchy.starts_with('/') {
            // `mailto:someone`: what follows is opaque.
            return Some(Self::of(text, scheme, "", "", query));
        }
        let authority = hierarchy
            .strip_prefix("//")
            .filter(|after| !scheme.is_empty() || !after.starts_with('/'));
        let (host, path) = match authority {
            Some(authority) => {
                let end = authority.find('/').unwrap_or(authority.len());
                let (authority, path) = authority.split_at_checked(end)?;
                (split_host(authority)?, path)
            }
            None => (String::new(), hierarchy),
        };
        unescaped(path, |_| true)?;
        Some(Self::of(text, scheme, &host, path, query))
    }

    fn of(text: &str, scheme: &str, host: &str, path: &str, query: &str) -> Self {
        Self {
            text: text.to_owned(),
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        }
    }

    /// Host and port, the brackets of an IPv6 address taken off.
    fn host_and_port(&self) -> (&str, &str) {
        let (host, port) = match self.host.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (self.host.as_str(), ""),
        };
        (host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port)
    }
}

/// The scheme, which may be missing, and what follows it.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    for (at, character) in text.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return None,
            ':' => return text.split_once(':'),
            _ => break,
        }
    }
    Some(("", text))
}

/// The host and port of an authority, without what is before the `@`.
fn split_host(authority: &str) -> Option<String> {
    let host = match authority.rsplit_once('@') {
        Some((user, host)) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
            if !user.chars().all(plain) {
                return None;
            }
            unescaped(user, |_| true)?;
            host
        }
        None => authority,
    };
    match host.rfind('[') {
        Some(0) => bracketed(host),
        Some(_) => None,
        None => {
            let port = host.find(':').and_then(|at| host.get(at..)).unwrap_or_default();
            is_port(port).then(|| unescaped_host(host, |byte| byte >= 0x80))?
        }
    }
}

/// An IPv6 address, which may have a zone (RFC 6874), and a port.
fn bracketed(host: &str) -> Option<String> {
    let (inside, port) = host.strip_prefix('[')?.rsplit_once(']')?;
    let (address, zone) = match inside.split_once("%25") {
        Some((address, zone)) => (address, Some(zone)),
        None => (inside, None),
    };
    address.parse::<Ipv6Addr>().ok().filter(|_| is_port(port))?;
    let Some(zone) = zone else { return Some(host.to_owned()) };
    let written_out = |byte: u8| byte == b' ' || is_plain_in_host(char::from(byte));
    let zone = unescaped_host(zone, written_out).filter(|zone| !zone.is_empty())?;
    Some(format!("[{address}%{zone}]{port}"))
}

fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => text.is_empty(),
    }
}

/// A host has no spaces and none of the characters that no host may have.
fn is_plain_in_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:[]<>\"".contains(c)
}

/// A host or a zone with `%xx` read, where that may stand for such a byte or is `%` itself.
fn unescaped_host(text: &str, may_be: impl Fn(u8) -> bool) -> Option<String> {
    let odd = |c: char| c.is_ascii() && c != '%' && !is_plain_in_host(c);
    if text.contains(odd) { None } else { unescaped(text, |byte| byte == b'%' || may_be(byte)) }
}

/// Text with `%xx` read; `None` where a `%` stands for nothing, or for what may not be escaped.
fn unescaped(text: &str, may_be: impl Fn(u8) -> bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).filter(|two| two.chars().all(|c| c.is_ascii_hexdigit()))?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if !may_be(byte) {
            return None;
        }
        bytes.push(byte);
        rest = after.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The path as it was written where it is escaped already, or escaped anew.
fn escape(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte);
    if path.bytes().all(|byte| plain(byte) || b"!'()*[]%".contains(&byte)) {
        return path.to_owned();
    }
    let decoded = unescaped(path, |_| true).unwrap_or_default();
    let mut escaped = String::with_capacity(decoded.len());
    for byte in decoded.bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn read(given: &mut Given<'_, '_>) -> Result<Option<Url>, Trouble> {
    let [Value::Text(text)] = given.values else { return misfit() };
    given.budget.make(text.as_str().len().saturating_mul(3))?;
    Ok(Url::parse(text.as_str()))
}

fn url<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    read(given)?.map_or_else(|| fail("not a URL"), |found| Ok(Value::Url(Rc::new(found))))
}

fn is_url<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    Ok(Value::Bool(read(given)?.is_some()))
}

fn part<'a>(given: &mut Given<'_, '_>, of: impl Fn(&Url) -> String) -> Done<'a> {
    let [Value::Url(url)] = given.values else { return misfit() };
    given.budget.make(url.text.len().saturating_mul(3))?;
    Ok(Value::text(of(url)))
}

fn scheme<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    part(given, |url| url.scheme.clone())
}

fn host<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    part(given, |url| url.host.clone())
}

fn hostname<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    part(given, |url| url.host_and_port().0.to_owned())
}

fn port<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    part(given, |url| url.host_and_port().1.to_owned())
}

fn escaped_path<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    part(given, |url| escape(&url.path))
}

fn query<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Url(url)] = given.values else { return misfit() };
    given.budget.make(url.query.len().saturating_mul(2))?;
    let mut found: Vec<(String, Vec<Value<'a>>)> = Vec::new();
    for pair in url.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| unescaped(&text.replace('+', " "), |_| true);
        let (Some(key), Some(value)) = (plain(key), plain(value)) else { continue };
        given.budget.steps(found.len())?;
        given.budget.make_list(4)?;
        let value = Value::text(value);
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => found.push((key, vec![value])),
        }
    }
    let entries = found.into_iter().map(|(key, values)| (Value::text(key), Value::list(values)));
    Ok(Value::Map(Map::Made(entries.collect())))
}
