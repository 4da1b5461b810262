//! Where a ledger is, as `--ledger` spells it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::policy::text::Quoted;

/// What the library reads of a URL's query, and `options[NAME]`. It passes over everything else.
const PARAMETERS: [&str; 13] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "statement-cache-capacity",
];
/// Some of them by other names.
const ALIASES: [&str; 5] = ["ssl-mode", "ssl-root-cert", "ssl-ca", "ssl-cert", "ssl-key"];
/// Those of them that name files, and variables that do.
const FILES: [&str; 7] =
    ["sslrootcert", "sslcert", "sslkey", "ssl-root-cert", "ssl-ca", "ssl-cert", "ssl-key"];
const FILE_VARIABLES: [&str; 4] = ["PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGPASSFILE"];
/// How much of a name must be that of a parameter, to be taken for it.
const LIKENESS: f32 = 0.65;

/// Where a ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `memory`: in the process, gone with it.
    Memory,
    /// `sqlite:PATH`
    Sqlite(PathBuf),
    /// `postgres://USER@HOST/DATABASE`
    Postgres(Server),
}

/// A PostgreSQL server and a database in it. What is not in the URL comes from the variables that
/// every PostgreSQL program reads: `PGPASSWORD`, `PGSSLROOTCERT` …
#[derive(Debug, Clone)]
pub struct Server(Box<PgConnectOptions>);

impl Server {
    pub(super) fn options(&self) -> PgConnectOptions {
        PgConnectOptions::clone(&self.0)
    }
}

/// Without the password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(options) = self;
        let user = options.get_username();
        write!(f, "postgres://{user}@{}:{}", options.get_host(), options.get_port())?;
        write!(f, "/{}", options.get_database().unwrap_or(user))
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Server {}

/// Why a text is not a place for a ledger.
///
/// A database's URL may hold a password, so no message repeats one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// The part after `postgres:` is not what PostgreSQL takes.
    #[error(
        "it is not a PostgreSQL URL: want `postgres://USER@HOST/DATABASE`, a password percent-encoded"
    )]
    Postgres,
    /// One that would be passed over.
    #[error("a PostgreSQL URL has no parameter {}{}", Quoted(.0), meant(.0))]
    Parameter(String),
    /// `sqlite:` alone, or SQLite's own word for a database that does not last.
    #[error("`sqlite:` needs the path of a file, as in `sqlite:/var/lib/postern/postern.db`")]
    NoFile,
    /// Something else.
    #[error("a ledger is `sqlite:PATH`, `postgres://…` or `memory`, not {}", Quoted(.0))]
    Unknown(String),
}

impl Location {
    /// The files with certificates, keys and passwords that the URL `text` of a ledger names, or a
    /// variable beside it.
    #[must_use]
    pub fn files_read(text: &str) -> Vec<PathBuf> {
        if !matches!(text.parse(), Ok(Self::Postgres(_))) {
            return Vec::new();
        }
        let named = parameters(text).filter(|(name, _)| FILES.contains(&name.as_str()));
        let variables = FILE_VARIABLES.iter().filter_map(std::env::var_os).map(PathBuf::from);
        named.map(|(_, path)| PathBuf::from(path)).chain(variables).collect()
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        match text.split_once(':') {
            // `sqlite://PATH` is what other programs call it.
            Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
                "" | ":memory:" => Err(LocationError::NoFile),
                path => Ok(Self::Sqlite(PathBuf::from(path))),
            },
            // A second `@` is in a password that was not encoded, and would be read as a host.
            Some(("postgres" | "postgresql", rest)) if rest.matches('@').count() > 1 => {
                Err(LocationError::Postgres)
            }
            Some(("postgres" | "postgresql", _)) => {
                known_parameters(text)?;
                let options = text.parse().map_err(|_| LocationError::Postgres)?;
                Ok(Self::Postgres(Server(Box::new(options))))
            }
            Some((scheme, _)) => Err(LocationError::Unknown(format!("{scheme}:…"))),
            None => Err(LocationError::Unknown(text.to_owned())),
        }
    }
}

/// Whoever misspells `sslmode` believes that the server is looked at; and the library logs the value
/// of what it does not know.
fn known_parameters(url: &str) -> Result<(), LocationError> {
    let is_known = |name: &str| {
        let is_option = name.starts_with("options[") && name.ends_with(']');
        is_option || PARAMETERS.contains(&name) || ALIASES.contains(&name)
    };
    match parameters(url).map(|(name, _)| name).find(|name| !is_known(name)) {
        None => Ok(()),
        // A password that was not encoded may have a `?` in it.
        Some(_) if query(url).contains('@') => Err(LocationError::Postgres),
        Some(name) => Err(LocationError::Parameter(name)),
    }
}

fn query(url: &str) -> &str {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    url.split_once('?').map_or("", |(_, query)| query)
}

fn parameters(url: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = query(url).split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decoded(name), decoded(&value.replace('+', " "))))
}

/// Without `%5B` and the like.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        let (byte, rest) = match (code, piece.get(2..)) {
            (Some(byte), Some(rest)) => (byte, rest),
            _ => (b'%', piece),
        };
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn meant(name: &str) -> String {
    let given = name.to_ascii_lowercase();
    let near = similar::get_close_matches(given.as_str(), &PARAMETERS, 1, LIKENESS);
    match near.first() {
        Some(near) => format!("; is `{near}` meant?"),
        None => format!("; it has `{}`", PARAMETERS.join("`, `")),
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Location, LocationError};

    #[test]
    fn reads_every_form() {
        let sqlite = |path: &str| Ok(Location::Sqlite(PathBuf::from(path)));
        let cases = [
            ("memory", Ok(Location::Memory)),
            ("sqlite:a.db", sqlite("a.db")),
            ("sqlite:/var/lib/a.db", sqlite("/var/lib/a.db")),
            ("sqlite://a.db", sqlite("a.db")),
            ("sqlite:///var/lib/a.db", sqlite("/var/lib/a.db")),
            ("sqlite:", Err(LocationError::NoFile)),
            ("sqlite::memory:", Err(LocationError::NoFile)),
            ("postgres://postern@db:x/postern", Err(LocationError::Postgres)),
            ("", Err(LocationError::Unknown(String::new()))),
            ("a.db", Err(LocationError::Unknown("a.db".to_owned()))),
            ("Memory", Err(LocationError::Unknown("Memory".to_owned()))),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Location>(), expected, "{text}");
        }
    }

    #[test]
    fn is_printed_as_it_is_read() {
        for text in ["memory", "sqlite:a.db", "sqlite:/var/lib/a.db"] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_files_of_a_url_are_known() {
        let url =
            "postgres://u@db/x?sslmode=require&ssl%72ootcert=%2Fa+b/c%20d&ssl-key=k#sslcert=n";
        assert_eq!(Location::files_read(url), ["/a b/c d", "k"].map(PathBuf::from));
        assert!(Location::files_read("sqlite:a?sslkey=k").is_empty());
    }

    #[test]
    fn no_message_repeats_a_password() {
        for text in [
            "postgres://u:hunter2@db:port/x",
            "postgres://u:p@hunter2/w@db/x",
            "mysql://u:hunter2@db/x",
            "postgres://u@db/x?passwd=hunter2",
            "postgres://u:5432?hunter2@db/x",
            "postgres://u:1?a&hunter2=w@db/x",
        ] {
            let message = text.parse::<Location>().unwrap_err().to_string();
            assert!(!message.contains("hunter2"), "{message}");
        }
        let server = "postgresql://u:hunter2@db/x?sslmode=verify-full".parse::<Location>();
        assert_eq!(server.unwrap().to_string(), "postgres://u@db:5432/x");
    }

    #[test]
    fn a_parameter_that_would_be_passed_over_is_told_by_its_name() {
        let read = |query: &str| format!("postgres://u@db/x?{query}").parse::<Location>();
        for (query, name, words) in [
            ("sslmod=verify-full", "sslmod", "`sslmod`; is `sslmode` meant?"),
            ("sslmode=require&passwd=w", "passwd", "`passwd`; is `password` meant?"),
            ("SSLMODE=require", "SSLMODE", "`SSLMODE`; is `sslmode` meant?"),
            ("ssl%6Dod=require", "sslmod", "`sslmod`; is `sslmode` meant?"),
            ("options%5Bsearch_path=a", "options[search_path", "`options[search_path`; i"),
            ("connect_timeout=3", "connect_timeout", "; it has `sslmode`, `sslrootcert`, "),
            ("%zz%c3=1", "%zz%c3", "`%zz%c3`; it has "),
            ("=1", "", "``; it has "),
        ] {
            let error = read(query).unwrap_err();
            assert_eq!(error, LocationError::Parameter(name.to_owned()), "{query}");
            assert!(error.to_string().contains(words), "{query}: {error}");
        }
        for query in [
            "",
            "&&",
            "sslmode=require&ssl-mode=require",
            "sslrootcert=a&ssl-root-cert=a&ssl-ca=a&sslcert=a&ssl-cert=a&sslkey=a&ssl-key=a",
            "statement-cache-capacity=9&application_name=a&dbname=a&user=a%40b&password=%26a%3D",
            "host=/run/postgresql&hostaddr=127.0.0.1&port=1#a=b",
            "options=-c%20a%3Db&options[search_path]=a&options%5Ba.b%5D=c",
            "ssl%6Dode=require",
        ] {
            assert!(read(query).is_ok(), "{query}");
        }
        let near = LocationError::Parameter("sslmod".to_owned());
        assert_eq!("postgres:///?sslmod=a".parse::<Location>(), Err(near));
    }
}
