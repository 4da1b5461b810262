//! What a cluster would know, and is to be assumed without one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::Misuse;
use crate::policy::circumstances::{Circumstances, Right};
use crate::policy::request::Fact;
use crate::policy::set::PolicySet;
use crate::policy::text::Quoted;

/// What `check` cannot ask anybody.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What a cluster would know")]
pub(super) struct Assumptions {
    /// A label of the pod's namespace; without any, its labels are not known
    #[arg(long = "namespace-label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,

    /// A policy that who asks may use (`spec.authorize`); without it, they may not
    #[arg(long = "may-use", value_name = "POLICY")]
    usable: Vec<String>,

    /// How many containers who asks was allowed to add in the last hour
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    added: usize,

    /// When it is asked, as 2026-11-25T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "want a time with its zone, as in 2026-11-25T12:00:00Z")
}

impl Assumptions {
    /// A name with a slip in it would be a right that nobody asks for.
    pub(super) fn check(&self, policies: &PolicySet) -> Result<(), Misuse> {
        let asks = |name: &String| {
            policies.policies().iter().any(|policy| policy.authorize && policy.id.name == *name)
        };
        match self.usable.iter().find(|name| !asks(name)) {
            Some(name) => {
                let text = format!("`--may-use`: no policy {} has `authorize`", Quoted(name));
                Err(Misuse(text))
            }
            None => Ok(()),
        }
    }

    pub(super) fn assumed(&self) -> Assumed {
        let Self { labels, usable, added, at } = self;
        Assumed {
            labels: labels.iter().cloned().collect(),
            usable: usable.clone(),
            added: *added,
            at: at.unwrap_or_else(Timestamp::now),
        }
    }
}

/// What is taken for known about the world around a request.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Assumed {
    /// Of the pod's namespace; without any, they are not known.
    pub(in crate::cli) labels: BTreeMap<String, String>,
    /// The policies that who asks may use.
    pub(in crate::cli) usable: Vec<String>,
    /// How many containers they were allowed to add in the last hour.
    pub(in crate::cli) added: usize,
    pub(in crate::cli) at: Timestamp,
}

impl Assumed {
    /// The circumstances of every request.
    pub(in crate::cli) fn circumstances(&self, policies: &PolicySet) -> Circumstances {
        let Self { labels, usable, added, at } = self;
        let asking = policies.policies().iter().filter(|policy| policy.authorize);
        let rights = asking.map(|policy| {
            let name = &policy.id.name;
            (name.clone(), if usable.contains(name) { Right::Granted } else { Right::Denied })
        });
        Circumstances {
            now: Fact::Known(*at),
            namespace_labels: match labels.is_empty() {
                true => Fact::Unknown,
                false => Fact::Known(labels.clone()),
            },
            rights: rights.collect(),
            added_last_hour: Fact::Known(*added),
        }
    }
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
