//! Where everything stands in a text of YAML documents (JSON is YAML).
//!
//! One pass over the parser's events, in which nothing is expanded: what an alias repeats is seen
//! once. The positions of problems come from here, because the shapes do not know where they stood.

use core::ops::Range;

use serde_saphyr::granit_parser::{
    ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, options as parser_options,
};

use crate::policy::text::Plain;

use super::problem::{FieldPath, Segment};

/// Deepest nesting in a document; a policy needs nine.
const MAX_DEPTH: usize = 32;
/// Most values in one text: keys, items and words.
const MAX_NODES: usize = 100_000;

/// One document of a text.
#[derive(Debug)]
pub(super) struct Outline {
    /// The bytes of the document, its `---` and the comments before it included.
    pub(super) bytes: Range<usize>,
    /// Parents stand before their children; the first is the document itself.
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    parent: usize,
    segment: Segment,
    /// Where the key stands; for a list item, where the item starts.
    key: Range<usize>,
    /// Where a word stands; of a list or a mapping only the start.
    value: Range<usize>,
    /// Behind the last byte of the value, whatever it is.
    end: usize,
    content: Content,
}

#[derive(Debug, PartialEq)]
enum Content {
    Null,
    Word {
        word: String,
        quoted: bool,
    },
    Mapping,
    /// A list, or an alias of something else.
    Other,
}

/// Why a text has no outline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OutlineFault {
    #[error("not YAML: {}", Plain(.0))]
    Syntax(String),
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("more than {MAX_NODES} values")]
    TooMany,
    #[error("a key must be a single word")]
    Key,
    #[error("there are no tags here (`!` and a word in front of a value)")]
    Tag,
}

/// What stopped the reading of a text, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stopped {
    pub(super) at: usize,
    pub(super) fault: OutlineFault,
}

/// Outlines every document that is not empty, up to where the text stops being YAML.
pub(super) fn outline(text: &str) -> (Vec<Outline>, Option<Stopped>) {
    let mut walk = Walk::default();
    let options = parser_options! {
        emit_comments: false,
    };
    let stopped = walk.run(text, options).err();
    (walk.finished, stopped)
}

impl Outline {
    /// The word at `path`, if there is one.
    pub(super) fn word(&self, path: &[&str]) -> Option<&str> {
        let mut position = 0;
        for key in path {
            position = self.child(position, &Segment::Key((*key).to_owned()))?;
        }
        match &self.nodes.get(position)?.content {
            Content::Word { word, .. } => Some(word),
            Content::Null | Content::Mapping | Content::Other => None,
        }
    }

    /// Whether the document is a mapping, as every Kubernetes object is.
    pub(super) fn is_mapping(&self) -> bool {
        self.nodes.first().is_some_and(|root| root.content == Content::Mapping)
    }

    /// The bytes of the value at `path` or, where there is none, of the nearest key above it.
    pub(super) fn locate(&self, path: &FieldPath) -> Range<usize> {
        let mut position = 0;
        for segment in &path.0 {
            match self.child(position, segment) {
                Some(child) => position = child,
                None => return self.key(position),
            }
        }
        match self.nodes.get(position) {
            Some(Node { value, content: Content::Word { .. }, .. }) => value.clone(),
            _ => self.key(position),
        }
    }

    /// All bytes of the value at `path`.
    pub(super) fn extent(&self, path: &FieldPath) -> Option<Range<usize>> {
        let child = |position, segment| self.child(position, segment);
        let position = path.0.iter().try_fold(0, child)?;
        self.nodes.get(position).map(|node| node.value.start..node.end)
    }

    /// The path of what stands at or around a byte.
    pub(super) fn path_at(&self, byte: usize) -> FieldPath {
        let mut best = 0;
        for (position, node) in self.nodes.iter().enumerate() {
            if node.key.start <= byte || node.value.start <= byte {
                best = position;
            }
        }
        self.path(best)
    }

    /// Every field that was given no value, as in `subjects:` with all its items commented out.
    pub(super) fn nulls(&self) -> impl Iterator<Item = FieldPath> {
        self.paths(|content| *content == Content::Null)
    }

    /// Every word that was put in quotes, and so is text whatever it looks like.
    pub(super) fn quoted(&self) -> impl Iterator<Item = FieldPath> {
        self.paths(|content| matches!(content, Content::Word { quoted: true, .. }))
    }

    fn paths(&self, wanted: fn(&Content) -> bool) -> impl Iterator<Item = FieldPath> {
        let nodes = self.nodes.iter().enumerate();
        let found = nodes.filter(move |(_, node)| wanted(&node.content));
        found.map(|(position, _)| self.path(position))
    }

    fn child(&self, parent: usize, segment: &Segment) -> Option<usize> {
        let below = self.nodes.iter().enumerate().skip(1);
        let mut found = below.filter(|(_, node)| node.parent == parent && node.segment == *segment);
        found.next().map(|(position, _)| position)
    }

    fn key(&self, position: usize) -> Range<usize> {
        self.nodes.get(position).map_or(0..0, |node| node.key.clone())
    }

    fn path(&self, mut position: usize) -> FieldPath {
        let mut segments = Vec::new();
        while position != 0 {
            let Some(node) = self.nodes.get(position) else { break };
            segments.push(node.segment.clone());
            position = node.parent;
        }
        segments.reverse();
        FieldPath(segments)
    }
}

/// The state of one pass over a text.
#[derive(Debug, Default)]
struct Walk {
    finished: Vec<Outline>,
    nodes: Vec<Node>,
    /// Nodes of all documents so far.
    count: usize,
    open: Vec<Open>,
    /// Where the previous document ended.
    end: usize,
    /// Where the last word or bracket ended. (A list without brackets ends where its last item
    /// does; the parser tells of it only at whatever comes next.)
    last: usize,
}

/// A list or mapping whose end has not been seen.
#[derive(Debug)]
enum Open {
    List { node: usize, next: usize },
    Mapping { node: usize, key: Option<(String, Range<usize>)> },
}

impl Walk {
    fn run(&mut self, text: &str, options: Options) -> Result<(), Stopped> {
        let mut parser = Parser::new_from_str_with_options(text, options);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| scan_error(&error))?;
            let bytes = span.byte_range().unwrap_or_default();
            let start = bytes.start;
            self.take(event, bytes).map_err(|fault| Stopped { at: start, fault })?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, bytes: Range<usize>) -> Result<(), OutlineFault> {
        if !bytes.is_empty() && !matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            self.last = bytes.end;
        }
        match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, _, Some(_))
            | Event::MappingStart(_, _, Some(_)) => Err(OutlineFault::Tag),
            Event::Scalar(word, style, _, None) => self.word(&word, style, bytes),
            Event::Alias(_) => self.node(bytes, Content::Other).map(|_| ()),
            Event::SequenceStart(_, _, None) => {
                let node = self.node(bytes, Content::Other)?;
                self.open(Open::List { node, next: 0 })
            }
            Event::MappingStart(_, _, None) => {
                let node = self.node(bytes, Content::Mapping)?;
                self.open(Open::Mapping { node, key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open::List { node, .. } | Open::Mapping { node, .. }) = self.open.pop()
                    && let Some(node) = self.nodes.get_mut(node)
                {
                    node.end = self.last;
                }
                Ok(())
            }
            Event::DocumentEnd => {
                self.finish(bytes.end);
                Ok(())
            }
            // Streams and document starts say nothing that the rest does not, and comments and the
            // names of anchors are not asked for.
            _ => Ok(()),
        }
    }

    fn word(
        &mut self,
        word: &str,
        style: ScalarStyle,
        bytes: Range<usize>,
    ) -> Result<(), OutlineFault> {
        let quoted = style != ScalarStyle::Plain;
        let is_null = !quoted && matches!(word, "" | "~" | "null" | "Null" | "NULL");
        // The root of an empty document is a null of its own; such documents are skipped.
        if is_null && self.open.is_empty() {
            return Ok(());
        }
        if let Some(Open::Mapping { key: key @ None, .. }) = self.open.last_mut() {
            *key = Some((word.to_owned(), bytes));
            return Ok(());
        }
        let word = word.to_owned();
        let content = if is_null { Content::Null } else { Content::Word { word, quoted } };
        self.node(bytes, content).map(|_| ())
    }

    fn open(&mut self, open: Open) -> Result<(), OutlineFault> {
        self.open.push(open);
        if self.open.len() > MAX_DEPTH { Err(OutlineFault::TooDeep) } else { Ok(()) }
    }

    fn node(&mut self, value: Range<usize>, content: Content) -> Result<usize, OutlineFault> {
        self.count += 1;
        if self.count > MAX_NODES {
            return Err(OutlineFault::TooMany);
        }
        let (parent, segment, key) = match self.open.last_mut() {
            None => (0, Segment::Index(0), value.clone()),
            Some(Open::List { node, next }) => {
                let index = *next;
                *next += 1;
                (*node, Segment::Index(index), value.clone())
            }
            Some(Open::Mapping { node, key }) => match key.take() {
                Some((name, at)) => (*node, Segment::Key(name), at),
                None => return Err(OutlineFault::Key),
            },
        };
        let end = value.end;
        self.nodes.push(Node { parent, segment, key, value, end, content });
        Ok(self.nodes.len() - 1)
    }

    fn finish(&mut self, end: usize) {
        let nodes = std::mem::take(&mut self.nodes);
        if !nodes.is_empty() {
            self.finished.push(Outline { bytes: self.end..end, nodes });
        }
        self.end = end;
        self.open.clear();
    }
}

fn scan_error(error: &ScanError) -> Stopped {
    let at = error.marker().byte_offset().unwrap_or_default();
    let fault = match error.kind() {
        ErrorKind::RecursionLimitExceeded => OutlineFault::TooDeep,
        _ => OutlineFault::Syntax(error.info()),
    };
    Stopped { at, fault }
}
