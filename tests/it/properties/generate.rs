//! Small vocabularies, so that policies and requests meet often, and what is made of them.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::world::*;

/// How often a part of a policy that limits something is given: with more, nothing is allowed.
const LIMITS: f64 = 0.04;
const DIGEST: Word = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Up to six policies, each with a name of its own, in no order.
pub(crate) fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let policy = policy().boxed();
    prop_oneof![1 => vec(policy.clone(), 0..=2), 5 => vec(policy, 3..=6)].prop_map(named)
}

/// Gives every policy a name of its own.
fn named(mut policies: Vec<Policy>) -> Vec<Policy> {
    for (number, policy) in policies.iter_mut().enumerate() {
        // Not in the order of the list, because ties are broken by name.
        policy.name = format!("{}-{number}", ["m", "c", "x", "a", "t", "k"][number % 6]);
    }
    policies
}

/// One more policy for a set: its name is no other's.
pub(crate) fn another(effect: Effect) -> impl Strategy<Value = Policy> {
    let any_name = (any::<bool>(), policy());
    any_name.prop_map(move |(first, policy)| {
        let name = if first { "a" } else { "z" }.to_owned();
        untangled(tidy(Policy { name, effect, ..policy }))
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    tangled().prop_map(untangled)
}

/// A policy that may contradict itself.
pub(crate) fn tangled() -> impl Strategy<Value = Policy> {
    let effect = prop_oneof![8 => Just(Effect::Permit), 2 => Just(Effect::Require)];
    let weight =
        prop_oneof![8 => Just(Weight::Enforce), 1 => Just(Weight::Warn), 1 => Just(Weight::Audit)];
    let priority = select(vec![-1, 0, 0, 0, 7]);
    let parts = vec!["Privileged", "Capabilities", "Mounts", "SecretEnv"];
    let remove = weighted(0.25, subsequence(parts, 1..=4));
    let changes = (weighted(0.5, fields(0.25)), weighted(0.3, set()), remove);
    let term = (proptest::bool::weighted(0.08), weighted(0.08, proptest::bool::weighted(0.7)));
    // Boxed, as the other large ones: in a debug build the whole would not fit a test's stack.
    (
        effect,
        weight,
        priority,
        matching().boxed(),
        images().boxed(),
        limits().boxed(),
        rules().boxed(),
        (changes, term).boxed(),
    )
        .prop_map(
            |(
                effect,
                weight,
                priority,
                matching,
                images,
                limits,
                rules,
                ((defaults, set, remove), (authorize, expires)),
            )| {
                let name = String::new();
                let (defaults, set) = (defaults.unwrap_or_default(), set.unwrap_or_default());
                tidy(Policy {
                    name,
                    effect,
                    weight,
                    priority,
                    matching,
                    authorize,
                    expires,
                    images,
                    limits,
                    rules,
                    defaults,
                    set,
                    remove: remove.unwrap_or_default(),
                })
            },
        )
}

/// Takes out what the parser of policies refuses.
fn tidy(mut policy: Policy) -> Policy {
    if policy.effect == Effect::Require {
        (policy.defaults, policy.set) = (Fields::default(), Fields::default());
        (policy.remove, policy.expires) = (Vec::new(), None);
        // A Require with a list of images is the rule that hits most.
        policy.images.allow = policy.images.allow.filter(|allow| allow.len() > 1);
    }
    if policy.rules.pod_security == Some(Level::Privileged) {
        policy.rules.capabilities = None;
    }
    let Policy { defaults, set, images, remove, .. } = &mut policy;
    for fields in [&mut *defaults, &mut *set] {
        if fields.privileged == Some(true) {
            fields.escalation = None;
        }
        if fields.non_root == Some(true) && fields.user == Some(0) {
            fields.user = None;
        }
    }
    defaults.leave_to(set);
    // What is set is not taken away again.
    let set_too = [("Privileged", set.privileged.is_some()), ("Capabilities", set.add.is_some())];
    remove.retain(|part| !set_too.contains(&(part, true)));
    if let (Some(accepted), Some(policy)) = (&images.pull_policies, set.pull_policy)
        && !accepted.contains(&policy)
    {
        set.pull_policy = None;
    }
    policy
}

/// Takes out what contradicts the rest. Whether only that is refused, `contradiction.rs` asks.
fn untangled(mut policy: Policy) -> Policy {
    if is_refused(&policy) {
        policy.set = Fields::default();
        policy.images.deny = Vec::new();
        policy.images.require_digest = false;
        policy.limits.justification = None;
    }
    policy
}

/// Whether the parser of policies refuses it.
pub(crate) fn is_refused(policy: &Policy) -> bool {
    let named = Policy { name: "x".to_owned(), ..policy.clone() };
    postern::folder::load_text("generated.yaml", &yaml(&[named])).is_err()
}

impl Fields {
    /// Leaves every field out that the other has, and those that are none of the defaults'.
    fn leave_to(&mut self, set: &Self) {
        fn leave<T>(own: &mut Option<T>, other: Option<&T>) {
            if other.is_some() {
                *own = None;
            }
        }
        leave(&mut self.privileged, set.privileged.as_ref());
        leave(&mut self.escalation, set.escalation.as_ref());
        leave(&mut self.non_root, set.non_root.as_ref());
        leave(&mut self.user, set.user.as_ref());
        leave(&mut self.read_only_root, set.read_only_root.as_ref());
        leave(&mut self.add, set.add.as_ref());
        leave(&mut self.drop, set.drop.as_ref());
        leave(&mut self.seccomp, set.seccomp.as_ref());
        leave(&mut self.proc_mount, set.proc_mount.as_ref());
        leave(&mut self.target, set.target.as_ref());
        (self.pull_policy, self.message_path, self.message_policy) = (None, None, None);
    }
}

fn some_of(words: &[Word], most: usize) -> impl Strategy<Value = Vec<Word>> + use<> {
    subsequence(words.to_vec(), 1..=most)
}

const USERS: [Word; 3] = ["alice", "bob", "system:serviceaccount:ci:runner"];
const GROUPS: [Word; 3] = ["dev", "ops", "system:authenticated"];
const NAMESPACES: [Word; 4] = ["payments", "team-a", "team-b", "kube-system"];
const PODS: [Word; 3] = ["api-1", "api-2", "db.0"];

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        2 => select(USERS[..2].to_vec()).prop_map(Subject::User),
        4 => select(GROUPS.to_vec()).prop_map(Subject::Group),
        1 => Just(Subject::ServiceAccount("ci", "runner")),
        1 => Just(Subject::User("system:serviceaccount:ci:runner")),
    ]
}

fn matching() -> impl Strategy<Value = Match> {
    let namespaces = ["payments", "team-*", "*", "kube-*", "*-a", "t*m-*"];
    let pods = ["api-*", "db.0", "*-2", "api-1", "*"];
    let subjects = (weighted(0.3, vec(subject(), 1..3)), weighted(0.1, vec(subject(), 1..3)));
    let places = (
        weighted(0.3, some_of(&namespaces, 4)),
        weighted(0.1, some_of(&namespaces[3..], 2)),
        weighted(0.15, some_of(&pods, 3)),
    );
    let labels = (weighted(0.25, selector()), weighted(0.1, selector()));
    (subjects, places, labels).prop_map(
        |((subjects, exclude_subjects), (namespaces, exclude_namespaces, pod_names), labels)| {
            let (labels, namespace_labels) = labels;
            Match {
                subjects,
                exclude_subjects: exclude_subjects.unwrap_or_default(),
                namespaces,
                exclude_namespaces: exclude_namespaces.unwrap_or_default(),
                pod_names,
                labels: labels.unwrap_or_default(),
                namespace_labels: namespace_labels.unwrap_or_default(),
            }
        },
    )
}

/// A label selector; `matchLabels` has one value for a key.
fn selector() -> impl Strategy<Value = Vec<LabelRule>> {
    vec(label(), 1..3).prop_map(|mut rules| {
        let mut keys = Vec::new();
        rules.retain(|rule| match rule {
            LabelRule::Is(key, _) if keys.contains(key) => false,
            LabelRule::Is(key, _) => {
                keys.push(*key);
                true
            }
            _ => true,
        });
        rules
    })
}

fn label() -> impl Strategy<Value = LabelRule> {
    prop_oneof![
        (label_key(), label_value()).prop_map(|(key, value)| LabelRule::Is(key, value)),
        (label_key(), vec(label_value(), 1..3)).prop_map(|(key, all)| LabelRule::In(key, all)),
        (label_key(), vec(label_value(), 1..3)).prop_map(|(key, all)| LabelRule::NotIn(key, all)),
        label_key().prop_map(LabelRule::Exists),
        label_key().prop_map(LabelRule::DoesNotExist),
    ]
}

fn label_key() -> impl Strategy<Value = Word> {
    select(vec!["app", "example.com/tier"])
}

fn label_value() -> impl Strategy<Value = Word> {
    select(vec!["api", "db", ""])
}

fn digest() -> impl Strategy<Value = Option<Word>> {
    weighted(0.15, Just(DIGEST))
}

fn image() -> impl Strategy<Value = Image> {
    let registry = select(vec![
        ("", "docker.io"),
        ("docker.io/", "docker.io"),
        ("index.docker.io/", "docker.io"),
        ("registry.example.com/", "registry.example.com"),
        ("Registry.Example.com:443/", "registry.example.com"),
        ("registry.example.com:5000/", "registry.example.com:5000"),
        ("registry.example.com.evil.io/", "registry.example.com.evil.io"),
        ("eu.registry.example.com/", "eu.registry.example.com"),
        ("localhost/", "localhost"),
    ]);
    let path = select(vec!["busybox", "debug/netshoot", "debug/tools/net", "library/busybox"]);
    let tag = proptest::option::of(select(vec!["1.36", "1.37", "latest"]));
    let good = (registry, path, tag, digest()).prop_map(|(registry, path, tag, digest)| Image {
        registry: Some(registry),
        path,
        tag,
        digest,
    });
    let broken = ["", "BAD IMAGE", "busybox:", "busybox@sha256:12", "a//b", "\u{1b}[31mred"];
    prop_oneof![
        19 => good,
        1 => select(broken.to_vec()).prop_map(|path| Image {
            registry: None,
            path,
            tag: None,
            digest: None,
        }),
    ]
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let registry = select(vec![
        ("", Registry::Is("docker.io")),
        ("docker.io/", Registry::Is("docker.io")),
        ("*/", Registry::Any),
        ("*.example.com/", Registry::Below(".example.com")),
        ("registry.example.com/", Registry::Is("registry.example.com")),
        ("registry.example.com:443/", Registry::Is("registry.example.com")),
        ("registry.example.com:5000/", Registry::Is("registry.example.com:5000")),
    ]);
    let path = select(vec!["**", "debug/**", "debug/*", "**/net", "busybox", "d*g/**", "*"]);
    let tag = weighted(0.2, select(vec!["1.36", "1.*", "*"]));
    (registry, path, tag, digest()).prop_map(|((spelled, registry), path, tag, digest)| {
        // In front of everything, `**` is the registry too.
        let everywhere = spelled.is_empty() && path.starts_with("**");
        let registry = if everywhere { Registry::Any } else { registry };
        Pattern { spelled, registry, path, tag, digest }
    })
}

fn everything() -> Pattern {
    Pattern { spelled: "", registry: Registry::Any, path: "**", tag: None, digest: None }
}

fn pull_policy() -> impl Strategy<Value = Word> {
    select(vec!["Always", "IfNotPresent", "Never"])
}

fn images() -> impl Strategy<Value = Images> {
    let allow = prop_oneof![
        12 => Just(Some(vec![everything()])),
        6 => vec(pattern(), 1..5).prop_map(Some),
        1 => Just(Some(Vec::new())),
        1 => Just(None),
    ];
    let deny = weighted(0.1, vec(pattern(), 1..3));
    let pulls = weighted(LIMITS, vec(pull_policy(), 1..3));
    (allow, deny, weighted(LIMITS, Just(())), pulls).prop_map(|(allow, deny, digest, pulls)| {
        Images {
            allow,
            deny: deny.unwrap_or_default(),
            require_digest: digest.is_some(),
            pull_policies: pulls,
        }
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let justification = (any::<bool>(), select(vec!["DEBUG_REASON", "WHY"]), any::<bool>())
        .prop_map(|(required, env, ticket)| Justification { required, env, ticket });
    let numbers =
        (weighted(LIMITS, 1..4_usize), weighted(LIMITS, 1..3_usize), weighted(LIMITS, 1..5_usize));
    (numbers, weighted(0.1, justification)).prop_map(
        |((per_pod, per_request, per_hour), justification)| Limits {
            per_pod,
            per_request,
            per_hour,
            justification,
        },
    )
}

fn access() -> impl Strategy<Value = Access> {
    select(vec![Access::Allow, Access::Forbid])
}

fn rules() -> impl Strategy<Value = Rules> {
    let levels = vec![
        Level::Privileged,
        Level::Privileged,
        Level::Privileged,
        Level::Baseline,
        Level::Restricted,
    ];
    let capabilities = some_of(&["SYS_PTRACE", "NET_ADMIN", "NET_RAW"], 2);
    let security = (weighted(0.5, select(levels)), weighted(0.15, capabilities));
    let targets =
        (weighted(LIMITS, Just(())), weighted(LIMITS, some_of(&["app", "side*", "*", "other"], 2)));
    let env = (
        weighted(LIMITS, some_of(&["DEBUG_REASON", "*", "LANG", "DB_*"], 3)),
        weighted(LIMITS, some_of(&["*TOKEN*", "LANG", "X_*"], 2)),
        weighted(0.3, access()),
        weighted(0.15, access()),
    );
    let mounts = select(vec![Mounts::None, Mounts::ReadOnly, Mounts::ReadWrite]);
    let volumes = (
        weighted(0.5, mounts),
        weighted(LIMITS, some_of(&["hostPath", "secret", "emptyDir", "nfs"], 2)),
        weighted(0.3, access()),
    );
    let process = (
        weighted(LIMITS, some_of(&["sh", "sh **", "ls -l *", "**", "l*"], 3)),
        weighted(LIMITS, access()),
    );
    (security, targets, env, volumes, process).prop_map(
        |((pod_security, capabilities), targets, env, volumes, process)| Rules {
            pod_security,
            capabilities,
            target_required: targets.0.is_some(),
            targets: targets.1,
            env_allow: env.0,
            env_deny: env.1.unwrap_or_default(),
            from_secrets: env.2,
            from_config_maps: env.3,
            mounts: volumes.0,
            deny_volumes: volumes.1.unwrap_or_default(),
            devices: volumes.2,
            commands: process.0,
            interactive: process.1,
        },
    )
}

fn capability() -> impl Strategy<Value = Vec<Word>> {
    prop_oneof![
        3 => subsequence(vec!["SYS_PTRACE", "NET_ADMIN", "CHOWN", "NET_BIND_SERVICE"], 0..=2),
        1 => Just(Vec::new()),
    ]
}

fn seccomp() -> impl Strategy<Value = Word> {
    select(vec!["RuntimeDefault", "RuntimeDefault", "Localhost", "Unconfined"])
}

/// Fields of `securityContext` and the target, each given so often.
fn fields(often: f64) -> impl Strategy<Value = Fields> {
    let dropped = prop_oneof![3 => Just(vec!["ALL"]), 1 => Just(vec!["CHOWN"])];
    let flags = (
        weighted(often / 3.0, any::<bool>()),
        weighted(often, proptest::bool::weighted(0.2)),
        weighted(often, proptest::bool::weighted(0.8)),
        weighted(often / 2.0, select(vec![0_i64, 1000])),
        weighted(often, any::<bool>()),
    );
    let words = (
        weighted(often / 2.0, capability()),
        weighted(often, dropped),
        weighted(often, seccomp()),
        weighted(often / 4.0, select(vec!["Default", "Unmasked"])),
        weighted(often, select(vec!["First", "app", "app", "sidecar"])),
    );
    (flags, words).prop_map(|(flags, words)| {
        let (privileged, escalation, non_root, user, read_only_root) = flags;
        let (add, drop, seccomp, proc_mount, target) = words;
        Fields {
            privileged,
            escalation,
            non_root,
            user,
            read_only_root,
            add,
            drop,
            seccomp,
            proc_mount,
            target,
            ..Fields::default()
        }
    })
}

fn set() -> impl Strategy<Value = Fields> {
    let pull_policy = weighted(0.4, pull_policy());
    let message = (
        weighted(0.3, select(vec!["/dev/null", "/dev/termination-log"])),
        weighted(0.3, select(vec!["File", "FallbackToLogsOnError"])),
    );
    (fields(0.1), pull_policy, message).prop_map(|(fields, pull_policy, message)| Fields {
        pull_policy,
        message_path: message.0,
        message_policy: message.1,
        ..fields
    })
}

/// A request, now and then one that the API server would refuse.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    let groups = subsequence(GROUPS.to_vec(), 0..=3);
    let added = prop_oneof![
        1 => Just(Vec::new()),
        14 => vec(container().boxed(), 1..2),
        4 => vec(container().boxed(), 2..4),
    ];
    let fault = weighted(
        0.06,
        prop_oneof![
            3 => select(vec!["ports", "lifecycle", "livenessProbe", "resources", "restartPolicy"])
                .prop_map(Fault::Field),
            4 => select(vec![
                Fault::SubPath,
                Fault::Removed,
                Fault::Changed,
                Fault::NameTwice,
                Fault::NameMissing,
                Fault::Mirror,
            ]),
        ],
    );
    (select(USERS.to_vec()), groups, pod().boxed(), added.boxed(), fault, known()).prop_map(
        |(user, groups, mut pod, mut added, fault, known)| {
            for (number, container) in added.iter_mut().enumerate() {
                container.name = format!("debugger-{number}");
            }
            if matches!(fault, Some(Fault::Removed | Fault::Changed)) {
                pod.old = pod.old.max(1);
            }
            // The others need a container to be put into.
            let fault = fault.filter(|fault| {
                !added.is_empty() || matches!(fault, Fault::Removed | Fault::Changed)
            });
            Request { user, groups, pod, added, fault, known }
        },
    )
}

fn known() -> impl Strategy<Value = Known> {
    let labels = vec((label_key(), label_value()), 0..3);
    let names = vec!["m-0", "c-1", "x-2", "a-3", "t-4", "k-5", "a", "z"];
    let clock = proptest::bool::weighted(0.9);
    (clock, weighted(0.8, labels), subsequence(names, 0..=8), weighted(0.9, 0..4_usize)).prop_map(
        |(clock, labels, rights, added)| {
            // Of two labels of one key, an object keeps the last.
            let namespace_labels = labels.map(|labels| {
                let map: std::collections::BTreeMap<_, _> = labels.into_iter().collect();
                map.into_iter().collect()
            });
            Known { clock, namespace_labels, rights, added }
        },
    )
}

fn pod() -> impl Strategy<Value = Pod> {
    let names = (select(PODS.to_vec()), select(NAMESPACES.to_vec()));
    let labels = (weighted(0.7, label_value()), weighted(0.4, label_value()));
    let os = (proptest::bool::weighted(0.08), proptest::bool::weighted(0.08));
    let security = (
        weighted(0.2, any::<bool>()),
        weighted(0.15, select(vec![0_i64, 1000])),
        weighted(0.2, seccomp()),
    );
    let containers = select(vec![vec!["app"], vec!["app", "sidecar"], vec!["sidecar", "app"]]);
    let kinds = [
        ("tmp", "emptyDir"),
        ("creds", "secret"),
        ("host", "hostPath"),
        ("conf", "configMap"),
        ("share", "nfs"),
    ];
    let volumes = subsequence(kinds.to_vec(), 0..=5);
    let old = prop_oneof![4 => Just(0), 1 => 1..4_usize];
    let rest = (old, proptest::bool::weighted(0.1), proptest::bool::weighted(0.2));
    (names, labels, os, security, containers, volumes, rest).prop_map(
        |((name, namespace), labels, os, security, containers, volumes, rest)| {
            let (app, tier) = labels;
            let app = app.map(|value| ("app", value));
            Pod {
                name,
                namespace,
                labels: app.into_iter().chain(tier.map(|v| ("example.com/tier", v))).collect(),
                windows: os.0,
                user_namespace: os.1,
                non_root: security.0,
                user: security.1,
                seccomp: security.2,
                containers,
                init: if rest.2 { vec!["init"] } else { Vec::new() },
                volumes,
                old: rest.0,
                unknown: rest.1,
            }
        },
    )
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        6 => select(vec!["OPS-12", "because", "", " OPS-7 ", "OPS-", "xOPS-1"])
            .prop_map(Source::Value),
        4 => select(vec![
            Source::Secret,
            Source::ConfigMap,
            Source::Field,
            Source::File,
            Source::Future,
        ]),
    ]
}

fn container() -> impl Strategy<Value = Container> {
    let filled_in = (
        weighted(0.95, select(vec!["Always", "IfNotPresent", "Never"])),
        weighted(0.9, Just("/dev/termination-log")),
        weighted(0.9, Just("File")),
        weighted(0.25, select(vec!["app", "app", "sidecar", "init", "ghost", "old-0"])),
    );
    let fields = (fields(0.15), filled_in).prop_map(|(fields, (pull, path, policy, target))| {
        Fields { pull_policy: pull, message_path: path, message_policy: policy, target, ..fields }
    });
    let words = select(vec![
        (vec![], vec![]),
        (vec![], vec![]),
        (vec!["sh"], vec![]),
        (vec!["sh"], vec!["-c", "id"]),
        (vec!["ls", "-l", "/"], vec![]),
        (vec![], vec!["sh"]),
    ]);
    let names = select(vec!["DEBUG_REASON", "WHY", "LANG", "DB_TOKEN"]);
    let env = weighted(0.3, vec((names, source()), 1..4));
    let from = select(vec![Source::Secret, Source::ConfigMap, Source::Future]);
    let env_from = weighted(0.05, vec((select(vec!["", "X_"]), from), 1..3));
    let volume = || select(vec!["tmp", "creds", "host", "conf", "share", "ghost"]);
    let volumes =
        (weighted(0.12, vec((volume(), any::<bool>()), 1..3)), weighted(0.05, vec(volume(), 1..2)));
    let stdin = select(vec![[false; 3], [false; 3], [true, false, true], [false, true, false]]);
    let odd = (proptest::bool::weighted(0.03), proptest::bool::weighted(0.2));
    (image(), fields, words, (env, env_from), volumes, stdin, odd).prop_map(
        |(image, fields, (command, args), env, volumes, stdin, odd)| Container {
            name: String::new(),
            image,
            fields,
            command,
            args,
            env: env.0.unwrap_or_default(),
            env_from: env.1.unwrap_or_default(),
            mounts: volumes.0.unwrap_or_default(),
            devices: volumes.1.unwrap_or_default(),
            stdin,
            future: odd.0,
            spelled_out: odd.1,
        },
    )
}
