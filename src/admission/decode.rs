//! Bytes → [`Review`]. Keeps the uid, whatever else is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use json_patch::jsonptr::Pointer;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::container;
use super::delta::delta;
use super::noted::Noted;
use super::pod::{PodIdentity, Shape, identity, pod_facts};
use super::strict::Strict;
use super::structural::{self, Fault, FaultKind, MAX_INJECTIONS, Targets};
use super::wire;
use crate::document::excerpt::{Keys, Places, PodPlaces};
use crate::policy::circumstances::Circumstances;
use crate::policy::expression::Documents;
use crate::policy::request::{DebugRequest, Injection, PodFacts, Requester, Surface};

/// Longest uid that is answered to; the API server's have 36 characters.
const MAX_UID_BYTES: usize = 256;

/// One review, read.
#[derive(Debug)]
pub struct Review {
    /// In which version to answer.
    pub version: Version,
    /// What to answer to.
    pub uid: String,
    /// A server-side dry run: nothing may be written down.
    pub dry_run: bool,
    /// `UPDATE`
    pub operation: String,
    /// Who asks.
    pub user: User,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// What it is about.
    pub subject: Subject,
}

/// A version of `admission.k8s.io`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Version {
    V1,
    V1Beta1,
}

impl Version {
    /// `apiVersion` of a review.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "admission.k8s.io/v1",
            Self::V1Beta1 => "admission.k8s.io/v1beta1",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::V1, Self::V1Beta1].into_iter().find(|version| version.as_str() == text)
    }
}

/// `request.userInfo`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct User {
    /// `username` and `groups`, which policies ask about.
    pub requester: Arc<Requester>,
    /// `uid`
    pub uid: String,
    /// `extra`
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What a review is about.
#[derive(Debug)]
pub enum Subject {
    /// `pods/ephemeralcontainers`
    Debug(Box<Debug>),
    /// Another resource, which a webhook configuration sent here: `pods/exec`.
    NotJudged(String),
    /// The right resource, and something about it that cannot be read.
    Malformed(String),
}

/// A change of a pod's ephemeral containers.
#[derive(Debug)]
pub struct Debug {
    /// The question for policy.
    pub request: DebugRequest,
    /// The added containers' JSON, beside `request.injections`.
    pub added: Vec<AddedJson>,
    /// What the API server would refuse.
    pub faults: Vec<Fault>,
    /// Where the list is: `/spec/ephemeralContainers`.
    pub list: &'static Pointer,
    /// More about the pod, for the record.
    pub pod: PodIdentity,
    /// How many containers were added, also where they are too many to be judged.
    pub added_total: usize,
    /// Where to read more of the review, for expressions.
    pub places: Places,
}

/// An added container as it was sent.
#[derive(Debug)]
pub struct AddedJson {
    /// Position in the list.
    pub index: usize,
    /// The container.
    pub json: Value,
}

/// There is nobody to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAReview {
    /// It is not JSON, or not an object with a `request`.
    #[error("the body is not an AdmissionReview: {0}")]
    Unreadable(String),
    /// Neither version is the one asked.
    #[error("the body is not an AdmissionReview of admission.k8s.io/v1 or v1beta1")]
    Version,
    /// Without a uid the API server would not believe the answer.
    #[error("request.uid is missing, too long or not plain text")]
    Uid,
}

/// Reads a review.
///
/// # Errors
///
/// Only what has no uid to answer to. Whatever else is wrong is [`Subject::Malformed`].
pub fn decode(body: &[u8]) -> Result<Review, NotAReview> {
    // Told once that all of it is UTF-8, the reader need not ask of each string.
    let review = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str::<wire::Review<'_>>(text),
        Err(_) => serde_json::from_slice(body),
    };
    match review {
        Ok(review) => read(review, body),
        Err(error) => salvage(body, &position_only(&error)),
    }
}

fn read(review: wire::Review<'_>, body: &[u8]) -> Result<Review, NotAReview> {
    let wire::Review { api_version, kind, request: Noted { value: mut request, keys } } = review;
    let version = Version::parse(&api_version).filter(|_| kind == "AdmissionReview");
    let version = version.ok_or(NotAReview::Version)?;
    let uid = checked_uid(std::mem::take(&mut request.uid))?;
    let user = user(std::mem::take(&mut request.user_info));
    let (operation, dry_run) =
        (std::mem::take(&mut request.operation), request.dry_run == Some(true));
    let (namespace, name) = (request.namespace.clone(), request.name.clone());
    let subject = subject(request, &operation, keys, &user, body);
    Ok(Review { version, uid, dry_run, operation, user, namespace, name, subject })
}

/// Reads no more of a review than whom to answer; `why` is what is wrong with the rest.
///
/// # Errors
///
/// As for [`decode`].
pub fn salvage(body: &[u8], why: &str) -> Result<Review, NotAReview> {
    let remains: wire::Remains<'_> = serde_json::from_slice(body)
        .map_err(|error| NotAReview::Unreadable(position_only(&error)))?;
    let text = |key: &str| -> Option<String> { part(remains.request.get(key)) };
    let version: String = part(remains.api_version.as_ref()).ok_or(NotAReview::Version)?;
    let version = Version::parse(&version).ok_or(NotAReview::Version)?;
    let user_info: wire::UserInfo = part(remains.request.get("userInfo")).unwrap_or_default();
    // Objects of other kinds need not look like pods.
    let sub_resource = text("subResource").unwrap_or_default();
    let resource: Option<wire::Resource<'_>> = part(remains.request.get("resource"));
    let other = resource.and_then(|resource| not_judged(&resource, &sub_resource));
    let unread = || Subject::Malformed(format!("the review cannot be read: {why}"));
    Ok(Review {
        version,
        uid: checked_uid(text("uid").ok_or(NotAReview::Uid)?)?,
        dry_run: part(remains.request.get("dryRun")).unwrap_or(false),
        operation: text("operation").unwrap_or_default(),
        user: user(user_info),
        namespace: text("namespace").unwrap_or_default(),
        name: text("name").unwrap_or_default(),
        subject: other.map_or_else(unread, Subject::NotJudged),
    })
}

fn part<'a, T: Deserialize<'a>>(json: Option<&&'a RawValue>) -> Option<T> {
    json.and_then(|json| serde_json::from_str(json.get()).ok())
}

/// What serde says may quote the input, and the input may hold secrets.
fn position_only(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "a field is missing or of the wrong type",
        serde_json::error::Category::Io => "it could not be read",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

fn checked_uid(uid: String) -> Result<String, NotAReview> {
    let plain = !uid.is_empty()
        && uid.len() <= MAX_UID_BYTES
        && uid.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { Ok(uid) } else { Err(NotAReview::Uid) }
}

fn user(wire: wire::UserInfo) -> User {
    let wire::UserInfo { username, uid, groups, extra } = wire;
    let requester = Arc::new(Requester { username, groups: groups.unwrap_or_default() });
    User { requester, uid, extra: extra.unwrap_or_default() }
}

fn subject(
    mut request: wire::Request<'_>,
    operation: &str,
    keys: Vec<&str>,
    user: &User,
    body: &[u8],
) -> Subject {
    let wire::Request { kind, resource, sub_resource, .. } = &request;
    if let Some(other) = not_judged(resource, sub_resource) {
        return Subject::NotJudged(other);
    }
    if operation != "UPDATE" {
        return Subject::Malformed("the operation is not UPDATE".to_owned());
    }
    let shape = match (kind.group.as_ref(), kind.kind.as_ref()) {
        ("", "Pod") => Shape::Pod,
        ("", "EphemeralContainers") => Shape::EphemeralContainers,
        _ => return Subject::Malformed("the object is of a kind that is not known".to_owned()),
    };
    let places = places(&mut request, keys, body);
    match debug(request, shape, user, places) {
        Ok(debug) => Subject::Debug(Box::new(debug)),
        Err(why) => Subject::Malformed(why),
    }
}

/// What a webhook configuration sent here that is not Postern's to judge. Refusing it could stop a
/// cluster: `pods/*` holds `pods/status` and `pods/binding` too.
fn not_judged(resource: &wire::Resource<'_>, sub_resource: &str) -> Option<String> {
    let wire::Resource { group, resource } = resource;
    let ours = group.is_empty() && resource == "pods" && sub_resource == "ephemeralcontainers";
    let slash = if sub_resource.is_empty() { "" } else { "/" };
    (!ours).then(|| format!("{resource}{slash}{sub_resource}"))
}

/// Where to read again what was read once.
fn places(request: &mut wire::Request<'_>, mut keys: Vec<&str>, body: &[u8]) -> Places {
    fn noted<T>(part: &mut Noted<'_, T>, body: &[u8]) -> Keys {
        Keys::new(body, std::mem::take(&mut part.keys))
    }
    let object = request.object.as_mut().map(|pod| PodPlaces {
        own: noted(pod, body),
        metadata: pod.value.metadata.as_mut().map(|metadata| noted(metadata, body)),
        spec: pod.value.spec.as_mut().map(|spec| noted(spec, body)),
    });
    let old_object = request.old_object.as_mut().map(|pod| PodPlaces {
        own: noted(pod, body),
        metadata: Some(noted(&mut pod.value.metadata, body)),
        spec: pod.value.spec.as_mut().map(|spec| noted(spec, body)),
    });
    keys.retain(|key| !matches!(*key, "object" | "oldObject"));
    Places {
        request: Keys::new(body, keys),
        object: object.unwrap_or_default(),
        old_object: old_object.unwrap_or_default(),
    }
}

/// The lists of ephemeral containers, after and before. Where the kind of the object is another one
/// than the review names, one of its lists would not be looked at.
fn lists<'a>(
    shape: Shape,
    new: wire::NewPod<'a>,
    old: &mut wire::OldPod<'a>,
) -> Result<(Vec<&'a RawValue>, Vec<&'a RawValue>), String> {
    let is_another_kind = match shape {
        Shape::Pod => new.ephemeral_containers.is_some() || old.ephemeral_containers.is_some(),
        Shape::EphemeralContainers => new.spec.is_some() || old.spec.is_some(),
    };
    if is_another_kind {
        return Err("the object is not of the kind that the review names".to_owned());
    }
    let (new, old) = match shape {
        Shape::Pod => (
            new.spec.and_then(|spec| spec.value.ephemeral_containers),
            old.spec.as_mut().and_then(|spec| spec.value.ephemeral_containers.take()),
        ),
        Shape::EphemeralContainers => (new.ephemeral_containers, old.ephemeral_containers.take()),
    };
    Ok((new.unwrap_or_default(), old.unwrap_or_default()))
}

fn debug(
    request: wire::Request<'_>,
    shape: Shape,
    user: &User,
    places: Places,
) -> Result<Debug, String> {
    let new = request.object.ok_or("the review has no object")?.value;
    let mut old = request.old_object.ok_or("the review has no oldObject")?.value;
    let (new_list, old_list) = lists(shape, new, &mut old)?;
    let mirror =
        old.metadata.value.annotations.as_ref().is_some_and(|annotations| annotations.mirror);
    let identity = identity(&mut old);
    let mut pod = pod_facts(old, shape, request.name, old_list.len());
    let unreadable = |what: &str| format!("{what} cannot be read");

    let others: BTreeSet<&str> = container_names(&pod).collect();
    let mut delta = delta(&old_list, &new_list, &others).map_err(|error| {
        format!("{}: {}", unreadable("an ephemeral container"), position_only(&error))
    })?;
    pod.privileged_debuggers = std::mem::take(&mut delta.privileged);
    let mut faults = delta.faults;
    if mirror && !delta.added.is_empty() {
        faults.push(Fault::of_request("metadata", FaultKind::MirrorPod));
    }
    let added_total = delta.added.len();
    if added_total > MAX_INJECTIONS {
        let kind = FaultKind::TooMany { added: added_total };
        faults.push(Fault::of_request("spec.ephemeralContainers", kind));
    }
    let targets = pod
        .spec
        .known()
        .map(|_| Targets { containers: container_names(&pod).collect(), ephemeral: &delta.names });
    structural::check_size(delta.added.iter().map(|container| container.json.get()))?;
    let mut added = Vec::with_capacity(added_total.min(MAX_INJECTIONS));
    let mut injections: Vec<Injection> = Vec::with_capacity(added.capacity());
    for container in delta.added.iter().take(MAX_INJECTIONS) {
        let Strict(json) = serde_json::from_str(container.json.get())
            .map_err(|_| unreadable("an added container"))?;
        let index = container.index;
        faults.extend(structural::faults(index, &container.name, &json, targets.as_ref()));
        injections.push(
            container::read(&container.name, &json)
                .map_err(|error| format!("ephemeral container {index} cannot be read: {error}"))?,
        );
        added.push(AddedJson { index, json });
    }
    drop(targets);
    let request = DebugRequest {
        surface: Surface::EphemeralContainer,
        requester: Arc::clone(&user.requester),
        namespace: request.namespace,
        pod,
        injections,
        circumstances: Circumstances::default(),
        documents: Documents::default(),
    };
    Ok(Debug { request, added, faults, list: shape.list(), pod: identity, added_total, places })
}

fn container_names(pod: &PodFacts) -> impl Iterator<Item = &str> {
    let spec = pod.spec.known().into_iter();
    let containers = spec.flat_map(|spec| spec.containers.iter().chain(&spec.init_containers));
    containers.map(|container| container.name.as_str())
}

#[cfg(test)]
mod tests;
