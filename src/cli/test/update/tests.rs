use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;

/// A case without expectations in one of many ways of writing it.
fn case(style: usize, number: usize) -> String {
    let name = format!("case {number}");
    match style {
        0 => format!("- name: {name}\n  debug: kubectl debug web\n"),
        1 => format!("-   name: '{name}'   # said\n    debug: kubectl debug web   # typed\n\n\n"),
        2 => format!("- {{name: {name}, debug: kubectl debug web}} # in brackets\n"),
        3 => {
            format!("- {{\n    \"name\": \"{name}\",\n    \"debug\": \"kubectl debug web\"\n  }}\n")
        }
        4 => format!("- name: {name}\n  debug: |\n    kubectl debug \\\n      web\n\n# behind\n"),
        5 => format!("-\n  name: {name}\n  debug: >-\n    kubectl\n    debug web\n"),
        6 => format!(
            "- debug: kubectl debug web\n  asGroups:\n  - dev\n  # last\n  name: \"{name} é\"\n"
        ),
        _ => format!(
            "- name: {name}\n  debug: kubectl debug web\n  pod:\n    metadata: {{name: web}}\n"
        ),
    }
}

/// The same with an expectation, in block or in brackets.
fn with_expectation(case: String, style: usize) -> String {
    match style {
        0 if case.starts_with("- name") && !case.contains("debug: |") => {
            format!(
                "{}\n  expect:\n    # why\n    allowed: true\n    message: |\n      no\n",
                case.trim_end()
            )
        }
        1 if case.starts_with("- name") && !case.contains("debug: |") => {
            format!(
                "{}\n  expect: {{allowed: true,\n    stored: {{a: [1, {{}}]}}}} # so\n",
                case.trim_end()
            )
        }
        _ => case,
    }
}

fn expectations() -> impl Strategy<Value = Expect> {
    let text = || "[ -~é\u{85}\u{2028}]{0,12}|true|[0-9]{1,3}|~|- x|\\PC{0,4}\n\\PC{0,4}";
    let list = || of(vec(text(), 0..3));
    let stored = of(text());
    (any::<bool>(), list(), list(), list(), of(text()), stored).prop_map(
        |(allowed, permitted_by, constraints, warnings, message, stored)| Expect {
            allowed,
            permitted_by,
            refused_by: None,
            constraints,
            warnings,
            message,
            stored: stored.map(|text| json!({"env": [{"name": text, "value": null}], "tty": 1})),
        },
    )
}

proptest! {
    #[test]
    fn however_a_file_is_written_an_update_changes_what_it_should_alone(
        cases in vec((0..8_usize, 0..4_usize, of(expectations())), 1..5),
        end in "(# the end\n)?|\n",
    ) {
        let mut text = "# Begin.\nas: ana\ncases:\n".to_owned();
        let mut new = Vec::new();
        for (number, (style, expected, expect)) in cases.into_iter().enumerate() {
            text.push_str(&with_expectation(case(style, number), expected));
            new.extend(expect.map(|expect| (number, expect)));
        }
        text.push_str(&end);
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("cases.yaml");
        let source = Source::of("cases.yaml", text.clone());
        let source = source.unwrap_or_else(|faults| panic!("{text}\n{faults:?}"));
        if let Err(error) = update(&path, &source, &new) {
            panic!("{text}\n{error:#}");
        }
        let written = fs::read_to_string(&path).unwrap();
        let comments = |text: &str| text.matches("# ").count() - text.matches("# why").count();
        prop_assert_eq!(comments(&written), comments(&text), "{}\n{}", text, written);
    }

    #[test]
    fn no_text_makes_it_panic(
        text in "(cases:\n- )?(name: |debug: |expect: |[ -~\n]{0,9}|[{}\\[\\]:,&*!|>-]){0,12}",
    ) {
        drop(Source::of("x", text));
    }
}
