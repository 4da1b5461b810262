use jiff::Timestamp;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::ledger::event::{Event, Person};
use crate::ledger::note::{SigningKey, rotation};

/// A writer of the tests' own: a chain and the checkpoints about it, as a server makes them.
struct Chain {
    key: SigningKey,
    hash: Hash,
    frontier: Frontier,
    links: Vec<Link<'static>>,
    checkpoints: Vec<StoredCheckpoint>,
}

fn read_by(user: &str) -> What {
    let by = Person { user: user.to_owned(), host: "h".to_owned() };
    What::Read { by, command: "list".to_owned() }
}

impl Chain {
    fn new() -> Self {
        Self {
            key: SigningKey::generate().unwrap().0,
            hash: Hash::NOTHING,
            frontier: Frontier::default(),
            links: Vec::new(),
            checkpoints: Vec::new(),
        }
    }

    /// `length` entries, and a checkpoint after every `every` of them.
    fn of(length: u64, every: u64) -> Self {
        let mut chain = Self::new();
        chain.attest();
        for number in 1..=length {
            chain.append(read_by(&format!("user-{number}")));
            if number % every == 0 {
                chain.attest();
            }
        }
        chain
    }

    fn append(&mut self, what: What) {
        let mut entry = Entry::from(Event::now("c", what));
        entry.place("w", self.frontier.size() + 1);
        let json = entry.to_json().unwrap();
        self.hash = self.hash.then(json.as_bytes());
        self.frontier.push(json.as_bytes());
        let (namespace, pod) = entry.pod();
        self.links.push(Link {
            sequence: entry.sequence(),
            id: entry.id().to_string().into(),
            time: i64::try_from(entry.time().as_nanosecond()).unwrap(),
            username: entry.username().to_owned().into(),
            namespace: namespace.to_owned().into(),
            pod: pod.to_owned().into(),
            answer: String::new().into(),
            about: None,
            json: json.into(),
            hash: Some(self.hash),
        });
    }

    fn attest(&mut self) {
        let checkpoint = Checkpoint {
            writer: "w".to_owned(),
            size: self.frontier.size(),
            root: self.frontier.root(),
            time: Timestamp::now(),
            chain: self.hash,
            cluster: "c".to_owned(),
            bytes: None,
        };
        self.checkpoints.push(StoredCheckpoint {
            size: checkpoint.size,
            note: checkpoint.sign(&self.key),
            frontier: self.frontier.to_bytes(),
        });
    }

    fn verify(&self, trusted: &[VerifyingKey]) -> Report {
        let mut verifier = Verifier::new("w", trusted, &self.checkpoints, 0);
        self.links.iter().all(|link| verifier.push(link));
        verifier.finish()
    }

    fn fault(&self) -> String {
        self.verify(&[self.key.public()]).fault.unwrap().to_string()
    }
}

#[test]
fn a_whole_chain_is_good_to_its_end() {
    for (length, every) in [(0, 1), (1, 1), (20, 7), (20, 1), (300, 100)] {
        let chain = Chain::of(length, every);
        let report = chain.verify(&[chain.key.public()]);
        assert_eq!(report.fault, None);
        assert_eq!((report.last, report.checkpoints), (length, 1 + length / every));
        assert_eq!(report.untrusted, 0);
    }
}

#[test]
fn says_where_a_chain_is_wrong_and_how_far_it_is_good() {
    let mut chain = Chain::of(9, 3);
    chain.links[4].json = chain.links[4].json.replace("user-5", "user-6").into();
    let report = chain.verify(&[]);
    assert_eq!(report.last, 4);
    assert!(chain.fault().starts_with("record 5 is not what was written"), "{}", chain.fault());

    let mut chain = Chain::of(9, 3);
    chain.links.remove(3);
    assert_eq!(chain.fault(), "record 4 is missing");
    chain.links.remove(3);
    assert_eq!(chain.fault(), "records 4 to 5 are missing");

    let mut chain = Chain::of(9, 3);
    chain.links.truncate(7);
    assert!(chain.fault().starts_with("records 8 to 9 are missing: the checkpoint"));

    let mut chain = Chain::of(9, 3);
    chain.links[6].username = "nobody".into();
    assert!(chain.fault().starts_with("the column `username` of record 7 says something else"));

    let mut chain = Chain::of(9, 3);
    chain.links.drain(..2);
    assert_eq!(
        chain.fault(),
        "records 1 to 2 are missing, and no record says that they were dropped"
    );
}

/// Whoever can write the database can write a new chain; not sign about it.
#[test]
fn a_rewritten_history_is_not_what_was_signed() {
    let chain = Chain::of(9, 3);
    let mut forged = Chain::of(9, 3);
    forged.checkpoints.clone_from(&chain.checkpoints);
    let fault = forged.verify(&[chain.key.public()]).fault.unwrap();
    assert!(matches!(fault.kind, FaultKind::Root { .. }), "{fault}");
    assert_eq!(fault.sequence, 3);

    let forged = Chain::of(9, 3);
    let fault = forged.verify(&[chain.key.public()]).fault.unwrap();
    assert_eq!(fault.kind, FaultKind::Newest { error: NoteError::Untrusted });
}

#[test]
fn a_key_that_handed_over_is_followed() {
    let mut chain = Chain::of(3, 3);
    let old = chain.key.public();
    let (new, _) = SigningKey::generate().unwrap();
    let note = rotation(&chain.key, &new.public());
    chain.append(What::KeyRotated { note });
    let before = (chain.links.clone(), chain.checkpoints.clone());
    chain.key = new;
    chain.attest();
    assert_eq!(chain.verify(&[old]).fault, None);
    // Whoever trusts the new key alone does not know the old one, and need not.
    let report = chain.verify(&[chain.key.public()]);
    assert_eq!((report.fault, report.untrusted), (None, 2));

    // A key that nobody handed over to.
    (chain.links, chain.checkpoints) = before;
    chain.key = SigningKey::generate().unwrap().0;
    chain.attest();
    assert!(chain.verify(&[old]).fault.is_some());
}

#[test]
fn what_was_dropped_is_missing_unless_the_chain_says_so() {
    let mut chain = Chain::of(9, 3);
    let checkpoint = chain.checkpoints[2].note.clone();
    chain.append(What::Dropped { through: 6, checkpoint, reason: "age".to_owned() });
    chain.attest();
    for left in [0, 2, 5, 6] {
        let mut chain = Chain { key: SigningKey::generate().unwrap().0, ..copy(&chain) };
        chain.links.drain(..left);
        let report = chain.verify(&[]);
        assert_eq!(report.fault, None, "{left}");
        assert_eq!((report.last, report.dropped), (10, 6));
    }
    chain.links.drain(..7);
    assert!(chain.verify(&[]).fault.is_some());
}

/// What a server, and whoever looks at a part, goes on from.
#[test]
fn a_spoilt_frontier_is_told_and_no_record_called_missing() {
    let mut chain = Chain::of(9, 3);
    chain.checkpoints[2].frontier[7] ^= 1;
    let said = "what is kept of the tree with the checkpoint of 6 records (`frontier`) is not";
    assert!(chain.fault().starts_with(said), "{}", chain.fault());
    let trusted = [chain.key.public()];
    let from = |from: u64| {
        let checkpoints: Vec<_> =
            chain.checkpoints.iter().filter(|it| it.size >= from).cloned().collect();
        let mut verifier = Verifier::new("w", &trusted, &checkpoints, from);
        chain.links.iter().skip(usize::try_from(from).unwrap()).all(|link| verifier.push(link));
        verifier.finish().fault.map(|fault| fault.to_string())
    };
    assert!(from(6).unwrap().starts_with(said));
    assert!(from(3).unwrap().starts_with(said));
    // And where the records before are gone.
    chain.links.drain(..6);
    assert!(chain.fault().starts_with(said), "{}", chain.fault());
    // A checkpoint that was kept elsewhere has none.
    let mut chain = Chain::of(9, 3);
    chain.checkpoints[2].frontier.clear();
    assert_eq!(chain.verify(&[chain.key.public()]).fault, None);
}

fn copy(chain: &Chain) -> Chain {
    Chain {
        key: SigningKey::generate().unwrap().0,
        hash: chain.hash,
        frontier: chain.frontier.clone(),
        links: chain.links.clone(),
        checkpoints: chain.checkpoints.clone(),
    }
}

/// What somebody with a database shell can do to a ledger.
#[derive(Debug, Clone)]
enum Mutation {
    Byte(usize, usize, u8),
    Remove(usize),
    Swap(usize, usize),
    Repeat(usize),
    Renumber(usize),
    Truncate(usize),
    Hash(usize, u8),
    Column(usize, usize),
    Note(usize, usize, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || any::<usize>();
    prop_oneof![
        (at(), at(), 1..=255_u8).prop_map(|(link, byte, flip)| Mutation::Byte(link, byte, flip)),
        at().prop_map(Mutation::Remove),
        (at(), at()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        at().prop_map(Mutation::Repeat),
        at().prop_map(Mutation::Renumber),
        at().prop_map(Mutation::Truncate),
        (at(), 1..=255_u8).prop_map(|(link, flip)| Mutation::Hash(link, flip)),
        (at(), 0..6_usize).prop_map(|(link, column)| Mutation::Column(link, column)),
        (at(), at(), 1..128_u8).prop_map(|(note, byte, flip)| Mutation::Note(note, byte, flip)),
        Just(Mutation::Truncate(0)),
    ]
}

impl Mutation {
    /// `false`: it changed nothing.
    fn apply(&self, chain: &mut Chain) -> bool {
        let before = (chain.links.clone(), chain.checkpoints.clone());
        let length = chain.links.len();
        match *self {
            Self::Byte(link, byte, flip) => {
                let json = &mut chain.links[link % length].json;
                let mut bytes = std::mem::take(json).into_owned().into_bytes();
                let byte = byte % bytes.len();
                bytes[byte] ^= flip;
                *json = String::from_utf8_lossy(&bytes).into_owned().into();
            }
            Self::Remove(link) => drop(chain.links.remove(link % length)),
            Self::Swap(one, other) => chain.links.swap(one % length, other % length),
            Self::Repeat(link) => {
                let again = chain.links[link % length].clone();
                chain.links.insert(link % length, again);
            }
            Self::Renumber(link) => {
                for link in &mut chain.links[link % length..] {
                    link.sequence += 1;
                }
            }
            Self::Truncate(to) => chain.links.truncate(to % length),
            Self::Hash(link, flip) => {
                if let Some(hash) = &mut chain.links[link % length].hash {
                    hash.0[0] ^= flip;
                }
            }
            Self::Column(link, column) => {
                let link = &mut chain.links[link % length];
                match column {
                    0 => link.id.to_mut().push('0'),
                    1 => link.time += 1,
                    2 => link.username.to_mut().push('x'),
                    3 => link.namespace.to_mut().push('x'),
                    4 => link.pod.to_mut().push('x'),
                    _ => link.about = Some("x".into()),
                }
            }
            Self::Note(note, byte, flip) => {
                let count = chain.checkpoints.len();
                let note = &mut chain.checkpoints[note % count].note;
                let mut bytes = std::mem::take(note).into_bytes();
                let byte = byte % bytes.len();
                bytes[byte] ^= flip;
                *note = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        before != (chain.links.clone(), chain.checkpoints.clone())
    }
}

#[test]
fn no_change_goes_unnoticed() {
    let whole = Chain::of(12, 4);
    let trusted = [whole.key.public()];
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&mutation(), |mutation| {
            let mut chain = copy(&whole);
            if mutation.apply(&mut chain) {
                let report = chain.verify(&trusted);
                // The first checkpoint of an empty ledger may be spoilt: the later ones stand.
                let harmless = matches!(mutation, Mutation::Note(..)) && report.untrusted > 0;
                assert!(report.fault.is_some() || harmless, "{mutation:?}");
            }
            Ok(())
        })
        .unwrap();
}
