//! From a case to what is asked.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::file::{Assume, Case, CaseFile, Source, at};
use crate::cli::check::ask::{self, Command};
use crate::cli::check::assume::Assumed;
use crate::cli::check::examine::examine;
use crate::cli::check::report::Report;
use crate::cli::check::{Asked, Phases, Question};
use crate::crd::document::Flaw;
use crate::kubectl::DebugCommand;
use crate::policy::set::PolicySet;
use crate::policy::text::{Line, Quoted};

/// Something wrong with a field of a case.
type Wrong = (Option<&'static str>, String);

/// Asks one case, by both webhooks.
///
/// # Errors
///
/// What is wrong with the case.
pub(super) fn ask(
    source: &Source,
    folder: &Path,
    policies: &PolicySet,
    number: usize,
) -> Result<Report, Flaw> {
    let file = &source.document.content;
    let flaw = |(field, message): Wrong| source.flaw(&at(number, field), &message);
    let Some(case) = file.cases.get(number) else { return Err(flaw((None, String::new()))) };
    let circumstances = assumed(file, case, policies).map_err(flaw)?.circumstances(policies);
    let (field, question) = match &case.review {
        Some(review) => (
            "review",
            ask::review(&folder.join(review)).map_err(|error| in_words("review", &error)),
        ),
        None => ("debug", command(file, case, folder)),
    };
    let asked = Asked { policies: policies.clone(), circumstances, cluster: None };
    let Question { name, body } = question.map_err(flaw)?;
    match examine(&asked, Phases::Both, &body) {
        Ok(examination) => Ok(Report::new(name, examination)),
        Err(error) => Err(flaw(in_words(field, &error))),
    }
}

fn in_words(field: &'static str, error: &anyhow::Error) -> Wrong {
    // The line of a document that is no YAML follows behind the first.
    let text = format!("{error:#}");
    (Some(field), Line(text.lines().next().unwrap_or_default()).to_string())
}

fn command(file: &CaseFile, case: &Case, folder: &Path) -> Result<Question, Wrong> {
    let text = case.debug.as_deref().unwrap_or_default();
    let wrong = |message: String| (Some("debug"), message);
    let DebugCommand { pod, namespace, mut options, custom } =
        DebugCommand::parse(text).map_err(|error| wrong(error.to_string()))?;
    let (document, pod_from) = match case.pod.as_ref().or(file.pod.as_ref()) {
        None => return Err(wrong("the case has no `pod`".to_owned())),
        Some(Value::String(path)) => {
            let path = folder.join(path);
            let document = ask::document(&path).map_err(|error| in_words("pod", &error))?;
            (document, path.to_string_lossy().into_owned())
        }
        Some(inline) => (inline.clone(), "`pod`".to_owned()),
    };
    let named = document.pointer("/metadata/name").and_then(Value::as_str);
    if let Some(named) = named.filter(|named| *named != pod) {
        return Err(wrong(format!("the pod is {}, not {}", Quoted(named), Quoted(&pod))));
    }
    if let Some(custom) = custom {
        let path: PathBuf = folder.join(custom);
        let profile = ask::custom_profile(&path).map_err(|error| in_words("debug", &error))?;
        options.custom = Some(profile);
    }
    let user = case.user.as_ref().or(file.user.as_ref());
    let user = user.ok_or_else(|| wrong("the case does not say who asks (`as`)".to_owned()))?;
    let groups = case.groups.as_ref().or(file.groups.as_ref());
    let command = Command {
        options,
        pod: document,
        pod_from,
        namespace,
        user: user.clone(),
        groups: groups.cloned().unwrap_or_default(),
    };
    command.question().map_err(|error| in_words("debug", &error))
}

/// A case that left the time to the clock would pass today and fail at night.
fn assumed(file: &CaseFile, case: &Case, policies: &PolicySet) -> Result<Assumed, Wrong> {
    let Assume { namespace_labels, may_use, added, at } = &case.assume;
    let outer = &file.assume;
    let time = at.as_ref().or(outer.at.as_ref());
    let timed = policies
        .policies()
        .iter()
        .find(|policy| policy.selector.schedule.is_some() || policy.expires.is_some());
    if let (None, Some(policy)) = (time, timed) {
        let name = Quoted(&policy.id.name);
        let message = format!("policy {name} asks what time it is; say so by `assume.at`");
        return Err((None, message));
    }
    let usable = may_use.as_ref().or(outer.may_use.as_ref()).cloned().unwrap_or_default();
    let asks =
        |name: &String| policies.policies().iter().any(|it| it.authorize && it.id.name == *name);
    if let Some(name) = usable.iter().find(|name| !asks(name)) {
        let message = format!("no policy {} asks for a right (`authorize`)", Quoted(name));
        return Err((Some("assume"), message));
    }
    let added = added.or(outer.added).unwrap_or_default();
    Ok(Assumed {
        labels: namespace_labels
            .as_ref()
            .or(outer.namespace_labels.as_ref())
            .cloned()
            .unwrap_or_default(),
        usable,
        added: usize::try_from(added).unwrap_or(usize::MAX),
        // Nothing asks for it where it was left out.
        at: time.and_then(|time| time.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH),
    })
}
