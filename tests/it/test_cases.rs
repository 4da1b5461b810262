//! `postern test`: what it prints, how it ends, and what it writes. `postern schema` beside it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use postern::cli::schema;
use serde_json::Value;
use tempfile::TempDir;

const POLICIES: &str = r#"
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: developers}
spec:
  effect: Permit
  match: {subjects: [{kind: Group, name: dev}]}
  containers: {images: {allow: ["busybox:*"]}, capabilities: {allow: [SYS_PTRACE]}}
  defaults: {securityContext: {allowPrivilegeEscalation: false}}
  set: {imagePullPolicy: Always}
---
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: versions}
spec:
  effect: Require
  enforcement: Warn
  containers: {images: {deny: ["**:latest"]}}
"#;

const HEAD: &str = "\
pod: {metadata: {name: web, namespace: shop}, spec: {containers: [{name: web, image: web}]}}
as: ana
asGroups: [dev]
cases:
";

/// Every kind of expectation, and each holds.
const RIGHT: &str = r#"
- name: let in
  debug: kubectl debug web -n shop --image=busybox:1.36 -it -- sh -c 'id; ps'
  expect:
    allowed: true
    permittedBy: [developers]
    refusedBy: []
    constraints: []
    warnings: ["imagePullPolicy"]
    stored:
      name: debugger-check
      command: [sh, -c, id; ps]
      securityContext: {allowPrivilegeEscalation: false, privileged: null}
- name: refused
  debug: kubectl debug web --image=alpine
  expect:
    allowed: false
    permittedBy: []
    refusedBy: [developers]
    constraints: [spec.containers.images.allow]
    message: "`alpine` is not approved"
- name: warned
  debug: kubectl debug web --image=busybox:latest
  expect: {allowed: true, constraints: [spec.containers.images.deny], warnings: [versions]}
"#;

/// Each of them comes otherwise.
const WRONG: &str = r#"
- name: not refused
  debug: kubectl debug web --image=busybox:1.36
  expect:
    allowed: false
    permittedBy: [others]   # by whom
    warnings: []
    message: no
    stored: {image: alpine, tty: true, securityContext: {allowPrivilegeEscalation: true}}
# Comments stay.
- name: "not \e[31m let \u202e in <&\">"
  debug: kubectl debug web --image=alpine
  expect: {allowed: true, refusedBy: [nobody], constraints: [spec.match], stored: {image: alpine}}
"#;

/// Nothing is expected of them yet.
const OPEN: &str = "
- name: open  # a comment
  debug: kubectl debug web --image=alpine  # another
- {name: in brackets, debug: kubectl debug web --image=busybox:1.36}
- name: folded
  debug: >-
    kubectl debug web
    --image=busybox:1.36

# The end.
";

/// Something is wrong with each but the last.
const BAD_VALUES: &str = "\
- name: a
  debug: kubectl debug web --image=x --imgae=y
  expect: {allowed: true}
- name: b
  debug: kubectl debug other --image=x
  expect: {allowed: true}
- name: c
  debug: kubectl debug web --image=x --custom=gone.yaml
  expect: {allowed: true}
- name: d
  review: gone.json
  expect: {allowed: true}
- name: e
  debug: kubectl debug web --image=x -t
  expect: {allowed: true}
- name: f
  debug: kubectl debug web --image=x
- name: two pods
  debug: kubectl debug web --image=x
  pod: two.yaml
  expect: {allowed: true}
- name: g
  review: policies.yaml
  expect: {allowed: true}
- name: fine
  debug: kubectl debug web --image=alpine
  expect: {allowed: false}
";

fn folder(cases: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("policies.yaml"), POLICIES).unwrap();
    fs::write(folder.path().join("cases.yaml"), format!("{HEAD}{cases}")).unwrap();
    folder
}

fn written(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("cases.yaml")).unwrap()
}

fn test(place: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.current_dir(place).arg("test").args(arguments);
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The command's end and all that it printed, for a person to read.
fn transcript(folder: &TempDir, arguments: &[&str]) -> String {
    let (code, out, err) = test(folder.path(), arguments);
    format!("$ postern test {}\n{out}{err}[exit code {}]\n", arguments.join(" "), code.unwrap())
}

#[test]
fn every_kind_of_expectation_can_hold() {
    let folder = folder(RIGHT);
    let (code, out, err) = test(folder.path(), &["."]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.ends_with("\n3 passed, 0 failed\n"), "{out}");
}

#[test]
fn transcripts_of_every_form() {
    let folder = folder(&[RIGHT, WRONG].concat());
    insta::assert_snapshot!("test_text", transcript(&folder, &["cases.yaml"]));
    insta::assert_snapshot!("test_json", transcript(&folder, &["cases.yaml", "-o", "json"]));
    insta::assert_snapshot!("test_junit", transcript(&folder, &["cases.yaml", "-o", "junit"]));
}

#[test]
fn each_expectation_alone_makes_a_case_fail() {
    for wrong in [
        "allowed: false",
        "allowed: true, permittedBy: []",
        "allowed: true, permittedBy: [developers, versions]",
        "allowed: true, refusedBy: [developers]",
        "allowed: true, constraints: [spec.match]",
        "allowed: true, warnings: []",
        "allowed: true, warnings: [imagePullPolicy, more]",
        "allowed: true, message: refused",
        "allowed: true, stored: {image: alpine}",
        "allowed: true, stored: {imagePullPolicy: null}",
        "allowed: true, stored: {command: [sh, -c]}",
        "allowed: true, stored: {securityContext: {allowPrivilegeEscalation: true}}",
        "allowed: true, stored: {novel: 1}",
    ] {
        let debug = "kubectl debug web --image=busybox:1.36 -- sh";
        let folder = folder(&format!("- name: x\n  debug: {debug}\n  expect: {{{wrong}}}\n"));
        let (code, out, _) = test(folder.path(), &["."]);
        assert_eq!(code, Some(1), "{wrong}: {out}");
        assert!(out.ends_with("\n0 passed, 1 failed\n"), "{wrong}: {out}");
    }
}

#[test]
fn update_writes_what_came_and_nothing_else() {
    let folder = folder(&[RIGHT, WRONG, OPEN].concat());
    insta::assert_snapshot!("test_update", transcript(&folder, &["--update", "cases.yaml"]));
    insta::assert_snapshot!("test_updated", written(&folder));
    let once = written(&folder);
    let (code, out, _) = test(folder.path(), &["--update", "."]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.ends_with("\n8 passed, 0 failed\n"), "{out}");
    assert_eq!(written(&folder), once);
}

#[test]
fn a_file_in_json_stays_json() {
    let folder = folder("");
    let pod = r#"{"metadata": {"name": "web"}, "spec": {"containers": []}}"#;
    let debug = r#""debug": "kubectl debug web --image=busybox:1.36""#;
    let cases = format!(
        r#"{{"pod": {pod}, "as": "ana", "asGroups": ["dev"], "cases": [
          {{"name": "a", {debug}}},
          {{"name": "b", {debug}, "expect": {{"allowed": false, "stored": {{"tty": true}}}}}}
        ]}}"#
    );
    fs::write(folder.path().join("more.cases.json"), cases).unwrap();
    let (code, out, err) = test(folder.path(), &["--update", "more.cases.json"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let text = fs::read_to_string(folder.path().join("more.cases.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["cases"][0]["expect"]["permittedBy"][0], "developers");
    assert_eq!(json["cases"][1]["expect"]["allowed"], true);
}

#[test]
fn a_file_keeps_its_line_ends() {
    let folder = folder("");
    let text = format!("{HEAD}{WRONG}{OPEN}").replace('\n', "\r\n");
    fs::write(folder.path().join("cases.yaml"), text).unwrap();
    let (code, out, err) = test(folder.path(), &["--update", "cases.yaml"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let text = written(&folder);
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
    assert!(!text.contains("\r\r"), "{text:?}");
    assert_eq!(test(folder.path(), &["."]).0, Some(0));
}

#[test]
fn what_cannot_be_updated_is_left_alone() {
    let shared = "
- {name: a, debug: kubectl debug web --image=alpine, expect: &no {allowed: true}}
- {name: b, debug: kubectl debug web --image=busybox:1, expect: *no}
";
    let folder = folder(shared);
    let before = written(&folder);
    let right = format!("{HEAD}{RIGHT}");
    fs::write(folder.path().join("other.cases.yaml"), right).unwrap();
    let (code, out, err) = test(folder.path(), &["--update", "."]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("write the expectation by hand"), "{err}");
    assert!(out.ends_with("\n3 passed, 0 failed\n"), "the other file is run: {out}");
    assert_eq!(written(&folder), before);
}

#[test]
fn what_is_wrong_with_a_case_file_is_shown_where_it_is() {
    let cases = [
        ("shape", "- name: x\n  debgu: kubectl debug web\n"),
        ("values", BAD_VALUES),
        (
            "sense",
            "\
- name: a
- name: a
  debug: kubectl debug web --image=x
  review: x.json
- name: b
  review: x.json
  as: bob
- name: c
  debug: kubectl debug web --image=x
  pod: [web]
  assume: {at: tomorrow}
- name: d
  debug: kubectl debug web --image=x
  expect: {allowed: true, stored: [x]}
- name: ''
  debug: kubectl debug web --image=x
",
        ),
        ("types", "- name: x\n  debug: kubectl debug web\n  expect: {allowed: yes}\n"),
        ("nulls", "- name: x\n  debug: kubectl debug web\n  expect:\n"),
        ("syntax", "- name: [x\n"),
        ("empty", "  []\n"),
    ];
    let said = cases.map(|(name, text)| {
        let folder = folder(text);
        fs::write(folder.path().join("two.yaml"), "kind: Pod\n---\nkind: Pod\n").unwrap();
        format!("{name}\n{}", transcript(&folder, &["."]))
    });
    insta::assert_snapshot!("test_faults", said.join("\n"));
}

/// As `check --as ''` is.
#[test]
fn nobody_asks_without_a_name() {
    let ask = "debug: kubectl debug web --image=busybox:1.36, expect: {allowed: true}";
    for nameless in ["as: ''", "asGroups: ['']", "as: '', asGroups: [dev, '']"] {
        let folder = folder(&format!("- {{name: x, {nameless}, {ask}}}\n"));
        let (code, _, err) = test(folder.path(), &["."]);
        let field = nameless.split(':').next().unwrap();
        let said = format!("error: cases[0].{field}: want a name, as in `alice`");
        assert!(code == Some(2) && err.contains(&said), "{nameless}: {err}");
    }
    let folder = folder(&format!("- {{name: x, {ask}}}\n"));
    let text = written(&folder).replace("as: ana", "as: \"\"");
    fs::write(folder.path().join("cases.yaml"), text).unwrap();
    let (code, _, err) = test(folder.path(), &["."]);
    assert!(code == Some(2) && err.contains("error: as: want a name"), "{err}");
}

#[test]
fn a_case_does_not_depend_on_when_it_is_run() {
    let folder =
        folder("- {name: x, debug: kubectl debug web --image=x, expect: {allowed: false}}");
    let policies =
        POLICIES.replace("effect: Permit", "effect: Permit\n  expires: \"2026-01-01T00:00:00Z\"");
    fs::write(folder.path().join("policies.yaml"), policies).unwrap();
    let (code, _, err) = test(folder.path(), &["."]);
    assert_eq!(code, Some(2));
    assert!(err.contains("policy `developers` asks what time it is"), "{err}");
}

#[test]
fn a_recorded_review_may_be_asked() {
    let folder = TempDir::new().unwrap();
    let reviews = fs::canonicalize("tests/corpus/reviews").unwrap();
    let reviews = reviews.to_str().unwrap();
    let cases = format!(
        "policies: [{reviews}/policies.yaml]\ncases:\n- name: forbidden fields\n  \
         review: {reviews}/debug-custom-forbidden-fields.mutate.json\n  \
         expect: {{allowed: false, refusedBy: [], message: ports}}\n- name: nothing is added\n  \
         review: {reviews}/put-no-change.mutate.json\n  expect: {{allowed: true, warnings: []}}\n"
    );
    fs::write(folder.path().join("cases.yaml"), cases).unwrap();
    let (code, out, err) = test(folder.path(), &["."]);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn nothing_at_all_and_misuse_are_no_success() {
    let empty = TempDir::new().unwrap();
    let (code, _, err) = test(empty.path(), &["."]);
    assert_eq!(code, Some(2));
    assert!(err.contains("no case file is in it"), "{err}");
    assert_eq!(test(empty.path(), &["gone"]).0, Some(2));
    assert_eq!(test(empty.path(), &[]).0, Some(64));
    assert_eq!(test(empty.path(), &[".", "-o", "tap"]).0, Some(64));
    let folder = folder(RIGHT);
    fs::write(folder.path().join("policies.yaml"), "kind: x\n").unwrap();
    let (code, out, err) = test(folder.path(), &["."]);
    assert_eq!(code, Some(2), "{out}");
    assert!(err.contains("policies.yaml:1"), "{err}");
}

#[test]
fn a_case_that_cannot_be_judged_is_named_in_every_form() {
    let cases = "
- name: without its pod
  debug: kubectl debug web --image=x
  pod: gone.yaml
  expect: {allowed: true}
- name: refused
  debug: kubectl debug web --image=alpine
  expect: {allowed: false}
";
    let folder = folder(cases);
    let of = |form| transcript(&folder, &["cases.yaml", "-o", form]);
    let bad_pod = ["text", "json", "junit"].map(of);
    fs::write(folder.path().join("policies.yaml"), "kind: x\n").unwrap();
    let bad_policies = ["text", "json", "junit"].map(of);
    insta::assert_snapshot!("test_errors", [bad_pod, bad_policies].concat().join("\n"));
}

#[test]
fn case_files_are_found_below_a_folder_by_their_names() {
    let folder = folder(RIGHT);
    let path = folder.path();
    fs::create_dir_all(path.join("a/b")).unwrap();
    fs::create_dir_all(path.join("a/.hidden")).unwrap();
    let text = written(&folder).replace("pod:", "policies: [../../policies.yaml]\npod:");
    for name in ["a/b/web.cases.yml", "a/.hidden/cases.yaml", "a/b/web.yaml"] {
        fs::write(path.join(name), &text).unwrap();
    }
    std::os::unix::fs::symlink(path, path.join("a/loop")).unwrap();
    let (code, out, err) = test(path, &["."]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.ends_with("\n6 passed, 0 failed\n"), "{out}");
}

#[test]
fn nothing_hostile_reaches_the_terminal() {
    let folder = folder(
        &WRONG.replace("kubectl debug web", r#"kubectl debug web --env='\u001bA=\u009b2J'"#),
    );
    let name = "x\u{1b}[2J.cases.yaml";
    fs::rename(folder.path().join("cases.yaml"), folder.path().join(name)).unwrap();
    fs::write(folder.path().join("y\u{9b}.cases.yaml"), "cases: [\u{1b}[2J, \u{202e}]").unwrap();
    for form in ["text", "json", "junit"] {
        let (_, out, err) = test(folder.path(), &[".", "-o", form]);
        for text in [out, err] {
            let raw = text.chars().find(|&c| c != '\n' && !postern::policy::text::is_plain(c));
            assert_eq!(raw, None, "{form}: {text}");
        }
    }
}

#[test]
fn the_examples_and_the_library_hold_what_their_cases_say() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (code, out, err) = test(here, &["deploy/examples", "deploy/library"]);
    assert_eq!(code, Some(0), "{out}{err}");
    // One file of cases for each file of policies.
    for folder in ["deploy/examples", "deploy/library"] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let stem = path.file_stem().unwrap().to_str().unwrap();
                let cases = format!("{folder}/cases/{stem}.cases.yaml");
                assert!(out.contains(&format!("{cases}:")), "{cases}");
            }
        }
    }
    let whole = postern::folder::load(&["deploy/library".into()]).unwrap();
    assert!(whole.policies().len() >= 9);
}

#[test]
fn the_committed_schemas_are_what_the_command_prints() {
    for (kind, name) in [
        (schema::Kind::Policy, "policy"),
        (schema::Kind::Cases, "cases"),
        (schema::Kind::LedgerRecord, "ledger-record"),
    ] {
        let path = format!("deploy/schemas/{name}.json");
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let printed = schema::text(kind).unwrap();
        assert!(committed == printed, "run `postern schema {name} > {path}`");
    }
}
