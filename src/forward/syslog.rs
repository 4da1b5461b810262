//! Syslog messages (RFC 5424), counted in octets, over TLS (RFC 5425).
//!
//! Syslog acknowledges nothing. Each batch therefore has a connection of its own, which is closed
//! in order: only a receiver that has read everything up to the end closes it in order too, down to
//! TCP. One that dies or closes before has not taken it, and the batch is sent again.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::dial::{Dialer, Wire};
use super::{Trouble, WAIT};
use crate::ledger::{Entry, Kept, Outcome};

/// "Log audit" (RFC 5424, 6.2.1).
const FACILITY: u8 = 13;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;
/// Element names need the number of an enterprise; this one is set aside for those that have none
/// (RFC 5612).
const ELEMENT: &str = "postern@32473";

/// How long what was written is on its way. Once it has arrived, a receiver that closes without
/// having read it is told from one that has, because its system cuts the connection off.
const ON_THE_WAY: Duration = Duration::from_millis(250);

/// Sends to one receiver.
pub(super) struct Teller {
    dialer: Dialer,
    writer: String,
}

impl Teller {
    pub(super) fn new(dialer: Dialer, writer: String) -> Self {
        Self { dialer, writer }
    }

    /// Whether the authorities can be used.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        self.dialer.check()
    }

    /// Sends entries; they are taken once this is `Ok`.
    pub(super) async fn tell(&mut self, entries: &[Kept]) -> Result<(), Trouble> {
        let frames: String = entries.iter().map(|entry| frame(entry, &self.writer)).collect();
        let told = timeout(WAIT, self.deliver(frames.as_bytes())).await;
        let told = told.unwrap_or(Err(Trouble::Late));
        if told.is_err() {
            self.dialer.forget();
        }
        told
    }

    async fn deliver(&mut self, frames: &[u8]) -> Result<(), Trouble> {
        let mut wire = self.dialer.connect().await?;
        hand_over(&mut *wire, frames).await
    }
}

async fn hand_over(wire: &mut dyn Wire, frames: &[u8]) -> Result<(), Trouble> {
    wire.write_all(frames).await.map_err(Trouble::while_("write"))?;
    wire.flush().await.map_err(Trouble::while_("write"))?;
    if let Ok(closed) = timeout(ON_THE_WAY, end(wire)).await {
        closed.map_err(Trouble::while_("write"))?;
        let early = io::Error::other("it closed the connection before it was told all");
        return Err(Trouble::while_("write")(early));
    }
    wire.shutdown().await.map_err(Trouble::while_("write"))?;
    let unheard = Trouble::while_("hear that all was read");
    end(wire).await.map_err(&unheard)?;
    closed(wire).await.map_err(&unheard)
}

/// Waits until the receiver says that it is done.
async fn end(wire: &mut dyn Wire) -> io::Result<()> {
    let mut heard = [0; 1024];
    loop {
        match wire.read(&mut heard).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // Without a TLS farewell, as many do.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Waits until the connection itself is closed. A farewell may come from whoever has read nothing:
/// the system of one that left something unread cuts the connection off behind it.
async fn closed(wire: &mut dyn Wire) -> io::Result<()> {
    let mut heard = [0; 1024];
    while wire.below().read(&mut heard).await? > 0 {}
    Ok(())
}

fn frame(entry: &Kept, writer: &str) -> String {
    let message = message(entry, writer);
    format!("{} {message}", message.len())
}

/// The text of the entry is the message. No byte order mark precedes it: most receivers would take
/// it for a part of the JSON.
fn message(kept: &Kept, writer: &str) -> String {
    let Kept { sequence, json, hash: _ } = kept;
    // What this version cannot read, another wrote; it is passed on all the same.
    let entry = serde_json::from_str::<Entry>(json).ok();
    let answer = entry.as_ref().and_then(Entry::answer);
    let severity = match answer {
        Some(Outcome::Refused) => NOTICE,
        Some(Outcome::Allowed) | None => INFORMATIONAL,
    };
    let time = entry.as_ref().map_or_else(
        || "-".to_owned(),
        |entry| entry.time().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
    );
    let kind = match &entry {
        Some(Entry::Decision(_)) => "Decision",
        Some(Entry::Event(event)) => event.what.as_str(),
        None => "-",
    };
    let id = entry.as_ref().map(|entry| format!(" id=\"{}\"", entry.id())).unwrap_or_default();
    let answer = answer.map(|answer| format!(" answer=\"{}\"", answer.as_str()));
    let answer = answer.unwrap_or_default();
    format!(
        "<{}>1 {time} {writer} postern - {kind} [{ELEMENT} sequence=\"{sequence}\"{id}{answer}] \
         {json}",
        FACILITY * 8 + severity
    )
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::{Wire, frame, hand_over, io};
    use crate::ledger::chain::Hash;
    use crate::ledger::event::{Event, What};
    use crate::ledger::{Entry, Kept};

    fn kept(json: &str) -> Kept {
        Kept { sequence: 7, json: json.to_owned(), hash: Hash::NOTHING }
    }

    #[test]
    fn an_event_is_framed_with_its_length_in_octets() {
        let mut event = Event::now("städtisch", What::Stopped {});
        event.time = "2026-11-25T18:19:14.123456789Z".parse().unwrap();
        let id = event.id;
        let json = Entry::from(event).to_json().unwrap();
        let frame = frame(&kept(&json), "postern-0");
        let (length, message) = frame.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        assert_eq!(
            message,
            format!(
                "<110>1 2026-11-25T18:19:14.123456Z postern-0 postern - Stopped \
                 [postern@32473 sequence=\"7\" id=\"{id}\"] {json}"
            )
        );
    }

    /// Takes everything, and closes when it is told the end or before.
    struct Receiver {
        closed: bool,
    }

    impl AsyncRead for Receiver {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.closed { Poll::Ready(Ok(())) } else { Poll::Pending }
        }
    }

    impl AsyncWrite for Receiver {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.closed = true;
            Poll::Ready(Ok(()))
        }
    }

    impl Wire for Receiver {
        fn below(&mut self) -> &mut (dyn AsyncRead + Send + Unpin) {
            self
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_closes_before_the_end_has_not_read_it() {
        hand_over(&mut Receiver { closed: false }, b"1 x").await.unwrap();
        let early = hand_over(&mut Receiver { closed: true }, b"1 x").await.unwrap_err();
        assert!(early.to_string().contains("before it was told all"), "{early}");
    }

    #[test]
    fn what_cannot_be_read_is_passed_on() {
        assert_eq!(
            frame(&kept("{}"), "w"),
            "54 <110>1 - w postern - - [postern@32473 sequence=\"7\"] {}"
        );
    }
}
