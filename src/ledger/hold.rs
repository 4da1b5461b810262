//! What keeps everything from being dropped.

use std::collections::BTreeSet;

use super::event::{Event, What};

/// The names of what is held after these events, which come in their order.
#[must_use]
pub fn held(events: Vec<Event>) -> BTreeSet<String> {
    let mut held = BTreeSet::new();
    for event in events {
        match event.what {
            What::Held { hold, .. } => {
                held.insert(hold);
            }
            What::Released { hold, .. } => {
                held.remove(&hold);
            }
            _ => {}
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::held;
    use crate::ledger::event::{Event, Person, What};

    #[test]
    fn each_hold_ends_with_its_own_release() {
        let by = || Person { user: "ann".to_owned(), host: "h".to_owned() };
        let hold = |name: &str| What::Held { hold: name.to_owned(), by: by() };
        let release = |name: &str| What::Released { hold: name.to_owned(), by: by() };
        let after = |events: Vec<What>| {
            let events = events.into_iter().map(|what| Event::now("c", what)).collect();
            held(events).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(after(vec![]), "");
        assert_eq!(after(vec![hold("a"), hold("b"), release("a")]), "b");
        assert_eq!(after(vec![hold("a"), hold("a"), release("a")]), "");
        assert_eq!(after(vec![release("a"), hold("a")]), "a");
    }
}
