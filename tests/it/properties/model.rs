//! What Postern should say, written the way the documentation reads: every policy is asked about
//! everything, nothing is looked up, nothing is skipped.

use super::world::*;

/// A container may go in if every Require that matches is satisfied, and at least one Permit that
/// matches.
///
/// Judged as it will be stored: no default is assumed.
pub(crate) fn validate(policies: &[Policy], request: &Request) -> bool {
    let enforced = Enforced { policies, request, beside: privileged(&request.added) };
    !is_malformed(request) && request.added.iter().all(|container| enforced.allow(container))
}

/// The same request through both webhooks. The mutating one refuses only what the API server would.
/// Which Permit's defaults are put in is a matter of priority; whether the container goes in is
/// not: one Permit is enough, with what it fills in or without.
pub(crate) fn mutate_then_validate(policies: &[Policy], request: &Request) -> bool {
    let enforced = Enforced { policies, request, beside: beside(policies, request) };
    !is_malformed(request)
        && request.added.iter().all(|container| {
            enforced.permits().any(|permit| enforced.lets_in(permit, container).is_some())
                || enforced.allow(container)
        })
}

/// The added containers as they will be stored, if the request is allowed: with the `defaults` and
/// the `set` of the first Permit, by priority and then by name, that lets the container in. If it
/// then satisfies one that is tried earlier, that one's too.
pub(crate) fn stored(policies: &[Policy], request: &Request) -> Vec<Container> {
    Enforced { policies, request, beside: beside(policies, request) }.stored()
}

/// Which of the added containers will be privileged. That may hang on which of the others are.
fn beside(policies: &[Policy], request: &Request) -> Vec<Container> {
    let mut enforced = Enforced { policies, request, beside: Vec::new() };
    for _ in &request.added {
        let now = privileged(&enforced.stored());
        let known = |it: &Container| enforced.beside.iter().any(|known| known.name == it.name);
        let unknown: Vec<_> = now.into_iter().filter(|it| !known(it)).collect();
        enforced.beside.extend(unknown);
    }
    enforced.beside
}

fn privileged(containers: &[Container]) -> Vec<Container> {
    let privileged = containers.iter().filter(|it| it.fields.privileged == Some(true));
    privileged.cloned().collect()
}

/// The policies that are enforced and speak to the request.
struct Enforced<'a> {
    policies: &'a [Policy],
    request: &'a Request,
    /// The privileged ones among the added containers.
    beside: Vec<Container>,
}

impl<'a> Enforced<'a> {
    fn of(&self, effect: Effect) -> impl Iterator<Item = &'a Policy> {
        let request = self.request;
        self.policies.iter().filter(move |policy| {
            policy.effect == effect && policy.weight == Weight::Enforce && policy.matches(request)
        })
    }

    fn permits(&self) -> impl Iterator<Item = &'a Policy> {
        self.of(Effect::Permit)
    }

    /// Each container with what the Permits put in that let it in.
    fn stored(&self) -> Vec<Container> {
        let mut permits: Vec<_> = self.permits().collect();
        permits.sort_by_key(|permit| (-permit.priority, permit.name.clone()));
        let dressed = |container: &Container| {
            let mut container = container.clone();
            loop {
                let first = permits.iter().find_map(|permit| self.lets_in(permit, &container));
                match first {
                    Some(next) if next != container => container = next,
                    _ => return container,
                }
            }
        };
        self.request.added.iter().map(dressed).collect()
    }

    /// Whether it would see the processes of a privileged one.
    fn sees_another(&self, container: &Container) -> bool {
        let target = container.fields.target;
        let others = self.beside.iter().filter(|other| other.name != container.name);
        target.is_some() && others.filter(|other| other.fields.target == target).count() > 0
    }

    fn all_requires_hold(&self, container: &Container) -> bool {
        self.of(Effect::Require).all(|require| self.satisfies(require, container))
    }

    /// Whether the container may go in as it is. What a Permit sets has to be so.
    fn allow(&self, container: &Container) -> bool {
        self.all_requires_hold(container)
            && self.permits().any(|permit| {
                self.satisfies(permit, container)
                    && permit.dress(container, &self.request.pod, Put::Set) == *container
            })
    }

    /// The container as this Permit would have it, if it lets it in so.
    fn lets_in(&self, permit: &Policy, container: &Container) -> Option<Container> {
        let dressed = permit.dress(container, &self.request.pod, Put::DefaultsAndSet);
        (self.satisfies(permit, &dressed) && self.all_requires_hold(&dressed)).then_some(dressed)
    }

    fn satisfies(&self, policy: &Policy, container: &Container) -> bool {
        let Self { request, .. } = self;
        let Policy { images, limits, rules, effect, .. } = policy;
        let Known { clock, rights, .. } = &request.known;
        let may_use = !policy.authorize || rights.contains(&policy.name.as_str());
        let in_force = policy.expires.is_none_or(|later| later && *clock);
        may_use
            && in_force
            && images.hold(*effect, container)
            && limits.hold(container, request)
            && rules.security_holds(*effect, container, &request.pod, self.sees_another(container))
            && rules.target_holds(container)
            && rules.env_holds(*effect, container)
            && rules.volumes_hold(*effect, container, &request.pod)
            && rules.process_holds(container)
            && policy.set_target_exists(&request.pod)
    }
}

// What the API server would refuse.

pub(crate) fn is_malformed(request: &Request) -> bool {
    request.fault.is_some()
        || request.added.iter().any(|container| {
            let target = container.fields.target;
            // Where the pod is not known, the API server alone can tell.
            target.is_some_and(|target| !request.pod.unknown && !request.pod.has(target))
        })
}

impl Pod {
    fn has(&self, container: &str) -> bool {
        self.containers.iter().chain(&self.init).any(|name| *name == container)
    }

    /// The kind of a volume; where the pod is not known, nobody can tell.
    fn volume_kind(&self, volume: &str) -> Option<Word> {
        let volumes = self.volumes.iter().filter(|_| !self.unknown);
        volumes.filter(|(name, _)| *name == volume).map(|(_, kind)| *kind).next()
    }
}

// Whom and what a policy speaks about.

impl Policy {
    fn matches(&self, request: &Request) -> bool {
        let Match {
            subjects,
            exclude_subjects,
            namespaces,
            exclude_namespaces: excluded,
            pod_names,
            labels,
            namespace_labels,
        } = &self.matching;
        let Pod { name, namespace, .. } = &request.pod;
        let is_any = |subjects: &[Subject]| subjects.iter().any(|subject| subject.is(request));
        let any_covers = |globs: &[Word], name| globs.iter().any(|pattern| glob(pattern, name));
        let speaks = subjects.as_ref().is_none_or(|all| is_any(all))
            && !is_any(exclude_subjects)
            && namespaces.as_ref().is_none_or(|all| any_covers(all, namespace))
            && !any_covers(excluded, namespace)
            && pod_names.as_ref().is_none_or(|all| any_covers(all, name));
        // What is not known never makes a Permit match and always makes a Require match.
        let labels_hold = if labels.is_empty() || !request.pod.unknown {
            labels.iter().all(|rule| rule.holds(&request.pod.labels))
        } else {
            self.effect == Effect::Require
        };
        let namespace_holds = match &request.known.namespace_labels {
            _ if namespace_labels.is_empty() => true,
            Some(known) => namespace_labels.iter().all(|rule| rule.holds(known)),
            None => self.effect == Effect::Require,
        };
        speaks && labels_hold && namespace_holds
    }

    /// A target that the pod does not have cannot be set, and so the policy is not kept.
    fn set_target_exists(&self, pod: &Pod) -> bool {
        self.set
            .target
            .is_none_or(|target| target == "First" || pod.unknown || pod.windows || pod.has(target))
    }
}

impl Subject {
    fn is(&self, request: &Request) -> bool {
        match self {
            Self::User(name) => request.user == *name,
            Self::Group(name) => request.groups.contains(name),
            Self::ServiceAccount(namespace, name) => {
                request.user == format!("system:serviceaccount:{namespace}:{name}")
            }
        }
    }
}

impl LabelRule {
    fn holds(&self, labels: &[(Word, Word)]) -> bool {
        let value =
            |key: &Word| labels.iter().find(|(label, _)| label == key).map(|(_, value)| *value);
        match self {
            Self::Is(key, wanted) => value(key) == Some(wanted),
            Self::In(key, values) => value(key).is_some_and(|value| values.contains(&value)),
            Self::NotIn(key, values) => value(key).is_none_or(|value| !values.contains(&value)),
            Self::Exists(key) => value(key).is_some(),
            Self::DoesNotExist(key) => value(key).is_none(),
        }
    }
}

/// `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_at_checked(1) {
        None => text.is_empty(),
        Some(("*", rest)) => (0..=text.len()).any(|skipped| glob(rest, &text[skipped..])),
        Some((letter, rest)) => text.strip_prefix(letter).is_some_and(|text| glob(rest, text)),
    }
}

// What a policy asks of a container.

impl Images {
    fn hold(&self, effect: Effect, container: &Container) -> bool {
        let Some(image) = container.image.understood() else { return false };
        let denied = self.deny.iter().any(|pattern| pattern.denies(&image));
        let allowed = match (&self.allow, effect) {
            (Some(allow), _) => allow.iter().any(|pattern| pattern.allows(&image)),
            (None, Effect::Permit) => false,
            (None, Effect::Require) => true,
        };
        let pull_policy = container.fields.pull_policy;
        !denied
            && allowed
            && (!self.require_digest || image.digest.is_some())
            && self
                .pull_policies
                .as_ref()
                .is_none_or(|accepted| pull_policy.is_some_and(|policy| accepted.contains(&policy)))
    }
}

/// An image as a runtime understands it: `busybox` is `docker.io/library/busybox:latest`.
struct Understood {
    registry: Word,
    path: String,
    tag: Option<Word>,
    digest: Option<Word>,
}

impl Image {
    fn understood(&self) -> Option<Understood> {
        let (_, registry) = self.registry?;
        let tag = if self.digest.is_none() { self.tag.or(Some("latest")) } else { self.tag };
        let path = in_library(registry, self.path);
        Some(Understood { registry, path, tag, digest: self.digest })
    }
}

fn in_library(registry: &str, path: &str) -> String {
    if registry == "docker.io" && !path.contains('/') && path != "**" {
        format!("library/{path}")
    } else {
        path.to_owned()
    }
}

impl Pattern {
    fn covers_name(&self, image: &Understood, registry_of_image: &str) -> bool {
        let (registry, path) = match self.registry {
            Registry::Any => (true, in_library(registry_of_image, self.path)),
            Registry::Is(name) => (registry_of_image == name, in_library(name, self.path)),
            Registry::Below(end) => {
                let below = registry_of_image.ends_with(end) && registry_of_image.len() > end.len();
                (below, self.path.to_owned())
            }
        };
        let pattern: Vec<_> = path.split('/').collect();
        let path: Vec<_> = image.path.split('/').collect();
        registry && segments(&pattern, &path)
    }

    /// Where there is a digest it decides what runs, and a tag beside it says nothing.
    fn allows(&self, image: &Understood) -> bool {
        let version = match (self.tag, self.digest) {
            (None, None) => true,
            (_, Some(digest)) => image.digest == Some(digest),
            (Some(tag), None) => {
                image.digest.is_none() && image.tag.is_some_and(|own| glob(tag, own))
            }
        };
        self.covers_name(image, image.registry) && version
    }

    /// A digest does not talk an image out of a tag that is denied.
    fn denies(&self, image: &Understood) -> bool {
        let version = match (self.tag, self.digest) {
            (None, None) => true,
            (_, Some(digest)) => image.digest == Some(digest),
            (Some(tag), None) => image.tag.is_some_and(|own| glob(tag, own)),
        };
        // Nor does a port: a host that is denied is denied at every one.
        let host = image.registry.split(':').next().unwrap();
        version && (self.covers_name(image, image.registry) || self.covers_name(image, host))
    }
}

/// `*` stays within one path segment, `**` stands for any number of them.
fn segments(pattern: &[&str], path: &[&str]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((&"**", rest)) => (0..=path.len()).any(|skipped| segments(rest, &path[skipped..])),
        Some((word, rest)) => path
            .split_first()
            .is_some_and(|(segment, path)| glob(word, segment) && segments(rest, path)),
    }
}

impl Limits {
    fn hold(&self, container: &Container, request: &Request) -> bool {
        let added = request.added.len();
        let in_pod = request.pod.old + added;
        self.per_pod.is_none_or(|limit| in_pod <= limit)
            && self.per_request.is_none_or(|limit| added <= limit)
            && self.per_hour.is_none_or(|limit| {
                request.known.added.is_some_and(|before| before + added <= limit)
            })
            && self.justification.is_none_or(|asked| {
                // Of a variable that is given twice, the last counts, as in the container.
                let given = container.env.iter().rfind(|(name, _)| *name == asked.env);
                let reason = given.and_then(|(_, source)| match source {
                    Source::Value(text) => Some(text.trim()).filter(|text| !text.is_empty()),
                    _ => None,
                });
                match reason {
                    None => !asked.required,
                    Some(reason) => !asked.ticket || is_ticket(reason),
                }
            })
    }
}

fn is_ticket(reason: &str) -> bool {
    reason.strip_prefix("OPS-").is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

impl Rules {
    /// Left out, baseline in a Permit and no limit in a Require.
    fn security_holds(
        &self,
        effect: Effect,
        container: &Container,
        pod: &Pod,
        sees_another: bool,
    ) -> bool {
        let level = match (self.pod_security, effect) {
            (Some(level), _) => Some(level),
            (None, Effect::Permit) => Some(Level::Baseline),
            (None, Effect::Require) => None,
        };
        let extra = self.capabilities.as_deref();
        match level {
            Some(Level::Privileged) => true,
            Some(level) => {
                let extra = extra.unwrap_or_default();
                !container.future
                    && !sees_another
                    && baseline(level, container, pod, extra)
                    && (level == Level::Baseline || restricted(container, pod))
            }
            None => extra.is_none_or(|allowed| {
                container.fields.add.iter().flatten().all(|name| allowed.contains(name))
            }),
        }
    }

    fn target_holds(&self, container: &Container) -> bool {
        match container.fields.target {
            None => !self.target_required,
            Some(target) => {
                self.targets.as_ref().is_none_or(|allow| allow.iter().any(|p| glob(p, target)))
            }
        }
    }

    fn env_holds(&self, effect: Effect, container: &Container) -> bool {
        let secrets = self.from_secrets.unwrap_or(Access::forbidden_in_a_permit(effect));
        let config_maps = self.from_config_maps.unwrap_or(Access::Allow);
        let source_holds = |source: Source| match source {
            Source::Value(_) | Source::Field => true,
            Source::ConfigMap => config_maps == Access::Allow,
            // What is not known may be a secret.
            Source::Secret | Source::File | Source::Future => secrets == Access::Allow,
        };
        let name_holds = |name: &str| {
            !self.env_deny.iter().any(|pattern| glob(pattern, name))
                && self.env_allow.as_ref().is_none_or(|all| all.iter().any(|p| glob(p, name)))
        };
        // Nobody knows which names come out of a whole Secret or ConfigMap.
        let names_free = self.env_allow.is_none() && self.env_deny.is_empty();
        container.env.iter().all(|(name, source)| name_holds(name) && source_holds(*source))
            && container.env_from.iter().all(|(_, source)| names_free && source_holds(*source))
    }

    fn volumes_hold(&self, effect: Effect, container: &Container, pod: &Pod) -> bool {
        let mounts = self.mounts.unwrap_or(match effect {
            Effect::Permit => Mounts::None,
            Effect::Require => Mounts::ReadWrite,
        });
        let devices = self.devices.unwrap_or(Access::forbidden_in_a_permit(effect));
        let kind_holds = |volume: &str| {
            let kind = pod.volume_kind(volume);
            self.deny_volumes.is_empty()
                || kind.is_some_and(|kind| !self.deny_volumes.contains(&kind))
        };
        container.mounts.iter().all(|(volume, read_only)| {
            let holds = match mounts {
                Mounts::None => false,
                Mounts::ReadOnly => *read_only,
                Mounts::ReadWrite => true,
            };
            holds && kind_holds(volume)
        }) && container.devices.iter().all(|volume| devices == Access::Allow && kind_holds(volume))
    }

    fn process_holds(&self, container: &Container) -> bool {
        let line: Vec<_> = container.command.iter().chain(&container.args).copied().collect();
        let covers = |pattern: &Word| {
            let words: Vec<_> = pattern.split(' ').collect();
            words_cover(&words, &line)
        };
        let command =
            line.is_empty() || self.commands.as_ref().is_none_or(|allow| allow.iter().any(covers));
        let interactive = self.interactive.unwrap_or(Access::Allow) == Access::Allow
            || container.stdin == [false; 3];
        command && interactive
    }
}

/// Word by word; a last `**` stands for any number of further ones.
fn words_cover(pattern: &[&str], line: &[&str]) -> bool {
    match (pattern.split_first(), line.split_first()) {
        (Some((&"**", [])), _) => true,
        (None, None) => true,
        (Some((word, pattern)), Some((first, line))) => {
            glob(word, first) && words_cover(pattern, line)
        }
        _ => false,
    }
}

impl Access {
    fn forbidden_in_a_permit(effect: Effect) -> Self {
        if effect == Effect::Permit { Self::Forbid } else { Self::Allow }
    }
}

// The Pod Security Standards, as far as the generated containers reach.

fn baseline(level: Level, container: &Container, pod: &Pod, extra: &[Word]) -> bool {
    let Fields { privileged, add, proc_mount, .. } = &container.fields;
    let granted = granted(level);
    let may_unmask = pod.in_user_namespace() && level == Level::Baseline;
    *privileged != Some(true)
        && add.iter().flatten().all(|name| granted.contains(name) || extra.contains(name))
        && (*proc_mount != Some("Unmasked") || may_unmask)
        && pod.seccomp_of(container) != Some("Unconfined")
        && container.volumes().all(|volume| kind_is_within(level, pod.volume_kind(volume)))
}

/// Of the capabilities that a level lets in, the ones that are generated.
fn granted(level: Level) -> &'static [Word] {
    match level {
        Level::Restricted => &["NET_BIND_SERVICE"],
        Level::Baseline | Level::Privileged => &["NET_BIND_SERVICE", "CHOWN"],
    }
}

fn kind_is_within(level: Level, kind: Option<Word>) -> bool {
    match kind {
        None | Some("hostPath") => false,
        Some("nfs") => level == Level::Baseline,
        Some(_) => true,
    }
}

fn restricted(container: &Container, pod: &Pod) -> bool {
    let Fields { escalation, non_root, user, drop, .. } = &container.fields;
    let windows = pod.windows && !pod.unknown;
    let inherits = |pod_has: Option<bool>| if pod.unknown { None } else { pod_has };
    let pod_user = if pod.unknown { None } else { pod.user };
    let not_root =
        non_root.or(inherits(pod.non_root)) == Some(true) && user.or(pod_user) != Some(0);
    let linux = *escalation == Some(false)
        && pod.seccomp_of(container).is_some()
        && drop.iter().flatten().any(|name| *name == "ALL");
    (windows || linux) && (not_root || pod.in_user_namespace())
}

impl Pod {
    fn in_user_namespace(&self) -> bool {
        self.user_namespace && !self.unknown
    }

    fn seccomp_of(&self, container: &Container) -> Option<Word> {
        container.fields.seccomp.or(self.seccomp.filter(|_| !self.unknown))
    }
}

impl Container {
    fn volumes(&self) -> impl Iterator<Item = Word> {
        self.mounts.iter().map(|(volume, _)| *volume).chain(self.devices.iter().copied())
    }
}

// What a Permit changes.

#[derive(Clone, Copy, PartialEq)]
enum Put {
    DefaultsAndSet,
    Set,
}

/// A list with nothing in it is one that is left out, wherever it stands.
fn names(
    set: Option<Vec<Word>>,
    own: Option<Vec<Word>>,
    default: Option<Vec<Word>>,
) -> Option<Vec<Word>> {
    let filled = |names: &Vec<Word>| !names.is_empty();
    let given = own.clone().filter(filled);
    set.or(given).or(default).filter(filled).or(own.map(|_| Vec::new()))
}

impl Policy {
    /// The container with `defaults` where it left a field out, and `set` whatever it asked.
    fn dress(&self, container: &Container, pod: &Pod, put: Put) -> Container {
        let defaults = match put {
            Put::DefaultsAndSet => self.defaults.accepted_by(pod),
            Put::Set => Fields::default(),
        };
        let set = self.set.accepted_by(pod);
        let own = container.fields.clone();
        let fields = Fields {
            privileged: set.privileged.or(own.privileged).or(defaults.privileged),
            escalation: set.escalation.or(own.escalation).or(defaults.escalation),
            non_root: set.non_root.or(own.non_root).or(defaults.non_root),
            user: set.user.or(own.user).or(defaults.user),
            read_only_root: set.read_only_root.or(own.read_only_root).or(defaults.read_only_root),
            add: names(set.add, own.add, defaults.add),
            drop: names(set.drop, own.drop, defaults.drop),
            seccomp: set.seccomp.or(own.seccomp).or(defaults.seccomp),
            proc_mount: set.proc_mount.or(own.proc_mount).or(defaults.proc_mount),
            target: set.target.or(own.target).or(defaults.target),
            pull_policy: set.pull_policy.or(own.pull_policy).or(defaults.pull_policy),
            message_path: set.message_path.or(own.message_path).or(defaults.message_path),
            message_policy: set.message_policy.or(own.message_policy).or(defaults.message_policy),
        };
        let dressed = Container { fields, ..container.clone() };
        let mut dressed = match put {
            Put::DefaultsAndSet => self.take_away(dressed, pod),
            Put::Set => dressed,
        };
        // As a default it gives way: the API server refuses the two together.
        if dressed.fields.privileged == Some(true) {
            dressed.fields.escalation = set.escalation.or(container.fields.escalation);
        }
        dressed
    }

    /// What goes beyond the policy is taken away, where the policy says so. Only Permits do.
    fn take_away(&self, mut container: Container, pod: &Pod) -> Container {
        let Rules { pod_security, capabilities, from_secrets, .. } = &self.rules;
        let level = pod_security.unwrap_or(Level::Baseline);
        let takes = |part| self.remove.contains(&part);
        // What Windows does not know at all does not stay with an empty value.
        let windows = pod.windows && !pod.unknown;
        if takes("Privileged")
            && level != Level::Privileged
            && container.fields.privileged == Some(true)
        {
            container.fields.privileged = if windows { None } else { Some(false) };
        }
        if takes("Capabilities") && level != Level::Privileged {
            let extra = capabilities.as_deref().unwrap_or_default();
            let granted = granted(level);
            if let Some(names) = &mut container.fields.add {
                let had_some = !names.is_empty();
                names.retain(|name| granted.contains(name) || extra.contains(name));
                if windows && had_some && names.is_empty() && container.fields.drop.is_none() {
                    container.fields.add = None;
                }
            }
        }
        if takes("SecretEnv") && *from_secrets != Some(Access::Allow) {
            let stays =
                |source: &Source| !matches!(source, Source::Secret | Source::File | Source::Future);
            container.env.retain(|(_, source)| stays(source));
            container.env_from.retain(|(_, source)| stays(source));
        }
        if takes("Mounts") {
            self.take_mounts(&mut container, pod, level);
        }
        container
    }

    fn take_mounts(&self, container: &mut Container, pod: &Pod, level: Level) {
        let Rules { mounts, devices, deny_volumes, .. } = &self.rules;
        let stays = |volume: &Word| {
            let kind = pod.volume_kind(volume);
            let not_denied =
                deny_volumes.is_empty() || kind.is_some_and(|kind| !deny_volumes.contains(&kind));
            not_denied && (level == Level::Privileged || kind_is_within(level, kind))
        };
        match mounts.unwrap_or(Mounts::None) {
            Mounts::None => container.mounts.clear(),
            Mounts::ReadOnly => {
                container.mounts.iter_mut().for_each(|(_, read_only)| *read_only = true);
            }
            Mounts::ReadWrite => {}
        }
        container.mounts.retain(|(volume, _)| stays(volume));
        let kept = *devices == Some(Access::Allow);
        container.devices.retain(|volume| kept && stays(volume));
    }
}

impl Fields {
    /// Without what a Windows pod does not accept, and with the pod's own container as the target.
    fn accepted_by(&self, pod: &Pod) -> Self {
        if pod.windows && !pod.unknown {
            return Self {
                non_root: self.non_root,
                pull_policy: self.pull_policy,
                message_path: self.message_path,
                message_policy: self.message_policy,
                ..Self::default()
            };
        }
        let target = match self.target {
            Some("First") if pod.unknown => None,
            Some("First") => pod.containers.first().copied(),
            Some(name) => Some(name).filter(|name| pod.unknown || pod.has(name)),
            None => None,
        };
        Self { target, ..self.clone() }
    }
}
