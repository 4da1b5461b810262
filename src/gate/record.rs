//! A judgement as the ledger keeps it.

use uuid::Uuid;

use super::evidence;
use super::judge::{Judgement, Phase};
use super::{Arrival, GateSettings};
use crate::admission::decode::{Debug, Review};
use crate::admission::respond::Response;
use crate::document;
use crate::ledger;
use crate::policy::pod_security;
use crate::policy::request::{DebugRequest, Injection, PodFacts};
use crate::policy::resolve::carried;
use crate::policy::rule::{Policy, PolicyId};
use crate::policy::verdict::Ruling;

/// How many findings are kept; a request can break as many rules as it likes.
const MAX_FINDINGS: usize = 256;

/// The record of a decision. `writer` and `sequence` are the store's.
pub(super) fn record(
    id: Uuid,
    judgement: &Judgement,
    response: &Response,
    arrival: Arrival,
    settings: &GateSettings,
) -> ledger::Record {
    let Review { uid, operation, user, namespace, name, .. } = &judgement.review;
    let debug = judgement.debug();
    let verdict = judgement.verdict.as_ref();
    let outcome = |yes| if yes { ledger::Outcome::Allowed } else { ledger::Outcome::Refused };
    let message = match response {
        Response::Allow { .. } => None,
        Response::Refuse { message } => Some(message.clone()),
    };
    ledger::Record {
        id,
        time: arrival.time,
        cluster: settings.cluster.clone(),
        writer: String::new(),
        sequence: 0,
        amends: None,
        review_uid: uid.clone(),
        phase: match judgement.phase {
            Phase::Mutate => ledger::Phase::Mutate,
            Phase::Validate => ledger::Phase::Validate,
        },
        surface: "EphemeralContainer".to_owned(),
        operation: operation.clone(),
        requester: ledger::Requester {
            username: user.requester.username.clone(),
            uid: user.uid.clone(),
            groups: user.requester.groups.clone(),
            extra: user.extra.clone(),
        },
        namespace: namespace.clone(),
        pod: pod(name, debug),
        evidence: debug.map(evidence::evidence),
        injections: debug.map(|debug| injections(debug, judgement)).unwrap_or_default(),
        injections_total: debug.map_or(0, |debug| debug.added_total),
        verdict: outcome(verdict.is_some_and(crate::policy::verdict::Verdict::allows)),
        answer: outcome(message.is_none()),
        enforcement: settings.enforcement.as_str().to_owned(),
        findings: findings(judgement),
        justification: verdict
            .and_then(|verdict| verdict.justification.as_ref())
            .map(|text| text.chars().take(ledger::MAX_REASON_CHARS).collect()),
        message,
        timings: ledger::Timings {
            judge_us: u64::try_from(arrival.started.elapsed().as_micros()).unwrap_or(u64::MAX),
        },
    }
}

fn pod(name: &str, debug: Option<&Debug>) -> ledger::Pod {
    let Some(debug) = debug else {
        return ledger::Pod { name: name.to_owned(), ..ledger::Pod::default() };
    };
    ledger::Pod {
        name: name.to_owned(),
        uid: debug.pod.uid.clone(),
        owner: debug.pod.owner.clone(),
        node: debug.pod.node.clone(),
        service_account: debug.pod.service_account.clone(),
    }
}

fn injections(debug: &Debug, judgement: &Judgement) -> Vec<ledger::Injection> {
    let DebugRequest { pod, injections, .. } = &debug.request;
    let rulings = judgement.verdict.as_ref().map(|verdict| verdict.rulings.as_slice());
    injections
        .iter()
        .enumerate()
        .map(|(position, injection)| {
            let ruling = rulings.and_then(|rulings| rulings.get(position));
            let container = debug.added.get(position).map(evidence::container);
            ledger::Injection { container, ..injection_record(injection, pod, ruling) }
        })
        .collect()
}

fn injection_record(
    injection: &Injection,
    pod: &PodFacts,
    ruling: Option<&Ruling>,
) -> ledger::Injection {
    let permit = ruling.filter(|ruling| ruling.allows()).and_then(|ruling| ruling.permit.as_ref());
    ledger::Injection {
        name: injection.name.clone(),
        image: injection.image_asked.clone(),
        image_parsed: injection.image.as_ref().ok().map(|image| ledger::Image {
            registry: image.registry.clone(),
            repository: image.repository.clone(),
            tag: image.tag.clone(),
            digest: image.digest.clone(),
        }),
        target: injection.target.clone(),
        privileges: privileges(injection, pod),
        env: variables(injection),
        mounts: mounts(injection, pod),
        command: injection.argv.clone(),
        interactive: injection.interactive,
        container: None,
        permitted_by: permit.map(|policy| policy_record(&policy.id)),
        changes: permit.map(|policy| changes(policy, injection, pod)).unwrap_or_default(),
    }
}

fn privileges(injection: &Injection, pod: &PodFacts) -> ledger::Privileges {
    let own = &injection.security;
    let inherited = pod.spec.known().map(|spec| &spec.security);
    ledger::Privileges {
        pod_security: pod_security::strictest_level(injection, pod).as_str().to_owned(),
        privileged: own.privileged == Some(true),
        capabilities: own.capabilities_add.clone().unwrap_or_default(),
        run_as_user: own.run_as_user.or_else(|| inherited.and_then(|pod| pod.run_as_user)),
        run_as_non_root: own
            .run_as_non_root
            .or_else(|| inherited.and_then(|pod| pod.run_as_non_root)),
        allow_privilege_escalation: own.allow_privilege_escalation,
    }
}

fn variables(injection: &Injection) -> Vec<ledger::EnvVar> {
    let single = injection.env.iter().map(|variable| ledger::EnvVar {
        name: variable.name.clone(),
        source: variable.source.describe(),
    });
    let many = injection.env_from.iter().map(|from| ledger::EnvVar {
        name: format!("{}*", from.prefix),
        source: from.source.describe(),
    });
    single.chain(many).collect()
}

fn mounts(injection: &Injection, pod: &PodFacts) -> Vec<ledger::Mount> {
    let kind = |volume: &str| pod.volume_kind(volume).unwrap_or_default().to_owned();
    let mounted = injection.mounts.iter().map(|mount| ledger::Mount {
        volume: mount.volume.clone(),
        kind: kind(&mount.volume),
        path: mount.path.clone(),
        writable: !mount.read_only,
    });
    let attached = injection.devices.iter().map(|device| ledger::Mount {
        volume: device.volume.clone(),
        kind: kind(&device.volume),
        path: String::new(),
        writable: true,
    });
    mounted.chain(attached).collect()
}

fn changes(policy: &Policy, injection: &Injection, pod: &PodFacts) -> Vec<ledger::Change> {
    carried(policy, injection, pod)
        .iter()
        .map(|setting| ledger::Change {
            field: setting.path().join("."),
            value: document::value(setting).to_string(),
        })
        .collect()
}

fn findings(judgement: &Judgement) -> Vec<ledger::Finding> {
    let structural = judgement.debug().into_iter().flat_map(|debug| &debug.faults).map(|fault| {
        ledger::Finding {
            container: fault.container.clone(),
            policy: None,
            enforcement: "Enforce".to_owned(),
            constraint: fault.path.clone(),
            message: fault.to_string(),
        }
    });
    let rulings = judgement.verdict.iter().flat_map(|verdict| &verdict.rulings);
    let policies = rulings.flat_map(|ruling| {
        ruling.findings.iter().map(|finding| ledger::Finding {
            container: ruling.container.name.clone(),
            policy: finding.policy.as_ref().map(|policy| policy_record(&policy.id)),
            enforcement: finding.enforcement().as_str().to_owned(),
            constraint: finding.objection.constraint().to_owned(),
            message: finding.objection.to_string(),
        })
    });
    structural.chain(policies).take(MAX_FINDINGS).collect()
}

fn policy_record(id: &PolicyId) -> ledger::Policy {
    ledger::Policy {
        name: id.name.clone(),
        uid: id.uid.clone(),
        generation: id.generation,
        hash: id.hash.clone(),
    }
}
