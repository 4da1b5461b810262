//! The certificates, as the settings want them.

use std::sync::Arc;

use anyhow::Context;

use crate::certificate::custody::Wanted;
use crate::cluster::{Custody, CustodyEvent, CustodyOptions, Leave, Task, custody};
use crate::config::{Serving, Settings, TlsSecret, TlsSettings, TlsVersion};
use crate::server::metrics::{CertificateKind, Metrics};
use crate::server::tls::{Certificates, Demands, Origin, Published, Source};
use crate::server::tokens::Tokens;
use crate::watch::Watch;

/// Certificates that are served, and what goes with them.
pub(super) struct Prepared {
    pub(super) certificates: Arc<Certificates>,
    /// What is to be said when this server stops.
    pub(super) leave: Option<Leave>,
    /// What keeps them fresh.
    pub(super) tasks: Vec<Task>,
}

/// Loads them, and prepares what keeps them fresh.
pub(super) async fn prepare(
    settings: &Settings,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Prepared> {
    let TlsSettings { serving, client_ca, client_names, min_version, token_file: _ } =
        &settings.tls;
    let demands = Demands {
        client_ca: client_ca.clone(),
        client_names: client_names.clone(),
        only_tls_1_3: *min_version == TlsVersion::V1_3,
    };
    let mut names = Vec::new();
    let (source, leave, mut tasks) = match serving {
        Serving::Files { certificate, key, names: called } => {
            names.clone_from(called);
            let (certificate, key) = (certificate.clone(), key.clone());
            (Source::Files { certificate, key }, None, Vec::new())
        }
        // What is made here is for the names that are wanted, or made anew.
        Serving::Secret(secret) => in_custody(secret, &settings.writer, metrics).await?,
    };
    let origin = Origin { source, demands, names };
    // The watch begins before the files are read, so that no change falls in between.
    let watch = Watch::new(&origin.paths());
    let certificates = Arc::new(Certificates::load(origin).context("cannot serve over TLS")?);
    let fresh = Arc::clone(&certificates).keep_fresh(watch, Arc::clone(metrics));
    tasks.push(Box::pin(fresh));
    Ok(Prepared { certificates, leave, tasks })
}

async fn in_custody(
    secret: &TlsSecret,
    replica: &str,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<(Source, Option<Leave>, Vec<Task>)> {
    let metrics = Arc::clone(metrics);
    let tell = move |event| match event {
        CustodyEvent::Done(what) => metrics.certificate_rotated(what, "done"),
        CustodyEvent::Failed(what) => metrics.certificate_rotated(what, "failed"),
        CustodyEvent::Authorities { issuing, retiring } => {
            metrics.certificate_loaded(CertificateKind::Ca, issuing);
            metrics.certificate_loaded(CertificateKind::RetiringCa, retiring);
        }
    };
    let custody = custody(options(secret, replica), tell);
    let custody = custody.await.context("cannot use `--tls-secret`")?;
    let Custody { pair, trouble, leave, tasks } = custody;
    Ok((Source::Published(Published { pair, trouble }), Some(leave), tasks))
}

fn options(secret: &TlsSecret, replica: &str) -> CustodyOptions {
    let TlsSecret {
        namespace,
        name,
        names,
        webhook_configurations,
        lifetime,
        authority_lifetime,
        kubeconfig,
    } = secret.clone();
    let wanted = Wanted { names, lifetime, authority_lifetime };
    let replica = replica.to_owned();
    CustodyOptions { kubeconfig, namespace, name, webhook_configurations, wanted, replica }
}

/// The tokens that clients must show; `None`: none.
pub(super) fn tokens(settings: &Settings) -> anyhow::Result<Option<(Arc<Tokens>, Task)>> {
    let Some(path) = &settings.tls.token_file else { return Ok(None) };
    let watch = Watch::new(std::slice::from_ref(path));
    let tokens = Arc::new(Tokens::load(path).context("cannot use `--token-file`")?);
    let fresh = Arc::clone(&tokens).keep_fresh(watch);
    Ok(Some((tokens, Box::pin(fresh))))
}
