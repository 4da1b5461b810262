//! What an expression of a policy is asked about: the documents of one request.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Bindings, Program, Trouble};
use crate::document;
use crate::document::excerpt::{Places, PodPlaces};
use crate::policy::circumstances::Circumstances;
use crate::policy::expression::{Documents, Expression, Scene};
use crate::policy::extent::Extent;
use crate::policy::removal::removals;
use crate::policy::request::Injection;
use crate::policy::set::Wanted;
use crate::policy::setting::Setting;

/// The variables of `match.conditions`: those of a ValidatingAdmissionPolicy, and `pod`, which is
/// `oldObject` by a name that says what it is.
pub const CONDITION_VARIABLES: [&str; 5] =
    ["object", "oldObject", "request", "namespaceObject", "pod"];
/// The variables of `containers.rules`: the same, and the added container with its parsed image.
pub const RULE_VARIABLES: [&str; 7] =
    ["object", "oldObject", "request", "namespaceObject", "pod", "container", "image"];

/// The time for one expression: a hundredth of a request's usual deadline.
const TIME: Duration = Duration::from_millis(10);
/// The time for all expressions of one request together, however many containers it adds and
/// however often each is asked, until a command to suggest is found.
const TIME_TOGETHER: Duration = Duration::from_millis(100);

/// What was sent, as far as an expression reads it; the rest is null.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    object: Arc<Value>,
    old_object: Arc<Value>,
    request: Arc<Value>,
    /// The added containers by name, as they were sent.
    containers: BTreeMap<String, Value>,
    /// The nanoseconds that expressions about this request have taken so far.
    spent: Arc<AtomicU64>,
}

/// Whether an expression sees the values of variables: those of its own accord say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Seen,
    Hidden,
}

impl Sent {
    /// Reads what is wanted of a review that was decoded before. Where any of it cannot be read
    /// there are no documents, and no expression gives an answer: null instead would be a yes to
    /// some.
    #[must_use]
    pub fn read(
        body: &[u8],
        places: &Places,
        wanted: &Wanted,
        containers: BTreeMap<String, Value>,
    ) -> Documents {
        let pod = |places: &PodPlaces, wanted: &Extent| match wanted.is_nothing() {
            true => Some(Arc::default()),
            false => places.read(body, wanted).map(Arc::new),
        };
        let request = || match wanted.request.is_nothing() {
            true => Some(Arc::default()),
            false => places.request.read(body, &wanted.request).map(Arc::new),
        };
        let sent = || {
            Some(Self {
                object: pod(&places.object, &wanted.object)?,
                old_object: pod(&places.old_object, &wanted.old_object)?,
                request: request()?,
                containers,
                spent: Arc::default(),
            })
        };
        sent().map_or_else(Documents::default, Documents::new)
    }

    /// The same documents of a request that adds this container instead.
    #[must_use]
    pub fn adding(documents: &Documents, name: &str, container: Value) -> Documents {
        let Some(sent) = documents.get::<Self>() else { return documents.clone() };
        let containers = [(name.to_owned(), container)].into();
        Documents::new(Self { containers, ..sent.clone() })
    }

    /// The same with every value of a variable replaced.
    fn without_values(&self) -> Self {
        let pod = |pod: &Arc<Value>| {
            let mut pod = Value::clone(pod);
            for list in ["containers", "initContainers", "ephemeralContainers"] {
                let at = format!("/spec/{list}");
                let containers = pod.pointer_mut(&at).and_then(Value::as_array_mut);
                containers.into_iter().flatten().for_each(hide_values);
            }
            // As clusters up to 1.21 send them.
            let containers = pod.get_mut("ephemeralContainers").and_then(Value::as_array_mut);
            containers.into_iter().flatten().for_each(hide_values);
            Arc::new(pod)
        };
        let mut containers = self.containers.clone();
        containers.values_mut().for_each(hide_values);
        Self {
            object: pod(&self.object),
            old_object: pod(&self.old_object),
            containers,
            request: Arc::clone(&self.request),
            spent: Arc::clone(&self.spent),
        }
    }

    /// Until when an expression may take that begins now.
    fn deadline(&self, now: Instant) -> Result<Instant, String> {
        let spent = Duration::from_nanos(self.spent.load(Ordering::Relaxed));
        let left = TIME_TOGETHER.checked_sub(spent).filter(|left| !left.is_zero());
        let left = left.ok_or("the expressions about this request take too long together")?;
        Ok(now + left.min(TIME))
    }

    fn spend(&self, since: Instant) {
        let took = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX / 2);
        self.spent.fetch_add(took, Ordering::Relaxed);
    }

    /// The container as it would be stored.
    fn container(&self, scene: &Scene<'_>, stored: &Injection) -> Cow<'_, Value> {
        let null = || Cow::Owned(Value::Null);
        let Some(sent) = self.containers.get(&stored.name) else { return null() };
        let mut asked = scene.request.injections.iter();
        let Some(asked) = asked.find(|asked| asked.name == stored.name) else { return null() };
        if asked == stored {
            return Cow::Borrowed(sent);
        }
        let mut container = sent.clone();
        document::take(&mut container, &removals(asked, stored, &[]));
        for setting in Setting::all_of(stored) {
            if setting.current(asked).as_ref() != Some(&setting) {
                document::put(&mut container, setting.path(), document::value(&setting));
            }
        }
        document::drop_empty_lists(&mut container);
        Cow::Owned(container)
    }
}

impl Program {
    fn ask<T>(
        &self,
        scene: &Scene<'_>,
        values: Values,
        question: impl FnOnce(&Bindings<'_>) -> Result<T, Trouble>,
    ) -> Result<T, String> {
        let documents = &scene.request.documents;
        let sent = documents.get::<Sent>().ok_or("the documents of the request are not known")?;
        let begun = Instant::now();
        let deadline = sent.deadline(begun)?;
        let hidden;
        let sent = match values {
            Values::Seen => sent,
            Values::Hidden => {
                hidden = sent.without_values();
                &hidden
            }
        };
        let stored = |variable: &str| scene.container.filter(|_| self.reads(variable).is_some());
        let container = stored("container").map(|stored| sent.container(scene, stored));
        let image = stored("image").map(image);
        let namespace = match self.reads("namespaceObject") {
            Some(_) => namespace(&scene.request.circumstances, &scene.request.namespace)
                .ok_or("`namespaceObject` is not known")?,
            None => Value::Null,
        };
        let mut bindings = Bindings::new()
            .with("object", &sent.object)
            .with("oldObject", &sent.old_object)
            .with("pod", &sent.old_object)
            .with("request", &sent.request)
            .with("namespaceObject", &namespace);
        if let Some(container) = &container {
            bindings.bind("container", container);
        }
        if let Some(image) = &image {
            bindings.bind("image", image);
        }
        let answer = question(&bindings.until(deadline)).map_err(|trouble| trouble.to_string());
        sent.spend(begun);
        answer
    }
}

impl Expression for Program {
    /// A condition may look at the value of a variable. What is said of it may not: the reason for
    /// giving no answer is one that the expression has without it.
    fn holds(&self, scene: &Scene<'_>) -> Result<bool, String> {
        let seen = |bindings: &Bindings<'_>| Self::holds(self, bindings);
        self.ask(scene, Values::Seen, seen).map_err(|_| {
            match self.ask(scene, Values::Hidden, seen) {
                Err(why) => why,
                Ok(_) => "it gives no answer, and why may not be told".to_owned(),
            }
        })
    }

    fn text(&self, scene: &Scene<'_>) -> Result<String, String> {
        self.ask(scene, Values::Hidden, |bindings| Self::text(self, bindings))
    }

    fn reads(&self, variable: &str) -> Option<&Extent> {
        Self::reads(self, variable)
    }
}

fn hide_values(container: &mut Value) {
    let variables = container.get_mut("env").and_then(Value::as_array_mut);
    for value in variables.into_iter().flatten().filter_map(|variable| variable.get_mut("value")) {
        *value = Value::from("(redacted)");
    }
}

/// The parsed image; null where it cannot be parsed, which every policy refuses anyway.
fn image(container: &Injection) -> Value {
    container.image.as_ref().map_or(Value::Null, |image| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        json!({
            "registry": image.registry,
            "repository": image.repository,
            "tag": text(&image.tag),
            "digest": text(&image.digest),
        })
    })
}

/// As much of a Namespace as is watched. Where it is not known nobody may be told that it is null,
/// which is something to go by.
fn namespace(circumstances: &Circumstances, name: &str) -> Option<Value> {
    let labels = circumstances.namespace_labels.known()?;
    Some(json!({"metadata": {"name": name, "labels": labels}}))
}

#[cfg(test)]
mod tests;
