//! The Merkle tree over all records of one writer (RFC 6962, section 2.1).
//!
//! Its leaves are the records as stored. A [`Frontier`] is enough of it to go on from and takes 2 kB
//! at most, so neither the server nor a verifier ever holds the tree. Proofs are checked by
//! `ct-merkle`; its tree is also what the tests compare this one with.

use ct_merkle::{InclusionProof, RootHash};
use sha2::{Digest, Sha256};

use super::chain::Hash;

/// The right edge of a tree: the heads of its complete subtrees, the largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// What [`Self::to_bytes`] gave for a tree of that size; nothing if it cannot be that.
    #[must_use]
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let peaks: Vec<Hash> = bytes.chunks(32).map(Hash::from_slice).collect::<Option<_>>()?;
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Its heads, one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.iter().flat_map(|peak| peak.0).collect()
    }

    /// How many records the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a record.
    pub fn push(&mut self, stored: &[u8]) {
        let mut head = leaf(stored);
        let mut complete = self.size;
        while complete & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            head = node(left, head);
            complete >>= 1;
        }
        self.peaks.push(head);
        self.size += 1;
    }

    /// The head of the whole tree; that of nothing is the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let heads = self.peaks.iter().rev().copied();
        heads.reduce(|right, left| node(left, right)).unwrap_or_else(|| Hash::of(b""))
    }
}

fn leaf(stored: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(stored).finalize().into())
}

fn node(left: Hash, right: Hash) -> Hash {
    let hash = Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0);
    Hash(hash.finalize().into())
}

/// Gathers a proof that one record is in a tree, while all its records go by.
#[derive(Debug)]
pub struct Prover {
    next: u64,
    size: u64,
    /// The neighbouring subtrees on the way up, from the leaf to the root.
    neighbours: Vec<(std::ops::Range<u64>, Frontier)>,
}

impl Prover {
    /// For the record at `index` (from 0) of the first `size`; nothing if it is not among them.
    #[must_use]
    pub fn new(index: u64, size: u64) -> Option<Self> {
        if index >= size {
            return None;
        }
        let mut neighbours = Vec::new();
        let mut subtree = 0..size;
        while subtree.end - subtree.start > 1 {
            let half = (subtree.end - subtree.start).next_power_of_two() / 2;
            let middle = subtree.start + half;
            let (left, right) = (subtree.start..middle, middle..subtree.end);
            let (own, other) = if index < middle { (left, right) } else { (right, left) };
            neighbours.push((other, Frontier::default()));
            subtree = own;
        }
        neighbours.reverse();
        Some(Self { next: 0, size, neighbours })
    }

    /// Passes over the records that `base` stands for, which may be gone. That of the proof must
    /// come after them.
    pub fn pass(&mut self, base: &Frontier) {
        let mut start = 0;
        let mut rest = base.size;
        for peak in &base.peaks {
            let Some(height) = rest.checked_ilog2() else { return };
            let complete = 1_u64 << height;
            let end = start + complete;
            let mut neighbours = self.neighbours.iter_mut();
            let own = neighbours.find(|(range, _)| range.start <= start && end <= range.end);
            if let Some((_, subtree)) = own {
                subtree.peaks.push(*peak);
                subtree.size += complete;
            }
            (start, rest) = (end, rest - complete);
        }
        self.next = base.size;
    }

    /// Takes the next record, from the first on.
    pub fn push(&mut self, stored: &[u8]) {
        let index = self.next;
        self.next += 1;
        let mut neighbours = self.neighbours.iter_mut();
        if let Some((_, subtree)) = neighbours.find(|(range, _)| range.contains(&index)) {
            subtree.push(stored);
        }
    }

    /// The proof, once all records have gone by.
    #[must_use]
    pub fn finish(&self) -> Option<Vec<Hash>> {
        let is_complete = self.next >= self.size;
        is_complete.then(|| self.neighbours.iter().map(|(_, subtree)| subtree.root()).collect())
    }
}

/// Whether `proof` shows that `stored` is the record at `index` (from 0) of the tree of `size`
/// records under `root`.
#[must_use]
pub fn is_included(stored: &[u8], index: u64, size: u64, root: Hash, proof: &[Hash]) -> bool {
    // More than this no count of records can need; `ct-merkle` multiplies it.
    if index >= size || size > u64::MAX / 2 || proof.len() > 64 {
        return false;
    }
    let bytes = proof.iter().flat_map(|hash| hash.0).collect();
    let Ok(proof) = InclusionProof::<Sha256>::try_from_bytes(bytes) else { return false };
    let root = RootHash::<Sha256>::new(root.0.into(), size);
    root.verify_inclusion(&stored, index, &proof).is_ok()
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::Sha256;

    use super::{Frontier, Prover, is_included};
    use crate::ledger::chain::Hash;

    fn record(number: u64) -> Vec<u8> {
        format!("{{\"sequence\":{number}}}").into_bytes()
    }

    #[test]
    fn is_the_tree_of_another_implementation() {
        let mut frontier = Frontier::default();
        let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for number in 0..300 {
            frontier.push(&record(number));
            tree.push(record(number));
            assert_eq!(frontier.root().0.as_slice(), tree.root().as_bytes().as_slice());
            let again = Frontier::from_bytes(frontier.size(), &frontier.to_bytes());
            assert_eq!(again.as_ref(), Some(&frontier));
        }
    }

    #[test]
    fn every_record_of_every_tree_can_be_proven() {
        for size in 1..70 {
            let mut frontier = Frontier::default();
            (0..size).for_each(|number| frontier.push(&record(number)));
            let root = frontier.root();
            for index in 0..size {
                let mut prover = Prover::new(index, size).unwrap();
                assert_eq!(prover.finish(), None);
                (0..size).for_each(|number| prover.push(&record(number)));
                let proof = prover.finish().unwrap();
                assert!(is_included(&record(index), index, size, root, &proof), "{index}/{size}");
                assert!(!is_included(&record(index + 1), index, size, root, &proof));
                assert!(
                    !is_included(&record(index), (index + 1) % size, size, root, &proof)
                        || size == 1
                );
                assert!(!is_included(&record(index), index, size, Hash::NOTHING, &proof));
            }
            assert!(Prover::new(size, size).is_none());
        }
    }

    #[test]
    fn a_proof_does_not_need_what_was_dropped_before() {
        for size in 1..40 {
            let mut whole = Frontier::default();
            (0..size).for_each(|number| whole.push(&record(number)));
            for base in 0..size {
                let mut before = Frontier::default();
                (0..base).for_each(|number| before.push(&record(number)));
                for index in base..size {
                    let mut prover = Prover::new(index, size).unwrap();
                    prover.pass(&before);
                    (base..size).for_each(|number| prover.push(&record(number)));
                    let proof = prover.finish().unwrap();
                    let record = record(index);
                    assert!(is_included(&record, index, size, whole.root(), &proof), "{base}");
                }
            }
        }
    }

    #[test]
    fn no_proof_of_any_size_is_more_than_wrong() {
        let root = Hash::of(b"");
        for size in [0, 1, 2, u64::MAX / 2, u64::MAX] {
            for index in [0, 1, u64::MAX / 2, u64::MAX] {
                for length in [0, 1, 63, 64, 65] {
                    assert!(!is_included(b"x", index, size, root, &vec![root; length]));
                }
            }
        }
    }
}
