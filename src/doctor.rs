//! Layer 4, `postern doctor`: from what was seen of a cluster to what is wrong with its door.
//!
//! Nothing here asks anybody anything. [`survey::Survey`] is what was seen, [`diagnose`] says what
//! it means. Users read "finding"; in the code that word is a policy's, so it is a [`Diagnosis`].

mod access;
mod api_server;
mod backend;
mod certificate;
mod code;
mod debuggers;
mod hooks;
mod others;
mod policies;
pub mod rbac;
mod schema;
pub mod selector;
pub mod survey;
mod trial;

use std::collections::HashSet;

use jiff::Timestamp;

pub use certificate::authorities;
pub use code::Code;
pub use debuggers::anybody;
pub use trial::is_conclusive;

use survey::{Survey, Unseen};

/// How bad it is. Ordered from harmless to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// To know, nothing to do.
    Info,
    /// It would be better otherwise.
    Low,
    /// It weakens the guard, or will.
    Medium,
    /// The guard does not hold, for some or at times.
    High,
    /// The door is open.
    Critical,
}

impl Severity {
    /// Each, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// As reports spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// One thing that is wrong, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What kind of thing.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What, in one sentence.
    pub what: String,
    /// What was read to say so.
    pub evidence: Vec<Evidence>,
    /// A command or a piece of YAML, or what to do in words.
    pub remedy: String,
}

/// Something that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Of what: `ValidatingWebhookConfiguration/postern`.
    pub object: String,
    /// Where in it: `webhooks[0].failurePolicy`.
    pub field: String,
    /// What was there.
    pub value: String,
}

impl Diagnosis {
    /// One of the code's usual severity.
    fn new(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            what: what.into(),
            evidence: Vec::new(),
            remedy: code.remedy().to_owned(),
        }
    }

    fn at(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    fn seen(
        mut self,
        object: impl Into<String>,
        field: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let (object, field, value) = (object.into(), field.into(), value.into());
        self.evidence.push(Evidence { object, field, value });
        self
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }
}

/// Says what is wrong, the worst first.
#[must_use]
pub fn diagnose(survey: &Survey, now: Timestamp) -> Vec<Diagnosis> {
    let parts = [
        trial::diagnose(survey),
        hooks::diagnose(survey),
        backend::diagnose(survey),
        certificate::diagnose(survey, now),
        policies::diagnose(survey),
        api_server::diagnose(survey),
        access::diagnose(survey),
        debuggers::diagnose(survey),
        others::diagnose(survey),
        not_looked_at(&survey.unseen),
    ];
    let mut all = parts.concat();
    // What was found first stays first among equals.
    all.sort_by_key(|diagnosis| core::cmp::Reverse(diagnosis.severity));
    all
}

/// Whether what was found tells anything of the door: its webhook configurations were looked at, or
/// a try was answered by more than a missing right, or by somebody else.
#[must_use]
pub fn tells_of_the_door(survey: &Survey, found: &[Diagnosis]) -> bool {
    let untold = [Code::NotTried, Code::TrialRights, Code::TrialElsewhere];
    survey.hooks.is_some() || !found.iter().any(|it| untold.contains(&it.code))
}

/// What took several questions is told once, with each answer.
fn not_looked_at(unseen: &[Unseen]) -> Vec<Diagnosis> {
    let mut told: Vec<&str> = unseen.iter().map(|it| it.what.as_str()).collect();
    let mut known = HashSet::new();
    told.retain(|what| known.insert(*what));
    let tell = |what: &str| {
        let about = || unseen.iter().filter(move |it| it.what == what);
        let found = Diagnosis::new(Code::NotLookedAt, format!("Not looked at: {what}"));
        let found = about().fold(found, |found, it| found.seen("API server", "answer", &it.answer));
        let mut needs: Vec<&str> = about().map(|it| it.needs.as_str()).collect();
        needs.dedup();
        let needs = needs.join(", ");
        found.remedy(format!(
            "Let whoever runs this {needs}; docs/doctor.md has a ClusterRole for it"
        ))
    };
    told.into_iter().map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_several_questions_is_told_once() {
        let unseen = |what: &str, needs: &str| Unseen {
            what: what.to_owned(),
            needs: needs.to_owned(),
            answer: format!("cannot {needs}"),
        };
        let rights = "who has which rights";
        let found = not_looked_at(&[
            unseen(rights, "list roles"),
            unseen("pods", "list pods"),
            unseen(rights, "list rolebindings"),
        ]);
        let told: Vec<_> = found.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(told, ["Not looked at: who has which rights", "Not looked at: pods"]);
        assert_eq!(found[0].evidence[1].value, "cannot list rolebindings");
        assert!(found[0].remedy.contains("list roles, list rolebindings;"), "{}", found[0].remedy);
    }
}
