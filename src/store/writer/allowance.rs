//! How much of what persons left may be written beside what the server decides.

use super::Keep;

/// Whoever may read the ledger leaves as much as they like. Where only so many entries are kept, or
/// so many bytes, that would drive out the decisions: of what is kept, persons may have about half.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Entries of a kilobyte.
    left: u64,
    /// Most that can be left.
    most: u64,
}

/// This part of what is kept may be persons' at once, where nothing is decided meanwhile.
const PART: u64 = 16;
/// But so many at least, and at most.
const LEAST: u64 = 256;
const MOST: u64 = 4096;
/// A record of a decision has more.
const BYTES: u64 = 1024;

impl Allowance {
    /// Nothing where time alone drops: that cannot be hurried.
    pub(super) fn new(keep: Keep) -> Option<Self> {
        let kept =
            [keep.entries, keep.bytes.map(|bytes| bytes / BYTES)].into_iter().flatten().min()?;
        let most = (kept / PART).clamp(LEAST, MOST);
        Some(Self { left: most, most })
    }

    /// The server wrote so many entries of its own.
    pub(super) fn earn(&mut self, entries: usize) {
        self.left = self.left.saturating_add(entries as u64).min(self.most);
    }

    /// Whether a text of so many bytes may be written too.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let rest = self.left.checked_sub(1 + bytes as u64 / BYTES);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_have_no_more_than_the_server_and_a_little_at_once() {
        let keep = |entries, bytes| Keep { age: None, entries, bytes };
        assert!(Allowance::new(keep(None, None)).is_none());
        let room = |keep| Allowance::new(keep).unwrap().left;
        assert_eq!(room(keep(Some(1000), None)), LEAST);
        assert_eq!(room(keep(Some(16_000), None)), 1000);
        assert_eq!(room(keep(Some(1_000_000), Some(8_000 << 10))), 500);
        assert_eq!(room(keep(Some(1_000_000), None)), MOST);

        let mut allowance = Allowance::new(keep(Some(1000), None)).unwrap();
        let taken = (0..500).filter(|_| allowance.spend(300)).count();
        assert_eq!(taken, 256);
        allowance.earn(3);
        assert!(!allowance.spend(5000), "it counts as five");
        assert!(allowance.spend(2000) && allowance.spend(1) && !allowance.spend(1));
        allowance.earn(1000);
        assert_eq!(allowance.left, 256);
    }
}
