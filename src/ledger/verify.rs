//! Whether a writer's chain is whole, and the checkpoints about it true.
//!
//! Pure: whoever has the entries gives them in order. Everything here may have been written by an
//! attacker.

mod fault;
mod head;

use std::borrow::Cow;

pub use self::fault::{Fault, FaultKind};
use self::head::{Head, is_column, nanoseconds};
use super::Entry;
use super::chain::Hash;
use super::checkpoint::Checkpoint;
use super::event::What;
use super::note::{NoteError, VerifyingKey, rotated_to};
use super::tree::Frontier;

/// An entry with everything that is stored of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the column of the same name")]
pub struct Link<'a> {
    pub sequence: u64,
    pub id: Cow<'a, str>,
    /// Nanoseconds since 1970.
    pub time: i64,
    pub username: Cow<'a, str>,
    pub namespace: Cow<'a, str>,
    pub pod: Cow<'a, str>,
    pub answer: Cow<'a, str>,
    pub about: Option<Cow<'a, str>>,
    pub json: Cow<'a, str>,
    pub hash: Option<Hash>,
}

/// A checkpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the column of the same name")]
pub struct StoredCheckpoint {
    pub size: u64,
    pub note: String,
    pub frontier: Vec<u8>,
}

/// What was found out about one writer's chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Whose chain.
    pub writer: String,
    /// The first entry that was looked at; 0 where there was none.
    pub first: u64,
    /// The last entry that is good; 0 where there is none.
    pub last: u64,
    /// Checkpoints that were found true.
    pub checkpoints: u64,
    /// Of those, how many were signed by a key that is not trusted here.
    pub untrusted: u64,
    /// The last checkpoint that was found true.
    pub newest: Option<Checkpoint>,
    /// Up to this entry a checkpoint that is trusted speaks for them; where no key is trusted, any.
    pub confirmed: u64,
    /// Entries up to this one were dropped, as a later entry says.
    pub dropped: u64,
    /// Entries up to this one were not to be looked at.
    pub skipped: u64,
    /// Entries up to this one are not there, and nothing in the part that was looked at says why.
    pub unexplained: u64,
    /// Entries that were being dropped: the first and the last that are still there. Nothing speaks
    /// for them any more.
    pub leftover: Option<(u64, u64)>,
    /// Entries that a server found and went on from although nobody had signed them.
    pub adopted: Vec<Adopted>,
    /// About how many entries those kept checkpoints are that nothing is left to compare with.
    pub not_compared: Vec<u64>,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

/// Entries that nobody had signed when a server found them. What it signed afterwards is about them
/// too, and proves no more than that they were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adopted {
    /// How many.
    pub entries: u64,
    /// The entry that says so.
    pub said_by: u64,
}

/// How many places of a chain are told of where a server went on from what nobody had signed.
const MAX_ADOPTED: usize = 100;

/// Verifies one writer's chain, from its first entry on, or from a checkpoint.
#[derive(Debug)]
pub struct Verifier<'a> {
    trusted: Vec<VerifyingKey>,
    /// Not compared yet, the last first.
    checkpoints: Vec<&'a StoredCheckpoint>,
    hash: Hash,
    frontier: Frontier,
    /// Where the chain begins: after this many entries.
    base: u64,
    /// The first entry that is there, 0 before it; those up to `base` are being dropped.
    found_from: u64,
    /// The last of the entries that are being dropped.
    leftover: Option<(u64, Hash)>,
    /// Which entry says up to where others were dropped, until a checkpoint speaks for it.
    said_dropped: Vec<(u64, u64)>,
    /// Only a part is looked at: what is missing before may be explained behind it.
    is_part: bool,
    /// Why the newest checkpoint so far is not trusted.
    distrust: Option<NoteError>,
    report: Report,
}

impl<'a> Verifier<'a> {
    /// `checkpoints` by size and time, those kept elsewhere among them; `trusted` may be empty: then
    /// no signature is asked for. `from` is where to begin: 0, or the size of a checkpoint that
    /// carries its frontier.
    #[must_use]
    pub fn new(
        writer: &str,
        trusted: &[VerifyingKey],
        checkpoints: &'a [StoredCheckpoint],
        from: u64,
    ) -> Self {
        let mut this = Self {
            trusted: trusted.to_vec(),
            checkpoints: checkpoints.iter().rev().collect(),
            hash: Hash::NOTHING,
            frontier: Frontier::default(),
            base: 0,
            found_from: 0,
            leftover: None,
            said_dropped: Vec::new(),
            is_part: from > 0,
            distrust: None,
            report: Report { writer: writer.to_owned(), ..Report::default() },
        };
        if from > 0 {
            if !this.begin_at(from) {
                this.report.fault = Some(Fault { sequence: from, kind: FaultKind::Frontier });
            }
            this.report.skipped = from;
        }
        this
    }

    /// Only a part is looked at, which ends before the chain does.
    #[must_use]
    pub fn of_a_part(mut self) -> Self {
        self.is_part = true;
        self
    }

    /// Takes the next entry; `false` once something is wrong.
    pub fn push(&mut self, link: &Link<'_>) -> bool {
        if self.report.fault.is_none()
            && let Err(fault) = self.check(link)
        {
            self.report.fault = Some(fault);
        }
        self.report.fault.is_none()
    }

    /// What was found, once all entries have gone by.
    #[must_use]
    pub fn finish(mut self) -> Report {
        if self.report.fault.is_none() {
            self.report.fault = self.check_end().err();
        }
        self.report
    }

    fn check(&mut self, link: &Link<'_>) -> Result<(), Fault> {
        let fault = |kind| Fault { sequence: link.sequence, kind };
        if self.found_from == 0 {
            self.found_from = link.sequence;
            self.start(link.sequence)?;
        }
        if link.sequence <= self.base {
            return self.check_leftover(link).map_err(fault);
        }
        if self.leftover.take().is_some_and(|last| last != (self.base, self.hash)) {
            return Err(Fault { sequence: self.base, kind: FaultKind::Leftover });
        }
        let expected = self.frontier.size() + 1;
        if link.sequence < expected {
            return Err(fault(FaultKind::OutOfOrder));
        }
        if link.sequence > expected {
            let kind = FaultKind::Missing { until: link.sequence - 1 };
            return Err(Fault { sequence: expected, kind });
        }
        let hash = link.hash.ok_or_else(|| fault(FaultKind::NoHash))?;
        if self.hash.then(link.json.as_bytes()) != hash {
            return Err(fault(FaultKind::WrongHash));
        }
        self.read(link).map_err(fault)?;
        self.hash = hash;
        self.frontier.push(link.json.as_bytes());
        if self.report.first == 0 {
            self.report.first = link.sequence;
        }
        self.check_checkpoints()?;
        self.report.last = link.sequence;
        Ok(())
    }

    /// One that is being dropped, which a later entry has to say: what is left of them ends with
    /// the last that the checkpoint is about, and fits together.
    fn check_leftover(&mut self, link: &Link<'_>) -> Result<(), FaultKind> {
        let hash = link.hash.ok_or(FaultKind::NoHash)?;
        if let Some((sequence, before)) = self.leftover
            && (link.sequence != sequence + 1 || before.then(link.json.as_bytes()) != hash)
        {
            return Err(FaultKind::Leftover);
        }
        self.leftover = Some((link.sequence, hash));
        let first = self.report.leftover.map_or(link.sequence, |(first, _)| first);
        self.report.leftover = Some((first, link.sequence));
        Ok(())
    }

    /// Where the first entries are gone, begins at the checkpoint that still speaks for them.
    fn start(&mut self, first: u64) -> Result<(), Fault> {
        if self.base == 0 && first > 1 {
            let begins = |stored: &&&StoredCheckpoint| stored.size + 1 >= first;
            let size = self.checkpoints.iter().rev().find(begins).map(|stored| stored.size);
            let Some(size) = size else {
                let kind = FaultKind::Missing { until: first - 1 };
                return Err(Fault { sequence: 1, kind });
            };
            if !self.begin_at(size) {
                return Err(Fault { sequence: size, kind: FaultKind::Frontier });
            }
        }
        // Those of what is no longer there cannot be compared with anything.
        let base = self.base;
        self.checkpoints.retain(|stored| stored.size >= base);
        self.check_checkpoints()
    }

    fn begin_at(&mut self, size: u64) -> bool {
        let found = self.checkpoints.iter().rev().find_map(|stored| {
            let about = |stored: &StoredCheckpoint| {
                let checkpoint = Checkpoint::unverified(&stored.note).ok()?;
                let frontier = Frontier::from_bytes(stored.size, &stored.frontier)?;
                let is_whole = frontier.root() == checkpoint.root && checkpoint.size == size;
                is_whole.then_some((frontier, checkpoint.chain))
            };
            (stored.size == size).then(|| about(stored)).flatten()
        });
        if let Some((frontier, hash)) = found {
            (self.frontier, self.hash, self.base) = (frontier, hash, size);
            return true;
        }
        false
    }

    /// Whether the text is what the other columns say it is.
    fn read(&mut self, link: &Link<'_>) -> Result<(), FaultKind> {
        let head: Head<'_> = serde_json::from_str(&link.json).map_err(|_| FaultKind::Unreadable)?;
        if head.writer != self.report.writer || head.sequence != link.sequence {
            return Err(FaultKind::Elsewhere);
        }
        let mut about = head.amends().map(Cow::Borrowed);
        let (mut username, mut namespace, mut pod) = head.columns();
        let event;
        if head.event.is_some() {
            let entry = serde_json::from_str(&link.json).map_err(|_| FaultKind::Unreadable)?;
            let Entry::Event(read) = entry else { return Err(FaultKind::Unreadable) };
            self.learn(link.sequence, &read.what);
            event = Entry::Event(read);
            (namespace, pod) = event.pod();
            username = event.username();
            about = event.about().map(|id| Cow::Owned(id.to_string()));
        }
        let column = |name, is_right| {
            if is_right { Ok(()) } else { Err(FaultKind::Column { name }) }
        };
        column("id", link.id == head.id)?;
        column("time", i128::from(link.time) == nanoseconds(head.time))?;
        column("username", is_column(&link.username, username))?;
        column("namespace", is_column(&link.namespace, namespace))?;
        column("pod", is_column(&link.pod, pod))?;
        column("answer", link.answer == head.answer().unwrap_or_default())?;
        column("about", link.about.as_deref() == about.as_deref())
    }

    fn learn(&mut self, at: u64, what: &What) {
        match what {
            What::KeyRotated { note } => {
                if let Ok(key) = rotated_to(note, &self.trusted) {
                    self.trusted.push(key);
                }
            }
            What::Dropped { through, .. } => self.said_dropped.push((at, *through)),
            // A server deletes nothing before it has signed that it will. What says so and was not
            // signed when the next server came may be anybody's.
            What::Started { unsigned: entries @ 1.., .. } => {
                self.said_dropped.clear();
                self.adopt(Adopted { entries: *entries, said_by: at });
            }
            What::Foreign { from, to } => {
                self.said_dropped.retain(|(said_by, _)| !(from..=to).contains(&said_by));
                let entries = to.saturating_sub(*from).saturating_add(1);
                self.adopt(Adopted { entries, said_by: at });
            }
            _ => {}
        }
    }

    fn adopt(&mut self, adopted: Adopted) {
        if self.report.adopted.len() < MAX_ADOPTED {
            self.report.adopted.push(adopted);
        }
    }

    /// Compares the checkpoints about exactly as many entries as there have been.
    fn check_checkpoints(&mut self) -> Result<(), Fault> {
        let size = self.frontier.size();
        while let Some(stored) = self.checkpoints.pop_if(|stored| stored.size <= size) {
            self.check_checkpoint(stored).map_err(|kind| Fault { sequence: size, kind })?;
        }
        Ok(())
    }

    fn check_checkpoint(&mut self, stored: &StoredCheckpoint) -> Result<(), FaultKind> {
        let note = |error| FaultKind::Note { size: stored.size, error };
        let checkpoint = Checkpoint::unverified(&stored.note).map_err(note)?;
        let time = checkpoint.time;
        if checkpoint.writer != self.report.writer {
            return Err(FaultKind::OtherWriter { writer: checkpoint.writer });
        }
        if checkpoint.size != self.frontier.size() || checkpoint.root != self.frontier.root() {
            return Err(FaultKind::Root { time });
        }
        if checkpoint.chain != self.hash {
            return Err(FaultKind::Chain { time });
        }
        // One that was kept elsewhere comes without.
        if !stored.frontier.is_empty() && stored.frontier != self.frontier.to_bytes() {
            return Err(FaultKind::Frontier);
        }
        self.distrust = match Checkpoint::verify(&stored.note, &self.trusted) {
            Err(error @ NoteError::Untrusted) => {
                self.report.untrusted += 1;
                Some(error)
            }
            Err(error) => return Err(note(error)),
            Ok(_) => None,
        };
        if self.distrust.is_none() || self.trusted.is_empty() {
            self.report.confirmed = self.frontier.size();
            // An entry that nobody signed can say what it likes.
            let said = self.said_dropped.drain(..).map(|(_, through)| through);
            self.report.dropped = said.fold(self.report.dropped, u64::max);
        }
        self.report.checkpoints += 1;
        self.report.newest = Some(checkpoint);
        Ok(())
    }

    fn check_end(&mut self) -> Result<(), Fault> {
        if self.found_from == 0 {
            self.check_checkpoints()?;
        }
        let size = self.frontier.size();
        if let Some(stored) = self.checkpoints.first() {
            let time = Checkpoint::unverified(&stored.note).map(|checkpoint| checkpoint.time);
            let kind = match time {
                Ok(time) => FaultKind::Truncated { size: stored.size, time },
                Err(error) => FaultKind::Note { size: stored.size, error },
            };
            return Err(Fault { sequence: size + 1, kind });
        }
        if self.leftover.is_some_and(|last| last != (self.base, self.hash)) {
            return Err(Fault { sequence: self.base, kind: FaultKind::Leftover });
        }
        if self.base > self.report.dropped.max(self.report.skipped) {
            let until = self.found_from.saturating_sub(1);
            if !self.is_part {
                return Err(Fault { sequence: 1, kind: FaultKind::NotDropped { until } });
            }
            self.report.unexplained = until;
        }
        if !self.trusted.is_empty() && self.report.checkpoints == 0 && size > 0 {
            return Err(Fault { sequence: size, kind: FaultKind::Unsigned });
        }
        match &self.distrust {
            Some(error) if !self.trusted.is_empty() => {
                let kind = FaultKind::Newest { error: error.clone() };
                Err(Fault { sequence: size, kind })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
