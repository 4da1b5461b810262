//! Values while an expression is evaluated. Documents are borrowed, not converted: only what an
//! expression makes itself is owned.

use core::net::IpAddr;
use std::rc::Rc;

use serde_json::Value as Json;

use super::functions::named_formats::NamedFormat;
use super::functions::network::Cidr;
use super::functions::quantity::Quantity;
use super::functions::urls::Url;
use super::types::Type;

/// A value of the language.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'a>),
    Bytes(Rc<[u8]>),
    List(List<'a>),
    Map(Map<'a>),
    /// Nanoseconds, as the API server counts them.
    Duration(i64),
    Timestamp(jiff::Timestamp),
    /// The name of a type.
    Type(&'static str),
    Optional(Option<Rc<Self>>),
    Quantity(Quantity),
    Url(Rc<Url>),
    Ip(IpAddr),
    Cidr(Cidr),
    Semver(Rc<semver::Version>),
    Format(&'static NamedFormat),
}

/// Text of a document or of the expression, or text that was made.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Made(Rc<str>),
}

/// A list of a document, or one that was made.
#[derive(Debug, Clone)]
pub(super) enum List<'a> {
    Json(&'a [Json]),
    Made(Rc<[Value<'a>]>),
}

/// A map of a document, whose keys are text, or one that was made.
#[derive(Debug, Clone)]
pub(super) enum Map<'a> {
    Json(&'a serde_json::Map<String, Json>),
    Made(Rc<[(Value<'a>, Value<'a>)]>),
}

impl<'a> Value<'a> {
    /// A view of a document.
    pub(super) fn of(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            // The API server's documents have no unsigned numbers.
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), ..) => Self::Int(value),
                (None, Some(value), _) => Self::Uint(value),
                (None, None, value) => Self::Double(value.unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(Text::Borrowed(text)),
            Json::Array(items) => Self::List(List::Json(items)),
            Json::Object(fields) => Self::Map(Map::Json(fields)),
        }
    }

    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(List::Made(items.into()))
    }

    pub(super) fn some(value: Self) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    /// Whether it has items: a list or a map.
    pub(super) fn is_container(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_))
    }

    /// The name of its type, as `type(x)` gives it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => Type::Null.name(),
            Self::Bool(_) => Type::Bool.name(),
            Self::Int(_) => Type::Int.name(),
            Self::Uint(_) => Type::Uint.name(),
            Self::Double(_) => Type::Double.name(),
            Self::Text(_) => Type::Text.name(),
            Self::Bytes(_) => Type::Bytes.name(),
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Duration(_) => Type::Duration.name(),
            Self::Timestamp(_) => Type::Timestamp.name(),
            Self::Type(_) => Type::Kind.name(),
            Self::Optional(_) => "optional_type",
            Self::Quantity(_) => Type::Quantity.name(),
            Self::Url(_) => Type::Url.name(),
            Self::Ip(_) => Type::Ip.name(),
            Self::Cidr(_) => Type::Cidr.name(),
            Self::Semver(_) => Type::Semver.name(),
            Self::Format(_) => Type::Format.name(),
        }
    }

    /// Whether a function that takes `wanted` takes this; what is inside lists and maps is the
    /// function's own business.
    pub(super) fn is(&self, wanted: &Type) -> bool {
        matches!(
            (wanted, self),
            (Type::Dyn | Type::Any(_), _)
                | (Type::Null, Self::Null)
                | (Type::Bool, Self::Bool(_))
                | (Type::Int, Self::Int(_))
                | (Type::Uint, Self::Uint(_))
                | (Type::Double, Self::Double(_))
                | (Type::Text, Self::Text(_))
                | (Type::Bytes, Self::Bytes(_))
                | (Type::Duration, Self::Duration(_))
                | (Type::Timestamp, Self::Timestamp(_))
                | (Type::Kind, Self::Type(_))
                | (Type::List(_), Self::List(_))
                | (Type::Map(_), Self::Map(_))
                | (Type::Optional(_), Self::Optional(_))
                | (Type::Quantity, Self::Quantity(_))
                | (Type::Url, Self::Url(_))
                | (Type::Ip, Self::Ip(_))
                | (Type::Cidr, Self::Cidr(_))
                | (Type::Semver, Self::Semver(_))
                | (Type::Format, Self::Format(_))
        )
    }
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    pub(super) fn at(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Json(items) => items.get(index).map(Value::of),
            Self::Made(items) => items.get(index).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Value<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.at(index))
    }
}

impl<'a> Map<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(fields) => fields.len(),
            Self::Made(entries) => entries.len(),
        }
    }

    /// The value of a field, whatever else the map may have as keys.
    pub(super) fn field(&self, name: &str) -> Option<Value<'a>> {
        match self {
            Self::Json(fields) => fields.get(name).map(Value::of),
            Self::Made(entries) => entries.iter().find_map(|(key, value)| match key {
                Value::Text(text) if text.as_str() == name => Some(value.clone()),
                _ => None,
            }),
        }
    }

    /// Keys and values; those of a document in its order.
    pub(super) fn entries(&self) -> Vec<(Value<'a>, Value<'a>)> {
        match self {
            Self::Json(fields) => fields
                .iter()
                .map(|(key, value)| (Value::Text(Text::Borrowed(key)), Value::of(value)))
                .collect(),
            Self::Made(entries) => entries.to_vec(),
        }
    }
}
