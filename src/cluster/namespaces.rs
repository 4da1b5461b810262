//! The labels of every namespace. Nothing else of them is asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;

use super::watch::Keep;
use crate::policy::request::Fact;

type Labels = BTreeMap<String, String>;
type ByName = HashMap<String, Arc<Labels>>;

/// What is known of namespaces; `None` before they have been read for the first time.
#[derive(Debug, Clone, Default)]
pub(super) struct Namespaces(Arc<RwLock<Option<ByName>>>);

impl Namespaces {
    /// Of a namespace that was never seen nothing is known: it may be so new that its labels have
    /// not arrived.
    pub(super) fn labels(&self, name: &str) -> Fact<Labels> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let labels = known.as_ref().and_then(|known| known.get(name));
        labels.map_or(Fact::Unknown, |labels| Fact::Known(Labels::clone(labels)))
    }

    pub(super) fn keeper(&self) -> Keeper {
        Keeper { namespaces: self.clone(), beginning: ByName::new() }
    }

    fn change(&self, change: impl FnOnce(&mut Option<ByName>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Keeps what a watch tells.
pub(super) struct Keeper {
    namespaces: Namespaces,
    beginning: ByName,
}

impl Keep for Keeper {
    type Object = PartialObjectMeta<Namespace>;

    fn begin(&mut self) {
        self.beginning.clear();
    }

    fn initial(&mut self, object: Self::Object) {
        self.beginning.extend(entry(object));
    }

    fn complete(&mut self) {
        let beginning = std::mem::take(&mut self.beginning);
        self.namespaces.change(|known| *known = Some(beginning));
    }

    fn put(&mut self, object: Self::Object) {
        self.namespaces.change(|known| known.get_or_insert_default().extend(entry(object)));
    }

    fn remove(&mut self, object: &Self::Object) {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        self.namespaces.change(|known| {
            known.as_mut().and_then(|known| known.remove(name));
        });
    }

    fn publish(&mut self) {}
}

fn entry(object: PartialObjectMeta<Namespace>) -> Option<(String, Arc<Labels>)> {
    let metadata = object.metadata;
    Some((metadata.name?, Arc::new(metadata.labels.unwrap_or_default())))
}
