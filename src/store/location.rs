//! Where a ledger is, as `--ledger` spells it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::policy::text::Quoted;

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
    /// `sqlite:` alone, or SQLite's own word for a database that does not last.
    #[error("`sqlite:` needs the path of a file, as in `sqlite:/var/lib/postern/postern.db`")]
    NoFile,
    /// Something else.
    #[error("a ledger is `sqlite:PATH`, `postgres://…` or `memory`, not {}", Quoted(.0))]
    Unknown(String),
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
            Some(("postgres" | "postgresql", _)) => match text.parse() {
                Ok(options) => Ok(Self::Postgres(Server(Box::new(options)))),
                Err(_) => Err(LocationError::Postgres),
            },
            Some((scheme, _)) => Err(LocationError::Unknown(format!("{scheme}:…"))),
            None => Err(LocationError::Unknown(text.to_owned())),
        }
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
    fn no_message_repeats_a_password() {
        for text in [
            "postgres://u:hunter2@db:port/x",
            "postgres://u:p@hunter2/w@db/x",
            "mysql://u:hunter2@db/x",
        ] {
            let message = text.parse::<Location>().unwrap_err().to_string();
            assert!(!message.contains("hunter2"), "{message}");
        }
        let server = "postgresql://u:hunter2@db/x?sslmode=verify-full".parse::<Location>();
        assert_eq!(server.unwrap().to_string(), "postgres://u@db:5432/x");
    }
}
