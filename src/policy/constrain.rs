//! One policy's constraints against one container.

use super::circumstances::{Circumstances, Right};
use super::evaluate::{Defaults, reason_in};
use super::expression::{ContainerRule, Scene};
use super::image::{ImageRef, ListKind, covering};
use super::pod_security;
use super::request::{DebugRequest, EnvSource, Injection, PodFacts};
use super::resolve::{as_set_for, lacks_user};
use super::rule::{
    Access, Constraints, EnvConstraint, ImageConstraint, Justification, Level, MountAccess,
    NamePattern, Policy, TargetConstraint, VolumeConstraint,
};
use super::verdict::Objection;

/// Collects objections, or only whether there is one.
///
/// Most Permits of a large set object to most containers; their sentences are made only when
/// somebody will read them.
#[derive(Debug)]
pub(super) struct Check {
    wants_all: bool,
    objects: bool,
    objections: Vec<Objection>,
}

impl Check {
    /// Stops at the first objection and does not say what it was.
    pub(super) fn first() -> Self {
        Self { wants_all: false, objects: false, objections: Vec::new() }
    }

    /// Finds every objection.
    pub(super) fn all() -> Self {
        Self { wants_all: true, ..Self::first() }
    }

    pub(super) fn objects(&self) -> bool {
        self.objects
    }

    pub(super) fn into_objections(self) -> Vec<Objection> {
        self.objections
    }

    /// Runs every constraint of `policy`. Those that users trip over most come first.
    pub(super) fn run(
        &mut self,
        policy: &Policy,
        container: &Injection,
        request: &DebugRequest,
        defaults: Defaults,
    ) {
        if let Some(why) = &policy.broken {
            return self.object(|| Objection::PolicyBroken { why: why.clone() });
        }
        let Constraints {
            images,
            pod_security,
            capabilities,
            targets,
            env,
            volumes,
            commands,
            interactive,
            rules,
            per_pod,
            per_request,
            per_user_per_hour,
            justification,
        } = &policy.constraints;
        let steps: [&mut dyn FnMut(&mut Self); 12] = [
            &mut |check| check.term(policy, request),
            &mut |check| check.image(images, container),
            &mut |check| check.count(*per_pod, *per_request, request),
            &mut |check| check.rate(*per_user_per_hour, request),
            &mut |check| {
                check.security(*pod_security, capabilities.as_deref(), container, &request.pod)
            },
            &mut |check| check.target(targets, container),
            &mut |check| check.environment(env, container),
            &mut |check| check.volumes(volumes, container, &request.pod),
            &mut |check| check.process(commands.as_deref(), *interactive, container),
            &mut |check| check.rules(rules, container, request),
            &mut |check| check.reason(justification.as_ref(), container),
            &mut |check| check.as_set(policy, container, &request.pod, defaults),
        ];
        for step in steps {
            step(self);
            if self.objects && !self.wants_all {
                return;
            }
        }
    }

    fn object(&mut self, objection: impl FnOnce() -> Objection) {
        self.objects = true;
        if self.wants_all {
            self.objections.push(objection());
        }
    }

    fn image(&mut self, constraint: &ImageConstraint, container: &Injection) {
        let ImageConstraint { allow, deny, aliases, require_digest, pull_policies } = constraint;
        let asked = || container.image_asked.clone();
        match &container.image {
            Err(why) => self.object(|| Objection::ImageUnreadable { image: asked(), why: *why }),
            Ok(image) => {
                if let Some(pattern) = covering(deny, aliases, image, ListKind::Deny) {
                    let pattern = pattern.as_str().to_owned();
                    self.object(|| Objection::ImageDenied { image: asked(), pattern });
                }
                if let Some(allow) = allow
                    && covering(allow, aliases, image, ListKind::Allow).is_none()
                {
                    self.object(|| {
                        let by_tag = ImageRef { digest: None, ..image.clone() };
                        Objection::ImageNotAllowed {
                            image: asked(),
                            allowed: allow.iter().map(|it| it.as_str().to_owned()).collect(),
                            but_by_tag: covering(allow, aliases, &by_tag, ListKind::Allow)
                                .is_some(),
                        }
                    });
                }
                if *require_digest && image.digest.is_none() {
                    self.object(|| Objection::DigestMissing { image: asked() });
                }
            }
        }
        if let Some(allowed) = pull_policies
            && !container.pull_policy.is_some_and(|policy| allowed.contains(&policy))
        {
            self.object(|| Objection::PullPolicy {
                asked: container.pull_policy.map(|policy| policy.as_str()),
                allowed: allowed.iter().map(|policy| policy.as_str()).collect(),
            });
        }
    }

    /// Whether the policy is in force, and this requester may use it.
    fn term(&mut self, policy: &Policy, request: &DebugRequest) {
        let Circumstances { now, .. } = &request.circumstances;
        if let Some(expires) = policy.expires
            && now.known().is_none_or(|now| *now >= expires)
        {
            self.object(|| Objection::Expired { at: expires });
        }
        for condition in &policy.selector.conditions {
            if let Err(why) = condition.expression.holds(&Scene { request, container: None }) {
                self.object(|| Objection::ConditionFailed { name: condition.name.clone(), why });
            }
        }
        if policy.authorize {
            match request.circumstances.right(&policy.id.name) {
                Right::Granted => {}
                Right::Denied => self.object(|| Objection::NotAuthorized {
                    policy: policy.id.name.clone(),
                    namespace: request.namespace.clone(),
                }),
                Right::Unknown => {
                    self.object(|| Objection::RightUnknown { policy: policy.id.name.clone() })
                }
            }
        }
    }

    /// What the administrator wrote as expressions. One that gives no answer is no yes.
    fn rules(&mut self, rules: &[ContainerRule], container: &Injection, request: &DebugRequest) {
        let scene = Scene { request, container: Some(container) };
        for rule in rules {
            let name = || rule.name.clone();
            match rule.expression.holds(&scene) {
                Ok(true) => {}
                Ok(false) => {
                    self.object(|| Objection::Rule { name: name(), told: rule.told(&scene) });
                }
                Err(why) => self.object(|| Objection::RuleFailed { name: name(), why }),
            }
        }
    }

    fn rate(&mut self, limit: Option<u32>, request: &DebugRequest) {
        let Some(limit) = limit else { return };
        match request.circumstances.added_last_hour.known() {
            None => self.object(|| Objection::RateUnknown),
            Some(before) => {
                let would_be = before.saturating_add(request.injections.len());
                if usize::try_from(limit).is_ok_and(|limit| would_be > limit) {
                    self.object(|| Objection::TooManyInAnHour { would_be, limit });
                }
            }
        }
    }

    fn count(&mut self, per_pod: Option<u32>, per_request: Option<u32>, request: &DebugRequest) {
        let added = request.injections.len();
        let would_be = request.pod.ephemeral_containers.saturating_add(added);
        let above = |number: usize, limit: u32| usize::try_from(limit).is_ok_and(|l| number > l);
        if let Some(limit) = per_pod.filter(|limit| above(would_be, *limit)) {
            self.object(|| Objection::TooManyInPod { would_be, limit });
        }
        if let Some(limit) = per_request.filter(|limit| above(added, *limit)) {
            self.object(|| Objection::TooManyAtOnce { added, limit });
        }
    }

    fn security(
        &mut self,
        level: Option<Level>,
        capabilities: Option<&[String]>,
        container: &Injection,
        pod: &PodFacts,
    ) {
        if let Some(level) = level {
            let extra = capabilities.unwrap_or_default();
            for violation in pod_security::violations(level, container, pod, extra) {
                self.object(|| Objection::PodSecurity { level, violation });
            }
            // A field from the future may be anything; only a level that limits nothing lets it by.
            if level != Level::Privileged {
                for field in &container.unknown_fields {
                    self.object(|| Objection::UnknownField { field: field.clone() });
                }
            }
        } else if let Some(allowed) = capabilities {
            // Without a level there is nothing to go beyond: the list is all that may be added.
            let added = container.security.capabilities_add.iter().flatten();
            for name in added.filter(|name| !allowed.contains(name)) {
                let allowed = || allowed.to_vec();
                self.object(|| Objection::Capability { name: name.clone(), allowed: allowed() });
            }
        }
    }

    fn target(&mut self, constraint: &TargetConstraint, container: &Injection) {
        let TargetConstraint { required, allow } = constraint;
        match (&container.target, allow) {
            (None, _) if *required => self.object(|| Objection::TargetMissing),
            (Some(target), Some(allow)) if !matches_any(allow, target) => {
                let allowed = || texts(allow);
                self.object(|| Objection::TargetNotAllowed {
                    target: target.clone(),
                    allowed: allowed(),
                });
            }
            _ => {}
        }
    }

    fn environment(&mut self, constraint: &EnvConstraint, container: &Injection) {
        let EnvConstraint { allow, deny, .. } = constraint;
        for variable in &container.env {
            let name = || variable.name.clone();
            if let Some(pattern) = deny.iter().find(|pattern| pattern.matches(&variable.name)) {
                let pattern = Some(pattern.as_str().to_owned());
                self.object(|| Objection::EnvName { name: name(), pattern });
            } else if allow.as_ref().is_some_and(|allow| !matches_any(allow, &variable.name)) {
                self.object(|| Objection::EnvName { name: name(), pattern: None });
            }
            self.env_source(constraint, &variable.name, &variable.source);
        }
        for from in &container.env_from {
            if allow.is_some() || !deny.is_empty() {
                self.object(|| Objection::EnvNamesUnknown { source: from.source.describe() });
            }
            self.env_source(constraint, &format!("{}*", from.prefix), &from.source);
        }
    }

    fn env_source(&mut self, constraint: &EnvConstraint, name: &str, source: &EnvSource) {
        let parts = || (name.to_owned(), source.describe());
        match source {
            EnvSource::Value(_) | EnvSource::Pod => {}
            EnvSource::Secret(_) | EnvSource::File(_) | EnvSource::Unknown(_) => {
                if constraint.from_secrets == Access::Forbid {
                    self.object(|| {
                        let (name, source) = parts();
                        Objection::EnvFromSecret { name, source }
                    });
                }
            }
            EnvSource::ConfigMap(_) => {
                if constraint.from_config_maps == Access::Forbid {
                    self.object(|| {
                        let (name, source) = parts();
                        Objection::EnvFromConfigMap { name, source }
                    });
                }
            }
        }
    }

    fn volumes(&mut self, constraint: &VolumeConstraint, container: &Injection, pod: &PodFacts) {
        let VolumeConstraint { mounts, deny, devices } = constraint;
        for mount in &container.mounts {
            let volume = || mount.volume.clone();
            if *mounts == MountAccess::None {
                self.object(|| Objection::MountForbidden { volume: volume() });
            } else if *mounts == MountAccess::ReadOnly && !mount.read_only {
                self.object(|| Objection::MountWritable { volume: volume() });
            }
            self.volume_kind(deny, &mount.volume, pod);
        }
        for device in &container.devices {
            let volume = &device.volume;
            if *devices == Access::Forbid {
                self.object(|| Objection::DeviceForbidden { volume: volume.clone() });
            }
            self.volume_kind(deny, volume, pod);
        }
    }

    /// A volume whose kind is not known may be of a kind that is denied.
    fn volume_kind(&mut self, deny: &[String], volume: &str, pod: &PodFacts) {
        if deny.is_empty() {
            return;
        }
        match pod.volume_kind(volume) {
            None => self.object(|| Objection::VolumeUnknown { volume: volume.to_owned() }),
            Some(kind) if deny.iter().any(|denied| denied == kind) => {
                self.object(|| Objection::VolumeKind {
                    volume: volume.to_owned(),
                    kind: kind.to_owned(),
                });
            }
            Some(_) => {}
        }
    }

    fn process(
        &mut self,
        commands: Option<&[super::rule::CommandPattern]>,
        interactive: Access,
        container: &Injection,
    ) {
        // Without a command the image's own runs, and which images may run is another constraint.
        if let Some(allow) = commands
            && !container.argv.is_empty()
            && !allow.iter().any(|pattern| pattern.matches(&container.argv))
        {
            self.object(|| Objection::CommandNotAllowed {
                argv: container.argv.clone(),
                allowed: allow.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
            });
        }
        if interactive == Access::Forbid && container.interactive {
            self.object(|| Objection::Interactive);
        }
    }

    fn reason(&mut self, justification: Option<&Justification>, container: &Injection) {
        let Some(Justification { required, env, pattern, .. }) = justification else { return };
        match (reason_in(container, env), pattern) {
            (None, _) if *required => {
                self.object(|| Objection::JustificationMissing { env: env.clone() });
            }
            (Some(reason), Some(pattern)) if !pattern.is_match(reason) => {
                self.object(|| Objection::JustificationPattern {
                    env: env.clone(),
                    pattern: pattern.as_str().to_owned(),
                });
            }
            _ => {}
        }
    }

    /// What a policy sets holds of every container it permits, whoever put it there.
    fn as_set(
        &mut self,
        policy: &Policy,
        container: &Injection,
        pod: &PodFacts,
        defaults: Defaults,
    ) {
        for target in policy.set.iter().filter_map(|setting| setting.missing_target(pod)) {
            self.object(|| Objection::SetTargetMissing { target: target.to_owned() });
        }
        if lacks_user(policy, container, pod) {
            self.object(|| Objection::SetUserUnresolved);
        }
        if defaults == Defaults::Applied {
            return;
        }
        for setting in as_set_for(policy, container, pod) {
            if !setting.is_in(container) {
                self.object(|| Objection::NotAsSet { field: setting.path() });
            }
        }
    }
}

fn matches_any(patterns: &[NamePattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

fn texts(patterns: &[NamePattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect()
}
