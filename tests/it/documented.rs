//! Pages that are written by tests, and the one of the policy language's fields.

use std::fmt::Write as _;
use std::{env, fs};

use postern::crd;
use serde_json::Value;

/// Holds a page to what a test says it should be. With `UPDATE_DOCS=1` the page is written instead.
pub(crate) fn is_page(path: &str, text: &str) {
    let written = fs::read_to_string(path).unwrap_or_default();
    if written == text {
        return;
    }
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let first = written.lines().zip(text.lines()).find(|(is, should)| is != should);
    panic!("{path} is not what it should be; write it with UPDATE_DOCS=1. First: {first:?}");
}

const HEAD: &str = "\
# Fields of a DebugPolicy

Written from the types that read policies (`UPDATE_DOCS=1 cargo test --test it documented`). What
they mean together is in [policy.md](policy.md).

";

#[test]
fn the_page_of_fields_is_that_of_the_types() {
    let definition = crd::definition();
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let mut page = HEAD.to_owned();
    object(&mut page, "spec", definition.pointer(schema).unwrap());
    assert!(page.lines().count() > 150);
    is_page("docs/fields.md", &page);
}

/// A heading and a table for an object, then one for each object in it.
fn object(page: &mut String, path: &str, schema: &Value) {
    writeln!(page, "## `{path}`\n\n{}\n", text(schema)).unwrap();
    page.push_str("| field | type | left out | |\n| --- | --- | --- | --- |\n");
    let required = schema["required"].as_array();
    let is_required =
        |name: &str| required.is_some_and(|required| required.iter().any(|field| field == name));
    let fields = schema["properties"].as_object().unwrap();
    for (name, field) in fields {
        let left_out = match &field["default"] {
            _ if is_required(name) => "an error".to_owned(),
            Value::Null => String::new(),
            default => format!("`{}`", default.as_str().unwrap_or(&default.to_string())),
        };
        writeln!(page, "| `{name}` | {} | {left_out} | {} |", kind(field), text(field)).unwrap();
    }
    page.push('\n');
    for (name, field) in fields {
        let (path, inner) = match &field["items"] {
            Value::Null => (format!("{path}.{name}"), field),
            items => (format!("{path}.{name}[]"), items),
        };
        if inner["properties"].is_object() {
            object(page, &path, inner);
        }
    }
}

/// The type in a few words, with what limits it.
fn kind(field: &Value) -> String {
    if let Some(words) = field["enum"].as_array() {
        let words: Vec<_> =
            words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
        return words.join(", ");
    }
    if field["x-kubernetes-int-or-string"] == true {
        return "integer or word".to_owned();
    }
    match field["type"].as_str().unwrap() {
        "array" => format!("list of {}", kind(&field["items"])),
        "object" if field["additionalProperties"].is_object() => "map of text to text".to_owned(),
        "string" => field["maxLength"]
            .as_u64()
            .map_or("text".to_owned(), |max| format!("text, at most {max} characters")),
        other => other.to_owned(),
    }
}

fn text(field: &Value) -> String {
    field["description"].as_str().unwrap_or_default().replace('|', "\\|")
}

/// What the pages about the ledger tell people to type is understood. What it needs is not here, so
/// it may well fail.
#[test]
fn commands_about_the_ledger_are_commands() {
    let folder = tempfile::tempdir().unwrap();
    let mut typed = 0;
    for page in ["audit", "audit-export", "forwarding"] {
        let text = fs::read_to_string(format!("docs/{page}.md")).unwrap();
        let text = text.replace("\\\n", " ");
        for line in text.lines().map(str::trim).filter(|line| line.starts_with("postern audit ")) {
            let words = line.split(" > ").next().unwrap().split(" >> ").next().unwrap();
            let words = words.split(" | ").next().unwrap().split_whitespace().skip(1);
            let words = words.map(|word| word.trim_matches('\''));
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
            command.env_clear().env("POSTERN_LEDGER", "sqlite:none.db").args(words);
            let output = command.current_dir(folder.path()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "docs/{page}.md: {line}\n{said}");
            typed += 1;
        }
    }
    assert!(typed >= 4, "{typed}");
}
