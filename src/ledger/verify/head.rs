//! As much of an entry as its columns repeat.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

use crate::ledger::query::column;

/// What the columns beside a decision's text repeat of it. Read of each record, so no more than
/// that.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    pub(super) time: Timestamp,
    #[serde(borrow)]
    pub(super) writer: Cow<'a, str>,
    pub(super) sequence: u64,
    #[serde(borrow)]
    pub(super) event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) answer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) amends: Option<Cow<'a, str>>,
    #[serde(borrow)]
    requester: Option<HeadRequester<'a>>,
    /// Observations have both too, and name the pod alone.
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pod: Option<HeadPod<'a>>,
}

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
        let pod = match &self.pod {
            Some(HeadPod::Decision { name } | HeadPod::Event(name)) => name,
            None => "",
        };
        let username = self.requester.as_ref().map_or("", |requester| &requester.username);
        (username, self.namespace.as_deref().unwrap_or_default(), pod)
    }
}

/// Whether a column holds this text, as [`column`] puts it there, or whole.
pub(super) fn is_column(held: &str, text: &str) -> bool {
    held == text || held == column(text)
}

/// As far as 64 bits reach, as the column does.
pub(super) fn nanoseconds(time: Timestamp) -> i128 {
    time.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into())
}
