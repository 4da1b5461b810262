//! What a ledger holds: decisions, and what happened around them.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::event::Event;
use super::json::printable;
use super::{Outcome, Record};

/// One place in a writer's sequence.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Entry {
    /// An answered review.
    Decision(Box<Record>),
    /// Something else. Its JSON has the key `event`.
    Event(Box<Event>),
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        Self::Decision(Box::new(record))
    }
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        Self::Event(Box::new(event))
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(deserializer)?;
        let read = if json.get("event").is_some() {
            serde_json::from_value(json).map(Self::Event)
        } else {
            serde_json::from_value(json).map(Self::Decision)
        };
        read.map_err(D::Error::custom)
    }
}

impl Entry {
    /// The text that is stored, byte for byte.
    ///
    /// # Errors
    ///
    /// None that is known of: no map in an entry has keys that are not strings.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(self)?;
        Ok(match printable(&json) {
            Cow::Borrowed(_) => json,
            Cow::Owned(escaped) => escaped,
        })
    }

    /// Puts it at a place in a writer's sequence.
    pub fn place(&mut self, writer: &str, sequence: u64) {
        let (own_writer, own_sequence) = match self {
            Self::Decision(record) => (&mut record.writer, &mut record.sequence),
            Self::Event(event) => (&mut event.writer, &mut event.sequence),
        };
        writer.clone_into(own_writer);
        *own_sequence = sequence;
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        match self {
            Self::Decision(record) => record.id,
            Self::Event(event) => event.id,
        }
    }

    /// Its time.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Decision(record) => record.time,
            Self::Event(event) => event.time,
        }
    }

    /// Who wrote it.
    #[must_use]
    pub fn writer(&self) -> &str {
        match self {
            Self::Decision(record) => &record.writer,
            Self::Event(event) => &event.writer,
        }
    }

    /// Its place in its writer's sequence.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Decision(record) => record.sequence,
            Self::Event(event) => event.sequence,
        }
    }

    /// Who asked, or the person who did it; empty where nobody did.
    #[must_use]
    pub fn username(&self) -> &str {
        match self {
            Self::Decision(record) => &record.requester.username,
            Self::Event(event) => event.what.person().map_or("", |person| &person.user),
        }
    }

    /// The namespace and the name of the pod that it is about; empty where it is about none.
    #[must_use]
    pub fn pod(&self) -> (&str, &str) {
        match self {
            Self::Decision(record) => (&record.namespace, &record.pod.name),
            Self::Event(event) => event.what.pod().unwrap_or_default(),
        }
    }

    /// What the API server was told; nothing for an event.
    #[must_use]
    pub fn answer(&self) -> Option<Outcome> {
        match self {
            Self::Decision(record) => Some(record.answer),
            Self::Event(_) => None,
        }
    }

    /// The decision that it is about, if it is about another one: an amendment, an observation.
    #[must_use]
    pub fn about(&self) -> Option<Uuid> {
        match self {
            Self::Decision(record) => record.amends,
            Self::Event(event) => event.what.decision(),
        }
    }
}
