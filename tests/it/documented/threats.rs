//! What the page of threats names is there.

use std::fs;
use std::path::Path;

const PAGE: &str = "docs/threat-model.md";

/// Every `path::name` between backticks.
fn named(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(page).unwrap();
    let spans = text.split('`').skip(1).step_by(2);
    let named = spans.filter_map(|span| span.split_once("::"));
    let named = named.filter(|(path, _)| *path != "path");
    named.map(|(path, name)| (path.to_owned(), name.to_owned())).collect()
}

/// Rust's own words before a name that is defined; in other files the text itself.
fn is_in(text: &str, path: &str, name: &str) -> bool {
    if Path::new(path).extension().is_none_or(|extension| extension != "rs") {
        return text.contains(name);
    }
    let kinds = ["fn", "struct", "enum", "trait", "const", "static", "type"];
    text.lines().any(|line| {
        kinds.iter().any(|kind| {
            let after = line.split_once(&format!("{kind} {name}")).map(|(_, after)| after);
            after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    })
}

/// A function that the test runner calls.
fn is_test(text: &str, name: &str) -> bool {
    let before = text.split(&format!("fn {name}(")).next().unwrap();
    let lines = before.rsplit('\n').skip(1).map(str::trim);
    let mut attributes = lines.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    attributes.any(|line| line.contains("test]") || line.contains("test("))
}

#[test]
fn every_symbol_and_test_of_the_threat_model_is_there() {
    let all = named(PAGE);
    assert!(all.len() >= 100, "{}", all.len());
    for (path, name) in all {
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert!(is_in(&text, &path, &name), "there is no `{path}::{name}`");
    }
}

/// A row is a number, a threat, an answer, code and tests.
#[test]
fn every_threat_and_mitigation_has_code_and_a_test() {
    let page = fs::read_to_string(PAGE).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("::"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let numbers = (1..=18).map(|n| format!("T{n}")).chain((1..=10).map(|n| format!("M{n}")));
    for number in numbers {
        assert!(rows.iter().any(|row| row[0] == number && row.len() == 5), "{number}");
    }
    assert!(rows.len() >= 28 + 15, "{}", rows.len());
    for row in rows {
        let (code, tests) = (row[row.len() - 2], row[row.len() - 1]);
        assert!(code.contains("::"), "{row:?} names no code");
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row:?} names no test");
        for test in tests {
            let (path, name) = test.split_once("::").unwrap();
            let text = fs::read_to_string(path).unwrap_or_default();
            assert!(is_test(&text, name), "`{test}` is no test");
        }
    }
}
