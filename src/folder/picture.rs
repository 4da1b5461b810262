//! The place of a fault, drawn: the line, and carets below what is wrong in it.

use core::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};

use crate::policy::text::is_plain;

use super::Text;

/// Wide enough for a policy; a longer line (JSON may be one line) is cut around the fault.
const WIDTH: usize = 120;

/// Some bytes of one of the texts.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    /// Which of the texts.
    pub(super) text: usize,
    /// The bytes; empty where something is missing.
    pub(super) at: Range<usize>,
}

impl Spot {
    /// Both counted from 1, the column in characters.
    pub(super) fn line_and_column(&self, texts: &[Text]) -> (usize, usize) {
        let Line { number, text, start, .. } = Line::of(self, texts);
        let before = text.get(..start).unwrap_or_default();
        (number, before.chars().count() + 1)
    }
}

/// Draws a fault and, where it clashes with something, that too. No control characters but
/// newlines, no colours: it may be printed, logged and sent.
pub(super) fn draw(message: &str, spot: &Spot, earlier: Option<&Spot>, texts: &[Text]) -> String {
    let line = Line::of(spot, texts);
    let annotation = AnnotationKind::Primary.span(line.range());
    let mut group = Level::ERROR.primary_title(message).element(line.snippet(annotation));
    if let Some(spot) = earlier {
        let line = Line::of(spot, texts);
        let annotation = AnnotationKind::Context.span(line.range()).label("first defined here");
        group = group.element(line.snippet(annotation));
    }
    Renderer::plain().term_width(WIDTH).render(&[group])
}

/// The line in which a spot starts.
#[derive(Debug)]
struct Line<'a> {
    file: &'a str,
    number: usize,
    text: &'a str,
    start: usize,
    end: usize,
}

impl<'a> Line<'a> {
    fn of(spot: &Spot, texts: &'a [Text]) -> Self {
        let (file, content) = texts
            .get(spot.text)
            .map_or(("", ""), |text| (text.name.as_str(), text.content.as_str()));
        let at = boundary(content, spot.at.start);
        let before = content.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let text = content.get(line_start..).and_then(|rest| rest.lines().next());
        let text = text.unwrap_or_default();
        let start = (at - line_start).min(text.len());
        let end = boundary(text, start.saturating_add(spot.at.len()));
        Self { file, number: before.matches('\n').count() + 1, text, start, end }
    }

    fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    fn snippet(&self, annotation: Annotation<'a>) -> Snippet<'a, Annotation<'a>> {
        Snippet::source(printable(self.text))
            .path(self.file)
            .line_start(self.number)
            .annotation(annotation)
    }
}

/// The nearest place at or before `byte` where a character starts.
fn boundary(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// What a terminal would act on, replaced by characters that take as many bytes, so that every
/// position stays where it was. The drawing itself takes care of ASCII's own control characters.
fn printable(text: &str) -> String {
    let show = |character: char| match character.len_utf8() {
        _ if is_plain(character) || character.is_ascii() => character,
        2 => '¿',
        3 => '\u{fffd}',
        _ => '\u{1f6ab}',
    };
    text.chars().map(show).collect()
}
