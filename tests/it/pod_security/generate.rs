//! Pods with one ephemeral container, every field given that the standards look at.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

type Word = &'static str;

/// How probable it is that a field is given, and that it has a value which some check refuses.
#[derive(Debug, Clone, Copy)]
struct Odds {
    given: f64,
    /// For a field without which restricted refuses.
    wanted: f64,
    odd: f64,
}

/// Most break few checks or none, so that no check hides behind another.
pub(crate) fn pod() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => pod_of(Odds { given: 0.15, wanted: 0.97, odd: 0.06 }),
        2 => pod_of(Odds { given: 0.3, wanted: 0.85, odd: 0.25 }),
        1 => pod_of(Odds { given: 0.5, wanted: 0.5, odd: 0.5 }),
    ]
}

fn pod_of(odds: Odds) -> impl Strategy<Value = Value> {
    let system = prop_oneof![4 => Just(None), 2 => Just(Some("linux")), 1 => Just(Some("windows"))];
    let spec = object(vec![
        field("securityContext", 0.8, pod_context(odds)),
        field("hostUsers", 0.3, any::<bool>().prop_map(Value::from)),
        field("hostPID", 0.06, any::<bool>().prop_map(Value::from)),
        field("hostNetwork", 0.06, any::<bool>().prop_map(Value::from)),
        field("hostIPC", 0.06, any::<bool>().prop_map(Value::from)),
    ]);
    let container = object(vec![field("securityContext", 0.97, own_context(odds))]);
    (system, spec, container, volumes(odds), annotations(odds)).prop_map(
        |(system, mut spec, mut container, (volumes, mounts, devices), annotations)| {
            for (key, value) in
                [("name", json!("debugger")), ("image", json!("registry.example.com/debug:1"))]
            {
                container[key] = value;
            }
            (container["volumeMounts"], container["volumeDevices"]) = (mounts, devices);
            spec["containers"] = json!([harmless(system)]);
            spec["ephemeralContainers"] = json!([container]);
            spec["volumes"] = volumes;
            spec["os"] = system.map_or(Value::Null, |name| json!({"name": name}));
            json!({
                "metadata": {"name": "api", "namespace": "payments", "annotations": annotations},
                "spec": spec,
            })
        },
    )
}

/// The container that was there before: upstream judges it too, and must have nothing to say.
fn harmless(system: Option<Word>) -> Value {
    let security = if system == Some("windows") {
        json!({"runAsNonRoot": true})
    } else {
        json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        })
    };
    json!({"name": "main", "image": "registry.example.com/app:1", "securityContext": security})
}

fn own_context(odds: Odds) -> impl Strategy<Value = Value> {
    let Odds { given, wanted, odd } = odds;
    object(vec![
        field("privileged", given, flag(odd)),
        field("allowPrivilegeEscalation", wanted, flag(odd)),
        field("runAsNonRoot", wanted, flag(1.0 - odd)),
        field("runAsUser", given, user(odd)),
        field("runAsGroup", given, group()),
        field("readOnlyRootFilesystem", given, flag(0.5)),
        field("capabilities", wanted, capabilities(odds)),
        field("seccompProfile", wanted * 0.8, profile(odd)),
        field("appArmorProfile", given, profile(odd)),
        field("seLinuxOptions", given, se_linux(odds)),
        field("procMount", given, words(odd, &["Default"], &["Unmasked", "", "default"])),
        field("windowsOptions", given, windows(odds)),
    ])
}

fn pod_context(odds: Odds) -> impl Strategy<Value = Value> {
    let Odds { given, odd, .. } = odds;
    object(vec![
        field("runAsNonRoot", given, flag(1.0 - odd)),
        field("runAsUser", given, user(odd)),
        field("runAsGroup", given, group()),
        field("fsGroup", given, group()),
        field("seccompProfile", 0.4, profile(odd)),
        field("appArmorProfile", given, profile(odd)),
        field("seLinuxOptions", given, se_linux(odds)),
        field("windowsOptions", given, windows(odds)),
    ])
}

fn user(odd: f64) -> impl Strategy<Value = Value> {
    pick(odd, vec![json!(1000), json!(1), json!(4_294_967_295_u32)], vec![json!(0)])
}

/// Root's group is nobody's business.
fn group() -> impl Strategy<Value = Value> {
    select(vec![json!(0), json!(1000)])
}

fn profile(odd: f64) -> impl Strategy<Value = Value> {
    let usual = [json!({"type": "RuntimeDefault"}), localhost("Localhost")];
    let odd_ones = ["Unconfined", "", "runtimeDefault", "runtime/default", "localhost"];
    pick(odd, usual.to_vec(), odd_ones.map(localhost).to_vec())
}

fn localhost(kind: Word) -> Value {
    json!({"type": kind, "localhostProfile": "strict.json"})
}

const DEFAULT_CAPABILITIES: [Word; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// The last ones are such as a runtime might understand.
const ODD_CAPABILITIES: [Word; 14] = [
    "NET_RAW",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "NET_ADMIN",
    "BPF",
    "ALL",
    "",
    "all",
    "chown",
    "CAP_CHOWN",
    "CAP_NET_BIND_SERVICE",
    "net_bind_service",
    "NET_BIND_SERVICE ",
    "NET_BIND_SERVICE,SYS_ADMIN",
];

fn capabilities(odds: Odds) -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just(json!("NET_BIND_SERVICE")),
        words(odds.odd, &DEFAULT_CAPABILITIES, &ODD_CAPABILITIES),
    ];
    let add = prop_oneof![
        1 => Just(Value::Null),
        9 => vec(name, 0..=3).prop_map(Value::from),
    ];
    let drop = pick(
        odds.odd,
        vec![json!(["ALL"]), json!(["NET_RAW", "ALL"]), json!(["ALL", "ALL"])],
        vec![
            json!([]),
            Value::Null,
            json!(["all"]),
            json!(["CAP_ALL"]),
            json!(["ALL "]),
            json!(["NET_RAW", "CHOWN"]),
            json!(["ALL,NET_RAW"]),
            json!(DEFAULT_CAPABILITIES),
        ],
    );
    object(vec![field("add", odds.given, add), field("drop", odds.wanted, drop)])
}

fn se_linux(odds: Odds) -> impl Strategy<Value = Value> {
    let types = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
    let odd_types = ["spc_t", "unconfined_t", "Container_t", "container_t ", "container_file_t"];
    object(vec![
        field("type", 0.6, words(odds.odd, &types, &odd_types)),
        field("user", 0.3, words(odds.odd, &[""], &["system_u", " "])),
        field("role", 0.3, words(odds.odd, &[""], &["system_r", " "])),
        field("level", 0.3, words(0.0, &["s0:c1,c2", ""], &[""])),
    ])
}

fn windows(odds: Odds) -> impl Strategy<Value = Value> {
    object(vec![
        field("hostProcess", 0.6, flag(odds.odd)),
        field("runAsUserName", 0.3, words(0.0, &["ContainerAdministrator"], &[""])),
        field("gmsaCredentialSpecName", 0.1, words(0.0, &["spec"], &[""])),
    ])
}

/// Of the API server's time before fields; what is said of seccomp has not counted since 1.19.
fn annotations(odds: Odds) -> impl Strategy<Value = Value> {
    let value = words(
        odds.odd,
        &["runtime/default", "localhost/strict", "localhost/", ""],
        &["unconfined", "Unconfined", "runtime/default ", "RuntimeDefault", "made/up"],
    );
    object(
        [
            ("container.apparmor.security.beta.kubernetes.io/debugger", odds.given),
            ("container.apparmor.security.beta.kubernetes.io/debugger-2", odds.given / 3.0),
            ("container.apparmor.security.beta.kubernetes.io/main", odds.given / 3.0),
            ("container.seccomp.security.alpha.kubernetes.io/debugger", odds.given / 3.0),
            ("seccomp.security.alpha.kubernetes.io/pod", odds.given / 3.0),
        ]
        .map(|(key, often)| field(key, often, value.clone()))
        .to_vec(),
    )
}

/// Every kind of `core/v1` in Kubernetes 1.37.
const USUAL_VOLUMES: [Word; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
const ODD_VOLUMES: [Word; 23] = [
    // Twice as probable as another.
    "hostPath",
    "hostPath",
    // One whose kind neither side knows.
    "",
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

/// The pod's volumes, the container's mounts and its devices.
fn volumes(odds: Odds) -> impl Strategy<Value = (Value, Value, Value)> {
    let kinds = (
        subsequence(USUAL_VOLUMES.to_vec(), 0..=2),
        weighted(odds.odd * 1.8, select(&ODD_VOLUMES)),
    );
    let mount = prop_oneof![
        3 => Just((false, false)),
        4 => Just((true, false)),
        2 => Just((false, true)),
        1 => Just((true, true)),
    ];
    let used = vec((proptest::bool::weighted(0.97), mount), 3);
    (kinds, used).prop_map(|((mut kinds, odd), used)| {
        kinds.extend(odd);
        let name = |kind: Word| format!("of-{}", kind.to_lowercase());
        let (mut volumes, mut mounts, mut devices) = (Vec::new(), Vec::new(), Vec::new());
        for (kind, (is_there, (mounted, as_device))) in kinds.into_iter().zip(used) {
            let mut volume = json!({"name": name(kind)});
            if !kind.is_empty() {
                volume[kind] = json!({});
            }
            if is_there {
                volumes.push(volume);
            }
            if mounted {
                mounts.push(json!({"name": name(kind), "mountPath": format!("/mnt/{kind}")}));
            }
            if as_device {
                devices.push(json!({"name": name(kind), "devicePath": format!("/dev/{kind}")}));
            }
        }
        (json!(volumes), json!(mounts), json!(devices))
    })
}

/// A field that may be left out.
type Field = BoxedStrategy<Option<(Word, Value)>>;

fn field(name: Word, often: f64, value: impl Strategy<Value = Value> + 'static) -> Field {
    weighted(often, value).prop_map(move |value| value.map(|value| (name, value))).boxed()
}

fn object(fields: Vec<Field>) -> impl Strategy<Value = Value> + Clone {
    fields.prop_map(|fields| {
        let given = fields.into_iter().flatten();
        Value::Object(given.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    })
}

fn pick(odd: f64, usual: Vec<Value>, odd_ones: Vec<Value>) -> BoxedStrategy<Value> {
    let usual = select(usual);
    (proptest::bool::weighted(odd), usual, select(odd_ones))
        .prop_map(|(is_odd, usual, odd)| if is_odd { odd } else { usual })
        .boxed()
}

fn words(odd: f64, usual: &[Word], odd_ones: &[Word]) -> BoxedStrategy<Value> {
    let values = |words: &[Word]| words.iter().map(|word| json!(word)).collect();
    pick(odd, values(usual), values(odd_ones))
}

fn flag(often: f64) -> impl Strategy<Value = Value> {
    proptest::bool::weighted(often).prop_map(Value::from)
}
