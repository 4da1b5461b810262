//! The only place where an AdmissionReview's response is built.
//!
//! What the API server checks of it: the uid, the version, and that patch and patchType come
//! together (`VerifyAdmissionResponse` in `apiserver/pkg/admission/plugin/webhook/request`).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use json_patch::Patch;
use serde::Serialize;

use super::decode::Version;

/// What most answers fit into, and most patches.
const USUAL_BYTES: usize = 1024;

/// What the API server is to be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// Yes, perhaps with changes.
    Allow {
        /// Empty: no changes.
        patch: Patch,
    },
    /// No: HTTP code 403, reason Forbidden. Never NotFound (kubectl debug would take the feature
    /// for switched off), never Unauthorized (kubectl would ask the user to log in).
    Refuse {
        /// For the user; the first line is complete in itself.
        message: String,
    },
}

/// What goes along with either answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// For the user's terminal; see [`super::message::warning`].
    pub warnings: Vec<String>,
    /// For the API server's audit log; keys without `/`.
    pub audit_annotations: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionReview<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: AdmissionResponse<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionResponse<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    reason: &'static str,
    message: &'a str,
}

/// The AdmissionReview that answers `uid`, as JSON.
#[must_use]
pub fn respond(version: Version, uid: &str, response: &Response, notes: &Notes) -> Vec<u8> {
    let (status, patch) = match response {
        Response::Refuse { message } => {
            (Some(Status { code: 403, reason: "Forbidden", message }), None)
        }
        Response::Allow { patch } => (None, encode(patch)),
    };
    let review = AdmissionReview {
        api_version: version.as_str(),
        kind: "AdmissionReview",
        response: AdmissionResponse {
            uid,
            allowed: matches!(response, Response::Allow { .. }),
            status,
            patch_type: patch.as_ref().map(|_| "JSONPatch"),
            patch,
            warnings: &notes.warnings,
            audit_annotations: &notes.audit_annotations,
        },
    };
    written(&review)
}

/// Serialising these types into memory cannot fail; if it did, an empty body is no yes, nor is an
/// empty patch beside its `patchType`, which the API server refuses.
fn written(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut json, value).map_or_else(|_| Vec::new(), |()| json)
}

fn encode(patch: &Patch) -> Option<String> {
    if patch.is_empty() {
        return None;
    }
    Some(STANDARD.encode(written(patch)))
}
