//! Events in words.

use std::fmt::{self, Display};

use crate::ledger::event::{ContainerOutcome, Person, What};
use crate::policy::text::Plain;

/// What happened, on one line.
pub(super) struct InWords<'a>(pub(super) &'a What);

impl Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            What::Started { version, unsigned: 0, .. } => {
                write!(f, "postern {} began to write", Plain(version))
            }
            What::Started { version, unsigned, .. } => {
                write!(f, "postern {} began to write, after {unsigned} records ", Plain(version))?;
                f.write_str("that no checkpoint speaks for")
            }
            What::Foreign { from, to } => {
                write!(f, "records {from} to {to} were not written by this server")
            }
            What::Stopped {} => f.write_str("it stopped as it was told to"),
            What::SettingsChanged { changed } => {
                f.write_str("other settings than the last time:")?;
                changed.iter().try_for_each(|change| write!(f, " {}", Plain(&change.name)))
            }
            What::PoliciesChanged { total, added, removed, .. } => {
                write!(f, "{total} policies are in force")?;
                list(f, "; new or changed:", added.iter().map(|policy| policy.name.as_str()))?;
                list(f, "; gone:", removed.iter().map(String::as_str))
            }
            What::Read { by, command } => write!(f, "{}: {}", Who(by), Plain(command)),
            What::Exported { by, command, records, .. } => {
                write!(f, "{}: {records} records, {}", Who(by), Plain(command))
            }
            What::KeyRotated { .. } => f.write_str("another key signs from here on"),
            What::Dropped { through, reason, .. } => {
                write!(f, "records up to {through} were dropped ({})", Plain(reason))
            }
            What::Held { hold, by } => {
                write!(f, "{}: nothing may be dropped, {}", Who(by), Plain(hold))
            }
            What::Released { hold, by } => {
                write!(f, "{}: the hold is over, {}", Who(by), Plain(hold))
            }
            What::Observed { namespace, pod, container, outcome, .. } => {
                let (namespace, pod) = (Plain(namespace), Plain(pod));
                write!(f, "{} in {namespace}/{pod} {}", Plain(container), Became(outcome))
            }
            What::Unattested { namespace, pod, container, image, .. } => {
                let (namespace, pod) = (Plain(namespace), Plain(pod));
                write!(f, "{} in {namespace}/{pod}: nothing allowed it, ", Plain(container))?;
                write!(f, "image {}", Plain(image))
            }
        }
    }
}

fn list<'a>(
    f: &mut fmt::Formatter<'_>,
    label: &str,
    names: impl Iterator<Item = &'a str>,
) -> fmt::Result {
    let mut names = names.peekable();
    if names.peek().is_some() {
        f.write_str(label)?;
    }
    names.try_for_each(|name| write!(f, " {}", Plain(name)))
}

struct Who<'a>(&'a Person);

impl Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", Plain(&self.0.user), Plain(&self.0.host))
    }
}

/// What became of a container.
pub(super) struct Became<'a>(pub(super) &'a ContainerOutcome);

impl Display for Became<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ContainerOutcome::Running { started_at, image_id } => {
                f.write_str("runs")?;
                if let Some(time) = started_at {
                    write!(f, " since {time}")?;
                }
                write!(f, ", {}", Plain(image_id))
            }
            ContainerOutcome::Ended { finished_at, image_id, exit_code, reason, .. } => {
                f.write_str("ended")?;
                if let Some(time) = finished_at {
                    write!(f, " at {time}")?;
                }
                write!(f, " with {exit_code} ({}), {}", Plain(reason), Plain(image_id))
            }
            ContainerOutcome::Waiting { reason } => write!(f, "does not start: {}", Plain(reason)),
            ContainerOutcome::NeverAppeared {} => {
                f.write_str("never came to be in the pod: something else refused it")
            }
            ContainerOutcome::PodGone {} => f.write_str("went away with its pod"),
        }
    }
}
