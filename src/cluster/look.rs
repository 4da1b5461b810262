//! The cluster at one moment, for a command that asks and ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;

use super::access::{Access, AccessLimits};
use super::client::{self, ConnectError};
use super::policies::{Seen, Snapshot};
use super::watch::plain;
use super::{debug_policies, join};
use crate::admission::decode::User;
use crate::crd::live;
use crate::policy::circumstances::{Circumstances, Right};
use crate::policy::request::Fact;
use crate::policy::rule::Policy;
use crate::policy::set::PolicySet;

/// How long anything may take that a person waits for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the cluster could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// There is no telling where it is.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It did not say what it has.
    #[error("the policies of the cluster cannot be read: {0}")]
    Policies(String),
}

/// What a cluster has, and who can be asked about it.
#[derive(Debug)]
pub struct Look {
    namespaces: Api<Namespace>,
    access: Access,
    /// What is wrong with policies that only object, by name.
    pub faults: BTreeMap<String, String>,
}

impl Look {
    /// Reads the policies of a cluster, and puts those of files beside them as the server does.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or does not let its policies be read.
    pub async fn at(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
        files: &[Policy],
    ) -> Result<(Self, PolicySet), LookError> {
        let config = client::config_of(kubeconfig, context, PATIENCE).await?;
        let client = client::client(&config)?;
        let listed = debug_policies(client.clone()).list(&ListParams::default()).await;
        let listed = listed.map_err(|error| LookError::Policies(plain(&error)))?;
        let seen = listed.items.iter().filter_map(|object| {
            let live = Arc::new(live::read(&object.metadata, object.data.get("spec")));
            Some((object.metadata.name.clone()?, Seen { live, status: None }))
        });
        let (set, reports) = join(files, &Snapshot { revision: 0, policies: seen.collect() });
        let faults = reports.into_iter();
        let faults = faults.filter_map(|report| Some((report.name, report.fault?.message)));
        let limits = AccessLimits { allow_ttl: PATIENCE, deny_ttl: PATIENCE, answer: PATIENCE };
        let access = Access::new(client.clone(), limits);
        let namespaces = Api::all(client);
        Ok((Self { namespaces, access, faults: faults.collect() }, set))
    }

    /// What the cluster knows of a request, put over what is assumed otherwise.
    pub async fn circumstances(
        &self,
        assumed: &Circumstances,
        policies: &PolicySet,
        user: &User,
        namespace: &str,
    ) -> Circumstances {
        let mut rights: BTreeMap<String, Right> = BTreeMap::new();
        for policy in policies.policies().iter().filter(|policy| policy.authorize) {
            let name = &policy.id.name;
            rights.insert(name.clone(), self.access.may_use(user, name, namespace).await);
        }
        let found = self.namespaces.get_metadata(namespace).await;
        let labels = found.map(|object| object.metadata.labels.unwrap_or_default());
        Circumstances {
            namespace_labels: labels.map_or(Fact::Unknown, Fact::Known),
            rights,
            ..assumed.clone()
        }
    }
}
