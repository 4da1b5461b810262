//! `postern ready`: asks a server whether it is ready, for `helm test` and for scripts. The image has
//! no other program that could.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use jiff::SignedDuration;
use serde_json::json;

use super::{Form, Outcome, as_json, print};

const EXAMPLES: &str = "\
Examples:
  postern ready
  postern ready --wait 1m http://postern.postern-system.svc:9090

It prints what /readyz says. Exit code 1: it answers that it is not ready; 2: it does not answer.";

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);
/// Beyond, no clock could tell when it ends.
const LONGEST: Duration = Duration::from_hours(24);
/// The longest answer that is read.
const MAX_BYTES: u64 = 64 << 10;

/// Ask a server whether it is ready
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where its /readyz is (`--health-listen`)
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:9090")]
    url: Place,

    /// Ask again for so long, until it is
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = wait)]
    wait: Duration,

    /// How to say it
    #[arg(short, long, value_enum, value_name = "text|json", default_value = "text")]
    output: Form,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("want http://HOST:PORT")]
struct PlaceError;

fn wait(text: &str) -> Result<Duration, &'static str> {
    let wait = text.parse::<SignedDuration>().ok().and_then(|wait| Duration::try_from(wait).ok());
    wait.filter(|wait| *wait <= LONGEST).ok_or("want a duration up to 24h, as in 30s or 1m")
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let rest = text.strip_prefix("http://").ok_or(PlaceError)?;
        let place = rest.strip_suffix("/readyz").unwrap_or(rest).trim_end_matches('/');
        let (host, port) = place.rsplit_once(':').ok_or(PlaceError)?;
        let fits = !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok();
        fits.then(|| Self(place.to_owned())).ok_or(PlaceError)
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let Args { url, wait, output } = args;
    let end = Instant::now() + *wait;
    loop {
        let answer = ask(url);
        if Instant::now() >= end || matches!(answer, Ok((200, _))) {
            let (status, said) =
                answer.map_err(|error| anyhow!("{}: {}", url.0, in_words(&error)))?;
            print(&match output {
                Form::Text => said,
                Form::Json => as_json(&json!({
                    "ready": status == 200, "checks": said.lines().collect::<Vec<_>>(),
                }))?,
            })?;
            return Ok(if status == 200 { Outcome::Done } else { Outcome::No });
        }
        thread::sleep(PAUSE);
    }
}

/// One question: the status of the answer and its body.
fn ask(Place(place): &Place) -> io::Result<(u16, String)> {
    let mut stream = connect(place.to_socket_addrs()?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // HTTP/1.0: the answer ends with the connection, and comes in one piece.
    write!(stream, "GET /readyz HTTP/1.0\r\nHost: {place}\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_BYTES).read_to_string(&mut answer)?;
    // A TLS alert begins so.
    if answer.is_empty() || answer.starts_with('\u{15}') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    read(&answer).ok_or_else(|| io::Error::other("that is no answer of a Postern"))
}

/// Whoever hangs up at a question in HTTP, or answers with what is no text, may speak TLS.
fn in_words(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::BrokenPipe
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::UnexpectedEof
        | Kind::InvalidData => {
            "it does not answer in HTTP; if this is the port for the API server, which speaks TLS, \
             want that of `--health-listen`"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

/// The first that takes it: `localhost` has two addresses, of which a server may have one.
fn connect(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut why = io::Error::other("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error,
        }
    }
    Err(why)
}

fn read(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{Place, PlaceError, connect, read, wait};

    #[test]
    fn a_place_is_a_host_and_a_port() {
        let place = |text: &str| text.parse::<Place>();
        for text in ["http://a.b:9090", "http://a.b:9090/", "http://a.b:9090/readyz"] {
            assert_eq!(place(text), Ok(Place("a.b:9090".to_owned())), "{text}");
        }
        assert_eq!(place("http://[::1]:9090"), Ok(Place("[::1]:9090".to_owned())));
        for text in ["https://a:1", "http://a", "http://:1", "http://a:x", "http://a/b:1", "a:1"] {
            assert_eq!(place(text), Err(PlaceError), "{text}");
        }
    }

    #[test]
    fn nobody_waits_for_less_than_nothing_or_for_ever() {
        assert!(wait("0s").is_ok() && wait("24h").is_ok());
        for wrong in ["", "1", "1x", "-5s", "25h", "9999999999999h"] {
            assert!(wait(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_address_of_a_name_is_tried() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = "[::1]:1".parse().unwrap();
        let addresses = [nobody, server.local_addr().unwrap()];
        assert_eq!(connect(addresses.into_iter()).unwrap().peer_addr().unwrap(), addresses[1]);
        assert!(connect([nobody].into_iter()).is_err() && connect([].into_iter()).is_err());
    }

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        assert_eq!(read("HTTP/1.0 503 x\r\nA: b\r\n\r\n[-]a\n"), Some((503, "[-]a\n".to_owned())));
        assert_eq!(read("220 mail ESMTP\r\n\r\n"), None);
        assert_eq!(read("HTTP/1.1 200 OK"), None);
    }
}
