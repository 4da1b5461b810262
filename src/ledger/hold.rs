//! What keeps everything from being dropped.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Event, What};

/// The names of what is held after these events. Each hold ends with a release of its name that
/// follows it.
#[must_use]
pub fn held(events: &[Event]) -> BTreeSet<String> {
    let mut releases: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        if let What::Released { hold, .. } = &event.what {
            releases.entry(hold).or_default().push(event);
        }
    }
    let is_over = |event: &Event, hold: &str| {
        let releases = releases.get(hold).map_or(&[][..], Vec::as_slice);
        releases.iter().any(|release| follows(release, event))
    };
    let mut held = BTreeSet::new();
    for event in events {
        if let What::Held { hold, .. } = &event.what
            && !is_over(event, hold)
        {
            held.insert(hold.clone());
        }
    }
    held
}

/// What one writer wrote is in the order of its sequence: clocks are set back, and the order of the
/// sequence is proven. Between writers there are only their times. What nobody has taken up yet
/// follows everything else.
fn follows(later: &Event, earlier: &Event) -> bool {
    match (later.writer.is_empty(), earlier.writer.is_empty()) {
        (false, false) if later.writer == earlier.writer => later.sequence > earlier.sequence,
        (false, false) => later.time > earlier.time,
        (is_waiting, was_waiting) if is_waiting == was_waiting => later.id > earlier.id,
        (is_waiting, _) => is_waiting,
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::held;
    use crate::ledger::event::{Event, Person, What};

    #[test]
    fn each_hold_ends_with_its_own_release() {
        let by = || Person { user: "ann".to_owned(), host: "h".to_owned() };
        let hold = |name: &str| What::Held { hold: name.to_owned(), by: by() };
        let release = |name: &str| What::Released { hold: name.to_owned(), by: by() };
        let names = |events: &[Event]| held(events).into_iter().collect::<Vec<_>>().join(" ");
        let after = |events: Vec<What>| {
            let events: Vec<_> = events.into_iter().map(|what| Event::now("c", what)).collect();
            names(&events)
        };
        assert_eq!(after(vec![]), "");
        assert_eq!(after(vec![hold("a"), hold("b"), release("a")]), "b");
        assert_eq!(after(vec![hold("a"), hold("a"), release("a")]), "");
        assert_eq!(after(vec![release("a"), hold("a")]), "a");

        let written = |writer: &str, sequence: u64, hours: i64, what: What| Event {
            writer: writer.to_owned(),
            sequence,
            time: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours),
            ..Event::now("c", what)
        };
        // The clock was set back before the second.
        let twice = [
            written("v", 1, 9, hold("a")),
            written("v", 2, 9, release("a")),
            written("v", 3, 1, hold("a")),
        ];
        assert_eq!(names(&twice), "a");
        let over = written("v", 4, 2, release("a"));
        assert_eq!(names(&[&twice[..], &[over]].concat()), "");
        assert_eq!(names(&[&twice[..], &[Event::now("c", release("a"))]].concat()), "");
        let elsewhere = |hours| written("w", 1, hours, release("a"));
        assert_eq!(names(&[written("v", 1, 5, hold("a")), elsewhere(4)]), "a");
        assert_eq!(names(&[written("v", 1, 5, hold("a")), elsewhere(6)]), "");
        assert_eq!(names(&[Event::now("c", hold("a")), elsewhere(9)]), "a");
    }
}
