//! How long one whole decision takes: bytes in, verdict, patch, bytes out.
//!
//! No socket and no ledger. `docs/performance.md` says what the numbers mean.

#[path = "material/policies.rs"]
mod policies;
#[path = "material/review.rs"]
mod review;

use std::hint::black_box;

use anyhow::{Context, ensure};
use criterion::{BenchmarkId, Criterion, Throughput};
use postern::admission::decode::{Subject, decode};
use postern::admission::respond::respond;
use postern::folder;
use postern::gate::lookup::bring_documents;
use postern::gate::{Phase, Reason, judge};
use postern::policy::rule::Enforcement;
use postern::policy::set::PolicySet;
use uuid::Uuid;

use review::Case;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COUNTS: [usize; 3] = [1, 100, 1_000];

/// What is measured: a name, the phase, the review, and why the answer is what it is.
const CASES: [(&str, Phase, Case, Reason); 5] = [
    ("mutate, hardened", Phase::Mutate, Case::Allowed, Reason::Passed),
    ("mutate, faulty", Phase::Mutate, Case::Faulty, Reason::Structural),
    ("mutate, refused later", Phase::Mutate, Case::Refused, Reason::Passed),
    ("validate, allowed", Phase::Validate, Case::Allowed, Reason::Permitted),
    ("validate, refused", Phase::Validate, Case::Refused, Reason::Policy),
];

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, phase, case, reason) in CASES {
        let body = match phase {
            Phase::Mutate => review::mutate(case)?,
            Phase::Validate => review::validate(case)?,
        };
        let body = body.as_bytes();
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(u64::try_from(body.len())?));
        for count in COUNTS {
            let set = folder::load_text("policies", &policies::policies(count))?;
            is_as_meant(&set, phase, body, reason).with_context(|| format!("{name}, {count}"))?;
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter(|| decision(&set, phase, black_box(body)));
            });
        }
    }
    expressions(&mut criterion)?;
    parts(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// What the gate does between the socket and the ledger.
fn decision(set: &PolicySet, phase: Phase, body: &[u8]) -> Option<Vec<u8>> {
    let mut review = decode(body).ok()?;
    if let Subject::Debug(debug) = &mut review.subject {
        bring_documents(set, debug, body);
    }
    let judgement = judge(Some(set), phase, review, Enforcement::Enforce);
    let id = judgement.is_decision().then(Uuid::now_v7);
    let (response, notes) = judgement.response(id);
    Some(respond(judgement.review.version, &judgement.review.uid, &response, &notes))
}

/// A benchmark of something else than what it says would be worse than none.
fn is_as_meant(set: &PolicySet, phase: Phase, body: &[u8], reason: Reason) -> anyhow::Result<()> {
    let judgement = judge(Some(set), phase, decode(body)?, Enforcement::Enforce);
    ensure!(judgement.reason == reason, "{:?}, not {reason:?}", judgement.reason);
    let hardened = phase == Phase::Mutate && judgement.verdict.is_some_and(|it| it.allows());
    let judgement = judge(Some(set), phase, decode(body)?, Enforcement::Enforce);
    ensure!(hardened == (judgement.changes() > 0), "{} changes", judgement.changes());
    Ok(())
}

/// What an expression adds to a decision among 100 policies: one that reads the container, and one
/// for which the whole pod has to be read once more.
fn expressions(criterion: &mut Criterion) -> anyhow::Result<()> {
    let body = review::validate(Case::Allowed)?;
    let body = body.as_bytes();
    let mut group = criterion.benchmark_group("validate, allowed, 100 policies");
    for (name, rule) in [
        ("no rule", None),
        ("a rule on the container", Some("!container.image.endsWith(':latest')")),
        ("a rule on the pod", Some("pod.spec.?hostNetwork.orValue(false) == false")),
    ] {
        let set = policies::policies(100) + &rule.map(require).unwrap_or_default();
        let set = folder::load_text("policies", &set)?;
        group.bench_function(name, |bencher| {
            bencher.iter(|| decision(&set, Phase::Validate, black_box(body)));
        });
    }
    group.finish();
    Ok(())
}

/// A Require with one rule, for everybody.
fn require(expression: &str) -> String {
    format!(
        "---\n{{apiVersion: postern.dev/v1alpha1, kind: DebugPolicy, metadata: {{name: a-rule}}, \
         spec: {{effect: Require, \
         containers: {{rules: [{{name: it, expression: \"{expression}\"}}]}}}}}}\n"
    )
}

/// Where the time of the first case goes.
fn parts(criterion: &mut Criterion) -> anyhow::Result<()> {
    let body = review::mutate(Case::Allowed)?;
    let body = body.as_bytes();
    let mut group = criterion.benchmark_group("parts of mutate, hardened");
    group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(body))));
    group.bench_function("skip all of it", |bencher| {
        bencher.iter(|| serde_json::from_slice::<serde::de::IgnoredAny>(black_box(body)));
    });
    group.finish();
    Ok(())
}
