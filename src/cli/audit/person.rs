//! Who runs the command, as far as the system knows, and what is recorded of that.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::note;
use crate::ledger::event::{Person, What};
use crate::ledger::{Event, Query};
use crate::store::{AnyLedger, Location};

/// Whoever runs this. Variables such as `USER` are not asked: they say what they are told to.
pub(super) fn caller() -> Person {
    let uid = fs::metadata("/proc/self").map(|process| process.uid()).ok();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Person { user: user(uid, &users), host: host.trim().to_owned() }
}

fn user(uid: Option<u32>, users: &str) -> String {
    let Some(uid) = uid else { return "unknown".to_owned() };
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let has_uid = fields.nth(1).and_then(|field| field.parse().ok()) == Some(uid);
        has_uid.then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid:{uid}"))
}

/// Leaves an event about reading for a server to take up. The ledger may be a copy that nobody can
/// write; reading goes on, and the person is told.
pub(super) async fn leave(location: &Location, ledger: &AnyLedger, what: What) {
    let word = match what {
        What::Exported { .. } => "export",
        _ => "read",
    };
    let event = Event::now(&cluster(ledger).await, what);
    if let Err(error) = AnyLedger::leave_event(location, &event).await {
        note(&format!("this {word} is not recorded: {error}"));
    }
}

/// As the newest record has it. One that cannot be read has none.
async fn cluster(ledger: &AnyLedger) -> String {
    let newest = ledger.list_stored(&Query { limit: 1, ..Query::default() }).await;
    let newest = newest.ok().and_then(|records| records.into_iter().next());
    newest.and_then(|stored| stored.record().ok()).map(|it| it.cluster).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{caller, user};

    #[test]
    fn users_are_named_by_the_system() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\n\n::7:7:\nbroken\njane:x:1000:1000:J:/:/bin/sh\n";
        for (uid, expected) in [
            (Some(0), "root"),
            (Some(1000), "jane"),
            (Some(7), "uid:7"),
            (Some(1001), "uid:1001"),
            (None, "unknown"),
        ] {
            assert_eq!(user(uid, users), expected);
        }
        assert_eq!(user(Some(0), ""), "uid:0");
    }

    #[test]
    fn somebody_runs_this_somewhere() {
        let caller = caller();
        assert!(!caller.user.is_empty() && caller.user != "unknown");
        assert_eq!(caller.host, caller.host.trim());
        assert!(!caller.host.is_empty());
    }
}
