//! Judging by a live cluster: its policies, the labels of its namespaces, and rights in it.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::admission::decode::Review;
use crate::cluster::Look;
use crate::policy::circumstances::Circumstances;
use crate::policy::rule::Policy;
use crate::policy::set::PolicySet;
use crate::policy::text::Plain;
use crate::server::tls;

/// Which cluster is asked, if one is.
#[derive(Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// Judge by the live policies of a cluster, and by those of `--policies` beside them
    #[arg(long, conflicts_with_all = ["labels", "usable"])]
    pub(super) cluster: bool,

    /// How to reach it; else as a pod of it, else as kubectl would
    #[arg(long, value_name = "FILE", requires = "cluster")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME", requires = "cluster")]
    context: Option<String>,
}

/// A cluster that was reached.
#[derive(Debug)]
pub(in crate::cli) struct Live {
    runtime: Runtime,
    look: Look,
}

impl ClusterArgs {
    /// Reads the policies; those that are wrong are told on standard error, and object.
    pub(super) fn look(&self, files: &PolicySet) -> anyhow::Result<(Live, PolicySet)> {
        // Whoever asks for the process's provider gets this one, as in the server.
        drop(tls::provider().install_default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let files: Vec<Policy> = files.policies().iter().map(|it| Policy::clone(it)).collect();
        let looked =
            runtime.block_on(Look::at(self.kubeconfig.as_deref(), self.context.as_deref(), &files));
        let (look, set) = looked.context("`--cluster`")?;
        for (name, fault) in &look.faults {
            writeln!(io::stderr(), "policy {} only objects: {}", Plain(name), Plain(fault))?;
        }
        Ok((Live { runtime, look }, set))
    }
}

impl Live {
    /// What the cluster knows of a review, put over what is assumed otherwise.
    pub(super) fn circumstances(
        &self,
        assumed: &Circumstances,
        policies: &PolicySet,
        review: &Review,
    ) -> Circumstances {
        let Review { user, namespace, .. } = review;
        self.runtime.block_on(self.look.circumstances(assumed, policies, user, namespace))
    }
}
