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

/// Where the first of them is. Nearly all text is printable ASCII, which is passed by the word.
fn first_obeyed(json: &str) -> Option<usize> {
    let (words, _) = json.as_bytes().as_chunks();
    let passed =
        words.iter().take_while(|word| is_printable_ascii(**word)).count() * size_of::<u64>();
    // The later bytes of a character are passed as well: none begins one.
    let is_passed = |byte: u8| matches!(byte, b' '..=b'~' | 0x80..=0xbf);
    let others = json.bytes().enumerate().skip(passed).filter(|(_, byte)| !is_passed(*byte));
    others.map(|(at, _)| at).find(|at| {
        let character = json.get(*at..).and_then(|rest| rest.chars().next());
        character.is_some_and(|character| !is_plain(character))
    })
}

/// Whether all of these bytes are, told by sums of all at once: every record is looked through, and
/// byte by byte that took as long as hashing it.
fn is_printable_ascii(bytes: [u8; 8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const TOP: u64 = EACH * 0x80;

    // In bytes below 0x80 no sum carries into the next byte, and a byte that is not is told by its
    // own top bit. DEL is the one that the first sum makes 0x80; a control character the one that
    // the second leaves below it.
    let word = u64::from_ne_bytes(bytes);
    let above = word | word.wrapping_add(EACH);
    let below = !word.wrapping_add(EACH * (0x80 - 0x20));
    (above | below) & TOP == 0
}

#[cfg(test)]
mod tests {
    use super::{is_printable_ascii, printable};

    #[test]
    fn all_of_eight_bytes_are_looked_at() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut bytes = *b"~ ~ ~ ~ ";
                bytes[at] = byte;
                assert_eq!(is_printable_ascii(bytes), matches!(byte, b' '..=b'~'), "{bytes:?}");
                let mut among_others = [byte; 8];
                among_others[at] = b'a';
                assert_eq!(is_printable_ascii(among_others), matches!(byte, b' '..=b'~'));
            }
        }
    }

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
