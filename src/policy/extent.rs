//! How much of a document expressions read, so that nobody builds the rest.

use std::collections::BTreeMap;

/// A part of a document. What is outside is not read by whoever asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extent {
    whole: bool,
    fields: BTreeMap<String, Self>,
    items: Option<Box<Self>>,
}

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To the field of that name.
    Field(String),
    /// To every item of a list, or to whatever is under a key that only the documents tell.
    Item,
}

static EVERYTHING: Extent = Extent { whole: true, fields: BTreeMap::new(), items: None };

impl Extent {
    /// All of it.
    #[must_use]
    pub fn everything() -> &'static Self {
        &EVERYTHING
    }

    /// Whether not even its presence is asked for.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another reads.
    pub fn unite(&mut self, other: &Self) {
        self.whole |= other.whole;
        for (name, theirs) in &other.fields {
            self.fields.entry(name.clone()).or_default().unite(theirs);
        }
        if let Some(theirs) = &other.items {
            self.items.get_or_insert_default().unite(theirs);
        }
    }

    /// Adds what is at the end of a path: all of it, or no more than whether it is there.
    pub fn add(&mut self, path: &[Step], whole: bool) {
        let mut here = self;
        for step in path {
            here = match step {
                Step::Field(name) => here.fields.entry(name.clone()).or_default(),
                Step::Item => here.items.get_or_insert_default(),
            };
        }
        here.whole |= whole;
    }

    /// Whether another reads all of it, too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let field = |(name, mine): (&String, &Self)| {
            other.fields.get(name).is_some_and(|theirs| mine.is_within(theirs))
        };
        let items = |mine: &Self| other.items.as_deref().is_some_and(|it| mine.is_within(it));
        other.whole
            || !self.whole
                && self.fields.iter().all(field)
                && self.items.as_deref().is_none_or(items)
    }

    /// Whether every field of a map is read. A loop over a map sees all of its keys.
    #[must_use]
    pub fn takes_all_fields(&self) -> bool {
        self.whole || self.items.is_some()
    }

    /// What is read of a field; `None`: not even whether it is there.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        if self.takes_all_fields() { Some(&EVERYTHING) } else { self.fields.get(name) }
    }

    /// What is read of each item of a list; `None`: not even how many there are.
    #[must_use]
    pub fn item(&self) -> Option<&Self> {
        if self.whole { Some(&EVERYTHING) } else { self.items.as_deref() }
    }
}

#[cfg(test)]
mod tests;
