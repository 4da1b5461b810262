//! Asks the webhooks one after the other, as an API server would.

use anyhow::{Context, anyhow};
use json_patch::Patch;
use serde_json::{Value, json};

use super::{Asked, Phases};
use crate::admission::decode::{self, Debug, Subject};
use crate::admission::respond::{Notes, Response};
use crate::document::drop_empty_lists;
use crate::gate::lookup::bring_documents;
use crate::gate::{Judgement, Phase, judge};
use crate::policy::rule::Enforcement;

/// Everything that the webhooks asked have said about one review.
#[derive(Debug)]
pub(in crate::cli) struct Examination {
    /// In the order asked; never empty.
    pub(in crate::cli) steps: Vec<Step>,
    /// What the mutating webhook changed.
    pub(in crate::cli) changes: Vec<Change>,
}

/// What one webhook says.
#[derive(Debug)]
pub(in crate::cli) struct Step {
    pub(in crate::cli) judgement: Judgement,
    pub(in crate::cli) response: Response,
    pub(in crate::cli) notes: Notes,
}

/// A container before and after a patch.
#[derive(Debug)]
pub(in crate::cli) struct Change {
    pub(in crate::cli) container: String,
    pub(in crate::cli) asked: Value,
    pub(in crate::cli) stored: Value,
}

impl Examination {
    /// Whether the API server would let the request through.
    pub(in crate::cli) fn allows(&self) -> bool {
        self.steps.iter().all(|step| step.judgement.allows())
    }
}

impl Step {
    fn new(asked: &Asked, phase: Phase, body: &[u8]) -> anyhow::Result<Self> {
        let mut review = decode::decode(body)?;
        let circumstances = asked.circumstances(&review);
        if let Subject::Debug(debug) = &mut review.subject {
            debug.request.circumstances = circumstances;
            bring_documents(&asked.policies, debug, body);
        }
        let judgement = judge(Some(&asked.policies), phase, review, Enforcement::Enforce);
        let (response, notes) = judgement.response(None);
        Ok(Self { judgement, response, notes })
    }
}

/// Asks the webhooks about the review in `body`.
///
/// # Errors
///
/// It is not a review, or it cannot be changed as the mutating webhook wants.
pub(in crate::cli) fn examine(
    asked: &Asked,
    phases: Phases,
    body: &[u8],
) -> anyhow::Result<Examination> {
    if phases == Phases::Validate {
        let step = Step::new(asked, Phase::Validate, body)?;
        return Ok(Examination { steps: vec![step], changes: Vec::new() });
    }
    let mutate = Step::new(asked, Phase::Mutate, body)?;
    let (next, changes) = match (&mutate.judgement.review.subject, &mutate.response) {
        (Subject::Debug(debug), Response::Allow { patch }) => admitted(body, debug, patch)?,
        _ => (body.to_vec(), Vec::new()),
    };
    let mut steps = vec![mutate];
    if phases == Phases::Both && steps.iter().all(|step| step.judgement.allows()) {
        steps.push(Step::new(asked, Phase::Validate, &next)?);
    }
    Ok(Examination { steps, changes })
}

/// The review of the validating phase: the patch applied, and of the result only the ephemeral
/// containers kept (`dropNonEphemeralContainerUpdates` in `pkg/registry/core/pod`), without lists
/// that have nothing in them.
fn admitted(body: &[u8], debug: &Debug, patch: &Patch) -> anyhow::Result<(Vec<u8>, Vec<Change>)> {
    let mut review: Value = serde_json::from_slice(body).context("the review cannot be read")?;
    let request = review.get_mut("request").and_then(Value::as_object_mut);
    let request = request.ok_or_else(|| anyhow!("the review has no request"))?;
    let mut object = request.remove("object").unwrap_or_default();
    json_patch::patch(&mut object, patch).context("the patch cannot be applied")?;
    let mut list = object.pointer_mut(debug.list.as_str()).map(Value::take).unwrap_or_default();
    let changes = changes(debug, &list);
    for added in &debug.added {
        list.get_mut(added.index).into_iter().for_each(drop_empty_lists);
    }
    let mut stored = request.get("oldObject").cloned().unwrap_or_default();
    set(&mut stored, debug.list.as_str(), list);
    request.insert("object".to_owned(), stored);
    Ok((serde_json::to_vec(&review)?, changes))
}

fn changes(debug: &Debug, list: &Value) -> Vec<Change> {
    let change = |added: &decode::AddedJson| {
        let stored = list.get(added.index)?;
        let name = added.json.get("name").and_then(Value::as_str).unwrap_or_default();
        (*stored != added.json).then(|| Change {
            container: name.to_owned(),
            asked: added.json.clone(),
            stored: stored.clone(),
        })
    };
    debug.added.iter().filter_map(change).collect()
}

/// Sets the field at `path`, a JSON pointer; what is on the way to it is made.
fn set(document: &mut Value, path: &str, value: Value) {
    let mut place = document;
    for field in path.split('/').skip(1) {
        if !place.is_object() {
            *place = json!({});
        }
        let Value::Object(fields) = place else { return };
        place = fields.entry(field).or_insert(Value::Null);
    }
    *place = value;
}
