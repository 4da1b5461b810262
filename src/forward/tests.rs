use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::ledger::chain::Hash;
use crate::ledger::{Event, Kept};

/// A journal of numbers: entry 7 is the text `7`.
#[derive(Debug, Clone, Default)]
struct Numbers(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    entries: Vec<u64>,
    cursors: BTreeMap<String, u64>,
    questions: usize,
    /// How often the cursor cannot be moved.
    stuck: usize,
}

impl Numbers {
    fn of(entries: impl IntoIterator<Item = u64>) -> Self {
        let entries = entries.into_iter().collect();
        Self(Arc::new(Mutex::new(State { entries, ..State::default() })))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Journal for Numbers {
    async fn append_event(&self, _: Event) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn writers(&self) -> Result<Vec<String>, LedgerError> {
        Ok(vec!["w".to_owned()])
    }

    async fn entries_after(
        &self,
        writer: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Kept>, LedgerError> {
        assert_eq!(writer, "w");
        let mut state = self.state();
        state.questions += 1;
        let later = state.entries.iter().filter(|entry| **entry > after).take(limit);
        let kept = |sequence: &u64| Kept {
            sequence: *sequence,
            json: sequence.to_string(),
            hash: Hash::NOTHING,
        };
        Ok(later.map(kept).collect())
    }

    async fn cursors(&self, target: &str) -> Result<BTreeMap<String, u64>, LedgerError> {
        let at = self.state().cursors.get(target).copied();
        Ok(at.map(|at| ("w".to_owned(), at)).into_iter().collect())
    }

    async fn advance(&self, target: &str, writer: &str, sequence: u64) -> Result<(), LedgerError> {
        assert_eq!(writer, "w");
        let mut state = self.state();
        if let Some(less) = state.stuck.checked_sub(1) {
            state.stuck = less;
            return Err(LedgerError::Closed);
        }
        state.cursors.insert(target.to_owned(), sequence);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Counts {
    forwarded: Mutex<BTreeMap<String, u64>>,
    failed: Mutex<BTreeMap<String, u64>>,
    lag: Mutex<BTreeMap<String, u64>>,
}

impl Tally for Counts {
    fn lag(&self, target: &str, entries: u64) {
        self.lag.lock().unwrap().insert(target.to_owned(), entries);
    }

    fn failed(&self, target: &str) {
        *self.failed.lock().unwrap().entry(target.to_owned()).or_default() += 1;
    }

    fn forwarded(&self, target: &str, entries: u64) {
        *self.forwarded.lock().unwrap().entry(target.to_owned()).or_default() += entries;
    }

    fn checkpoint_failed(&self, _: &str) {}
}

fn count(of: &Mutex<BTreeMap<String, u64>>, label: &str) -> u64 {
    of.lock().unwrap().get(label).copied().unwrap_or(0)
}

fn prepared(targets: &[&str]) -> Prepared {
    let targets = targets.iter().map(|target| target.parse().unwrap()).collect();
    Prepared::new(targets, &Credentials::default(), "w").unwrap()
}

/// Forwards until everything is there.
async fn forward(journal: &Numbers, targets: &[&str]) -> Arc<Counts> {
    let counts = Arc::new(Counts::default());
    let tally: Arc<dyn Tally> = Arc::clone(&counts) as _;
    prepared(targets).start(journal, &tally).finish(Duration::from_secs(60)).await;
    counts
}

#[tokio::test]
async fn the_end_of_a_sequence_is_found_with_few_questions() {
    for (last, known) in [(0, 0), (1, 0), (2, 0), (1000, 0), (1000, 999), (1000, 1000), (99_999, 7)]
    {
        let journal = Numbers::of(1..=last);
        assert_eq!(newest_after(&journal, "w", known).await.unwrap(), last);
        let questions = journal.state().questions;
        assert!(questions <= 40, "{questions} questions from {known} to {last}");
        assert!(known < last || questions == 1, "{questions} where nothing is new");
    }
    // The oldest were dropped.
    assert_eq!(newest_after(&Numbers::of(500..=777), "w", 0).await.unwrap(), 777);
}

/// Whoever can write the database could have a target be told nothing any more, without a word.
#[tokio::test]
async fn a_cursor_beyond_the_end_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("file:{}/a", folder.path().display());
    let journal = Numbers::of(1..=3);
    forward(&journal, &[&target]).await;
    let text = || std::fs::read_to_string(folder.path().join("a")).unwrap();
    assert_eq!(text(), "1\n2\n3\n");
    for cursor in journal.state().cursors.values_mut() {
        assert_eq!(*cursor, 3);
        *cursor = 4;
    }
    forward(&journal, &[&target]).await;
    assert_eq!(text(), "1\n2\n3\n1\n2\n3\n");
    assert_eq!(journal.state().cursors.values().copied().collect::<Vec<_>>(), [3]);
    // The last of them is there, whatever was dropped before.
    journal.state().entries.retain(|entry| *entry == 3);
    forward(&journal, &[&target]).await;
    assert_eq!(text(), "1\n2\n3\n1\n2\n3\n");
}

#[tokio::test]
async fn each_target_gets_everything_in_order_and_only_once_while_nothing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| format!("file:{}/{name}", folder.path().display());
    let journal = Numbers::of(1..=200);
    let counts = forward(&journal, &[&file("a"), &file("b")]).await;
    journal.state().entries.extend(201..=205);
    forward(&journal, &[&file("b"), &file("a")]).await;
    let all: String = (1..=205).map(|number| format!("{number}\n")).collect();
    for name in ["a", "b"] {
        assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), all, "{name}");
        assert_eq!(journal.state().cursors.get(&file(name)), Some(&205));
    }
    assert_eq!(
        (count(&counts.forwarded, "file-1"), count(&counts.forwarded, "file-2")),
        (200, 200)
    );
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_cannot_be_moved_sends_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("file:{}/a", folder.path().display());
    let journal = Numbers::of(1..=3);
    journal.state().stuck = 4;
    let counts = forward(&journal, &[&file]).await;
    assert_eq!(std::fs::read_to_string(folder.path().join("a")).unwrap(), "1\n2\n3\n");
    assert_eq!(journal.state().cursors.get(&file), Some(&3));
    assert_eq!(count(&counts.failed, "file-1"), 4);
}

#[tokio::test(start_paused = true)]
async fn how_far_behind_a_target_is_goes_on_being_told_while_it_hangs() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}/", listener.local_addr().unwrap());
    let journal = Numbers::of(1..=3);
    let counts = Arc::new(Counts::default());
    let tally: Arc<dyn Tally> = Arc::clone(&counts) as _;
    let forwarding = prepared(&[&target]).start(&journal, &tally);
    // Held open, never answered.
    let _hung = listener.accept().await.unwrap();
    journal.state().entries.extend(4..=10);
    while count(&counts.lag, "http-1") != 10 {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(count(&counts.failed, "http-1"), 0);
    // The clock goes on by itself until the receiver has had its time.
    while count(&counts.failed, "http-1") == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(count(&counts.forwarded, "http-1"), 0);
    drop(forwarding);
}

#[test]
fn what_cannot_work_is_found_beforehand() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none");
    let fails = |target: &str, credentials: &Credentials| {
        let target = target.parse().unwrap();
        Prepared::new(vec![target], credentials, "w").unwrap_err().1.to_string()
    };
    let ca = |path: PathBuf| Credentials { ca: Some(path), token: None };
    let file = format!("file:{}/none/l", folder.path().display());
    assert!(fails(&file, &Credentials::default()).starts_with("cannot open it: its folder `"));
    for target in ["https://h/", "syslog+tls://h"] {
        assert!(fails(target, &ca(none.clone())).contains("none`: No such file"));
        let empty = folder.path().join("empty");
        std::fs::write(&empty, "").unwrap();
        assert!(fails(target, &ca(empty)).ends_with("it holds no certificate"));
    }
    let token = Credentials { ca: None, token: Some(none) };
    assert!(fails("http://localhost/", &token).contains("cannot be read: No such file"));
}
