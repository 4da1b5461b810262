//! Policies and requests as plain data, and how they are written down: policies as YAML, requests
//! as the AdmissionReview that an API server sends.
//!
//! Nothing here comes from Postern's own types, so that a mistake there cannot hide here.

use serde_json::{Map, Value, json};

/// A word of a small vocabulary.
pub(crate) type Word = &'static str;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Permit,
    Require,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Enforce,
    Warn,
    Audit,
}

#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) effect: Effect,
    pub(crate) weight: Weight,
    pub(crate) priority: i32,
    pub(crate) matching: Match,
    /// `authorize`
    pub(crate) authorize: bool,
    /// `expires`: whether that is still to come.
    pub(crate) expires: Option<bool>,
    pub(crate) images: Images,
    pub(crate) limits: Limits,
    pub(crate) rules: Rules,
    pub(crate) defaults: Fields,
    pub(crate) set: Fields,
    /// `set.remove`
    pub(crate) remove: Vec<Word>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Match {
    pub(crate) subjects: Option<Vec<Subject>>,
    pub(crate) exclude_subjects: Vec<Subject>,
    pub(crate) namespaces: Option<Vec<Word>>,
    pub(crate) exclude_namespaces: Vec<Word>,
    pub(crate) pod_names: Option<Vec<Word>>,
    pub(crate) labels: Vec<LabelRule>,
    pub(crate) namespace_labels: Vec<LabelRule>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    User(Word),
    Group(Word),
    /// Namespace and name.
    ServiceAccount(Word, Word),
}

#[derive(Debug, Clone)]
pub(crate) enum LabelRule {
    /// `matchLabels`
    Is(Word, Word),
    In(Word, Vec<Word>),
    NotIn(Word, Vec<Word>),
    Exists(Word),
    DoesNotExist(Word),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Images {
    pub(crate) allow: Option<Vec<Pattern>>,
    pub(crate) deny: Vec<Pattern>,
    pub(crate) require_digest: bool,
    pub(crate) pull_policies: Option<Vec<Word>>,
}

/// An image: how its registry is spelled and what that means, its path, tag and digest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Image {
    /// Text in front of the path, and the registry that it names. `None`: not an image at all.
    pub(crate) registry: Option<(Word, Word)>,
    pub(crate) path: Word,
    pub(crate) tag: Option<Word>,
    pub(crate) digest: Option<Word>,
}

/// An entry of an image list.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// Text in front of the path.
    pub(crate) spelled: Word,
    pub(crate) registry: Registry,
    pub(crate) path: Word,
    pub(crate) tag: Option<Word>,
    pub(crate) digest: Option<Word>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Registry {
    Any,
    Is(Word),
    /// Ends with this, and is longer.
    Below(Word),
}

/// `limits` and `justification`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub(crate) per_pod: Option<usize>,
    pub(crate) per_request: Option<usize>,
    pub(crate) per_hour: Option<usize>,
    pub(crate) justification: Option<Justification>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Justification {
    pub(crate) required: bool,
    pub(crate) env: Word,
    /// It must be `OPS-` and a number.
    pub(crate) ticket: bool,
}

pub(crate) const TICKET: Word = "^OPS-[0-9]+$";

/// The rest of `containers`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) pod_security: Option<Level>,
    pub(crate) capabilities: Option<Vec<Word>>,
    pub(crate) target_required: bool,
    pub(crate) targets: Option<Vec<Word>>,
    pub(crate) env_allow: Option<Vec<Word>>,
    pub(crate) env_deny: Vec<Word>,
    pub(crate) from_secrets: Option<Access>,
    pub(crate) from_config_maps: Option<Access>,
    pub(crate) mounts: Option<Mounts>,
    pub(crate) deny_volumes: Vec<Word>,
    pub(crate) devices: Option<Access>,
    pub(crate) commands: Option<Vec<Word>>,
    pub(crate) interactive: Option<Access>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Allow,
    Forbid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mounts {
    None,
    ReadOnly,
    ReadWrite,
}

/// The fields of a container that a policy can fill in or replace.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Fields {
    pub(crate) privileged: Option<bool>,
    pub(crate) escalation: Option<bool>,
    pub(crate) non_root: Option<bool>,
    pub(crate) user: Option<i64>,
    pub(crate) read_only_root: Option<bool>,
    pub(crate) add: Option<Vec<Word>>,
    pub(crate) drop: Option<Vec<Word>>,
    pub(crate) seccomp: Option<Word>,
    pub(crate) proc_mount: Option<Word>,
    /// In a policy also `First`.
    pub(crate) target: Option<Word>,
    pub(crate) pull_policy: Option<Word>,
    pub(crate) message_path: Option<Word>,
    pub(crate) message_policy: Option<Word>,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) user: Word,
    pub(crate) groups: Vec<Word>,
    pub(crate) pod: Pod,
    pub(crate) added: Vec<Container>,
    pub(crate) fault: Option<Fault>,
    pub(crate) known: Known,
}

/// What is known beside the request.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) clock: bool,
    pub(crate) namespace_labels: Option<Vec<(Word, Word)>>,
    /// The policies that the requester may use.
    pub(crate) rights: Vec<Word>,
    /// How many containers the requester added within the hour.
    pub(crate) added: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) name: Word,
    pub(crate) namespace: Word,
    pub(crate) labels: Vec<(Word, Word)>,
    pub(crate) windows: bool,
    pub(crate) user_namespace: bool,
    pub(crate) non_root: Option<bool>,
    pub(crate) user: Option<i64>,
    pub(crate) seccomp: Option<Word>,
    pub(crate) containers: Vec<Word>,
    pub(crate) init: Vec<Word>,
    pub(crate) volumes: Vec<(Word, Word)>,
    /// How many ephemeral containers it has already.
    pub(crate) old: usize,
    /// A cluster up to 1.21: all that is sent of the pod is its ephemeral containers.
    pub(crate) unknown: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: Image,
    pub(crate) fields: Fields,
    pub(crate) command: Vec<Word>,
    pub(crate) args: Vec<Word>,
    pub(crate) env: Vec<(Word, Source)>,
    /// Prefix and source.
    pub(crate) env_from: Vec<(Word, Source)>,
    /// Volume, and whether it is read-only.
    pub(crate) mounts: Vec<(Word, bool)>,
    pub(crate) devices: Vec<Word>,
    /// `stdin`, `stdinOnce` and `tty`.
    pub(crate) stdin: [bool; 3],
    /// A field that Kubernetes will have one day.
    pub(crate) future: bool,
    /// What is left out is written as null or as an empty text.
    pub(crate) spelled_out: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Value(Word),
    Secret,
    ConfigMap,
    Field,
    File,
    Future,
}

/// What the API server would refuse, put into a request that may be right otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Field(Word),
    SubPath,
    /// An old ephemeral container is gone; there has to be one.
    Removed,
    /// The same one has another image.
    Changed,
    NameTwice,
    NameMissing,
    Mirror,
}

impl Image {
    pub(crate) fn text(&self) -> String {
        spelled(self.registry.map_or("", |(text, _)| text), self.path, self.tag, self.digest)
    }
}

impl Pattern {
    pub(crate) fn text(&self) -> String {
        spelled(self.spelled, self.path, self.tag, self.digest)
    }
}

fn spelled(registry: &str, path: &str, tag: Option<Word>, digest: Option<Word>) -> String {
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
    format!("{registry}{path}{tag}{digest}")
}

/// An object without the fields that are null or empty objects.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let given = fields.into_iter().filter(|(_, value)| !value.is_null() && *value != json!({}));
    Value::Object(given.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// As a list, or nothing where it is empty.
fn list<T>(items: &[T], write: impl Fn(&T) -> Value) -> Value {
    if items.is_empty() { Value::Null } else { items.iter().map(write).collect() }
}

fn flag(on: bool) -> Value {
    if on { json!(true) } else { Value::Null }
}

/// Several documents in one text.
pub(crate) fn yaml(policies: &[Policy]) -> String {
    let documents = policies.iter().map(|policy| {
        let document = policy.document();
        format!("---\n{}\n", serde_saphyr::to_string(&document).unwrap())
    });
    documents.collect()
}

impl Policy {
    pub(crate) fn document(&self) -> Value {
        json!({
            "apiVersion": "postern.dev/v1alpha1",
            "kind": "DebugPolicy",
            "metadata": {"name": self.name},
            "spec": object([
                ("effect", json!(format!("{:?}", self.effect))),
                ("enforcement", json!(format!("{:?}", self.weight))),
                ("priority", json!(self.priority)),
                ("match", self.matching.json()),
                ("containers", self.rules.json(&self.images)),
                ("limits", object([
                    ("perPod", json!(self.limits.per_pod)),
                    ("perRequest", json!(self.limits.per_request)),
                    ("perUserPerHour", json!(self.limits.per_hour)),
                ])),
                ("justification", self.limits.justification.map_or(Value::Null, |asked| object([
                    ("required", flag(asked.required)),
                    ("env", json!(asked.env)),
                    ("pattern", if asked.ticket { json!(TICKET) } else { Value::Null }),
                ]))),
                ("defaults", self.defaults.json()),
                ("authorize", if self.authorize { json!({"verb": "use"}) } else { Value::Null }),
                ("expires", json!(self.expires.map(|later| if later { FUTURE } else { PAST }))),
                ("set", self.set_json()),
            ]),
        })
    }
}

pub(crate) const PAST: Word = "2001-01-01T00:00:00Z";
pub(crate) const NOW: Word = "2026-11-25T12:00:00Z";
pub(crate) const FUTURE: Word = "2100-01-01T00:00:00Z";

impl Policy {
    fn set_json(&self) -> Value {
        let mut set = self.set.json();
        if !self.remove.is_empty() {
            set["remove"] = json!(self.remove);
        }
        set
    }
}

/// Both forms of a label selector.
fn selector(rules: &[LabelRule]) -> Value {
    let labels = rules.iter().filter_map(|rule| match rule {
        LabelRule::Is(key, value) => Some(((*key).to_owned(), json!(value))),
        _ => None,
    });
    let expressions: Vec<Value> = rules.iter().filter_map(LabelRule::expression).collect();
    object([
        ("matchLabels", Value::Object(labels.collect())),
        ("matchExpressions", list(&expressions, Value::clone)),
    ])
}

impl Match {
    fn json(&self) -> Value {
        object([
            ("subjects", self.subjects.as_ref().map_or(Value::Null, |all| list(all, subject))),
            ("excludeSubjects", list(&self.exclude_subjects, subject)),
            (
                "namespaces",
                object([
                    ("names", json!(self.namespaces)),
                    ("exclude", list(&self.exclude_namespaces, |name| json!(name))),
                    ("selector", selector(&self.namespace_labels)),
                ]),
            ),
            (
                "pods",
                object([("names", json!(self.pod_names)), ("selector", selector(&self.labels))]),
            ),
        ])
    }
}

fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::User(name) => json!({"kind": "User", "name": name}),
        Subject::Group(name) => json!({"kind": "Group", "name": name}),
        Subject::ServiceAccount(namespace, name) => {
            json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
        }
    }
}

impl LabelRule {
    fn expression(&self) -> Option<Value> {
        match self {
            Self::Is(..) => None,
            Self::In(key, values) => Some(json!({"key": key, "operator": "In", "values": values})),
            Self::NotIn(key, values) => {
                Some(json!({"key": key, "operator": "NotIn", "values": values}))
            }
            Self::Exists(key) => Some(json!({"key": key, "operator": "Exists"})),
            Self::DoesNotExist(key) => Some(json!({"key": key, "operator": "DoesNotExist"})),
        }
    }
}

impl Rules {
    fn json(&self, images: &Images) -> Value {
        let debug = |value: String| json!(value);
        let access =
            |access: Option<Access>| access.map_or(Value::Null, |a| debug(format!("{a:?}")));
        let pattern = |pattern: &Pattern| json!(pattern.text());
        let word = |word: &Word| json!(word);
        let allow = images.allow.as_ref();
        let capabilities = self.capabilities.as_ref();
        let commands = self.commands.as_ref();
        object([
            (
                "images",
                object([
                    ("allow", allow.map_or(Value::Null, |all| all.iter().map(pattern).collect())),
                    ("deny", list(&images.deny, pattern)),
                    ("requireDigest", flag(images.require_digest)),
                    ("pullPolicies", json!(images.pull_policies)),
                ]),
            ),
            (
                "podSecurity",
                self.pod_security
                    .map_or(Value::Null, |level| debug(format!("{level:?}").to_lowercase())),
            ),
            ("capabilities", capabilities.map_or(Value::Null, |names| json!({"allow": names}))),
            (
                "targets",
                object([("required", flag(self.target_required)), ("allow", json!(self.targets))]),
            ),
            (
                "env",
                object([
                    (
                        "names",
                        object([
                            ("allow", json!(self.env_allow)),
                            ("deny", list(&self.env_deny, word)),
                        ]),
                    ),
                    ("fromSecrets", access(self.from_secrets)),
                    ("fromConfigMaps", access(self.from_config_maps)),
                ]),
            ),
            (
                "volumes",
                object([
                    (
                        "mounts",
                        self.mounts.map_or(Value::Null, |mounts| debug(format!("{mounts:?}"))),
                    ),
                    ("deny", list(&self.deny_volumes, word)),
                    ("devices", access(self.devices)),
                ]),
            ),
            ("command", commands.map_or(Value::Null, |allow| json!({"allow": allow}))),
            ("interactive", access(self.interactive)),
        ])
    }
}

impl Fields {
    /// As they stand in a policy and in a container alike.
    fn json(&self) -> Value {
        let seccomp = self.seccomp.map_or(Value::Null, |kind| match kind {
            "Localhost" => json!({"type": kind, "localhostProfile": "debug.json"}),
            _ => json!({"type": kind}),
        });
        object([
            (
                "securityContext",
                object([
                    ("privileged", json!(self.privileged)),
                    ("allowPrivilegeEscalation", json!(self.escalation)),
                    ("runAsNonRoot", json!(self.non_root)),
                    ("runAsUser", json!(self.user)),
                    ("readOnlyRootFilesystem", json!(self.read_only_root)),
                    (
                        "capabilities",
                        object([("add", json!(self.add)), ("drop", json!(self.drop))]),
                    ),
                    ("seccompProfile", seccomp),
                    ("procMount", json!(self.proc_mount)),
                ]),
            ),
            ("targetContainerName", json!(self.target)),
            ("imagePullPolicy", json!(self.pull_policy)),
            ("terminationMessagePath", json!(self.message_path)),
            ("terminationMessagePolicy", json!(self.message_policy)),
        ])
    }
}

impl Container {
    pub(crate) fn json(&self) -> Value {
        let mut json = self.fields.json();
        let fields = json.as_object_mut().unwrap();
        let rest = object([
            ("name", json!(self.name)),
            ("image", json!(self.image.text())),
            ("command", list(&self.command, |word| json!(word))),
            ("args", list(&self.args, |word| json!(word))),
            ("env", list(&self.env, |(name, source)| source.variable(name))),
            ("envFrom", list(&self.env_from, |(prefix, source)| source.variables(prefix))),
            (
                "volumeMounts",
                list(
                    &self.mounts,
                    |(volume, read_only)| json!({"name": volume, "mountPath": format!("/{volume}"), "readOnly": read_only}),
                ),
            ),
            (
                "volumeDevices",
                list(
                    &self.devices,
                    |volume| json!({"name": volume, "devicePath": format!("/dev/{volume}")}),
                ),
            ),
            ("stdin", flag(self.stdin[0])),
            ("stdinOnce", flag(self.stdin[1])),
            ("tty", flag(self.stdin[2])),
            ("rocketBoosters", flag(self.future)),
        ]);
        fields.extend(rest.as_object().unwrap().clone());
        // The one struct that Go writes even where it is empty.
        fields.insert("resources".to_owned(), json!({}));
        if self.spelled_out {
            for field in ["securityContext", "command", "env", "ports", "lifecycle", "stdin"] {
                fields.entry(field).or_insert(Value::Null);
            }
            fields.entry("targetContainerName").or_insert(json!(""));
        }
        json
    }
}

impl Source {
    fn variable(self, name: &str) -> Value {
        let reference = json!({"name": "it", "key": "k"});
        let from = match self {
            Self::Value(value) => return json!({"name": name, "value": value}),
            Self::Secret => json!({"secretKeyRef": reference}),
            Self::ConfigMap => json!({"configMapKeyRef": reference}),
            Self::Field => json!({"fieldRef": {"fieldPath": "metadata.name"}}),
            Self::File => json!({"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}}),
            Self::Future => json!({"vaultRef": reference}),
        };
        json!({"name": name, "valueFrom": from})
    }

    fn variables(self, prefix: &str) -> Value {
        let kind = match self {
            Self::Secret => "secretRef",
            Self::ConfigMap => "configMapRef",
            _ => "vaultRef",
        };
        json!({"prefix": prefix, kind: {"name": "it"}})
    }
}

impl Request {
    /// The list of ephemeral containers after the request.
    fn list(&self) -> Vec<Value> {
        let mut list = self.pod.list();
        match self.fault {
            Some(Fault::Removed) => drop(list.remove(0)),
            Some(Fault::Changed) => list[0]["image"] = json!("busybox:other"),
            _ => {}
        }
        let old = list.len();
        list.extend(self.added.iter().map(Container::json));
        let Some(container) = list.get_mut(old) else { return list };
        match self.fault {
            Some(Fault::Field(name)) => container[name] = json!({"x": 1}),
            Some(Fault::SubPath) => {
                container["volumeMounts"] =
                    json!([{"name": "tmp", "mountPath": "/tmp", "subPath": "x"}]);
            }
            Some(Fault::NameMissing) => drop(container.as_object_mut().unwrap().remove("name")),
            Some(Fault::NameTwice) => {
                let twice = container.clone();
                list.push(twice);
            }
            _ => {}
        }
        list
    }

    /// What the API server sends.
    pub(crate) fn review(&self) -> Value {
        self.review_of(self.list())
    }

    /// The same requester adds this container to the same pod.
    pub(crate) fn review_adding(&self, container: Value) -> Value {
        self.review_of(self.pod.list().into_iter().chain([container]).collect())
    }

    fn review_of(&self, list: Vec<Value>) -> Value {
        let kind = if self.pod.unknown { "EphemeralContainers" } else { "Pod" };
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            // No API server sends this: what is looked up travels along for the tests.
            "known": self.known.json(),
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "kind": {"group": "", "version": "v1", "kind": kind},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "subResource": "ephemeralcontainers",
                "name": self.pod.name,
                "namespace": self.pod.namespace,
                "operation": "UPDATE",
                "userInfo": {"username": self.user, "groups": self.groups},
                "object": self.pod.object(list, self.fault),
                "oldObject": self.pod.object(self.pod.list(), self.fault),
                "dryRun": false,
            },
        })
    }
}

impl Known {
    fn json(&self) -> Value {
        let labels = self.namespace_labels.as_ref().map(|labels| {
            let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value)));
            Value::Object(labels.collect())
        });
        json!({
            "now": self.clock.then_some(NOW),
            "namespaceLabels": labels,
            "rights": self.rights,
            "added": self.added,
        })
    }
}

impl Pod {
    fn list(&self) -> Vec<Value> {
        let old = |number| json!({"name": format!("old-{number}"), "image": "busybox:old"});
        (0..self.old).map(old).collect()
    }

    fn object(&self, ephemeral: Vec<Value>, fault: Option<Fault>) -> Value {
        let mirror = fault == Some(Fault::Mirror);
        let annotations =
            if mirror { json!({"kubernetes.io/config.mirror": "x"}) } else { json!({}) };
        let named = |name: &Word| json!({"name": name, "image": "registry.example.com/app:1"});
        if self.unknown {
            return json!({
                "metadata": {"name": self.name, "annotations": annotations},
                "ephemeralContainers": ephemeral,
            });
        }
        let labels = self.labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value)));
        let seccomp = self.seccomp.map_or(Value::Null, |kind| json!({"type": kind}));
        let mut spec = object([
            (
                "securityContext",
                object([
                    ("runAsNonRoot", json!(self.non_root)),
                    ("runAsUser", json!(self.user)),
                    ("seccompProfile", seccomp),
                ]),
            ),
            ("os", if self.windows { json!({"name": "windows"}) } else { Value::Null }),
            ("hostUsers", if self.user_namespace { json!(false) } else { Value::Null }),
            ("containers", self.containers.iter().map(named).collect()),
            ("initContainers", list(&self.init, named)),
            ("volumes", list(&self.volumes, |(name, kind)| json!({"name": name, *kind: {}}))),
        ]);
        spec["ephemeralContainers"] = Value::Array(ephemeral);
        json!({
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": labels.collect::<Map<_, _>>(),
                "annotations": annotations,
            },
            "spec": spec,
            "status": {"phase": "Running"},
        })
    }
}
