//! Pages that are written by tests, and the one of the policy language's fields.

mod threats;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use postern::crd;
use serde_json::Value;

use super::cluster::support::built_by;

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

/// Whatever a page tells people to type is a command of that program, flags and all. It is asked
/// for its help, so that nothing is done.
#[test]
fn each_command_of_the_docs_is_one() {
    let kubectl = built_by("tests/cluster/build.sh", &["kubectl"]).join("kubectl");
    let mut typed = 0;
    for (page, text) in pages() {
        for line in shell_lines(&text) {
            let words = words(&line);
            let (program, arguments) = match words.iter().map(String::as_str).next() {
                Some("postern") => (Path::new(env!("CARGO_BIN_EXE_postern")), &words[1..]),
                Some("kubectl") => (kubectl.as_path(), &words[1..]),
                _ => continue,
            };
            let given =
                arguments.iter().filter(|word| *word != "…").take_while(|word| *word != "--");
            let asked =
                Command::new(program).env_clear().args(given).arg("--help").output().unwrap();
            let said = String::from_utf8_lossy(&asked.stderr);
            assert!(asked.status.success(), "{page}: {line}\n{said}");
            typed += 1;
        }
    }
    assert!(typed >= 20, "{typed}");
}

/// Policies, pods and cases that a page shows are those of its folder.
#[test]
fn the_first_policy_is_the_one_that_is_tried() {
    let page = fs::read_to_string("docs/first-policy.md").unwrap();
    for file in ["policies", "pod", "cases"] {
        let text = fs::read_to_string(format!("docs/first-policy/{file}.yaml")).unwrap();
        assert!(page.contains(&format!("```yaml\n{text}```")), "{file}.yaml is not as it is shown");
    }
}

/// A page links to no file that is not there.
#[test]
fn links_between_pages_lead_somewhere() {
    for (page, text) in pages() {
        let folder = Path::new(&page).parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let is_elsewhere = link.is_empty() || link.contains("://") || link.contains(' ');
            assert!(is_elsewhere || folder.join(link).exists(), "{page} links to {link}");
        }
    }
}

/// Every page that people read, with its text.
fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let others = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(PathBuf::from);
    pages
        .chain(others)
        .map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The lines in the shell blocks of a page, those that go on joined.
fn shell_lines(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let joined = blocks.map(|block| block.replace("\\\n", " "));
    joined.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// As a shell takes them, up to where something else begins.
fn words(line: &str) -> Vec<String> {
    let ends = [" | ", " > ", " >> ", " && ", " < ", " # "];
    let end = ends.iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
    let command = format!("printf '%s\\0' {}", &line[..end]);
    let split = Command::new("sh").args(["-fc", &command]).output().unwrap();
    let text = String::from_utf8(split.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}
