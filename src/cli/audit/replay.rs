//! `postern audit replay`

mod unrecorded;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::filter::{Filter, spelled};
use super::{Source, Unreadable, note};
use crate::admission::decode::Subject;
use crate::cli::check::examine::{Examination, examine};
use crate::cli::check::{Asked, Phases};
use crate::cli::{Form, Outcome, print};
use crate::folder;
use crate::ledger::{self, Evidence, Record};
use crate::policy::circumstances::{Circumstances, Right};
use crate::policy::request::{DebugRequest, EnvSource, EnvVar, Fact};
use crate::policy::set::PolicySet;
use crate::policy::text::{Line, Plain};
use crate::policy::verdict::Objection;
use crate::store::AnyLedger;

/// Judge recorded requests by other policies, and show whose answer would be another
///
/// The containers are judged as they were stored, with what the old policies had filled in. Of the
/// values of variables only the reason is recorded, and taken for the one that these policies ask
/// for. Who was let in or refused only for what is not recorded cannot be judged again: a reason
/// where none is, or where several containers gave one or it was cut; how many were added within
/// the hour, a right to use a policy or the labels of a namespace where no policy had asked; and
/// what expressions read of containers that is not kept, as `workingDir`, values and keys of
/// variables, `command` and `args` of one that had any. What was refused for how it was built stays
/// refused. What counts is what was answered: below `--enforcement Enforce` policies refused
/// nobody, and a decision that was taken back was a refusal.
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    #[command(flatten)]
    source: Source,
    /// Files or folders of the policies to judge by; may be given again
    #[arg(long, short, value_name = "PATH", required = true)]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    /// Lines to read, or an object for each decision whose answer would be another
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Form,
}

/// How many came out how.
#[derive(Debug, Default)]
struct Sum {
    same: u64,
    other: u64,
    unknown: u64,
}

impl Replay {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let policies = folder::load(&self.policies)?;
        if policies.policies().is_empty() {
            note("no policies were found, so nothing is permitted");
        }
        if policies.asks_for_documents().is_some() {
            note(
                "some of these policies have expressions: of pods, the ledger holds only what \
                 other rules read, and what it does not hold they find missing",
            );
        }
        let mut panel = Panel::new(policies);
        let query = self.filter.query(Timestamp::now())?;
        let ledger =
            self.source.open_for_reading(format!("audit replay{}", spelled(&query))).await?;
        let (mut sum, mut unreadable) = (Sum::default(), Unreadable::default());
        let mut taken_back = BTreeSet::new();
        let mut pages = ledger.pages(query, None);
        while let Some(page) = pages.next().await? {
            for stored in &page {
                match stored.record() {
                    // It was judged as the newer record says that takes it back.
                    Ok(record) if taken_back.remove(&record.id) => {}
                    Ok(record) => {
                        taken_back.extend(record.amends);
                        print(&self.judge(&mut panel, &ledger, &record, &mut sum).await?)?;
                    }
                    Err(error) => unreadable.add(error.into()),
                }
            }
        }
        ledger.close().await;
        let Sum { same, other, unknown } = sum;
        note(&format!("{other} would be answered otherwise, {same} the same"));
        if unknown > 0 {
            note(&format!(
                "{unknown} cannot be judged again: no policy was asked, or too little is recorded"
            ));
        }
        unreadable.fail()?;
        Ok(Outcome::Done)
    }

    /// What to print about one decision: nothing where it would be the same.
    async fn judge(
        &self,
        panel: &mut Panel,
        ledger: &AnyLedger,
        record: &Record,
        sum: &mut Sum,
    ) -> anyhow::Result<String> {
        if unrecorded::is_structural(record) {
            sum.same += 1;
            return Ok(String::new());
        }
        let (Some(review), Some(evidence)) = (record.review(), &record.evidence) else {
            sum.unknown += 1;
            return Ok(String::new());
        };
        let reason = record.justification.as_deref().unwrap_or_default();
        let policies = &panel.asked.policies;
        let body = serde_json::to_vec(&with_reason(review, reason, policies))?;
        let (examination, open) = panel
            .examine(record, evidence, &body)
            .with_context(|| format!("decision {}", record.id))?;
        if open {
            sum.unknown += 1;
            return Ok(String::new());
        }
        let now = match examination.allows() {
            true => ledger::Outcome::Allowed,
            false => ledger::Outcome::Refused,
        };
        let mut before = record.answer;
        // The record that takes it back may not be among those that were asked for.
        if now != before && ledger.amendment(record.id).await?.is_some() {
            before = ledger::Outcome::Refused;
        }
        if now == before {
            sum.same += 1;
            return Ok(String::new());
        }
        sum.other += 1;
        let why = reasons(&examination);
        Ok(match self.output {
            Form::Text => text(record, (before, now), &why)?,
            Form::Json => {
                let changed = json!({
                    "id": record.id, "time": record.time, "user": record.requester.username,
                    "namespace": record.namespace, "pod": record.pod.name,
                    "before": before, "now": now, "reasons": why,
                });
                format!("{}\n", ledger::json::printable(&changed.to_string()))
            }
        })
    }
}

/// Whoever judges by these policies.
struct Panel {
    asked: Asked,
    /// By what they would be at best where the labels of a namespace are not known.
    at_best: Asked,
}

impl Panel {
    fn new(policies: PolicySet) -> Self {
        let asked =
            |policies| Asked { policies, circumstances: Circumstances::default(), cluster: None };
        let at_best = asked(unrecorded::at_best(&policies));
        Self { asked: asked(policies), at_best }
    }

    /// What they say, and whether it hangs on what is not recorded. Nothing that is unknown helps a
    /// request, so whoever is allowed is so whatever it was. Who is refused even with every right,
    /// in the most favourable namespace, and having added nothing before, is refused for other
    /// reasons.
    fn examine(
        &mut self,
        record: &Record,
        evidence: &Evidence,
        body: &[u8],
    ) -> anyhow::Result<(Examination, bool)> {
        let Self { asked, at_best } = self;
        asked.circumstances = circumstances(&asked.policies, record, evidence);
        let examination = examine(asked, Phases::Both, body)?;
        let open = is_open(record, &asked.policies, &examination);
        let Some(circumstances) = favourable(&asked.policies, &asked.circumstances) else {
            return Ok((examination, open));
        };
        if open || examination.allows() {
            return Ok((examination, open));
        }
        let asked = if evidence.namespace_labels.is_some() { asked } else { at_best };
        asked.circumstances = circumstances;
        let examination = examine(asked, Phases::Both, body)?;
        let open = examination.allows() || is_open(record, &asked.policies, &examination);
        Ok((examination, open))
    }
}

/// With the reason that is recorded where these policies look for one.
fn with_reason(mut review: Value, reason: &str, policies: &PolicySet) -> Value {
    let asked = policies.policies().iter().filter_map(|it| it.constraints.justification.as_ref());
    let asked: BTreeSet<_> = asked.map(|it| it.env.as_str()).collect();
    let is_asked = |variable: &Value| {
        let name = variable.get("name").and_then(Value::as_str);
        name.is_some_and(|name| asked.contains(name))
    };
    let containers = review.pointer_mut("/request/object/spec/ephemeralContainers");
    let containers = containers.and_then(Value::as_array_mut).into_iter().flatten();
    let env = containers.filter_map(|it| it.get_mut("env").and_then(Value::as_array_mut));
    for variable in env.flatten().filter(|variable| is_asked(variable)) {
        // What comes from elsewhere is no reason.
        if let Some(value) = variable.get_mut("value") {
            *value = reason.into();
        }
    }
    review
}

/// Whether policies look for what nobody recorded: a reason where there was a text, or where that
/// was longer or one of several, or a field that only expressions read.
fn is_open(record: &Record, policies: &PolicySet, examination: &Examination) -> bool {
    let read = |request| unrecorded::reads_it(record, policies, request);
    if requests(examination).any(read) {
        return true;
    }
    let missing = Objection::JustificationMissing { env: String::new() };
    let was_missing = || record.findings.iter().any(|it| it.constraint == missing.constraint());
    let is_cut = |reason: &str| reason.chars().count() >= ledger::MAX_REASON_CHARS;
    requests(examination).any(|request| {
        let speaking = policies.speaking_to(request);
        let asked = speaking.iter().filter_map(|it| it.constraints.justification.as_ref());
        let asked: BTreeSet<_> = asked.map(|it| it.env.as_str()).collect();
        let is_reason = |it: &EnvVar| {
            asked.contains(it.name.as_str()) && matches!(it.source, EnvSource::Value(_))
        };
        let given = request.injections.iter().filter(|it| it.env.iter().any(is_reason)).count();
        match (&record.justification, given) {
            (_, 0) => false,
            (None, _) => !was_missing(),
            (Some(reason), 1) => is_cut(reason),
            (Some(_), _) => true,
        }
    })
}

fn requests(examination: &Examination) -> impl Iterator<Item = &DebugRequest> {
    examination.steps.iter().filter_map(|step| match &step.judgement.review.subject {
        Subject::Debug(debug) => Some(&debug.request),
        _ => None,
    })
}

fn text(
    record: &Record,
    (before, now): (ledger::Outcome, ledger::Outcome),
    why: &[String],
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let word = |outcome| match outcome {
        ledger::Outcome::Allowed => "allowed",
        ledger::Outcome::Refused => "refused",
    };
    let Record { id, time, requester, namespace, pod, .. } = record;
    let (user, namespace, pod) = (Plain(&requester.username), Plain(namespace), Plain(&pod.name));
    let (before, now) = (word(before), word(now));
    writeln!(text, "{id} {time:.0} {user} {namespace}/{pod}: {before}, now {now}")?;
    for why in why {
        writeln!(text, "  {}", Line(why))?;
    }
    Ok(text)
}

/// Objections of the policies that judged now.
fn reasons(examination: &Examination) -> Vec<String> {
    let mut verdicts = examination.steps.iter().filter_map(|step| step.judgement.verdict.as_ref());
    let last = verdicts.next_back();
    let rulings = last.iter().flat_map(|verdict| &verdict.rulings);
    let findings = rulings.flat_map(|ruling| &ruling.findings);
    findings.map(|finding| finding.objection.to_string()).collect()
}

/// The same with what policies want to know and nobody does as favourable as can be; nothing where
/// all of it is known.
fn favourable(policies: &PolicySet, known: &Circumstances) -> Option<Circumstances> {
    let Circumstances { namespace_labels, rights, added_last_hour, .. } = known;
    let is_unknown = |right: &Right| *right == Right::Unknown;
    let wanted = policies.asks_for_namespaces() && namespace_labels.known().is_none()
        || policies.asks_for_rates() && added_last_hour.known().is_none()
        || rights.values().any(is_unknown);
    wanted.then(|| {
        let mut favourable = known.clone();
        let rights = favourable.rights.values_mut();
        rights.filter(|right| is_unknown(right)).for_each(|right| *right = Right::Granted);
        if added_last_hour.known().is_none() {
            favourable.added_last_hour = Fact::Known(0);
        }
        favourable
    })
}

fn circumstances(policies: &PolicySet, record: &Record, evidence: &Evidence) -> Circumstances {
    let asking = policies.policies().iter().filter(|policy| policy.authorize);
    let rights: BTreeMap<_, _> = asking
        .map(|policy| {
            let right = match evidence.rights.get(&policy.id.name) {
                Some(true) => Right::Granted,
                Some(false) => Right::Denied,
                None => Right::Unknown,
            };
            (policy.id.name.clone(), right)
        })
        .collect();
    let labels = evidence.namespace_labels.clone();
    Circumstances {
        now: Fact::Known(record.time),
        namespace_labels: labels.map_or(Fact::Unknown, Fact::Known),
        rights,
        added_last_hour: evidence.added_last_hour.map_or(Fact::Unknown, Fact::Known),
    }
}
