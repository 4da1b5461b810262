//! As much of an entry as its columns repeat.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

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

/// The name, which a decision has in an object and an event as it is. Read by hand: an untagged
/// enum would copy the object first.
struct HeadPod<'a>(Cow<'a, str>);

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for HeadPod<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PodVisitor)
    }
}

struct PodVisitor;

impl<'de> Visitor<'de> for PodVisitor {
    type Value = HeadPod<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pod or its name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(HeadPod(name.into()))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(HeadPod(name.to_owned().into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, pod: A) -> Result<Self::Value, A::Error> {
        let Named { name } = Named::deserialize(MapAccessDeserializer::new(pod))?;
        Ok(HeadPod(name))
    }
}

impl Head<'_> {
    /// User, namespace and pod.
    pub(super) fn columns(&self) -> (&str, &str, &str) {
        let username = self.requester.as_ref().map_or("", |requester| &requester.username);
        let pod = self.pod.as_ref().map_or("", |HeadPod(name)| name);
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
