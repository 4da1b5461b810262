//! Records and ledgers to test with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use postern::ledger::{
    Change, EnvVar, Finding, Image, Injection, Mount, Outcome, Phase, Pod, Policy, Privileges,
    Query, Record, Requester, Timings,
};
use postern::store::{AnyLedger, Location};
use tempfile::TempDir;
use uuid::{Builder, Uuid};

/// The `number`th decision: an hour of the 24th of November 2026 that never changes.
pub(super) fn time(number: u64) -> Timestamp {
    let start: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(i64::try_from(number).unwrap())
}

/// An id that belongs to that time, and is the same in every run.
pub(super) fn id(number: u64) -> Uuid {
    let milliseconds = u64::try_from(time(number).as_millisecond()).unwrap();
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
}

/// A decision with everything in it. `writer` and `sequence` are the ledger's to fill in.
pub(super) fn record(number: u64) -> Record {
    Record {
        id: id(number),
        time: time(number),
        cluster: "staging".to_owned(),
        writer: String::new(),
        sequence: 0,
        amends: None,
        review_uid: format!("review-{number}"),
        phase: Phase::Validate,
        surface: "EphemeralContainer".to_owned(),
        operation: "UPDATE".to_owned(),
        requester: Requester {
            username: "jane@example.com".to_owned(),
            uid: "u-17".to_owned(),
            groups: vec!["dev".to_owned(), "system:authenticated".to_owned()],
            extra: [("scopes".to_owned(), vec!["debug".to_owned()])].into(),
        },
        namespace: "payments".to_owned(),
        pod: Pod {
            name: "payments-api-7d4b9-x2x1k".to_owned(),
            uid: "p-1".to_owned(),
            owner: "ReplicaSet/payments-api-7d4b9".to_owned(),
            node: "node-a".to_owned(),
            service_account: "payments-api".to_owned(),
        },
        evidence: None,
        injections: vec![injection("busybox:1.36")],
        injections_total: 1,
        verdict: Outcome::Allowed,
        answer: Outcome::Allowed,
        enforcement: "Enforce".to_owned(),
        findings: Vec::new(),
        justification: Some("INC-4711".to_owned()),
        message: None,
        timings: Timings { judge_us: 180 },
    }
}

/// The same, refused, with the text that was sent.
pub(super) fn refusal(number: u64) -> Record {
    let mut record = record(number);
    record.verdict = Outcome::Refused;
    record.answer = Outcome::Refused;
    for injection in &mut record.injections {
        injection.permitted_by = None;
        injection.changes.clear();
    }
    record.findings = vec![Finding {
        container: "debugger-x7k2p".to_owned(),
        policy: Some(policy("developers")),
        enforcement: "Enforce".to_owned(),
        constraint: "spec.containers.images.allow".to_owned(),
        message: "image `busybox:1.36` is not approved here".to_owned(),
    }];
    record.message = Some(
        "container \"debugger-x7k2p\": image `busybox:1.36` is not approved here\n  \
         approved: registry.example.com/debug/**"
            .to_owned(),
    );
    record
}

pub(super) fn injection(image: &str) -> Injection {
    let (repository, tag) = image.split_once(':').unwrap_or((image, "latest"));
    Injection {
        name: "debugger-x7k2p".to_owned(),
        image: image.to_owned(),
        image_parsed: Some(Image {
            registry: "docker.io".to_owned(),
            repository: format!("library/{repository}"),
            tag: Some(tag.to_owned()),
            digest: None,
        }),
        target: Some("app".to_owned()),
        privileges: Privileges {
            pod_security: "baseline".to_owned(),
            privileged: false,
            capabilities: vec!["SYS_PTRACE".to_owned()],
            run_as_user: Some(1000),
            run_as_non_root: Some(true),
            allow_privilege_escalation: Some(false),
        },
        env: vec![EnvVar { name: "DEBUG_REASON".to_owned(), source: "value".to_owned() }],
        mounts: vec![Mount {
            volume: "data".to_owned(),
            kind: "emptyDir".to_owned(),
            path: "/data".to_owned(),
            writable: false,
        }],
        command: vec!["sh".to_owned(), "-c".to_owned(), "ps aux".to_owned()],
        interactive: true,
        container: None,
        permitted_by: Some(policy("developers")),
        changes: vec![Change {
            field: "securityContext.runAsNonRoot".to_owned(),
            value: "true".to_owned(),
        }],
    }
}

fn policy(name: &str) -> Policy {
    Policy {
        name: name.to_owned(),
        uid: Some("7c9e".to_owned()),
        generation: Some(3),
        hash: "3b1f".repeat(16),
    }
}

/// Every record, newest first.
pub(super) fn all() -> Query {
    Query { limit: usize::MAX, ..Query::default() }
}

/// A folder that is gone after the test, with a place for a ledger in it.
pub(crate) struct Place {
    pub(super) folder: TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Two folders deep: the ledger makes them.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("var/lib/postern.db")
    }

    pub(crate) fn location(&self) -> Location {
        Location::Sqlite(self.file())
    }

    pub(super) async fn open(&self) -> AnyLedger {
        AnyLedger::open(&self.location(), "postern-0").await.unwrap()
    }

    pub(super) async fn read(&self) -> AnyLedger {
        AnyLedger::open_read_only(&self.location()).await.unwrap()
    }
}

/// Runs a statement beside the ledger, as somebody with a database shell would.
pub(super) async fn execute(file: &Path, sql: &'static str) {
    use sqlx::{ConnectOptions, Connection};

    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within ten seconds: {what}");
}
