//! What is shown to clients and asked of them: loaded, checked, and loaded again when it changes.
//!
//! A pair that cannot be used never replaces one that can. Connections keep what they were made
//! with; every new one takes the newest. Where the PEM comes from makes no difference.

mod clients;
mod offer;
mod origin;
mod shown;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use tracing::{info, warn};

use super::metrics::{CertificateKind, Metrics};
use super::probes::Check;
use crate::certificate::facts::{KEYS, is_for};
use crate::certificate::read::{ReadError, Validity};
use crate::watch::Watch;

use offer::Offer;

pub use origin::{Origin, Published, Source, read_file};
pub use shown::shown;

/// What clients must bring, and how old a TLS they may speak.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demands {
    /// Authorities of the clients that are let in. Nothing lets in everybody.
    pub client_ca: Option<PathBuf>,
    /// Names of which a client's certificate must have one. None: any will do.
    pub client_names: Vec<String>,
    /// Whether TLS 1.2 is too old.
    pub only_tls_1_3: bool,
}

/// What is shown to clients and asked of them, always the newest that could be loaded.
#[derive(Debug)]
pub struct Certificates {
    origin: Origin,
    config: RustlsConfig,
    state: ArcSwap<State>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// `None`: there is no certificate yet.
    validity: Option<Validity>,
    client_ca_expires: Option<Timestamp>,
    /// By which API servers call, and for which it is not.
    not_for: Vec<String>,
    /// What is wrong with what there is now.
    not_taken_over: Option<String>,
}

/// What is wrong with certificate, key or authority. At the start it ends the program; later the
/// old ones stay in use and loading is tried again.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file system says no.
    #[error("`{}` cannot be read: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Certificate and key are not a pair, or of a kind that is not supported.
    #[error("`{certificate}` and `{key}` cannot be used together: {why}")]
    Pair {
        /// Where the certificate is.
        certificate: String,
        /// Where the key is.
        key: String,
        /// In words.
        why: String,
    },
    /// The authorities cannot be used.
    #[error("`{place}` cannot be used as client authority: {why}")]
    ClientCa {
        /// Where they are.
        place: String,
        /// What the TLS library says.
        why: String,
    },
    /// Not yet, or no longer.
    #[error("the certificate in `{place}` is valid from {from} until {until}, not now")]
    NotNow {
        /// Where it is.
        place: String,
        /// `notBefore`
        from: Timestamp,
        /// `notAfter`
        until: Timestamp,
    },
}

impl Certificates {
    /// Loads everything for the first time. A certificate that is not valid now is accepted: it
    /// may be replaced in a moment, and until then readiness says so. Where none is published yet,
    /// nobody can connect until one is.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub fn load(origin: Origin) -> Result<Self, TlsError> {
        let (config, state) = match origin.read()? {
            Some(pems) => {
                let offer = Offer::new(&pems, origin.demands())?;
                (Arc::clone(&offer.config), State::of(&offer, &origin.names))
            }
            None => (offer::nothing()?, State::default()),
        };
        let config = RustlsConfig::from_config(config);
        Ok(Self { origin, config, state: ArcSwap::from_pointee(state) })
    }

    /// Loads everything again.
    ///
    /// # Errors
    ///
    /// What is wrong; then nothing has changed.
    pub fn reload(&self, now: Timestamp) -> Result<(), TlsError> {
        let outcome = self.read_valid(now);
        let old = self.state.load();
        let (state, outcome) = match outcome {
            Ok(Some(offer)) => {
                let state = State::of(&offer, &self.origin.names);
                self.config.reload_from_config(offer.config);
                (state, Ok(()))
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                let not_taken_over = Some(error.to_string());
                (State { not_taken_over, ..State::clone(&old) }, Err(error))
            }
        };
        self.state.store(Arc::new(state));
        outcome
    }

    /// An old pair that still works is better than a new one that does not.
    fn read_valid(&self, now: Timestamp) -> Result<Option<Offer>, TlsError> {
        let Some(pems) = self.origin.read()? else { return Ok(None) };
        let offer = Offer::new(&pems, self.origin.demands())?;
        let Validity { from, until } = offer.leaf.validity;
        if offer.leaf.validity.holds(now) {
            return Ok(Some(offer));
        }
        Err(TlsError::NotNow { place: pems.pair.certificate.place, from, until })
    }

    /// Loads everything again whenever `watch` says so or another pair is published, for ever.
    pub async fn keep_fresh(self: Arc<Self>, mut watch: Watch, metrics: Arc<Metrics>) {
        let mut published = self.origin.published();
        self.count(&metrics);
        self.warn_of_names();
        let mut last_failure = None;
        loop {
            let changed = tokio::select! {
                changed = watch.changed_or_retry(last_failure.is_some()) => changed,
                () = origin::changed(&mut published) => true,
            };
            match self.reload(Timestamp::now()) {
                Ok(()) => {
                    last_failure = None;
                    self.count(&metrics);
                    self.warn_of_names();
                    if let Some(Validity { until, .. }) = self.state.load().validity {
                        info!("Certificates loaded, valid until {until}");
                    }
                }
                Err(error) => {
                    let failure = Some(error.to_string());
                    if changed || failure != last_failure {
                        metrics.certificate_reload_failed();
                        warn!("The old certificates stay in use: {error}");
                    }
                    last_failure = failure;
                }
            }
        }
    }

    fn count(&self, metrics: &Metrics) {
        let State { validity, client_ca_expires, .. } = **self.state.load();
        let expires = validity.map(|validity| validity.until);
        metrics.certificate_loaded(CertificateKind::Serving, expires);
        metrics.certificate_loaded(CertificateKind::ClientCa, client_ca_expires);
    }

    fn warn_of_names(&self) {
        if let Some(why) = self.state.load().wrong_names() {
            warn!("The certificate is served, but API servers will not believe it: {why}");
        }
    }

    /// For the listener.
    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// For readiness.
    #[must_use]
    pub fn check(&self, now: Timestamp) -> Check {
        let state = self.state.load();
        let State { validity, not_taken_over, .. } = &**state;
        let trouble = self.origin.trouble();
        let because = trouble.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        let state = match (validity, not_taken_over) {
            (None, Some(why)) => Err(why.clone()),
            (None, None) => Err(format!("there is none yet{because}")),
            (Some(Validity { until, .. }), _) if *until < now => {
                Err(format!("expired at {until}{because}"))
            }
            (Some(Validity { from, .. }), _) if now < *from => {
                Err(format!("not valid before {from}{because}"))
            }
            (_, Some(why)) => Ok(Some(format!("the old one stays in use: {why}"))),
            (_, None) => Ok(trouble.or_else(|| state.wrong_names())),
        };
        Check { name: "certificate", state }
    }
}

impl State {
    fn of(offer: &Offer, names: &[String]) -> Self {
        let is_for = |name: &&String| is_for(&offer.leaf.der, name);
        Self {
            validity: Some(offer.leaf.validity),
            client_ca_expires: offer.client_ca_expires,
            not_for: names.iter().filter(|name| !is_for(name)).cloned().collect(),
            not_taken_over: None,
        }
    }

    /// Not a reason to be less than ready: clients that go by other names may be content.
    fn wrong_names(&self) -> Option<String> {
        let names = self.not_for.join("`, `");
        (!names.is_empty())
            .then(|| format!("it is not for `{names}` (`--tls-names`); issue one that is"))
    }
}

/// Why a certificate and a key do not fit.
fn misfit(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            "the key is not that of the certificate, the first in its file".to_owned()
        }
        rustls::Error::General(_) => {
            format!("the key is of no kind that is supported: {KEYS}")
        }
        other => other.to_string(),
    }
}

/// The cryptography behind everything here.
#[must_use]
pub fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(test)]
mod tests;
