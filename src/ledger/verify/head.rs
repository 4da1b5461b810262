//! As much of an entry as its columns repeat.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

use crate::ledger::query::column;

/// What the columns beside a decision's text repeat of it. Read of each record, so no more than
/// that, and nothing is copied out of it that need not be.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    pub(super) time: Timestamp,
    #[serde(borrow)]
    pub(super) writer: Cow<'a, str>,
    pub(super) sequence: u64,
    #[serde(borrow)]
    pub(super) event: Option<Text<'a>>,
    #[serde(borrow)]
    answer: Option<Text<'a>>,
    #[serde(borrow)]
    amends: Option<Text<'a>>,
    #[serde(borrow)]
    requester: Option<HeadRequester<'a>>,
    /// Observations have both too, and name the pod alone.
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    pod: Option<HeadPod<'a>>,
}

/// Inside an option, serde borrows no `Cow` by itself.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct HeadRequester<'a> {
    #[serde(borrow)]
    username: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HeadPod<'a> {
    Decision {
        #[serde(borrow)]
        name: Cow<'a, str>,
    },
    Event(#[serde(borrow)] Cow<'a, str>),
}

impl Head<'_> {
    /// User, namespace and pod.
    pub(super) fn columns(&self) -> (&str, &str, &str) {
        let username = self.requester.as_ref().map_or("", |requester| &requester.username);
        let pod = match &self.pod {
            Some(HeadPod::Decision { name } | HeadPod::Event(name)) => name,
            None => "",
        };
        (username, text(self.namespace.as_ref()).unwrap_or_default(), pod)
    }

    /// Nothing for an event.
    pub(super) fn answer(&self) -> Option<&str> {
        text(self.answer.as_ref())
    }

    /// The decision that this one amends.
    pub(super) fn amends(&self) -> Option<&str> {
        text(self.amends.as_ref())
    }
}

fn text<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|Text(text)| text.as_ref())
}

/// Whether a column holds this text as [`column`] puts it there, which is what filters ask for.
pub(super) fn is_column(held: &str, text: &str) -> bool {
    held == column(text)
}

/// As far as 64 bits reach, as the column does.
pub(super) fn nanoseconds(time: Timestamp) -> i128 {
    time.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into())
}
