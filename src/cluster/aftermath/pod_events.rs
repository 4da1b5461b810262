//! Events on the pod, so that `kubectl describe pod` tells who was let in, and who was not.
//!
//! They are written by hand: kube's `Recorder` folds equal reasons on one pod into one Event and
//! keeps the first note, which would name one person and hide the next.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep};

use super::{Complaint, Fate, Happened, Tally, ask};
use crate::gate::Decisions;
use crate::ledger::{Finding, Injection, Outcome, Record};
use crate::policy::text::{Line, Quoted};

/// Between two writes: at most twenty a second, whatever is asked.
const BETWEEN: Duration = Duration::from_millis(50);
/// Of one pod so many are told at once, of each answer, and then one in this time.
const BURST: u32 = 10;
const EVERY: Duration = Duration::from_secs(30);
/// Of how many pods it is known what was told of them.
const MAX_PODS: usize = 4096;
/// Longest note that the API takes, in bytes.
const MAX_NOTE_BYTES: usize = 1024;
/// How many containers of one request are named.
const NAMED: usize = 3;

/// Who the Events are from.
const CONTROLLER: &str = "postern.dev/postern";
/// Longest name of a server that the API takes, in characters.
const MAX_INSTANCE_CHARS: usize = 128;

/// Writes Events.
pub(super) struct PodEvents {
    client: Client,
    instance: String,
    tally: Tally,
    quotas: Quotas,
    complaint: Complaint,
}

impl PodEvents {
    pub(super) fn new(client: Client, writer: &str, tally: Tally) -> Self {
        let complaint = Complaint::new("Events on pods cannot be written");
        let instance = writer.chars().take(MAX_INSTANCE_CHARS).collect();
        Self { client, instance, tally, quotas: Quotas::default(), complaint }
    }

    /// Tells of every decision, until there are no more.
    pub(super) async fn run(mut self, mut decisions: Decisions) {
        while let Some(record) = decisions.next().await {
            match decisions.missed() {
                0 => {}
                missed => (self.tally)(Happened::PodEvent(Fate::Missed), missed),
            }
            if let Some(fate) = self.tell(&record).await {
                (self.tally)(Happened::PodEvent(fate), 1);
            }
        }
    }

    async fn tell(&mut self, record: &Record) -> Option<Fate> {
        // A review that could not be read may name no pod.
        if record.namespace.is_empty() || record.pod.name.is_empty() {
            return None;
        }
        if !self.quotas.takes(record) {
            return Some(Fate::Limited);
        }
        let events = Api::<Event>::namespaced(self.client.clone(), &record.namespace);
        let event = event(record, &self.instance);
        let written = ask(events.create(&PostParams::default(), &event)).await;
        sleep(BETWEEN).await;
        Some(match written {
            Ok(_) => Fate::Done,
            Err(why) => {
                self.complaint.say(&why);
                Fate::Failed
            }
        })
    }
}

fn event(record: &Record, instance: &str) -> Event {
    let (kind, reason) = match record.answer {
        Outcome::Allowed => ("Normal", "DebugContainerAllowed"),
        Outcome::Refused => ("Warning", "DebugContainerRefused"),
    };
    let pod = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(record.pod.name.clone()),
        namespace: Some(record.namespace.clone()),
        uid: Some(record.pod.uid.clone()).filter(|uid| !uid.is_empty()),
        ..ObjectReference::default()
    };
    Event {
        metadata: ObjectMeta {
            // Not of the pod's name: with anything behind it, that may be too long.
            name: Some(format!("postern-{}", record.id)),
            namespace: Some(record.namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some("AddDebugContainer".to_owned()),
        event_time: Some(MicroTime(Timestamp::now())),
        note: Some(note(record)),
        reason: Some(reason.to_owned()),
        regarding: Some(pod),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        type_: Some(kind.to_owned()),
        ..Event::default()
    }
}

/// Who, what, why, and under which decision the rest can be read. The decision is never cut off.
fn note(record: &Record) -> String {
    let user = Quoted(&record.requester.username);
    let containers = containers(record);
    let text = match record.answer {
        Outcome::Allowed => {
            let mut text = format!("{user} may add {containers}");
            if record.verdict == Outcome::Refused {
                let level = &record.enforcement;
                text += &format!(", because of enforcement {level} only: {}", objection(record));
            }
            if let Some(reason) = &record.justification {
                text += &format!(", reason {}", Quoted(reason));
            }
            text
        }
        Outcome::Refused => format!("{user} may not add {containers}: {}", objection(record)),
    };
    let end = format!(", decision {}", record.id);
    let room = MAX_NOTE_BYTES.saturating_sub(end.len());
    cut(text, room) + &end
}

fn containers(record: &Record) -> String {
    let total = record.injections_total.max(record.injections.len());
    let mut text = if total == 1 { "container ".to_owned() } else { "containers ".to_owned() };
    for (position, injection) in record.injections.iter().take(NAMED).enumerate() {
        let Injection { name, image, permitted_by, .. } = injection;
        let comma = if position == 0 { "" } else { ", " };
        let by = permitted_by.as_ref().map(|it| format!(" by policy {}", Line(&it.name)));
        let by = by.unwrap_or_default();
        text += &format!("{comma}{} (image {}){by}", Quoted(name), Quoted(image));
    }
    match total.saturating_sub(record.injections.len().min(NAMED)) {
        0 => text,
        _ if record.injections.is_empty() => "a debug container".to_owned(),
        more => format!("{text} and {more} more"),
    }
}

/// The first objection that counted, else the first line of what the requester was told.
fn objection(record: &Record) -> String {
    let counts = |finding: &&Finding| finding.enforcement == "Enforce";
    let finding = record.findings.iter().find(counts).or(record.findings.first());
    let Some(Finding { message, policy, constraint, .. }) = finding else {
        let said = record.message.as_deref().and_then(|message| message.lines().next());
        return Line(said.unwrap_or("the ledger says why")).to_string();
    };
    let by = policy.as_ref().map(|it| format!(" (policy {}, {constraint})", it.name));
    format!("{}{}", Line(message), Line(&by.unwrap_or_default()))
}

fn cut(mut text: String, room: usize) -> String {
    const MARK: char = '…';
    if text.len() > room {
        let mut end = room.saturating_sub(MARK.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push(MARK);
    }
    text
}

/// How much may still be told of each pod. Refusals cannot use up what is for those let in.
#[derive(Debug, Default)]
struct Quotas(HashMap<(String, String, &'static str), Quota>);

#[derive(Debug)]
struct Quota {
    left: u32,
    since: Instant,
}

impl Quotas {
    fn takes(&mut self, record: &Record) -> bool {
        let now = Instant::now();
        let key = (record.namespace.clone(), record.pod.name.clone(), record.answer.as_str());
        if self.0.len() >= MAX_PODS && !self.0.contains_key(&key) {
            self.0.retain(|_, quota| now.duration_since(quota.since) < EVERY * BURST);
            if self.0.len() >= MAX_PODS {
                return false;
            }
        }
        let quota = self.0.entry(key).or_insert(Quota { left: BURST, since: now });
        let gained = now.duration_since(quota.since).as_secs() / EVERY.as_secs();
        let gained = u32::try_from(gained).unwrap_or(u32::MAX).min(BURST);
        if gained > 0 {
            quota.left = quota.left.saturating_add(gained).min(BURST);
            quota.since = now;
        }
        let takes = quota.left > 0;
        quota.left = quota.left.saturating_sub(1);
        takes
    }
}

#[cfg(test)]
mod tests;
