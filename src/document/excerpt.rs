//! Reads out of a review what expressions want of it, and steps over the rest.
//!
//! Decoding the review noted where the fields of its documents are. What is wanted is read from
//! there, so that a rule about one field of the pod does not have the whole pod read once more.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::policy::extent::Extent;

/// Where the keys of one JSON object are in the body that holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<Range<usize>>);

/// Where the fields of a review's documents are in its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// `request`, but for its two pods
    pub request: Keys,
    /// `request.object`
    pub object: PodPlaces,
    /// `request.oldObject`
    pub old_object: PodPlaces,
}

/// Where the fields of a pod are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodPlaces {
    /// Its own: `metadata`, `spec`, `status`.
    pub own: Keys,
    /// Those of `metadata`; `None`: there is none.
    pub metadata: Option<Keys>,
    /// Those of `spec`; `None`: there is none.
    pub spec: Option<Keys>,
}

impl Keys {
    /// Notes keys that are borrowed from the body. One that is not would be nowhere.
    #[must_use]
    pub fn new(body: &[u8], keys: Vec<&str>) -> Self {
        let start = body.as_ptr().addr();
        let place = |key: &str| {
            let at = key.as_ptr().addr().wrapping_sub(start);
            at..at.saturating_add(key.len())
        };
        Self(keys.into_iter().map(place).collect())
    }

    /// What is wanted of the object; `None`: it cannot be read.
    #[must_use]
    pub fn read(&self, body: &[u8], wanted: &Extent) -> Option<Value> {
        self.object(body, wanted, |_, text, wanted| read(text, wanted))
    }

    /// The wanted fields. Of a key that is there twice and that decoding did not read, the last
    /// one counts.
    fn object<'b>(
        &self,
        body: &'b [u8],
        wanted: &Extent,
        mut value: impl FnMut(&str, &'b [u8], &Extent) -> Option<Value>,
    ) -> Option<Value> {
        let mut object = Map::new();
        for place in &self.0 {
            let key = std::str::from_utf8(body.get(place.clone())?).ok()?;
            if let Some(wanted) = wanted.field(key) {
                let rest = body.get(place.end..)?.strip_prefix(b"\"")?;
                let rest = rest.trim_ascii_start().strip_prefix(b":")?;
                object.insert(key.to_owned(), value(key, rest, wanted)?);
            }
        }
        Some(Value::Object(object))
    }
}

impl PodPlaces {
    /// What is wanted of the pod; `None`: it cannot be read.
    #[must_use]
    pub fn read(&self, body: &[u8], wanted: &Extent) -> Option<Value> {
        self.own.object(body, wanted, |key, text, wanted| {
            let fields = match key {
                "metadata" => self.metadata.as_ref(),
                "spec" => self.spec.as_ref(),
                _ => None,
            };
            match fields.filter(|_| !wanted.takes_all_fields()) {
                Some(fields) => fields.read(body, wanted),
                None => read(text, wanted),
            }
        })
    }
}

/// Reads the value with which a text begins.
fn read(text: &[u8], wanted: &Extent) -> Option<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Part(wanted).deserialize(&mut deserializer).ok()
}

/// What is wanted of a value that has been read.
#[cfg(test)]
pub(crate) fn of(value: &Value, wanted: &Extent) -> Value {
    Part(wanted).deserialize(value).unwrap_or_default()
}

/// The wanted part of a value.
struct Part<'e>(&'e Extent);

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        match self.0.item() {
            Some(wanted) => {
                while let Some(item) = list.next_element_seed(Part(wanted))? {
                    items.push(item);
                }
            }
            None => while list.next_element::<IgnoredAny>()?.is_some() {},
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key_seed(Wanted(self.0))? {
            match key {
                Some((key, wanted)) => {
                    object.insert(key.into_owned(), map.next_value_seed(Part(wanted))?);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(object))
    }
}

/// A key, with what is wanted of its value; `None`: nothing.
struct Wanted<'e>(&'e Extent);

impl<'de, 'e> DeserializeSeed<'de> for Wanted<'e> {
    type Value = Option<(Cow<'de, str>, &'e Extent)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, 'e> Visitor<'de> for Wanted<'e> {
    type Value = Option<(Cow<'de, str>, &'e Extent)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(self.0.field(key).map(|wanted| (Cow::Borrowed(key), wanted)))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.field(key).map(|wanted| (Cow::Owned(key.to_owned()), wanted)))
    }
}

#[cfg(test)]
mod tests;
