use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Lines, LogFile};

fn lines(folder: &Path, keep: usize) -> Lines {
    Lines::new(LogFile { path: folder.join("l.jsonl"), max_size: 100, keep })
}

/// As a courier does: what was taken is not given again.
fn append(log: &mut Lines, lines: &[&str]) -> io::Result<()> {
    let mut taken = 0;
    while taken < lines.len() {
        taken += log.append(lines[taken..].iter().copied())?;
    }
    Ok(())
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

#[test]
fn full_files_are_moved_on_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = lines(folder.path(), 2);
    let text: Vec<String> = (0..12).map(|number| format!("{number:029}")).collect();
    let lines: Vec<&str> = text.iter().map(String::as_str).collect();
    append(&mut log, &lines[..5]).unwrap();
    append(&mut log, &lines[5..]).unwrap();
    let whole = |range: std::ops::Range<usize>| text[range].join("\n") + "\n";
    assert_eq!(read(folder.path(), "l.jsonl"), whole(9..12));
    assert_eq!(read(folder.path(), "l.jsonl.1"), whole(6..9));
    assert_eq!(read(folder.path(), "l.jsonl.2"), whole(3..6));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_kill_while_files_are_moved_loses_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = lines(folder.path(), 3);
    let line = |letter: &str| letter.repeat(99);
    // `.1` has become `.2`, and the file not yet `.1`.
    for (name, letter) in [("l.jsonl.2", "a"), ("l.jsonl", "b")] {
        fs::write(folder.path().join(name), line(letter) + "\n").unwrap();
    }
    append(&mut log, &[line("c").as_str(), &line("d")]).unwrap();
    for (name, letter) in [("l.jsonl.3", "a"), ("l.jsonl.2", "b"), ("l.jsonl.1", "c")] {
        assert_eq!(read(folder.path(), name), line(letter) + "\n");
    }
}

#[test]
fn what_fails_moves_no_file_and_writes_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = lines(folder.path(), 2);
    let line = |letter: &str| letter.repeat(49);
    let letters = ["a", "b", "c", "d", "e", "f"].map(line);
    let letters = letters.each_ref().map(String::as_str);
    let pair = |at: usize| letters[at..at + 2].join("\n") + "\n";
    // Nothing can take the place of a folder with something in it.
    let in_the_way = folder.path().join("l.jsonl.2");
    fs::create_dir_all(in_the_way.join("x")).unwrap();
    let mut taken = 0;
    for _ in 0..10 {
        taken += log.append(letters[taken..].iter().copied()).unwrap_or(0);
    }
    assert_eq!(taken, 4);
    assert_eq!(read(folder.path(), "l.jsonl.1"), pair(0));
    assert_eq!(read(folder.path(), "l.jsonl"), pair(2));
    fs::remove_dir_all(in_the_way).unwrap();
    append(&mut log, &letters[taken..]).unwrap();
    for (name, at) in [("l.jsonl.2", 0), ("l.jsonl.1", 2), ("l.jsonl", 4)] {
        assert_eq!(read(folder.path(), name), pair(at), "{name}");
    }
}

/// A folder that may be written and not read; nothing keeps root from reading it.
#[test]
fn a_folder_that_may_not_be_read_is_told_of_before_anything_is_moved() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = lines(folder.path(), 2);
    append(&mut log, &["x".repeat(99).as_str()]).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o300)).unwrap();
    if fs::read_dir(folder.path()).is_ok() {
        return;
    }
    let words = format!("its folder `{}` cannot be read: ", folder.path().display());
    for _ in 0..3 {
        let error = log.append(["y"].into_iter()).unwrap_err().to_string();
        assert!(error.starts_with(&words), "{error}");
    }
    let error = lines(folder.path(), 2).check().unwrap_err().to_string();
    assert!(error.starts_with(&words), "{error}");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(read(folder.path(), "l.jsonl"), "x".repeat(99) + "\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_line_longer_than_a_file_has_one_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = lines(folder.path(), 5);
    let long = "x".repeat(300);
    append(&mut log, &["a", &long, "b"]).unwrap();
    assert_eq!(read(folder.path(), "l.jsonl.2"), "a\n");
    assert_eq!(read(folder.path(), "l.jsonl.1"), long + "\n");
    assert_eq!(read(folder.path(), "l.jsonl"), "b\n");
}

#[test]
fn nobody_else_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    append(&mut lines(folder.path(), 1), &["x".repeat(99).as_str(), "b"]).unwrap();
    for name in ["l.jsonl", "l.jsonl.1"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn half_a_line_is_taken_away_and_whole_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    for (left, expected) in [
        ("a\nhal".to_owned(), "a\nb\n"),
        ("hal".to_owned(), "b\n"),
        ("a\n".to_owned() + &"h".repeat(200_000), "a\nb\n"),
        ("a\n".to_owned(), "a\nb\n"),
    ] {
        fs::write(folder.path().join("l.jsonl"), left).unwrap();
        lines(folder.path(), 1).append(["b"].into_iter()).unwrap();
        assert_eq!(read(folder.path(), "l.jsonl"), expected);
    }
}

#[test]
fn a_file_that_was_moved_away_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = lines(folder.path(), 1);
    log.append(["a"].into_iter()).unwrap();
    fs::rename(folder.path().join("l.jsonl"), folder.path().join("taken")).unwrap();
    log.append(["b"].into_iter()).unwrap();
    assert_eq!(read(folder.path(), "taken"), "a\n");
    assert_eq!(read(folder.path(), "l.jsonl"), "b\n");
}

#[test]
fn only_a_file_is_written() {
    for path in ["/dev/null", "/dev/full"] {
        let file = LogFile { path: path.into(), max_size: 100, keep: 1 };
        let error = Lines::new(file).check().unwrap_err();
        assert_eq!(error.to_string(), "it is not a file");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(
        Lines::new(LogFile { path: folder.path().into(), max_size: 1, keep: 1 }).check().is_err()
    );
}
