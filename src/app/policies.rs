//! The policies of folders, loaded again when they change.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tracing::warn;

use super::publish::Publisher;

use crate::folder::{self, Fault, LoadError};
use crate::policy::text::Plain;
use crate::server::metrics::Metrics;
use crate::server::probes::Check;
use crate::watch::Watch;

/// Loads policies from folders and has them published whole.
#[derive(Debug)]
pub(super) struct PolicyFolders {
    folders: Vec<PathBuf>,
    publisher: Arc<Publisher>,
    /// What is wrong with the folders as they are now.
    not_in_force: ArcSwapOption<String>,
    metrics: Arc<Metrics>,
}

impl PolicyFolders {
    pub(super) fn new(
        folders: Vec<PathBuf>,
        publisher: Arc<Publisher>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { folders, publisher, not_in_force: ArcSwapOption::empty(), metrics }
    }

    /// Loads all folders and has the result published; what cannot be loaded changes nothing.
    pub(super) fn load(&self) -> Result<(), LoadError> {
        match folder::load(&self.folders) {
            Ok(set) => {
                self.publisher.take_files(&set);
                self.not_in_force.store(None);
                Ok(())
            }
            Err(error) => {
                self.not_in_force.store(Some(Arc::new(on_one_line(&error))));
                Err(error)
            }
        }
    }

    /// Loads everything again whenever `watch` says so, for ever.
    pub(super) async fn keep_fresh(self: Arc<Self>, mut watch: Watch) {
        let mut last_failure = None;
        loop {
            let changed = watch.changed_or_retry(last_failure.is_some()).await;
            let folders = Arc::clone(&self);
            let Ok(loaded) = tokio::task::spawn_blocking(move || folders.load()).await else {
                warn!("The old policies stay in force: a fault inside while loading the new ones");
                // Tried again by the clock, as after any other failure.
                last_failure = Some("a fault inside".to_owned());
                continue;
            };
            match loaded {
                Ok(()) => last_failure = None,
                Err(error) => {
                    let failure = Some(error.to_string());
                    if changed || failure != last_failure {
                        self.metrics.policies_reload_failed();
                        warn!("The old policies stay in force: {error}");
                    }
                    last_failure = failure;
                }
            }
        }
    }

    /// For readiness.
    pub(super) fn check(&self) -> Check {
        let not_in_force = self.not_in_force.load();
        let state = match (self.publisher.published().load().is_some(), not_in_force.as_deref()) {
            (true, None) => Ok(None),
            (true, Some(why)) => Ok(Some(format!("the old ones stay in force: {why}"))),
            (false, _) => Err("none have been loaded".to_owned()),
        };
        Check { name: "policies", state }
    }
}

/// The whole text has a picture of each place.
fn on_one_line(error: &LoadError) -> String {
    let first = match error.faults.first() {
        Some(Fault::Flaw { file, line, column, message, picture: _ }) => {
            format!("{file}:{line}:{column}: {message}")
        }
        Some(fault) => fault.to_string(),
        None => String::new(),
    };
    let first = Plain(first.strip_prefix("error: ").unwrap_or(&first));
    match error.faults.len() {
        0 | 1 => first.to_string(),
        number => format!("{first} (and {} more)", number - 1),
    }
}
