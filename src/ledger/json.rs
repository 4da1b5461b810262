//! Records as JSON text: one line, and nothing in it that a terminal would obey.

use std::borrow::Cow;

use crate::policy::text::is_plain;

/// The same JSON with every character escaped that could move a cursor or reverse a line.
///
/// JSON leaves most of them as they are: DEL, the C1 controls (U+009B starts a terminal's commands
/// as ESC does) and the bidirectional overrides. Outside a string none of them may stand anyway.
#[must_use]
pub fn printable(json: &str) -> Cow<'_, str> {
    let Some(first) = first_obeyed(json) else { return Cow::Borrowed(json) };
    let (before, rest) = json.split_at(first);
    let mut escaped = String::with_capacity(json.len() + 16);
    escaped.push_str(before);
    for character in rest.chars() {
        if is_plain(character) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Cow::Owned(escaped)
}

/// Where the first of them is. Nearly all text is printable ASCII, which is passed by the chunk.
fn first_obeyed(json: &str) -> Option<usize> {
    /// What one comparison of many bytes at once can take.
    const CHUNK: usize = 64;

    // Without a way out on the first, so that the compiler makes it one comparison.
    let is_ascii =
        |chunk: &&[u8]| chunk.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    let passed = json.as_bytes().chunks(CHUNK).take_while(is_ascii).count() * CHUNK;
    // The later bytes of a character are passed as well: none begins one.
    let is_passed = |byte: u8| matches!(byte, b' '..=b'~' | 0x80..=0xbf);
    let others = json.bytes().enumerate().skip(passed).filter(|(_, byte)| !is_passed(*byte));
    others.map(|(at, _)| at).find(|at| {
        let character = json.get(*at..).and_then(|rest| rest.chars().next());
        character.is_some_and(|character| !is_plain(character))
    })
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn leaves_ordinary_text_alone() {
        assert_eq!(printable(r#"{"a":"b é 漢"}"#), r#"{"a":"b é 漢"}"#);
    }

    #[test]
    fn finds_them_wherever_they_are() {
        for at in 0..200 {
            let json = "a".repeat(at);
            for obeyed in ['\n', '\u{7f}', '\u{9b}', '\u{202e}'] {
                let escaped = format!("{json}\\u{:04x}é", u32::from(obeyed));
                assert_eq!(printable(&format!("{json}{obeyed}é")), escaped);
            }
        }
    }

    #[test]
    fn escapes_what_a_terminal_obeys_and_keeps_the_value() {
        let hostile = "a\u{9b}31m\u{7f}\u{202e}\u{e0041}\u{feff}z";
        let json = serde_json::to_string(hostile).unwrap();
        let safe = printable(&json);
        assert_eq!(safe, r#""a\u009b31m\u007f\u202e\udb40\udc41\ufeffz""#);
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), hostile);
    }
}
