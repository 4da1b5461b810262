//! `spec.containers`, `spec.limits` and `spec.justification`, with the defaults of the effect.

use std::collections::BTreeMap;

use regex::RegexBuilder;

use crate::policy::image::{Alias, ImagePattern};
use crate::policy::request;
use crate::policy::rule::{self, CommandPattern, Constraints, Level};
use crate::policy::sample::sample;
use crate::policy::volume::VOLUME_KINDS;

use super::super::container::{
    Access, Capabilities, Command, ContainerRules, Env, EnvNames, Images, MountAccess, PodSecurity,
    PullPolicy, Targets, Volumes,
};
use super::super::debug_policy::{Effect, Justification, Limits};
use super::super::problem::{Fault, Findings, Place};
use super::capability::capability;
use super::words::{self, CONTAINERS, VARIABLES};

const MAX_PATTERN_CHARS: usize = 1024;
const MAX_COMPILED_PATTERN_BYTES: usize = 1 << 20;

/// The parts of a spec that limit what a container may be.
#[derive(Debug)]
pub(super) struct Limiting<'a> {
    pub(super) containers: &'a Option<ContainerRules>,
    pub(super) limits: &'a Option<Limits>,
    pub(super) justification: &'a Option<Justification>,
}

impl Limiting<'_> {
    pub(super) fn compile(
        &self,
        effect: Effect,
        spec: &Place<'_>,
        findings: &mut Findings,
    ) -> Constraints {
        let rules = self.containers.clone().unwrap_or_default();
        let ContainerRules {
            images: image_rules,
            pod_security,
            capabilities: capability_rules,
            targets: target_rules,
            env: env_rules,
            volumes: volume_rules,
            command,
            interactive,
            rules: expressions,
        } = rules;
        let at = spec.key("containers");
        let level = pod_security.map(Level::from);
        let capabilities = capability_rules.and_then(|Capabilities { allow }| {
            let place = at.key("capabilities");
            let names = allow?;
            allowed_capabilities(&names, level, &place.key("allow"), findings);
            Some(names)
        });
        let Limits { per_pod, per_request, per_user_per_hour } =
            self.limits.clone().unwrap_or_default();
        let limits = spec.key("limits");
        Constraints {
            images: images(image_rules.unwrap_or_default(), effect, &at.key("images"), findings),
            pod_security: level.or((effect == Effect::Permit).then_some(Level::Baseline)),
            capabilities,
            targets: targets(target_rules.unwrap_or_default(), &at.key("targets"), findings),
            env: env(env_rules.unwrap_or_default(), effect, &at.key("env"), findings),
            volumes: volumes(
                volume_rules.unwrap_or_default(),
                effect,
                &at.key("volumes"),
                findings,
            ),
            commands: command.and_then(|command| commands(command, &at.key("command"), findings)),
            interactive: interactive.map_or(rule::Access::Allow, rule::Access::from),
            rules: super::expressions::rules(&expressions, &at.key("rules"), findings),
            per_pod: limit(per_pod, &limits.key("perPod"), findings),
            per_request: limit(per_request, &limits.key("perRequest"), findings),
            per_user_per_hour: limit(per_user_per_hour, &limits.key("perUserPerHour"), findings),
            justification: self
                .justification
                .as_ref()
                .map(|asked| justification(asked, &spec.key("justification"), findings)),
        }
    }
}

fn images(
    images: Images,
    effect: Effect,
    at: &Place<'_>,
    findings: &mut Findings,
) -> rule::ImageConstraint {
    let Images { allow, deny, aliases: other_names, require_digest, pull_policies } = images;
    // A Permit that names no image must not turn into one that permits them all.
    let allow = allow.or((effect == Effect::Permit).then(Vec::new));
    rule::ImageConstraint {
        allow: allow.map(|texts| image_patterns(&texts, &at.key("allow"), findings)),
        deny: image_patterns(&deny, &at.key("deny"), findings),
        aliases: aliases(&other_names, &at.key("aliases"), findings),
        require_digest,
        pull_policies: pull_policies
            .map(|policies| policies.into_iter().map(request::PullPolicy::from).collect()),
    }
}

fn aliases(
    texts: &BTreeMap<String, String>,
    at: &Place<'_>,
    findings: &mut Findings,
) -> Vec<Alias> {
    let mut aliases = Vec::with_capacity(texts.len());
    for (from, to) in texts {
        match Alias::parse(from, to) {
            Ok(alias) => aliases.push((from, to, alias)),
            Err(why) => {
                let text = format!("{from}: {to}");
                findings.add(&at.key(from), Fault::Alias { text, why });
            }
        }
    }
    for (from, to, alias) in &aliases {
        let mut others = aliases.iter().filter(|(_, _, other)| other != alias);
        if let Some((next, _, _)) = others.find(|(_, _, other)| alias.leads_to(other)) {
            let fault = Fault::AliasChain { text: format!("{from}: {to}"), next: (*next).clone() };
            findings.add(&at.key(from), fault);
        }
    }
    aliases.into_iter().map(|(_, _, alias)| alias).collect()
}

fn image_patterns(texts: &[String], at: &Place<'_>, findings: &mut Findings) -> Vec<ImagePattern> {
    let mut patterns = Vec::with_capacity(texts.len());
    for (position, text) in texts.iter().enumerate() {
        match ImagePattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(why) => {
                let text = text.clone();
                findings.add(&at.index(position), Fault::ImagePattern { text, why });
            }
        }
    }
    patterns
}

/// What may be added beyond a level: single names, and a level to go beyond.
fn allowed_capabilities(
    names: &[String],
    level: Option<Level>,
    at: &Place<'_>,
    findings: &mut Findings,
) {
    findings.check(level != Some(Level::Privileged), at, || Fault::CapabilitiesBesidePrivileged);
    for (position, name) in names.iter().enumerate() {
        let place = at.index(position);
        if name == "ALL" {
            findings.add(&place, Fault::AllCapabilities);
        } else {
            capability(name, &place, findings);
        }
    }
}

fn targets(targets: Targets, at: &Place<'_>, findings: &mut Findings) -> rule::TargetConstraint {
    let Targets { required, allow } = targets;
    rule::TargetConstraint {
        required,
        allow: allow.map(|texts| CONTAINERS.patterns(&texts, &at.key("allow"), findings)),
    }
}

fn env(env: Env, effect: Effect, at: &Place<'_>, findings: &mut Findings) -> rule::EnvConstraint {
    let Env { names, from_secrets, from_config_maps } = env;
    let EnvNames { allow, deny } = names.unwrap_or_default();
    let at = at.key("names");
    rule::EnvConstraint {
        allow: allow.map(|texts| VARIABLES.patterns(&texts, &at.key("allow"), findings)),
        deny: VARIABLES.patterns(&deny, &at.key("deny"), findings),
        from_secrets: from_secrets.map_or(forbidden_in_permit(effect), rule::Access::from),
        from_config_maps: from_config_maps.map_or(rule::Access::Allow, rule::Access::from),
    }
}

fn volumes(
    volumes: Volumes,
    effect: Effect,
    at: &Place<'_>,
    findings: &mut Findings,
) -> rule::VolumeConstraint {
    let Volumes { mounts, deny, devices } = volumes;
    let default = match effect {
        Effect::Permit => rule::MountAccess::None,
        Effect::Require => rule::MountAccess::ReadWrite,
    };
    for (position, kind) in deny.iter().enumerate() {
        let place = at.key("deny");
        volume_kind(kind, &place.index(position), findings);
    }
    rule::VolumeConstraint {
        mounts: mounts.map_or(default, rule::MountAccess::from),
        deny,
        devices: devices.map_or(forbidden_in_permit(effect), rule::Access::from),
    }
}

fn volume_kind(kind: &str, at: &Place<'_>, findings: &mut Findings) {
    if VOLUME_KINDS.contains(&kind) {
        return;
    }
    let letters = |text: &str| {
        let letters = text.chars().filter(char::is_ascii_alphabetic);
        letters.map(|c| c.to_ascii_lowercase()).collect::<String>()
    };
    let text = kind.to_owned();
    let near = VOLUME_KINDS.into_iter().find(|known| letters(known) == letters(kind));
    findings.add(
        at,
        match near {
            Some(near) => Fault::VolumeKindNear { text, near },
            None => Fault::VolumeKind { text, kinds: VOLUME_KINDS.join(", ") },
        },
    );
}

fn commands(
    command: Command,
    at: &Place<'_>,
    findings: &mut Findings,
) -> Option<Vec<CommandPattern>> {
    let Command { allow } = command;
    let texts = allow?;
    let place = at.key("allow");
    for (position, text) in texts.iter().enumerate() {
        let words: Vec<_> = text.split_whitespace().collect();
        findings.check(!words.is_empty(), &place.index(position), || Fault::Empty);
        let (_, before) = words.split_last().unwrap_or((&"", &[]));
        let misplaced = before.iter().any(|word| word.contains("**"));
        findings.check(!misplaced, &place.index(position), || Fault::CommandWords(text.clone()));
    }
    Some(texts.iter().map(|text| CommandPattern::new(text)).collect())
}

fn limit(value: Option<i32>, at: &Place<'_>, findings: &mut Findings) -> Option<u32> {
    let value = value?;
    let limit = u32::try_from(value).ok().filter(|limit| *limit >= 1);
    findings.check(limit.is_some(), at, || Fault::Limit(value));
    limit
}

fn justification(
    justification: &Justification,
    at: &Place<'_>,
    findings: &mut Findings,
) -> rule::Justification {
    let Justification { required, env, pattern } = justification;
    findings.check(words::is_variable(env), &at.key("env"), || Fault::EnvName(env.clone()));
    let pattern = pattern.as_ref().and_then(|text| regex(text, &at.key("pattern"), findings));
    let example = pattern.as_ref().and_then(sample);
    rule::Justification { required: *required, env: env.clone(), pattern, example }
}

fn regex(text: &str, at: &Place<'_>, findings: &mut Findings) -> Option<regex::Regex> {
    let fault = if text.is_empty() {
        Fault::Empty
    } else if text.chars().count() > MAX_PATTERN_CHARS {
        Fault::TooLong(MAX_PATTERN_CHARS)
    } else {
        match RegexBuilder::new(text).size_limit(MAX_COMPILED_PATTERN_BYTES).build() {
            Ok(regex) => return Some(regex),
            Err(regex::Error::CompiledTooBig(_)) => Fault::PatternTooLarge(text.to_owned()),
            Err(error) => {
                // The parser draws a picture over several lines; its last line is the reason.
                let error = error.to_string();
                let last = error.lines().next_back().unwrap_or_default();
                let why = last.strip_prefix("error: ").unwrap_or(last).to_owned();
                Fault::Pattern { text: text.to_owned(), why }
            }
        }
    };
    findings.add(at, fault);
    None
}

fn forbidden_in_permit(effect: Effect) -> rule::Access {
    match effect {
        Effect::Permit => rule::Access::Forbid,
        Effect::Require => rule::Access::Allow,
    }
}

impl From<Access> for rule::Access {
    fn from(access: Access) -> Self {
        match access {
            Access::Allow => Self::Allow,
            Access::Forbid => Self::Forbid,
        }
    }
}

impl From<MountAccess> for rule::MountAccess {
    fn from(access: MountAccess) -> Self {
        match access {
            MountAccess::None => Self::None,
            MountAccess::ReadOnly => Self::ReadOnly,
            MountAccess::ReadWrite => Self::ReadWrite,
        }
    }
}

impl From<PodSecurity> for Level {
    fn from(level: PodSecurity) -> Self {
        match level {
            PodSecurity::Restricted => Self::Restricted,
            PodSecurity::Baseline => Self::Baseline,
            PodSecurity::Privileged => Self::Privileged,
        }
    }
}

impl From<PullPolicy> for request::PullPolicy {
    fn from(policy: PullPolicy) -> Self {
        match policy {
            PullPolicy::Always => Self::Always,
            PullPolicy::IfNotPresent => Self::IfNotPresent,
            PullPolicy::Never => Self::Never,
        }
    }
}
