//! CloudEvents 1.0 in their JSON format. `data` is the stored text, byte for byte.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{ExportError, Item};
use crate::ledger::entry::Entry;
use crate::ledger::json::printable;
use crate::ledger::note::NAME;
use crate::policy::text::Line;

/// Everything but `data`.
#[derive(Serialize)]
struct Attributes {
    specversion: &'static str,
    id: Uuid,
    source: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: Timestamp,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    posternchain: Option<String>,
}

pub(super) fn event(item: &Item<'_>) -> Result<String, ExportError> {
    let Item { entry, json, .. } = item;
    let attributes = Attributes {
        specversion: "1.0",
        id: entry.id(),
        source: format!("{NAME}/{}", segment(entry.writer())),
        r#type: match entry {
            Entry::Decision(_) => "dev.postern.decision.v1",
            Entry::Event(_) => "dev.postern.event.v1",
        },
        subject: subject(entry.pod()),
        time: entry.time(),
        datacontenttype: "application/json",
        posternchain: item.chain(),
    };
    let text = serde_json::to_string(&attributes).map_err(ExportError::Json)?;
    let text = printable(&text);
    let open = text.strip_suffix('}').unwrap_or(&text);
    Ok(format!("{open},\"data\":{json}}}\n"))
}

fn subject((namespace, pod): (&str, &str)) -> Option<String> {
    let text = format!("{}/{}", Line(namespace), Line(pod));
    (text != "/").then(|| text.chars().map(permitted).collect())
}

/// What an attribute may hold: no control characters, which are escaped already, and none of the
/// code points that are no characters.
fn permitted(character: char) -> char {
    let is_none =
        matches!(character, '\u{fdd0}'..='\u{fdef}') || u32::from(character) & 0xfffe == 0xfffe;
    if is_none { '\u{fffd}' } else { character }
}

/// A writer's name as a part of a URI's path. What is no name of a writer is percent-encoded.
fn segment(writer: &str) -> String {
    let encoded = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    writer.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::super::Format;
    use super::super::testing::{decision, event, hostile, json, text};
    use super::{permitted, segment};
    use crate::policy::text::is_plain;

    #[derive(serde::Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }

    #[test]
    fn has_what_the_specification_requires_and_the_stored_text_as_data() {
        for (entry, name) in [(decision(), "decision"), (event(), "event"), (hostile(), "decision")]
        {
            let event = json(Format::CloudEvents, &entry);
            assert_eq!(event["specversion"], "1.0");
            assert_eq!(event["id"], entry.id().to_string());
            assert_eq!(event["source"], "postern.dev/ledger/postern-0");
            assert_eq!(event["type"], format!("dev.postern.{name}.v1"));
            let text = text(Format::CloudEvents, &entry);
            let data: Data<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!(data.data.get(), entry.to_json().unwrap());
        }
        assert_eq!(json(Format::CloudEvents, &event()).get("subject"), None);
    }

    /// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system>
    #[test]
    fn attributes_hold_only_what_they_may() {
        let event = json(Format::CloudEvents, &hostile());
        let subject = event["subject"].as_str().unwrap();
        assert!(subject.chars().all(is_plain), "{subject:?}");
        for (given, expected) in [('a', 'a'), ('\u{fdd0}', '\u{fffd}'), ('\u{1fffe}', '\u{fffd}')] {
            assert_eq!(permitted(given), expected);
        }
        assert_eq!(segment("a b/é"), "a%20b%2F%C3%A9");
        let names = event.as_object().unwrap().keys();
        assert!(names.into_iter().all(|name| name.bytes().all(|it| it.is_ascii_lowercase())));
    }
}
