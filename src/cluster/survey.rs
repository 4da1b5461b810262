//! Looks at everything that tells whether the door is guarded, for `postern doctor`.
//!
//! Only reads, and dry runs. What may not be looked at is noted, and the rest is looked at all the
//! same.

mod ask;
mod behind;
mod pods;
mod policies;
mod read;
mod tls;
mod trial;

use std::path::PathBuf;

use serde_json::Value;

use self::ask::Asker;
use self::pods::Candidate;
use super::client::{self, ConnectError};
use crate::doctor::is_conclusive;
use crate::doctor::survey::{FailOpen, Hook, Phase, Survey, Trial};
use crate::policy::rule::Policy;

/// On how many pods it is tried, each in another namespace, until an answer tells of Postern.
const TRIES: usize = 4;

/// What is to be looked at.
#[derive(Debug)]
pub struct SurveyOptions {
    /// How to reach the cluster.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig.
    pub context: Option<String>,
    /// Where to look for a pod to try on first.
    pub namespace: Option<String>,
    /// The pod to try on; else one that runs.
    pub pod: Option<String>,
    /// As whom to try: a user and groups; else as whoever looks.
    pub requester: Option<(String, Vec<String>)>,
    /// What Postern's webhook configurations are called.
    pub configuration: String,
    /// The policies that the server has in files.
    pub files: Vec<Policy>,
    /// Is told what is being done.
    pub progress: fn(&str),
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// There is no telling where the cluster is.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not answer, or does not know who asks.
    #[error("the API server at `{server}` cannot be asked: {why}")]
    NoAnswer {
        /// Its URL.
        server: String,
        /// What came of it.
        why: String,
    },
}

/// Looks at a cluster.
///
/// # Errors
///
/// It cannot be reached at all.
pub async fn survey(options: SurveyOptions) -> Result<Survey, SurveyError> {
    let config =
        client::config_of(options.kubeconfig.as_deref(), options.context.as_deref(), ask::PATIENCE);
    let config = config.await?;
    let client = client::client(&config)?;
    let mut asker = Asker::new(client, options.progress);
    let mut survey = Survey { configuration: options.configuration.clone(), ..Survey::default() };
    asker.tell("the API server");
    let server = config.cluster_url.to_string();
    let version = asker.get("/version").await;
    let version = version.map_err(|why| SurveyError::NoAnswer { server, why: why.text })?;
    survey.version = Some(read::version(&version));
    look(&mut asker, &mut survey, &options).await;
    survey.unseen = asker.unseen();
    Ok(survey)
}

async fn look(asker: &mut Asker, survey: &mut Survey, options: &SurveyOptions) {
    let core = asker.get("/api/v1").await;
    survey.subresource_kind = asker
        .noted("what the API server serves", "get /api", core)
        .map(|it| read::subresource(&it));
    asker.tell("webhook configurations");
    survey.hooks = hooks(asker).await;
    let namespaces = asker.list("/api/v1/namespaces").await;
    let namespaces = asker.noted("namespaces", "list namespaces", namespaces);
    survey.namespaces = namespaces.map(|all| read::namespaces(&all));
    let ours = survey.hooks.iter().flatten();
    let ours: Vec<_> =
        ours.filter(|hook| hook.configuration == survey.configuration).cloned().collect();
    survey.backends = behind::backends(asker, &ours).await;
    asker.tell("certificates");
    survey.handshakes = tls::handshakes(&ours).await;
    asker.tell("policies");
    let set = policies::look(asker, survey, &options.files).await;
    asker.tell("roles and bindings");
    survey.rbac = read::rbac(asker).await;
    survey.admission_policies = read::admission_policies(asker).await;
    survey.fail_open = fail_open(asker).await;
    asker.tell("pods");
    let searched = pods::search(asker, survey, &set, options.namespace.as_deref()).await;
    asker.tell("a dry run");
    survey.trial = tried(asker, survey, options, searched).await;
}

async fn hooks(asker: &mut Asker) -> Option<Vec<Hook>> {
    let mut hooks = Vec::new();
    for (phase, plural) in [
        (Phase::Mutating, "mutatingwebhookconfigurations"),
        (Phase::Validating, "validatingwebhookconfigurations"),
    ] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}");
        let listed = asker.list(&path).await;
        let needs = format!("list {plural}");
        let all = asker.noted("webhook configurations", &needs, listed)?;
        for configuration in &all {
            let read = read::hooks(phase, configuration);
            hooks.extend(asker.noted("a webhook configuration", &needs, read).unwrap_or_default());
        }
    }
    Some(hooks)
}

async fn fail_open(asker: &mut Asker) -> Option<Vec<FailOpen>> {
    let metrics = asker.text("/metrics").await;
    let needs = "get the path /metrics";
    asker.noted("metrics of the API server", needs, metrics).map(|text| read::fail_open(&text))
}

async fn tried(
    asker: &mut Asker,
    survey: &Survey,
    options: &SurveyOptions,
    found: Vec<Candidate>,
) -> Trial {
    let asks = options.requester.as_ref();
    let requester = asks.map_or("whoever runs this", |(user, _)| user).to_owned();
    let mut trial = Trial { requester, acted_as: asks.cloned(), ..Trial::default() };
    let chosen = options.pod.as_ref().map(|pod| {
        let namespace = options.namespace.clone().unwrap_or_else(|| asker.namespace().to_owned());
        (namespace, pod.clone())
    });
    let found = found.into_iter().map(|Candidate { namespace, pod, .. }| (namespace, pod));
    let pods: Vec<_> = match chosen {
        Some(chosen) => vec![chosen],
        None => found.take(TRIES).collect(),
    };
    trial.not_tried = match survey.subresource_kind.as_deref() {
        // Up to 1.21 the subresource takes something that no later client knows.
        Some("EphemeralContainers") => {
            Some("this API server still takes `kind: EphemeralContainers`".to_owned())
        }
        Some("") => Some("there is no such subresource".to_owned()),
        _ if pods.is_empty() && survey.debuggers.is_none() => {
            Some("pods could not be listed, to choose one of them".to_owned())
        }
        _ if pods.is_empty() => Some("there is no running pod to try on".to_owned()),
        _ => None,
    };
    if trial.not_tried.is_some() {
        return trial;
    }
    for (namespace, pod) in pods {
        trial.pod = Some((namespace.clone(), pod.clone()));
        trial::run(asker, &mut trial, (&namespace, &pod), asks).await;
        let answer = trial.forbidden.as_ref();
        if answer.is_some_and(|answer| is_conclusive(survey, answer)) {
            break;
        }
    }
    trial
}

/// A text of a JSON document.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of a list in a JSON document.
fn each<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}
