//! How the cluster is reached, and when it was last heard.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Response;
use http_body_util::BodyExt;
use kube::client::{ClientBuilder, DynBody};
use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::util::MapResponseLayer;

/// An API server that takes longer to be connected to is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// How much longer than a watch lasts its connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// Why there is no client. All of them end the start: nothing of it mends itself.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// `--kubeconfig`
    #[error("kubeconfig `{}` cannot be used", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KubeconfigError,
    },
    /// `--context`
    #[error("context `{context}` cannot be used")]
    Context {
        /// Its name.
        context: String,
        /// Why.
        #[source]
        source: KubeconfigError,
    },
    /// Neither a pod nor a kubeconfig.
    #[error("this is no pod of a cluster, and there is no kubeconfig; give one by --kubeconfig")]
    NoCluster(#[source] InferConfigError),
    /// The certificates or tokens are not usable.
    #[error("the cluster's certificates or tokens cannot be used")]
    Client(#[source] kube::Error),
}

/// Where the cluster is and who is asking: the file, else what a pod is given, else what kubectl
/// would take.
pub(super) async fn config(
    kubeconfig: Option<&Path>,
    watch: Duration,
) -> Result<Config, ConnectError> {
    config_of(kubeconfig, None, watch).await
}

/// The same with one of the kubeconfig's contexts, which a pod does not have.
pub(super) async fn config_of(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
    watch: Duration,
) -> Result<Config, ConnectError> {
    let options =
        KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config = match (kubeconfig, context) {
        (Some(path), _) => {
            let wrong = |source| ConnectError::Kubeconfig { path: path.to_owned(), source };
            let file = Kubeconfig::read_from(path).map_err(wrong)?;
            Config::from_custom_kubeconfig(file, &options).await.map_err(wrong)?
        }
        (None, Some(context)) => {
            let wrong = |source| ConnectError::Context { context: context.to_owned(), source };
            Config::from_kubeconfig(&options).await.map_err(wrong)?
        }
        (None, None) => match Config::incluster() {
            Ok(config) => config,
            Err(_no_pod) => Config::infer().await.map_err(ConnectError::NoCluster)?,
        },
    };
    config.connect_timeout = Some(CONNECT);
    // A list that hangs would hang for ever, because nothing else limits it.
    config.read_timeout = Some(watch + SILENCE);
    config.reset_reader_on_write = true;
    Ok(config)
}

/// A client for questions.
pub(super) fn client(config: &Config) -> Result<Client, ConnectError> {
    Client::try_from(config.clone()).map_err(ConnectError::Client)
}

/// A client for one watch, each part of whose answers is a beat of `pulse`: events, and the
/// bookmarks of a watch on which nothing happens.
pub(super) fn listening_client(config: &Config, pulse: &Pulse) -> Result<Client, ConnectError> {
    let builder = ClientBuilder::try_from(config.clone()).map_err(ConnectError::Client)?;
    let pulse = pulse.clone();
    let listen = MapResponseLayer::new(move |response: Response<Box<DynBody>>| {
        let pulse = pulse.clone();
        let good = response.status().is_success();
        let beat = move || {
            if good {
                pulse.beat();
            }
        };
        beat();
        response.map(|body| {
            body.map_frame(move |frame| {
                beat();
                frame
            })
        })
    });
    Ok(builder.with_layer(&listen).build())
}

/// When something was last heard.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    start: Instant,
    /// After the start, in ms and one more; 0: never.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(Beats { start: Instant::now(), last: AtomicU64::new(0) }))
    }
}

impl Pulse {
    /// Something was heard.
    pub(super) fn beat(&self) {
        let elapsed = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.0.last.store(elapsed.saturating_add(1), Ordering::Relaxed);
    }

    /// When; `None`: never yet.
    pub(super) fn last(&self) -> Option<Instant> {
        let millis = self.0.last.load(Ordering::Relaxed).checked_sub(1)?;
        self.0.start.checked_add(Duration::from_millis(millis))
    }
}
