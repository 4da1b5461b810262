//! What a terminal showed, in a form that two runs share.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::support::Output;

/// Whatever differs from run to run, and what stands for it.
static PLACEHOLDERS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<decision>"),
        (r"\bdebugger-[a-z0-9]{5}\b", "debugger-xxxxx"),
        (r"127\.0\.0\.1:[0-9]{2,5}\b", "127.0.0.1:<port>"),
        (r"containerd://[0-9a-f]{64}", "containerd://<id>"),
        (r"sha256:[0-9a-f]{64}", "sha256:<digest>"),
        (r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} [\d:]{8} \+0000", "<time>"),
        (r"\| +\d+ root ", "|   <pid> root "),
    ]
    .map(|(pattern, stand_in)| (Regex::new(pattern).unwrap(), stand_in))
    .into()
});

/// What was typed and what came back, in order.
#[derive(Debug, Default)]
pub(super) struct Transcript(String);

impl Transcript {
    /// A line of the test's own, between what happens.
    pub(super) fn note(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0 += &format!("# {text}\n");
    }

    /// One command of one user.
    pub(super) fn command(&mut self, user: &str, line: &str, output: &Output) {
        if !self.0.is_empty() && !self.0.trim_end().ends_with(['#', ':']) {
            self.0.push('\n');
        }
        self.0 += &format!("{user}$ {line}\n");
        self.stream("out", &without_whole_pods(&output.stdout));
        self.stream("err", &output.stderr);
        let code = output.status.map_or("none".to_owned(), |code| code.to_string());
        self.0 += &format!("exit {code}\n");
    }

    /// The records of a ledger, one or more lines each.
    pub(super) fn ledger(&mut self, records: &[Value]) {
        self.note(if records.is_empty() { "The ledger: nothing" } else { "The ledger" });
        for record in records {
            self.0 += &entry(record);
        }
    }

    /// The text, with placeholders.
    pub(super) fn text(&self) -> String {
        PLACEHOLDERS.iter().fold(self.0.clone(), |text, (pattern, stand_in)| {
            pattern.replace_all(&text, *stand_in).into_owned()
        })
    }

    /// Every decision that was named on the terminal.
    pub(super) fn decisions(&self) -> Vec<String> {
        let named = Regex::new("decision ([0-9a-f-]{36})").unwrap();
        named.captures_iter(&self.0).map(|captures| captures[1].to_owned()).collect()
    }

    fn stream(&mut self, name: &str, text: &str) {
        for line in text.lines() {
            self.0 += &format!("{}\n", format!("{name}| {line}").trim_end());
        }
    }
}

/// What `kubectl replace --raw` prints is the whole pod, most of it different every time.
fn without_whole_pods(stdout: &str) -> String {
    let Ok(pod) = serde_json::from_str::<Value>(stdout) else { return stdout.to_owned() };
    let containers = pod.pointer("/spec/ephemeralContainers").and_then(Value::as_array);
    let names: Vec<_> =
        containers.into_iter().flatten().map(|container| show(&container["name"])).collect();
    format!("({} with ephemeral containers {})", show(&pod["kind"]), names.join(", "))
}

/// `Refused at Validate: alice, pod api, …` and below it what was found and changed.
fn entry(record: &Value) -> String {
    let text = |pointer: &str| {
        record.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let list = |value: &Value, field: &str| -> Vec<Value> {
        value.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let mut lines = format!(
        "{} at {}: {}, pod {}\n",
        text("/answer"),
        text("/phase"),
        text("/requester/username"),
        text("/pod/name")
    );
    for injection in list(record, "injections") {
        let by = injection.pointer("/permittedBy/name").and_then(Value::as_str);
        let by = by.map(|policy| format!(", permitted by {policy}")).unwrap_or_default();
        let field = |name: &str| injection[name].as_str().unwrap_or_default().to_owned();
        lines += &format!("  adds {} ({}){by}\n", field("name"), field("image"));
        for change in list(&injection, "changes") {
            lines += &format!("    {} is {}\n", show(&change["field"]), show(&change["value"]));
        }
    }
    for finding in list(record, "findings") {
        let policy = finding.pointer("/policy/name").and_then(Value::as_str).unwrap_or("-");
        lines += &format!(
            "  {}: {policy}, {}: {}\n",
            show(&finding["enforcement"]),
            show(&finding["constraint"]),
            show(&finding["message"])
        );
    }
    if let Some(reason) = record["justification"].as_str() {
        lines += &format!("  because {reason}\n");
    }
    lines
}

fn show(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
