//! Where the fields of a struct are in the input it is read from.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

/// About as many fields as the largest of the structs has in most reviews.
const USUAL: usize = 24;

/// A struct, and every key that its object has in the input, also those that the struct does not
/// know. An object with a key that is written with escapes cannot be read: no API server writes
/// the names of fields so, and such a key would be nowhere in the input.
#[derive(Debug, Default)]
pub(super) struct Noted<'a, T> {
    pub(super) value: T,
    pub(super) keys: Vec<&'a str>,
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Noted<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys = RefCell::new(Vec::with_capacity(USUAL));
        let value = T::deserialize(Noting { inner: deserializer, keys: &keys })?;
        Ok(Self { value, keys: keys.into_inner() })
    }
}

/// Stands around each thing that serde hands from the input to the struct, down to its keys.
struct Noting<'k, 'de, I> {
    inner: I,
    keys: &'k RefCell<Vec<&'de str>>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Noting<'_, 'de, D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_struct(name, fields, Noting { inner: visitor, keys: self.keys })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_identifier(Noting { inner: visitor, keys: self.keys })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, D::Error> {
        Err(D::Error::custom("not a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Noting<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    /// The struct.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Noting { inner: map, keys: self.keys })
    }

    /// A key of it.
    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<V::Value, E> {
        self.keys.borrow_mut().push(key);
        self.inner.visit_borrowed_str(key)
    }

    fn visit_str<E: Error>(self, _key: &str) -> Result<V::Value, E> {
        Err(E::custom("the name of a field is written with escapes"))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Noting<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(Noting { inner: seed, keys: self.keys })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(seed)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Noting<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Noting { inner: deserializer, keys: self.keys })
    }
}

#[cfg(test)]
mod tests;
