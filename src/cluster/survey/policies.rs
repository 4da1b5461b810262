//! The definition of DebugPolicies, and the policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::ObjectMeta;
use serde_json::Value;

use super::super::join;
use super::super::policies::{Seen, Snapshot};
use super::ask::Asker;
use super::{each, text};
use crate::crd::live::{self, Live};
use crate::doctor::survey::{Definition, FilePolicies, PolicySeen, Survey};
use crate::policy::rule::{Effect, Policy};
use crate::policy::set::PolicySet;

const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/debugpolicies.postern.dev";
const POLICIES: &str = "/apis/postern.dev/v1alpha1/debugpolicies";

/// Fills in what is known of policies; gives what a server with these files would judge by.
pub(super) async fn look(asker: &mut Asker, survey: &mut Survey, files: &[Policy]) -> PolicySet {
    survey.definition = match asker.get(DEFINITION).await {
        Ok(definition) => Definition::Found(definition),
        Err(why) if why.is_absence() => Definition::Missing,
        Err(why) => {
            let needs = "get customresourcedefinitions";
            asker.note("the definition of DebugPolicies", needs, &why.text);
            Definition::Unknown
        }
    };
    let permits = files.iter().filter(|policy| policy.effect == Effect::Permit).count();
    survey.file_policies = FilePolicies { number: files.len(), permits };
    let listed = match asker.list(POLICIES).await {
        // That it is missing is said already.
        Err(why) if why.is_absence() => Some(Vec::new()),
        listed => asker.noted("DebugPolicies", "list debugpolicies", listed),
    };
    let read = listed.iter().flatten().map(|object| (object, read(object)));
    let read: Vec<(&Value, Arc<Live>)> = read.collect();
    survey.policies =
        listed.is_some().then(|| read.iter().map(|(object, live)| seen(object, live)).collect());
    let by_name = read.into_iter().map(|(object, live)| {
        (text(object, "/metadata/name").to_owned(), Seen { live, status: None })
    });
    join(files, &Snapshot { revision: 0, policies: by_name.collect() }).0
}

fn read(object: &Value) -> Arc<Live> {
    let metadata = ObjectMeta {
        name: Some(text(object, "/metadata/name").to_owned()),
        uid: Some(text(object, "/metadata/uid").to_owned()),
        generation: object.pointer("/metadata/generation").and_then(Value::as_i64),
        ..ObjectMeta::default()
    };
    Arc::new(live::read(&metadata, object.get("spec")))
}

fn seen(object: &Value, live: &Live) -> PolicySeen {
    let mut conditions = each(object, "/status/conditions");
    let ready = conditions.find(|condition| text(condition, "/type") == "Ready");
    let ready = ready.map(|condition| {
        let part = |pointer| text(condition, pointer).to_owned();
        (part("/status"), part("/reason"), part("/message"))
    });
    let replicas = object.pointer("/status/replicas").and_then(Value::as_object);
    let replicas: BTreeMap<String, i64> = replicas
        .into_iter()
        .flatten()
        .filter_map(|(name, it)| Some((name.clone(), it.get("generation")?.as_i64()?)))
        .collect();
    PolicySeen {
        name: text(object, "/metadata/name").to_owned(),
        generation: object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0),
        permits: live.policy.effect == Effect::Permit,
        enforcement: live.policy.enforcement.as_str().to_owned(),
        ready,
        replicas,
        fault: live.fault.as_ref().map(|fault| fault.message.clone()),
    }
}
