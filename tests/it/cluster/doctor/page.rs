//! The page about findings, and the picture that a terminal shows.

use std::fmt::Write as _;

use postern::doctor::Code;

use super::ward;
use crate::documented::is_page;

const MARK: &str = "<!-- codes: UPDATE_DOCS=1 cargo test --test it the_doctor_page -->\n";

#[test]
fn the_doctor_page_has_every_code() {
    let page = std::fs::read_to_string("docs/doctor.md").unwrap();
    let head = page.split(MARK).next().unwrap();
    let mut text = format!("{head}{MARK}| code | severity | what it means | what to do |\n");
    text.push_str("| --- | --- | --- | --- |\n");
    for code in Code::ALL {
        let (name, severity) = (code.as_str(), code.severity().as_str());
        let remedy = code.remedy().replace('|', "\\|");
        writeln!(text, "| `{name}` | {severity} | {} | {remedy} |", code.meaning()).unwrap();
    }
    is_page("docs/doctor.md", &text);
}

#[test]
fn a_terminal_shows_the_worst_first() {
    let mut ward = ward();
    ward.admin("delete validatingwebhookconfiguration postern");
    ward.cluster.settle_webhooks();
    let asked = ward.doctor("admin", "-n shop --as alice --as-group dev");
    assert_eq!(asked.status, Some(1));
    assert_eq!(asked.stderr, "");
    // How often a webhook was done without depends on what other tests have done.
    let parts = asked.stdout.split("\n\n").filter(|part| !part.contains("[fail-open]"));
    let mut parts: Vec<_> = parts.collect();
    let last = parts.pop().unwrap();
    assert!(last.starts_with("NOT guarded: 2 critical, "), "{last}");
    assert!(last.ends_with(" info (--fail-on medium)\n"), "{last}");
    insta::assert_snapshot!("doctor", parts.join("\n\n"));

    // What it says to try by hand gets as far as Postern, with whom was tried.
    let command = asked.stdout.split_once("never starts: kubectl ").unwrap().1.lines().next();
    ward.mend();
    let tried = ward.cluster.kubectl("admin").args(command.unwrap().split(' ')).run();
    assert!(
        tried.stderr.contains("admission webhook \"validate.postern.dev\" denied"),
        "{tried:?}"
    );
    assert!(tried.stderr.contains("(policy developers)"), "{tried:?}");
}
