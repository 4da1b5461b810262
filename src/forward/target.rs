//! Where entries go, as `--forward` spells it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

use crate::ledger::chain::Hash;
use crate::policy::text::Quoted;

/// `syslog+tls` of RFC 5425.
const SYSLOG_PORT: u16 = 6514;
const MAX_SIZE: u64 = 100 * 1024 * 1024;
const MIN_MAX_SIZE: u64 = 1024;
const KEEP: usize = 5;
const MAX_KEEP: usize = 1000;

/// Where entries go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `stdout:`
    Stdout,
    /// `file:PATH`
    File(LogFile),
    /// `http://…`, `https://…`
    Http(Url),
    /// `syslog+tls://HOST:PORT`
    Syslog(Endpoint),
}

/// A file that is rotated by its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// The file that is written.
    pub path: PathBuf,
    /// No line takes it beyond this many bytes.
    pub max_size: u64,
    /// How many full ones are kept beside it.
    pub keep: usize,
}

/// A host and a port of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

/// Where to POST. Path and query may hold a secret, so nothing shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Where to connect to.
    pub endpoint: Endpoint,
    /// As it was written: the `Host` of requests.
    pub(super) authority: String,
    /// What to ask for there.
    pub(super) path: String,
}

/// Why a text is not a target. No message repeats what may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence is the documentation")]
pub enum TargetError {
    #[error(
        "a target is `stdout:`, `file:PATH`, `https://…`, `http://…` or `syslog+tls://HOST:PORT`, \
         not {}",
        Quoted(.0)
    )]
    Unknown(String),
    #[error("`file:` needs a path, as in `file:/var/log/postern/ledger.jsonl`")]
    NoFile,
    #[error("a file has no option {}; it has `max-size` and `keep`", Quoted(.0))]
    Option(String),
    #[error("`max-size` of a file is at least 1KiB, as in `max-size=100MiB`")]
    MaxSize,
    #[error("`keep` of a file is a number from 1 to 1000")]
    Keep,
    #[error("it is not a URL with a host: want `{0}`")]
    Url(&'static str),
    #[error("a URL must not hold a user or a password; a token is given by `--forward-token`")]
    Credentials,
}

impl Target {
    /// The word for it in labels.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File(_) => "file",
            Self::Http(_) => "http",
            Self::Syslog(_) => "syslog",
        }
    }

    /// What its cursor is called in the store. It tells apart two URLs that differ in what may be
    /// a secret, without telling that.
    #[must_use]
    pub fn cursor(&self) -> String {
        match self {
            Self::Stdout => "stdout:".to_owned(),
            Self::File(file) => format!("file:{}", file.path.display()),
            Self::Http(url) => {
                let hash = Hash::of(url.path.as_bytes()).to_string();
                format!("{url}#{}", hash.get(..16).unwrap_or_default())
            }
            Self::Syslog(endpoint) => format!("syslog+tls://{endpoint}"),
        }
    }
}

/// Without what may be a secret.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout:"),
            Self::File(file) => write!(f, "file:{}", file.path.display()),
            Self::Http(url) => url.fmt(f),
            Self::Syslog(endpoint) => write!(f, "syslog+tls://{endpoint}"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Scheme, host and port.
impl Url {
    /// What is at a path below this one.
    pub(super) fn below(&self, path: &str) -> Self {
        let path = format!("{}/{path}", self.path.trim_end_matches('/'));
        Self { path, ..self.clone() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.endpoint.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.endpoint)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        match text.split_once(':') {
            Some(("stdout", "")) => Ok(Self::Stdout),
            Some(("file", rest)) => rest.parse().map(Self::File),
            Some(("http" | "https", _)) => text.parse().map(Self::Http),
            Some(("syslog+tls", _)) => syslog(text).map(Self::Syslog),
            // The rest may hold anything.
            Some((scheme, _)) => Err(TargetError::Unknown(format!("{scheme}:…"))),
            None => Err(TargetError::Unknown(text.to_owned())),
        }
    }
}

impl FromStr for LogFile {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (path, options) = text.split_once('?').unwrap_or((text, ""));
        let mut file = Self { path: file_path(path)?, max_size: MAX_SIZE, keep: KEEP };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=').unwrap_or((option, "")) {
                ("max-size", size) => {
                    let size = bytes(size).filter(|size| *size >= MIN_MAX_SIZE);
                    file.max_size = size.ok_or(TargetError::MaxSize)?;
                }
                ("keep", number) => {
                    let number = number.parse().ok();
                    let number = number.filter(|number| (1..=MAX_KEEP).contains(number));
                    file.keep = number.ok_or(TargetError::Keep)?;
                }
                (other, _) => return Err(TargetError::Option(other.to_owned())),
            }
        }
        Ok(file)
    }
}

impl FromStr for Url {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (uri, host) = uri(text, "https://HOST/PATH")?;
        let tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { endpoint: Endpoint { host, port, tls }, authority, path })
    }
}

fn syslog(text: &str) -> Result<Endpoint, TargetError> {
    const WANTED: &str = "syslog+tls://HOST:PORT";
    let (uri, host) = uri(text, WANTED)?;
    if !matches!(uri.path_and_query().map(|path| path.as_str()), None | Some("/" | "")) {
        return Err(TargetError::Url(WANTED));
    }
    Ok(Endpoint { host, port: uri.port_u16().unwrap_or(SYSLOG_PORT), tls: true })
}

/// The URL, and its host without brackets.
fn uri(text: &str, wanted: &'static str) -> Result<(Uri, String), TargetError> {
    let wrong = || TargetError::Url(wanted);
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(TargetError::Credentials);
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    // What follows the host and is no port would otherwise be passed over.
    let is_bare = uri.authority().is_some_and(|authority| authority.as_str() == host);
    if !is_bare && uri.port_u16().is_none() {
        return Err(wrong());
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok((uri, host))
}

/// `file://PATH` is what other programs call it.
pub(super) fn file_path(text: &str) -> Result<PathBuf, TargetError> {
    match text.strip_prefix("//").unwrap_or(text) {
        "" => Err(TargetError::NoFile),
        path => Ok(PathBuf::from(path)),
    }
}

fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("", 0)];
    let (number, shift) =
        units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))?;
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::{LogFile, Target, TargetError};

    fn read(text: &str) -> Result<Target, TargetError> {
        text.parse()
    }

    #[test]
    fn reads_every_form_and_shows_no_path_of_a_url() {
        for (text, kind, shown) in [
            ("stdout:", "stdout", "stdout:"),
            ("file:a.jsonl", "file", "file:a.jsonl"),
            ("file:///var/log/a?keep=1", "file", "file:/var/log/a"),
            ("http://h", "http", "http://h:80"),
            ("https://h/hunter2?token=hunter2", "http", "https://h:443"),
            ("https://[::1]:8/x", "http", "https://[::1]:8"),
            ("syslog+tls://h", "syslog", "syslog+tls://h:6514"),
            ("syslog+tls://10.0.0.1:99/", "syslog", "syslog+tls://10.0.0.1:99"),
        ] {
            let target = read(text).unwrap();
            assert_eq!((target.kind(), target.to_string().as_str()), (kind, shown), "{text}");
            assert!(!format!("{target:?} {}", target.cursor()).contains("hunter2"));
        }
    }

    #[test]
    fn a_file_has_a_size_and_a_number() {
        let file = |text: &str| text.parse::<LogFile>();
        let LogFile { path, max_size, keep } = file("/l?max-size=2KiB&keep=3").unwrap();
        assert_eq!((path.to_str(), max_size, keep), (Some("/l"), 2048, 3));
        assert_eq!(file("/l").unwrap().max_size, 104_857_600);
        assert_eq!(file("/l?max-size=4096").unwrap().max_size, 4096);
        for (text, error) in [
            ("", TargetError::NoFile),
            ("//", TargetError::NoFile),
            ("/l?max-size=1023", TargetError::MaxSize),
            ("/l?max-size=1MB", TargetError::MaxSize),
            ("/l?max-size=99999999999GiB", TargetError::MaxSize),
            ("/l?keep=0", TargetError::Keep),
            ("/l?kep=1", TargetError::Option("kep".to_owned())),
        ] {
            assert_eq!(file(text), Err(error), "{text}");
        }
    }

    #[test]
    fn two_urls_that_differ_in_a_secret_have_two_cursors() {
        let cursor = |text: &str| read(text).unwrap().cursor();
        assert_ne!(cursor("https://h/a?token=1"), cursor("https://h/a?token=2"));
        assert_eq!(cursor("https://h/a"), cursor("https://h:443/a"));
        assert_eq!(cursor("file:/a?keep=1"), cursor("file:/a?keep=2"));
    }

    #[test]
    fn no_message_repeats_a_secret() {
        for text in [
            "https://u:hunter2@h/",
            "syslog+tls://u:hunter2@h",
            "htps://h/hunter2",
            "https://h:hunter2/",
            "https:hunter2",
            "syslog+tls://h/hunter2",
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(!message.contains("hunter2"), "{text}: {message}");
        }
        assert_eq!(read("https://u@h/"), Err(TargetError::Credentials));
    }
}
