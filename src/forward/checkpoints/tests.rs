use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use super::*;
use crate::ledger::chain::Hash;
use crate::ledger::note::SigningKey;

#[derive(Default)]
struct Failures(Mutex<Vec<String>>);

impl Tally for Failures {
    fn lag(&self, _: &str, _: u64) {}
    fn failed(&self, _: &str) {}
    fn forwarded(&self, _: &str, _: u64) {}
    fn checkpoint_failed(&self, target: &str) {
        self.0.lock().unwrap().push(target.to_owned());
    }
}

/// Says what it is asked, and refuses the first so many.
struct Fussy {
    refusals: usize,
    asked: watch::Sender<Vec<String>>,
}

impl Place for Fussy {
    type Error = String;

    async fn put(&mut self, note: Arc<str>) -> Result<(), String> {
        self.asked.send_modify(|asked| asked.push(note.to_string()));
        if self.refusals == 0 {
            return Ok(());
        }
        self.refusals -= 1;
        Err("not now".to_owned())
    }
}

fn note(text: &str) -> Option<Arc<str>> {
    Some(Arc::from(text))
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_until_the_next_one_replaces_it() {
    let (notes, followed) = watch::channel(note("one"));
    let (asked, mut seen) = watch::channel(Vec::new());
    let failures = Arc::new(Failures::default());
    let place = Fussy { refusals: 3, asked };
    let task =
        tokio::spawn(follow(place, "file-1".to_owned(), followed, Arc::clone(&failures) as _));
    seen.wait_for(|asked| asked.len() == 2).await.unwrap();
    notes.send_replace(note("two"));
    seen.wait_for(|asked| asked.len() == 4).await.unwrap();
    notes.send_replace(note("three"));
    drop(notes);
    task.await.unwrap();
    assert_eq!(*seen.borrow(), ["one", "one", "two", "two", "three"]);
    assert_eq!(*failures.0.lock().unwrap(), ["file-1"; 3]);
}

#[test]
fn notes_are_appended_with_an_empty_line_between() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    append(&path, "a\n\n— key\n").unwrap();
    append(&path, "b").unwrap();
    append(&path, "c\n").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\n\n— key\n\nb\n\nc\n");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Wherever the power failed: what was whole stays, byte for byte, and nothing else does.
#[test]
fn what_a_power_failure_left_of_a_note_is_cut_off() {
    let checkpoint = Checkpoint {
        writer: "postern-0".to_owned(),
        size: 4711,
        root: Hash::of(b"root"),
        time: "2026-11-25T18:19:14Z".parse().unwrap(),
        chain: Hash::of(b"chain"),
        cluster: "k\u{f6}ln".to_owned(),
        bytes: Some(1),
    };
    let note = checkpoint.sign(&SigningKey::generate().unwrap().0);
    for before in ["", "a remark\n", &note, &format!("{note}\n").repeat(200)] {
        for end in 0..note.len() {
            for behind in [&[][..], &[0; 100]] {
                let file = [before.as_bytes(), b"\n", &note.as_bytes()[..end], behind].concat();
                // Where only the last line break is missing, it is whole.
                let whole = if end + 1 == note.len() { end } else { 0 };
                assert_eq!(file.len() - torn(&file), before.len() + 1 + whole, "{end}");
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    // Longer than what is looked at.
    let notes = format!("{note}\n").repeat(400);
    std::fs::write(&path, [notes.as_bytes(), &note.as_bytes()[..200]].concat()).unwrap();
    NoteFile::new(path.clone()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), notes);
    for whole in [&note, &format!("{note}\nwhat is this?\n"), "what is this?\n", "", "\n"] {
        assert_eq!(torn(whole.as_bytes()), 0, "{whole}");
    }
}

#[test]
fn reads_every_form() {
    let read = |text: &str| text.parse::<Destination>();
    for text in ["file:/a", "configmap:postern-system/checkpoints"] {
        assert_eq!(read(text).unwrap().to_string(), text);
    }
    let http = read("https://h/hunter2").unwrap();
    assert_eq!((http.kind(), http.to_string().as_str()), ("http", "https://h:443"));
    for text in ["configmap:a", "configmap:/a", "configmap:a/", "configmap:a/B", "configmap:a/b/c"]
    {
        assert_eq!(read(text), Err(DestinationError::ConfigMap), "{text}");
    }
    let unknown = read("s3:hunter2").unwrap_err().to_string();
    assert!(unknown.contains("`s3:…`") && !unknown.contains("hunter2"), "{unknown}");
}
