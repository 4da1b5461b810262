//! What is to be judged: from files, standard input, or the options of `kubectl debug`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::Value;

use super::super::{Misuse, somebody};
use super::Question;
use crate::kubectl::{self, CustomProfile, DebugOptions, Profile};
use crate::policy::request::PullPolicy;
use crate::server::webhook::BODY_LIMIT_BYTES;

/// The path that means standard input.
const STDIN: &str = "-";
/// Stands for the random part of a container's name, so that the same question has one answer.
const SUFFIX: &str = "check";

/// A `kubectl debug` command: its options, spelled as kubectl spells them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A kubectl debug command to judge")]
pub(super) struct DebugArgs {
    /// The pod to debug, as `kubectl get pod -o yaml` prints it; `-` is standard input
    #[arg(long, value_name = "POD.yaml", requires_all = ["image", "as_user"])]
    pub(super) pod: Option<PathBuf>,

    /// The pod's namespace, where the file names none
    #[arg(short, long, value_name = "NS", requires = "pod")]
    namespace: Option<String>,

    /// The debug container's image
    #[arg(long, value_name = "IMG", requires = "pod")]
    image: Option<String>,

    /// kubectl's debug profile
    #[arg(long, value_name = "P", requires = "pod", default_value = "general",
        value_parser = profile_parser())]
    profile: Profile,

    /// The container whose processes the debug container sees
    #[arg(long, value_name = "C", requires = "pod")]
    target: Option<String>,

    /// The debug container's name [default: debugger-check]
    #[arg(short, long, value_name = "N", requires = "pod")]
    container: Option<String>,

    /// A variable of the debug container
    #[arg(long, value_name = "K=V", requires = "pod", value_parser = kubectl::parse_env)]
    env: Vec<Vec<(String, String)>>,

    /// A partial container to put over the profile, YAML or JSON
    #[arg(long, value_name = "FILE", requires = "pod")]
    custom: Option<PathBuf>,

    /// When to pull the image
    #[arg(long, value_name = "WHEN", requires = "pod", value_parser = pull_policy_parser())]
    image_pull_policy: Option<PullPolicy>,

    /// Keep standard input open
    #[arg(short = 'i', long, requires = "pod")]
    stdin: bool,

    /// Allocate a terminal
    #[arg(short, long, requires = "pod")]
    tty: bool,

    /// Take COMMAND for the arguments of the image's own command
    #[arg(long, requires = "pod")]
    arguments_only: bool,

    /// Who asks
    #[arg(long = "as", id = "as_user", value_name = "USER", requires = "pod",
          value_parser = somebody)]
    user: Option<String>,

    /// A group of who asks, beyond those that the API server adds
    #[arg(long = "as-group", value_name = "GROUP", requires = "pod",
          value_parser = somebody)]
    groups: Vec<String>,

    /// What to run instead of the image's own command
    #[arg(last = true, requires = "pod")]
    command: Vec<String>,
}

fn profile_parser() -> impl TypedValueParser<Value = Profile> {
    let names = PossibleValuesParser::new(Profile::ALL.map(Profile::as_str));
    names.try_map(|name| Profile::parse(&name).ok_or("unknown profile"))
}

fn pull_policy_parser() -> impl TypedValueParser<Value = PullPolicy> {
    let names = PossibleValuesParser::new(PullPolicy::ALL.map(PullPolicy::as_str));
    names.try_map(|name| PullPolicy::parse(&name).ok_or("unknown policy"))
}

impl DebugArgs {
    /// The review that the API server would send for the command.
    pub(super) fn question(&self, pod: &Path) -> anyhow::Result<Question> {
        let command = Command {
            options: self.options()?,
            pod: document(pod)?,
            pod_from: called(pod),
            namespace: self.namespace.as_deref().and_then(kubectl::given),
            user: self.user.clone().unwrap_or_default(),
            groups: self.groups.clone(),
        };
        command.question()
    }

    fn options(&self) -> anyhow::Result<DebugOptions> {
        let custom = self.custom.as_deref().map(custom_profile).transpose()?;
        Ok(DebugOptions {
            image: self.image.clone().unwrap_or_default(),
            profile: self.profile,
            target: self.target.as_deref().and_then(kubectl::given),
            container: self.container.as_deref().and_then(kubectl::given),
            env: self.env.concat(),
            image_pull_policy: self.image_pull_policy,
            stdin: self.stdin,
            tty: self.tty,
            command: self.command.clone(),
            arguments_only: self.arguments_only,
            custom,
        })
    }
}

/// A `kubectl debug` command, and everything that it is about.
pub(in crate::cli) struct Command {
    pub(in crate::cli) options: DebugOptions,
    pub(in crate::cli) pod: Value,
    /// What errors call the pod's file.
    pub(in crate::cli) pod_from: String,
    pub(in crate::cli) namespace: Option<String>,
    pub(in crate::cli) user: String,
    pub(in crate::cli) groups: Vec<String>,
}

impl Command {
    /// The review that the API server would send for it.
    ///
    /// # Errors
    ///
    /// kubectl would not send it, or the pod is none.
    pub(in crate::cli) fn question(mut self) -> anyhow::Result<Question> {
        let container =
            self.options.ephemeral_container(SUFFIX).map_err(|error| Misuse(error.to_string()))?;
        let namespace = self.place()?;
        let requester = kubectl::impersonated(&self.user, &self.groups);
        let review = kubectl::review(&self.pod, &container, &requester);
        let review = review.with_context(|| self.pod_from.clone())?;
        let name = self.pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let name = self.options.command_line(name, &namespace);
        Ok(Question { name, body: serde_json::to_vec(&review)? })
    }

    /// Puts the pod into the namespace asked for, as kubectl does: one that is named must agree.
    fn place(&mut self) -> anyhow::Result<String> {
        let metadata = self.pod.get_mut("metadata").and_then(Value::as_object_mut);
        let named = metadata.as_ref().and_then(|metadata| metadata.get("namespace"));
        let named = named.and_then(Value::as_str).map(str::to_owned);
        match (named, self.namespace.clone()) {
            (Some(named), Some(asked)) if named != asked => {
                let text = format!("the pod is in namespace `{named}`, not in `{asked}`");
                Err(Misuse(text).into())
            }
            (Some(named), _) => Ok(named),
            (None, asked) => {
                let namespace = asked.unwrap_or_else(|| "default".to_owned());
                if let Some(metadata) = metadata {
                    metadata.insert("namespace".to_owned(), namespace.clone().into());
                }
                Ok(namespace)
            }
        }
    }
}

pub(in crate::cli) fn custom_profile(path: &Path) -> anyhow::Result<CustomProfile> {
    let name = path.display().to_string();
    let custom = CustomProfile::new(&name, document(path)?);
    custom.map_err(|error| Misuse(format!("{name}: {error}")).into())
}

/// One recorded review, byte for byte.
pub(in crate::cli) fn review(path: &Path) -> anyhow::Result<Question> {
    let body = read(path).with_context(|| called(path))?;
    Ok(Question { name: called(path), body })
}

/// A document in YAML, of which JSON is a part.
pub(in crate::cli) fn document(path: &Path) -> anyhow::Result<Value> {
    let name = || called(path);
    let bytes = read(path).with_context(name)?;
    let text = String::from_utf8(bytes).context("it is not UTF-8").with_context(name)?;
    serde_saphyr::from_str(&text).map_err(plainly).with_context(name)
}

/// The library names functions of its own for those who would want several documents.
fn plainly(error: serde_saphyr::Error) -> anyhow::Error {
    match error.without_snippet() {
        serde_saphyr::Error::MultipleDocuments { .. } => anyhow!("it is more than one document"),
        _ => error.into(),
    }
}

/// What results and errors call a file.
fn called(path: &Path) -> String {
    if path == Path::new(STDIN) { "standard input".to_owned() } else { path.display().to_string() }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let source: Box<dyn Read> =
        if path == Path::new(STDIN) { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let limit = u64::try_from(BODY_LIMIT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    source.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > BODY_LIMIT_BYTES {
        bail!("it is larger than {BODY_LIMIT_BYTES} bytes");
    }
    Ok(bytes)
}
