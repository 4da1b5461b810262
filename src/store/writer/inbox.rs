//! What those who do not write themselves may leave to be written.

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::event::{Event, What};

/// Longest text that is taken up; one has a few hundred bytes.
const MAX_BYTES: usize = 16 << 10;

/// The event as it is written: of what a person may say, at this server's time, under an id of its
/// own. Whoever can put a row into the inbox must not speak for a server, choose where in time it
/// stands, or take an id that is somebody else's.
pub(in crate::store) fn admitted(text: &str) -> Option<Event> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let event: Event = serde_json::from_str(text).ok()?;
    let is_a_persons = match event.what {
        What::Read { .. } | What::Exported { .. } | What::Held { .. } | What::Released { .. } => {
            true
        }
        What::Started { .. }
        | What::SettingsChanged { .. }
        | What::Stopped {}
        | What::PoliciesChanged { .. }
        | What::KeyRotated { .. }
        | What::Foreign { .. }
        | What::Dropped { .. }
        | What::Observed { .. }
        | What::Unattested { .. } => false,
    };
    is_a_persons.then(|| Event { id: Uuid::now_v7(), time: Timestamp::now(), ..event })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::event::Person;

    #[test]
    fn a_person_speaks_for_nobody_else() {
        let by = Person { user: "jane".to_owned(), host: "h".to_owned() };
        let mut read = Event::now("c", What::Read { by, command: "list".to_owned() });
        read.time = Timestamp::UNIX_EPOCH;
        let written = admitted(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(written.what, read.what);
        assert!(written.id != read.id && written.time > read.time);

        let (checkpoint, reason) = (String::new(), "age".to_owned());
        for what in [
            What::Dropped { through: 7, checkpoint, reason },
            What::Stopped {},
            What::Foreign { from: 1, to: 2 },
        ] {
            assert_eq!(admitted(&serde_json::to_string(&Event::now("c", what)).unwrap()), None);
        }
        assert_eq!(admitted("not json"), None);
        assert_eq!(admitted(&" ".repeat(MAX_BYTES + 1)), None);
    }
}
