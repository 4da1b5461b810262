//! Tries to open the door, in dry runs.

use http::Request;
use serde_json::{Value, json};

use super::ask::{Asker, Why};
use super::text;
use crate::doctor::survey::{Answer, FORBIDDEN_IMAGE, TRIED_NAME, Trial};

/// Who may be impersonated: a user and groups.
type Requester = (String, Vec<String>);

pub(super) async fn run(
    asker: &mut Asker,
    trial: &mut Trial,
    pod: (&str, &str),
    requester: Option<&Requester>,
) {
    // What only the mutating webhook can refuse: Kubernetes' own refusal comes after it.
    let mut malformed = container();
    if let Some(fields) = malformed.as_object_mut() {
        fields.insert("ports".to_owned(), json!([{"containerPort": 1}]));
    }
    match tried(asker, pod, requester, &malformed).await {
        Ok(answer) => trial.malformed = Some(answer),
        Err(why) => asker.note("the mutating webhook", "reach the API server", &why.text),
    }
    match tried(asker, pod, requester, &container()).await {
        Ok(answer) => trial.forbidden = Some(answer),
        Err(why) => trial.not_tried = Some(why.text),
    }
}

/// One that everything but Postern accepts: even the strictest level of Pod Security.
fn container() -> Value {
    json!({
        "name": TRIED_NAME,
        "image": FORBIDDEN_IMAGE,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    })
}

async fn tried(
    asker: &Asker,
    (namespace, pod): (&str, &str),
    requester: Option<&Requester>,
    container: &Value,
) -> Result<Answer, Why> {
    let path = format!(
        "/api/v1/namespaces/{namespace}/pods/{pod}/ephemeralcontainers?dryRun=All&fieldManager={TRIED_NAME}"
    );
    let body = json!({"spec": {"ephemeralContainers": [container]}}).to_string();
    let mut request = Request::patch(path)
        .header("Content-Type", "application/strategic-merge-patch+json")
        .header("Accept", "application/json");
    if let Some((user, groups)) = requester {
        request = request.header("Impersonate-User", user);
        for group in groups {
            request = request.header("Impersonate-Group", group);
        }
    }
    let request = request.body(body.into_bytes()).map_err(|error| Why::new(error.to_string()))?;
    let (code, warnings, body) = asker.send(request).await?;
    if (200..300).contains(&code) {
        return Ok(Answer::Through { warnings });
    }
    let status: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = match text(&status, "/message") {
        "" => String::from_utf8_lossy(&body).into_owned(),
        message => message.to_owned(),
    };
    Ok(Answer::Refused { code, message })
}
