//! How the cluster is reached, and when it was last heard.

mod credentials;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::{Body, ClientBuilder, DynBody};
use kube::config::{
    Cluster, Context, ExecConfig, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError,
    LoadDataError,
};
use kube::{Client, Config};
use tower::BoxError;
use tower::util::{BoxService, MapRequestLayer, MapResponseLayer};

use crate::certificate::facts::in_words;
use crate::certificate::read;

use credentials::TokenFile;
pub(super) use credentials::credentials;

/// What the library makes of a configuration.
type GenericService = BoxService<Request<Body>, Response<Box<DynBody>>, BoxError>;

/// An API server that takes longer to be connected to is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// How much longer than a watch lasts its connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// Why there is no client. All of them end the start: nothing of it mends itself.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file says where it is, and cannot be used.
    #[error("{place}: {why}")]
    Kubeconfig {
        /// Which.
        place: String,
        /// Why not, and what to do.
        why: String,
    },
    /// Neither a pod nor a kubeconfig.
    #[error(
        "this is no pod of a cluster, and there is no kubeconfig; name one by --kubeconfig or in \
         KUBECONFIG"
    )]
    NoCluster,
    /// A pod, and not let in anywhere.
    #[error(
        "this pod has no service account that can be read ({0}), and there is no kubeconfig; set \
         `automountServiceAccountToken: true`, or name one by --kubeconfig"
    )]
    NoAccount(String),
    /// The certificates or tokens are not usable.
    #[error("the cluster's certificates or tokens cannot be used: {0}")]
    Client(String),
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
    let mut config = match (kubeconfig, context) {
        (None, None) => match Config::incluster() {
            Ok(config) => config,
            Err(why) => of_kubeconfig(None, None).await.map_err(|error| no_pod(error, &why))?,
        },
        (file, context) => of_kubeconfig(file, context).await?,
    };
    config.connect_timeout = Some(CONNECT);
    // A list that hangs would hang for ever, because nothing else limits it.
    config.read_timeout = Some(watch + SILENCE);
    config.reset_reader_on_write = true;
    Ok(config)
}

/// Where a pod is given no account, that is what is wrong, and not that it is none.
fn no_pod(error: ConnectError, why: &InClusterError) -> ConnectError {
    match (error, why) {
        (ConnectError::NoCluster, InClusterError::ReadEnvironmentVariable(_)) => {
            ConnectError::NoCluster
        }
        (ConnectError::NoCluster, why) => ConnectError::NoAccount(why.to_string()),
        (other, _) => other,
    }
}

async fn of_kubeconfig(path: Option<&Path>, context: Option<&str>) -> Result<Config, ConnectError> {
    let paths = path.map_or_else(of_environment, |path| vec![path.to_owned()]);
    let place = match paths.as_slice() {
        [] => "the kubeconfig (~/.kube/config)".to_owned(),
        paths => place(paths),
    };
    let wrong = |error| ConnectError::Kubeconfig { place: place.clone(), why: words(&error) };
    let file = match paths.as_slice() {
        [] => Kubeconfig::read().map_err(|error| match error {
            KubeconfigError::FindPath => ConnectError::NoCluster,
            KubeconfigError::ReadConfig(why, _) if why.kind() == ErrorKind::NotFound => {
                ConnectError::NoCluster
            }
            other => wrong(other),
        })?,
        paths => merged(paths)?,
    };
    let wrong_with = [nobody, no_header, through_a_proxy];
    if let Some(why) = wrong_with.iter().find_map(|wrong| wrong(&file, context)) {
        return Err(ConnectError::Kubeconfig { place, why });
    }
    let authority = cluster_of(&file, context).map(|(_, cluster)| authority(cluster));
    let context = context.map(str::to_owned);
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(file, &options).await.map_err(wrong)?;
    if let Some(why) = authority.and_then(|it| unbelievable(&it, &config)) {
        return Err(ConnectError::Kubeconfig { place, why });
    }
    // That of HTTPS_PROXY, which may have nothing to do with the cluster.
    config.proxy_url = None;
    // The library panics at the first question to one without a scheme, and URLs are shown.
    let url = &config.cluster_url;
    let has_password = url.authority().is_some_and(|it| it.as_str().contains('@'));
    match url.scheme_str() {
        Some("http" | "https") if !has_password => Ok(config),
        _ => Err(ConnectError::Kubeconfig { place, why: NO_URL.to_owned() }),
    }
}

const NO_URL: &str = "the `server` of its cluster is no URL; want `https://HOST:PORT`";

/// The files of which one is read where a kubeconfig is wanted: this one, else what kubectl would
/// take.
#[must_use]
pub fn kubeconfigs(given: Option<&Path>) -> Vec<PathBuf> {
    if let Some(given) = given {
        return vec![given.to_owned()];
    }
    let named = of_environment();
    if !named.is_empty() {
        return named;
    }
    std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect()
}

/// Every file that KUBECONFIG names. The library would read them too, and not say which is wrong.
fn of_environment() -> Vec<PathBuf> {
    let value = std::env::var_os("KUBECONFIG").unwrap_or_default();
    std::env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect()
}

/// All of them as one. As for kubectl, one that is not there is no matter if another is.
fn merged(paths: &[PathBuf]) -> Result<Kubeconfig, ConnectError> {
    let none = !paths.iter().any(|path| path.exists());
    let mut paths = paths.iter().filter(|path| none || path.exists());
    paths.try_fold(Kubeconfig::default(), |all, path| {
        let file = Kubeconfig::read_from(path).and_then(|file| all.merge(file));
        let place = place(std::slice::from_ref(path));
        file.map_err(|error| ConnectError::Kubeconfig { place, why: words(&error) })
    })
}

fn place(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    format!("kubeconfig `{}`", paths.join("`, `"))
}

/// A user that is named and not there would be asked for as nobody, whom every answer is kept from.
fn nobody(file: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let (name, context) = context_of(file, context)?;
    let user = context.user.as_deref().filter(|user| !user.is_empty())?;
    let is_there = file.auth_infos.iter().any(|it| it.name == user);
    (!is_there).then(|| {
        format!("it has no user `{user}`, whom its context `{name}` names; add one under `users`")
    })
}

/// A line break at the end of a token is enough for the library to panic.
fn no_header(file: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let (_, context) = context_of(file, context)?;
    let user = context.user.as_deref()?;
    let named = file.auth_infos.iter().find(|it| it.name == user)?;
    // Its text is hidden from everything but its writing.
    let written = serde_json::to_value(named.auth_info.as_ref()?).ok()?;
    let token = written.get("token")?.as_str()?;
    http::HeaderValue::from_str(token).is_err().then(|| {
        format!("the `token` of its user `{user}` holds a line break or the like; take it away")
    })
}

fn through_a_proxy(file: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let (name, cluster) = cluster_of(file, context)?;
    let proxy = cluster.proxy_url.as_deref()?;
    (!proxy.is_empty()).then(|| {
        format!("its cluster `{name}` has a `proxy-url`; API servers are asked without a proxy")
    })
}

/// What says whom to believe.
fn authority(cluster: &Cluster) -> String {
    match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (None, Some(path)) => format!("its `certificate-authority`, `{path}`,"),
        _ => "its `certificate-authority-data`".to_owned(),
    }
}

/// The library would take a text without a certificate, and believe nobody.
fn unbelievable(authority: &str, config: &Config) -> Option<String> {
    let authorities = config.root_cert.as_ref().filter(|_| !config.accept_invalid_certs)?;
    if authorities.is_empty() {
        return Some(format!(
            "{authority} holds no certificate in PEM; give that of its authority"
        ));
    }
    let wrong = |der: &Vec<u8>| read::certificate(der.clone().into()).err();
    let why = authorities.iter().find_map(wrong)?;
    Some(format!("{authority} holds a certificate that cannot be used: {why}"))
}

fn cluster_of<'a>(
    file: &'a Kubeconfig,
    context: Option<&'a str>,
) -> Option<(&'a str, &'a Cluster)> {
    let (_, Context { cluster, .. }) = context_of(file, context)?;
    let named = file.clusters.iter().find(|it| it.name == *cluster)?;
    Some((cluster, named.cluster.as_ref()?))
}

/// Of this name, else the current one.
fn context_of<'a>(file: &'a Kubeconfig, name: Option<&'a str>) -> Option<(&'a str, &'a Context)> {
    let name = name.or(file.current_context.as_deref())?;
    let named = file.contexts.iter().find(|it| it.name == name)?;
    Some((name, named.context.as_ref()?))
}

/// What is wrong with a kubeconfig, and what to do.
fn words(error: &KubeconfigError) -> String {
    use KubeconfigError as Wrong;
    match error {
        Wrong::ReadConfig(why, path) => format!("`{}` cannot be read: {why}", path.display()),
        Wrong::Parse(error) => {
            // The lines after it are a picture of the file, in which there are keys.
            let said = error.to_string().lines().next().unwrap_or_default().to_owned();
            format!("it is no kubeconfig: {}", said.trim_start_matches("error: "))
        }
        Wrong::CurrentContextNotSet => {
            "it names no current context; `kubectl config use-context NAME` does".to_owned()
        }
        Wrong::LoadContext(name) => {
            format!("it has no context `{name}`; `kubectl config get-contexts` lists those it has")
        }
        Wrong::LoadClusterOfContext(name) => {
            format!("it has no cluster `{name}`, which its context names; add one under `clusters`")
        }
        Wrong::ParseClusterUrl(_) => NO_URL.to_owned(),
        Wrong::ParseProxyUrl(_) => "HTTPS_PROXY is no URL; mend it, or unset it".to_owned(),
        Wrong::MissingClusterUrl => "its cluster has no `server`".to_owned(),
        Wrong::LoadCertificateAuthority(why) => unread("certificate-authority", why),
        Wrong::ParseCertificates(_) => {
            "the `certificate-authority` of its cluster is no PEM; want certificates".to_owned()
        }
        Wrong::LoadClientCertificate(why) => unread("client-certificate", why),
        Wrong::LoadClientKey(why) => unread("client-key", why),
        other => other.to_string(),
    }
}

fn unread(field: &str, error: &LoadDataError) -> String {
    match error {
        LoadDataError::ReadFile(why, path) => {
            format!("its `{field}` is `{}`, which cannot be read: {why}", path.display())
        }
        LoadDataError::DecodeBase64(why) => format!("its `{field}-data` is not base64: {why}"),
        LoadDataError::NoBase64DataOrFile => {
            format!("it has neither `{field}` nor `{field}-data`; a certificate needs its key")
        }
    }
}

fn unusable(error: kube::Error, exec: Option<&ExecConfig>) -> ConnectError {
    match error {
        kube::Error::InferKubeconfig(error) => ConnectError::Client(words(&error)),
        kube::Error::Auth(error) => ConnectError::Client(credentials(&error, exec)),
        other => ConnectError::Client(other.to_string()),
    }
}

/// Why the API server's certificate is not believed, and where its authority belongs.
pub(super) fn unbelieved(error: &rustls::Error) -> String {
    use rustls::CertificateError::UnknownIssuer;
    use rustls::Error::InvalidCertificate;
    let place = match error {
        InvalidCertificate(UnknownIssuer) => {
            "; its own belongs into `certificate-authority` of the kubeconfig's cluster (in a \
             pod, into `ca.crt`)"
        }
        _ => "",
    };
    format!("the API server's certificate is not believed: {}{place}", in_words(error))
}

/// A client for questions.
pub(super) fn client(config: &Config) -> Result<Client, ConnectError> {
    let (builder, token) = builder(config)?;
    Ok(builder.with_layer(&signing(token)).build())
}

/// What asks, and the token that its requests are to have beside what the library puts in.
fn builder(
    config: &Config,
) -> Result<(ClientBuilder<GenericService>, Option<TokenFile>), ConnectError> {
    let mut config = config.clone();
    let token = TokenFile::take(&mut config.auth_info).map_err(ConnectError::Client)?;
    let exec = config.auth_info.exec.clone();
    let builder = ClientBuilder::try_from(config);
    Ok((builder.map_err(|error| unusable(error, exec.as_ref()))?, token))
}

fn signing(
    token: Option<TokenFile>,
) -> MapRequestLayer<impl Fn(Request<Body>) -> Request<Body> + Clone> {
    MapRequestLayer::new(move |mut request| {
        if let Some(token) = &token {
            token.sign(&mut request);
        }
        request
    })
}

/// A client for one watch, each part of whose answers is a beat of `pulse`: events, and the
/// bookmarks of a watch on which nothing happens.
pub(super) fn listening_client(config: &Config, pulse: &Pulse) -> Result<Client, ConnectError> {
    let (builder, token) = builder(config)?;
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
    Ok(builder.with_layer(&signing(token)).with_layer(&listen).build())
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
