//! What a pod says of one of its ephemeral containers.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus};

use super::pod::Pod;
use crate::ledger::event::ContainerOutcome;

/// What every container waits for; none of it keeps one from starting.
const ORDINARY: [&str; 2] = ["ContainerCreating", "PodInitializing"];
/// How many reasons to wait are written down of one container.
const MAX_REASONS: usize = 8;
/// Longest reason or image that is kept, in characters.
const MAX_CHARS: usize = 512;

/// How a container is found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Not in the pod.
    Absent,
    /// In the pod, and there is nothing to say of it yet.
    Silent,
    /// So.
    Is(ContainerOutcome),
}

/// How this container of the pod is found.
pub(super) fn sight(pod: &Pod, container: &str) -> Sight {
    if !pod.debug_containers().iter().any(|listed| listed.name == container) {
        return Sight::Absent;
    }
    let status = pod.debug_statuses().iter().find(|status| status.name == container);
    status.and_then(outcome).map_or(Sight::Silent, Sight::Is)
}

fn outcome(status: &ContainerStatus) -> Option<ContainerOutcome> {
    let ContainerState { running, terminated, waiting } = status.state.as_ref()?;
    let image_id = cut(&status.image_id);
    if let Some(ended) = terminated {
        return Some(ContainerOutcome::Ended {
            started_at: ended.started_at.as_ref().map(|time| time.0),
            finished_at: ended.finished_at.as_ref().map(|time| time.0),
            image_id,
            exit_code: ended.exit_code,
            reason: cut(ended.reason.as_deref().unwrap_or_default()),
        });
    }
    if let Some(running) = running {
        let started_at = running.started_at.as_ref().map(|time| time.0);
        return Some(ContainerOutcome::Running { started_at, image_id });
    }
    let reason = waiting.as_ref()?.reason.as_deref()?;
    (!ORDINARY.contains(&reason)).then(|| ContainerOutcome::Waiting { reason: cut(reason) })
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_CHARS).collect()
}

/// Whether nothing more can follow.
pub(super) fn is_final(outcome: &ContainerOutcome) -> bool {
    match outcome {
        ContainerOutcome::Running { .. } | ContainerOutcome::Waiting { .. } => false,
        ContainerOutcome::Ended { .. }
        | ContainerOutcome::NeverAppeared {}
        | ContainerOutcome::PodGone {} => true,
    }
}

/// Whether it says more than what was said before.
pub(super) fn is_new(outcome: &ContainerOutcome, said: &[ContainerOutcome]) -> bool {
    if said.iter().any(is_final) {
        return false;
    }
    match outcome {
        ContainerOutcome::Running { .. } => {
            !said.iter().any(|it| matches!(it, ContainerOutcome::Running { .. }))
        }
        ContainerOutcome::Waiting { .. } => {
            let waits = |it: &&ContainerOutcome| matches!(it, ContainerOutcome::Waiting { .. });
            !said.contains(outcome) && said.iter().filter(waits).count() < MAX_REASONS
        }
        ContainerOutcome::Ended { .. }
        | ContainerOutcome::NeverAppeared {}
        | ContainerOutcome::PodGone {} => true,
    }
}
