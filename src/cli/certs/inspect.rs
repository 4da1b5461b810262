//! `postern certs inspect`

mod report;

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::ArgGroup;
use jiff::Timestamp;

use crate::certificate::custody::Contents;
use crate::certificate::facts::{KEYS, believed, can_be_served};
use crate::certificate::read::{self, Certificate, Validity};
use crate::certificate::{Der, Pair, Pem};
use crate::cli::{Absent, Format, Misuse, Outcome, print};
use crate::cluster::{Call, Inspector};
use crate::config::{SecretName, ServerName};
use crate::server::tls::{self, Certificates, Demands, Origin, Published, Source};

use report::{Check, Described, Report};

const EXAMPLES: &str = "\
Examples:
  postern certs inspect certs/tls.crt --ca certs/ca.pem --host postern.postern-system.svc
  postern certs inspect --secret postern-system/postern-tls
  postern certs inspect --url https://127.0.0.1:8443 --ca certs/ca.pem -o json

With --secret or --kubeconfig it is looked up how the webhook configurations call Postern and whom
they trust, and whether the certificate would do.

Without --ca, --secret or --kubeconfig only the key and dates are looked at, those of the whole
chain: nobody is known who would believe it.

Exit code 1: it would not be accepted, or there is no such Secret.";

/// Show certificates, and whether the API server would accept them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES,
          group(ArgGroup::new("shown").required(true).args(["file", "secret", "url"])))]
pub(super) struct Args {
    /// A PEM file
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// A Secret, by its keys tls.crt, tls.key and ca.crt
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    secret: Option<SecretName>,

    /// What a server shows at this moment
    #[arg(long, value_name = "https://HOST[:PORT]")]
    url: Option<String>,

    /// Authorities to believe (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The name or address that is called [default: that of the URL, else the first it is for]
    #[arg(long, value_name = "DNS|IP")]
    host: Option<ServerName>,

    /// The webhook configurations that trust it
    #[arg(long, value_name = "NAME", default_value = "postern")]
    webhook_configurations: String,

    /// How to reach the cluster [default: for --secret as a pod of it, else KUBECONFIG]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    #[arg(
        short,
        long,
        value_enum,
        value_name = "text|json|yaml",
        default_value = "text",
        help = "How to say it"
    )]
    output: Format,
}

/// What was found, before it is judged.
struct Found {
    place: String,
    chain: Vec<Certificate>,
    authorities: Vec<Certificate>,
    checks: Vec<Check>,
    host: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    drop(tls::provider().install_default());
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let (found, calls) = runtime.block_on(async {
        let asks = args.secret.is_some() || args.kubeconfig.is_some();
        let inspector = match asks {
            true => Some(Inspector::new(args.kubeconfig.as_deref()).await?),
            false => None,
        };
        let found = find(args, inspector.as_ref()).await?;
        let calls = match &inspector {
            Some(inspector) => {
                let calls = inspector.calls(&args.webhook_configurations).await;
                let name = &args.webhook_configurations;
                let why = |why| anyhow!("the webhook configurations `{name}`: {why}");
                Some(calls.map_err(why)?)
            }
            None => None,
        };
        anyhow::Ok((found, calls))
    })?;
    let report = judge(args, found, calls.as_deref(), Timestamp::now())?;
    print(&args.output.render(&report, || report.text())?)?;
    Ok(if report.accepted == Some(false) { Outcome::No } else { Outcome::Done })
}

async fn find(args: &Args, inspector: Option<&Inspector>) -> anyhow::Result<Found> {
    if let (Some(name), Some(inspector)) = (&args.secret, inspector) {
        return of_secret(name, inspector).await;
    }
    if let Some(url) = &args.url {
        return of_url(url).await;
    }
    let path = args.file.as_ref().context("there is nothing to inspect")?;
    let pem = tls::read_file(path)?;
    let (chain, place) = (read::certificates(&pem)?, pem.place);
    let checks = vec![served(&chain)];
    Ok(Found { place, chain, authorities: Vec::new(), checks, host: None })
}

/// What a server would say of a key that is not here.
fn served(chain: &[Certificate]) -> Check {
    let fits = chain.first().is_some_and(|leaf| can_be_served(&leaf.der));
    let wrong = || format!("a server would refuse it, being of no kind that is supported: {KEYS}");
    Check::of("key", fits.then_some(()).ok_or_else(wrong), "it is of a kind that servers take")
}

async fn of_secret(name: &SecretName, inspector: &Inspector) -> anyhow::Result<Found> {
    let SecretName { namespace, name } = name;
    let namespace = namespace.as_deref().unwrap_or(inspector.namespace());
    let place = format!("Secret {namespace}/{name}");
    let held = inspector.secret(namespace, name).await;
    let held = held.map_err(|why| anyhow!("{place} cannot be read: {why}"))?;
    let (contents, pair) = held.ok_or_else(|| Absent(format!("there is no {place}")))?;
    let Contents { authorities, .. } = contents;
    let bundle = Pem { place: format!("ca.crt of {place}"), text: authorities };
    let key = Check::of("key", loads(&pair), "the key is that of the certificate");
    let authorities = read::certificates(&bundle).unwrap_or_default();
    let chain = read::certificates(&pair.certificate)?;
    Ok(Found { place, chain, authorities, checks: vec![key], host: None })
}

/// Whether a server could be started with it.
fn loads(pair: &Pair) -> Result<(), String> {
    let (_, pair) = tokio::sync::watch::channel(Some(std::sync::Arc::new(pair.clone())));
    let (_, trouble) = tokio::sync::watch::channel(None);
    let source = Source::Published(Published { pair, trouble });
    let origin = Origin { source, demands: Demands::default(), names: Vec::new() };
    Certificates::load(origin).map(drop).map_err(|error| error.to_string())
}

async fn of_url(url: &str) -> anyhow::Result<Found> {
    let misuse = || Misuse(format!("`{url}`: want https://HOST[:PORT]"));
    let (host, port) = host_and_port(url).ok_or_else(misuse)?;
    let shown = tls::shown(host, port).await.with_context(|| format!("cannot look at `{url}`"))?;
    let chain = shown.into_iter().map(certificate).collect::<Result<Vec<_>, _>>()?;
    let (authorities, checks) = (Vec::new(), vec![served(&chain)]);
    Ok(Found { place: url.to_owned(), chain, authorities, checks, host: Some(host.to_owned()) })
}

/// Of a URL; whatever follows the port is no matter.
fn host_and_port(url: &str) -> Option<(&str, u16)> {
    let authority = url.strip_prefix("https://")?.split('/').next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(address) => address.split_once(']')?,
        None => authority.find(':').map_or((authority, ""), |at| authority.split_at(at)),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None => 443,
    };
    (!host.is_empty()).then_some((host, port))
}

fn certificate(der: Der) -> anyhow::Result<Certificate> {
    read::certificate(der).map_err(|why| anyhow!("it shows what cannot be read: {why}"))
}

fn judge(
    args: &Args,
    found: Found,
    calls: Option<&[Call]>,
    now: Timestamp,
) -> anyhow::Result<Report> {
    let Found { place, chain, mut authorities, mut checks, host } = found;
    if let Some(path) = &args.ca {
        authorities = read::certificates(&tls::read_file(path)?)?;
    }
    if args.host.is_some() && authorities.is_empty() {
        let why = "`--host` is asked of whoever believes it; give `--ca FILE` as well";
        return Err(Misuse(why.to_owned()).into());
    }
    let leaf = chain.first().context("there is no certificate")?;
    let described: Vec<_> = chain.iter().map(|it| Described::of(it, now)).collect();
    let asked = !authorities.is_empty() || calls.is_some();
    let dates = valid(leaf.validity, now).and_then(|()| match asked {
        // Whoever believes it may do without one of those between.
        true => Ok(()),
        false => between_valid(&chain, now),
    });
    checks.insert(0, Check::of("validity", dates, "it is valid now"));
    let first = described.first().and_then(|it| it.names.first().cloned());
    let asked_for = args.host.as_ref().map(|ServerName(host)| host.clone());
    let host = asked_for.or(host).or(first);
    let ders: Vec<_> = chain.iter().map(|it| it.der.clone()).collect();
    if !authorities.is_empty() {
        let name = host.as_deref().unwrap_or_default();
        let trusted: Vec<_> = authorities.iter().map(|it| it.der.clone()).collect();
        let outcome = believed(&trusted, &ders, name, now);
        checks.push(Check::of("chain", outcome, &format!("it is believed as `{name}`")));
    }
    for call in calls.into_iter().flatten() {
        checks.push(called(call, &ders, now));
    }
    if calls.is_some_and(<[Call]>::is_empty) {
        let name = &args.webhook_configurations;
        let why = format!("there is no webhook configuration `{name}`");
        checks.push(Check::of("caBundle", Err(why), ""));
    }
    let accepted = match checks.iter().all(|check| check.ok) {
        true if !asked => None,
        all => Some(all),
    };
    let authorities = authorities.iter().map(|it| Described::of(it, now)).collect();
    Ok(Report { place, certificates: described, authorities, checks, accepted })
}

fn valid(valid: Validity, now: Timestamp) -> Result<(), String> {
    match (now < valid.from, now <= valid.until) {
        (true, _) => Err(format!("it begins at {}", valid.from)),
        (false, false) => Err(format!("it ended at {}", valid.until)),
        (false, true) => Ok(()),
    }
}

/// Of the certificates after the first, which vouch for it.
fn between_valid(chain: &[Certificate], now: Timestamp) -> Result<(), String> {
    let number = chain.len();
    let mut between = chain.iter().enumerate().skip(1);
    between.try_for_each(|(position, it)| {
        let which = |why| format!("certificate {} of {number}: {why}", position + 1);
        valid(it.validity, now).map_err(which)
    })
}

/// As the API server calls.
fn called(call: &Call, chain: &[Der], now: Timestamp) -> Check {
    let Call { kind, webhook, host, bundle } = call;
    let pem = Pem { place: "caBundle".to_owned(), text: bundle.clone() };
    let outcome = read::certificates(&pem).map_err(|error| error.to_string()).and_then(|bundle| {
        let trusted: Vec<_> = bundle.into_iter().map(|it| it.der).collect();
        believed(&trusted, chain, host, now)
    });
    let right = format!("the {kind} webhook `{webhook}` believes it as `{host}`");
    let wrong = |why| format!("the {kind} webhook `{webhook}` calls `{host}`: {why}");
    Check::of("caBundle", outcome.map_err(wrong), &right)
}
