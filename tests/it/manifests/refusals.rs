//! What the chart refuses, and whether the sentence says what to do instead.

use std::process::Command;

use super::helm::{CHART, helm, printed, render, said, template};
use super::{all, texts};

#[track_caller]
fn refuses(values: &[&str], sentence: &str) {
    let output = template(values).output().unwrap();
    let said = said(&output);
    assert!(!output.status.success(), "{values:?} is accepted");
    assert!(said.contains(sentence), "{values:?}: {said}");
}

#[test]
fn more_than_one_server_needs_a_database() {
    refuses(&["replicaCount=2"], "Set ledger.type=postgres");
    refuses(&["ledger.type=postgres"], "ledger.postgres.existingSecret: name the Secret");
    let half = ["ledger.type=postgres", "ledger.postgres.existingSecret=a"];
    refuses(&half, "openssl genpkey -algorithm ed25519");
    let both = ["ledger.signingKey.generate=true", "ledger.signingKey.existingSecret=a"];
    refuses(&both, "only one of them can bring the key");
    let one = ["ledger.signingKey.generate=true", "tls.secretName=postern-signing-key"];
    refuses(&one, "want another");
    refuses(&["ledger.keepBytes=900000"], "keepBytes");
    refuses(&["ledger.keepBytes=1.5Gi"], "keepBytes");
}

#[test]
fn one_certificate_comes_one_way_and_its_authority_is_said() {
    refuses(&["tls.existingSecret=a"], "--set-file tls.caBundle=ca.pem");
    refuses(&["tls.existingSecret=a", "certManager.enabled=true"], "only one of them");
    refuses(&["tls.existingSecret=a", "tls.caBundle=LS0tLS1"], "caBundle");
    refuses(&["tls.existingSecret=a", "webhook.annotations.a=b"], "something injects it");
    let bundle = "tls.caBundle=-----BEGIN CERTIFICATE-----";
    refuses(&[bundle], "for a certificate that you bring");
    refuses(&[bundle, "certManager.enabled=true"], "for a certificate that you bring");
}

/// Webhook configurations are read by many.
#[test]
fn an_authority_comes_without_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let part = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let with = |key: &str| {
        std::fs::write(&file, part("CERTIFICATE") + key).unwrap();
        let mut command = template(&["tls.existingSecret=a"]);
        command.arg("--set-file").arg(format!("tls.caBundle={}", file.display()));
        command.output().unwrap()
    };
    assert!(with("").status.success());
    for kind in ["PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
        let output = with(&part(kind));
        let sentence = "tls.caBundle: it holds a private key, which everybody";
        assert!(!output.status.success(), "{kind} is accepted");
        assert!(said(&output).contains(sentence), "{}", said(&output));
    }
}

#[test]
fn what_is_given_beside_the_charts_own_does_not_repeat_it() {
    let volume = |at: usize, name: &str| format!("extraVolumes[{at}].name={name}");
    let mount = |at: usize, path: &str| {
        format!("extraVolumeMounts[{at}].name=a,extraVolumeMounts[{at}].mountPath={path}")
    };
    let variable = |at: usize, name: &str| format!("extraEnv[{at}].name={name}");
    refuses(&[&volume(0, "ledger")], "a volume is called ledger already, the chart's own. Give");
    refuses(&[&volume(0, "token"), "tls.tokenSecret=t"], "called token already, the chart's own");
    refuses(&[&volume(0, "a"), &volume(1, "a")], "called a already, another of extraVolumes");
    refuses(&[&mount(0, "/var/lib/postern/")], "mounted at /var/lib/postern already, the chart's");
    refuses(&[&mount(0, "/a"), &mount(1, "/a")], "mounted at /a already, another of extraVolumeM");
    refuses(&[&variable(0, "A"), &variable(1, "A")], "extraEnv: A is there twice");
    let fine = [volume(0, "token"), mount(0, "/a"), mount(1, "/b"), variable(0, "A")];
    render(&fine.each_ref().map(String::as_str));
}

/// What the server refuses at its start is refused before there is a pod that never gets ready.
#[test]
fn what_the_server_would_not_start_with_is_refused() {
    refuses(&["tls.clientCA.names[0]=a"], "Set tls.clientCA.existingSecret too");
    refuses(&["tls.clientCA.existingSecret=a", "tls.clientCA.names[0]="], "names");
    refuses(&["tls.clientCA.existingSecret=a", "tls.clientCA.names[0]= "], "names");
    refuses(&["tls.lifetime=1s"], "lifetime");
    refuses(&["tls.lifetime=90d", "certManager.enabled=true"], "certManager.duration");
    refuses(&["forward.to[0]=ftp://collector"], "forward");
    refuses(&["forward.to[0]=syslog://collector:514"], "forward");
    for wrong in ["https://ana:secret@siem/", "syslog+tls://siem/path", "https:///in"] {
        refuses(&[&format!("forward.to[0]={wrong}")], "forward");
    }
    for fine in ["https://siem:8088/in@1?a=b", "http://[::1]?a=b", "syslog+tls://[::1]:6514/"] {
        serve_takes(&[&format!("forward.to[0]={fine}")]);
    }
    refuses(&["checkpoints.to[0]=https://ana:secret@witness"], "checkpoints");
    refuses(&["listenAddress=256.0.0.1"], "listenAddress");
    refuses(&["ledger.keepFor=0d"], "keepFor");
    refuses(&["settings.deadline=0s"], "deadline");
    refuses(&["settings.deadline=5ms"], "deadline");
    refuses(&["checkpoints.interval=48h"], "interval");
    refuses(&["checkpoints.interval=0s"], "interval");
    refuses(&["forward.tokenKey=token"], "forward.existingSecret: name the Secret");
    let alone = ["forward.existingSecret=a", "forward.tokenKey=token"];
    refuses(&alone, "nothing is sent anywhere");
    refuses(&["checkpoints.to[0]=stdout:"], "checkpoints");
    let own = ["tls.existingSecret=a", "webhook.annotations.inject=b", "tls.lifetime=90d"];
    refuses(&own, "one that you bring has its own");
}

/// The ranges are those of `postern serve`, which are the last word.
#[test]
fn durations_that_the_server_does_not_take_are_refused() {
    for (value, beyond, at_the_edge) in [
        ("settings.clusterStaleLimit", ["2s", "25h"], ["3s", "24h"]),
        ("settings.accessAllowTtl", ["301s", "6m"], ["0s", "5m"]),
        ("settings.accessDenyTtl", ["301s", "6m"], ["0s", "300000ms"]),
        ("settings.followLimit", ["999ms", "1441m"], ["0s", "24h"]),
        ("settings.scanInterval", ["1ms", "48h"], ["0h", "1s"]),
        ("checkpoints.interval", ["86401s", "2000m"], ["1s", "1440m"]),
        ("tls.lifetime", ["3651d", "87601h"], ["10s", "365d"]),
        ("tls.caLifetime", ["3651d", "89d"], ["90d", "3650d"]),
    ] {
        for wrong in beyond {
            refuses(&[&format!("{value}={wrong}")], value);
        }
        for right in at_the_edge {
            let set = format!("{value}={right}");
            printed(&mut template(&[&set]));
            serve_takes(&[&set]);
        }
    }
    refuses(&["tls.lifetime=366d"], "the authority must hold no less long");
}

/// The server gets as far as where a cluster is wanted.
#[track_caller]
fn serve_takes(values: &[&str]) {
    let objects = render(values);
    let arguments = texts(all(&objects, "Deployment")[0], "/spec/template/spec/containers/0/args");
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    let output = command.env_clear().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{values:?}: {}", said(&output));
}

#[test]
fn certificates_of_cert_manager_end_after_they_are_renewed_and_before_their_authority() {
    fn with(value: &str) -> [&str; 2] {
        ["certManager.enabled=true", value]
    }
    for duration in ["1h", "720h"] {
        let sentence = "certManager.renewBefore: it must be less than";
        let duration = format!("certManager.duration={duration}");
        refuses(&with(&duration), sentence);
    }
    refuses(&with("certManager.caDuration=2159h"), "certManager.caDuration: the authority");
    printed(&mut template(&with("certManager.caDuration=2160h")));
}

/// Two servers on one file, a server on loopback: what is refused of a value would come in there.
#[test]
fn what_a_value_says_is_said_by_it_alone() {
    for (flag, value) in [
        ("deadline=2s", "settings.deadline"),
        ("tls-secret=a/b", "tls.secretName"),
        ("log-level", "logLevel"),
        ("listen=127.0.0.1:8443", "listenAddress"),
        ("ledger=sqlite:/var/lib/postern/x.db", "ledger.type"),
        ("keep-for=1h", "ledger.keepFor"),
        ("forward=file:/x", "forward.to"),
        ("client-names=a", "tls.clientCA.names"),
    ] {
        let (name, given) = flag.split_once('=').unwrap_or((flag, "x"));
        let sentence = format!("--{name} is the chart's to give. Set {value}");
        let several = |rest: &[&str]| refuses(&[super::SEVERAL, rest].concat(), &sentence);
        several(&[&format!("extraArgs[0]=--{flag}")]);
        several(&["extraArgs[0]=--policies=/p", &format!("extraArgs[1]=--{flag}")]);
        let variable = name.to_uppercase().replace('-', "_");
        let variable = format!("extraEnv[0].name=POSTERN_{variable}");
        several(&[&variable, &format!("extraEnv[0].value={given}")]);
    }
    refuses(&["extraArgs[0]=--writer", "extraArgs[1]=a"], "No two servers may share a name");
    for fine in ["--kubeconfig=/k", "--policies=/p", "--tls-names=door.example.com"] {
        printed(&mut template(&[&format!("extraArgs[0]={fine}")]));
    }
    printed(&mut template(&["extraEnv[0].name=POSTERN_KUBECONFIG", "extraEnv[1].name=TZ"]));
}

/// `--set` of one field makes a new list of one constraint, with that field alone.
#[test]
fn a_constraint_is_whole() {
    let field = "topologySpreadConstraints[0].maxSkew=2";
    refuses(&[field], "topologySpreadConstraints: one lacks topologyKey. Give each whole");
    let others = "topologySpreadConstraints[0].topologyKey=zone,\
                  topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule";
    let set = [super::SEVERAL, &[field, others]].concat();
    assert!(printed(&mut template(&set)).contains("maxSkew: 2"));
}

#[test]
fn a_token_is_not_sent_in_the_clear() {
    let token = ["forward.existingSecret=a", "forward.tokenKey=token"];
    let to = |target| [&token[..], &[target]].concat();
    refuses(&to("forward.to[0]=http://siem.example.com/"), "over https only");
    refuses(&to("checkpoints.to[0]=http://localhost.evil/"), "over https only");
    for fine in ["https://siem.example.com/", "http://localhost:8088/", "http://127.0.0.1/"] {
        let fine = format!("forward.to[0]={fine}");
        printed(&mut template(&[&token[..], &[&fine]].concat()));
    }
}

/// What the API server would refuse, or take for something else, does not get that far.
#[test]
fn what_no_api_server_would_take_is_refused() {
    refuses(&["networkPolicy.apiServerPorts=null"], "would open every one to everywhere");
    for name in ["nameOverride", "fullnameOverride"] {
        refuses(&[&format!("{name}=foo.bar")], name);
        refuses(&[&format!("{name}=9a")], name);
        refuses(&[&format!("{name}={}", "a".repeat(60))], name);
    }
    // The Service is called after the release.
    for release in ["a.b", "1st"] {
        let mut command = helm(&["template", release, CHART]);
        let output = command.output().unwrap();
        assert!(said(&output).contains("fullnameOverride: no Service"), "{}", said(&output));
        printed(command.args(["--set", "fullnameOverride=door"]));
    }
    for labels in [
        "commonLabels",
        "podLabels",
        "serviceMonitor.labels",
        "prometheusRule.labels",
        "grafana.dashboard.labels",
    ] {
        refuses(&[&format!("{labels}.app\\.kubernetes\\.io/name=x")], "is the chart's own");
    }
    refuses(&["certManager.enabled=true", "certManager.issuerRef.kind=ClusterIssuer"], "name");
}

/// The server would start, complain for ever and send nothing.
#[test]
fn a_file_is_written_to_a_volume_only() {
    for wrong in
        ["file:/x", "file:x", "file:///var/lib/postern/../x", "file:/var/lib/postern?keep=3"]
    {
        for list in ["forward.to", "checkpoints.to"] {
            refuses(&[&format!("{list}[0]={wrong}")], "or below /var/lib/postern");
        }
    }
    let shared = |value| [super::SEVERAL, &[value]].concat();
    refuses(&shared("forward.to[0]=file:/var/lib/postern/x"), "extraVolumeMounts");
    printed(&mut template(&["forward.to[0]=file:///var/lib/postern/sent/a.jsonl?keep=3"]));
    let mounted = |value| {
        let volume = "extraVolumes[0].name=sent";
        let mount = "extraVolumeMounts[0].name=sent,extraVolumeMounts[0].mountPath=/sent/";
        [super::SEVERAL, &[volume, mount, "checkpoints.to[0]=file:/sent/a"], value].concat()
    };
    printed(&mut template(&mounted(&[])));
    refuses(&mounted(&["extraVolumeMounts[0].readOnly=true"]), "can be written");
}

#[test]
fn what_nobody_could_call_or_drain_is_not_installed() {
    for loopback in ["127.0.0.1", "127.1.2.3", "[::1]", "[0:0:0:0:0:0:0:1]"] {
        refuses(&[&format!("listenAddress={loopback}")], "Want 0.0.0.0, or [::]");
    }
    printed(&mut template(&["listenAddress=[::]"]));
    for none in ["0", "0%", "null"] {
        let none = format!("podDisruptionBudget.maxUnavailable={none}");
        refuses(&[super::SEVERAL, &[&none]].concat(), "maxUnavailable");
    }
}

/// Two releases do not share what each keeps for itself, and no value is taken for YAML.
#[test]
fn values_stay_what_they_are() {
    let text = printed(&mut template(&["fullnameOverride=other", "clusterName=a #b: c"]));
    assert!(text.contains("--tls-secret=postern-system/other-tls"), "{text}");
    assert!(!text.contains("postern-tls"), "{text}");
    assert!(text.contains(r#"- "--cluster-name=a #b: c""#), "{text}");
    for nothing in ["podSecurityContext=null", "podLabels=null", "commonLabels=null"] {
        assert!(printed(&mut template(&[nothing])).contains("runAsNonRoot: true"), "{nothing}");
    }
}

#[test]
fn the_emergency_exit_is_for_few_and_for_clusters_that_know_it() {
    for everybody in ["system:authenticated", "system:unauthenticated", "system:serviceaccounts"] {
        refuses(&[&format!("breakGlass.group={everybody}")], "Name a group of few");
    }
    let mut old = template(&["breakGlass.group=emergency"]);
    let output = old.args(["--kube-version", "1.27.4"]).output().unwrap();
    assert!(said(&output).contains("from 1.28 on, and this is v1.27.4"), "{}", said(&output));
    let mut known = template(&["breakGlass.group=emergency"]);
    let output = known.args(["--kube-version", "1.28.0"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn what_would_do_nothing_is_refused() {
    refuses(&["ledger.postgres.existingSecret=a"], "unless ledger.type=postgres");
}

#[test]
fn the_deadline_is_below_the_timeout_and_the_end_after_both() {
    refuses(&["settings.deadline=3s"], "webhook.mutating.timeoutSeconds");
    refuses(&["webhook.validating.timeoutSeconds=1"], "webhook.validating.timeoutSeconds");
    refuses(&["settings.drainDelay=25s"], "terminationGracePeriodSeconds: it must be more");
    refuses(&["settings.deadline=1m"], "deadline");
}

#[test]
fn a_namespace_that_forbids_the_nodes_network_is_not_made_for_it() {
    let both = ["namespace.create=true", "hostNetwork=true"];
    refuses(&both, "Set namespace.podSecurity=privileged too");
}

/// The last of two `--namespace` counts.
#[test]
fn a_namespace_that_every_cluster_has_is_not_made() {
    let mut command = template(&["namespace.create=true"]);
    let output = command.args(["--namespace", "kube-system"]).output().unwrap();
    assert!(said(&output).contains("Set namespace.create=false"), "{}", said(&output));
    let text = printed(template(&[]).args(["--namespace", "kube-system"]));
    assert!(!text.contains("kind: ResourceQuota"));
}

#[test]
fn policies_wait_for_their_definition() {
    refuses(&["policies.examples=true"], "Install first, then: helm upgrade");
    let mut known = template(&["policies.examples=true"]);
    let output = known.args(["--api-versions", "postern.dev/v1alpha1"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("\nkind: DebugPolicy\n").count(), 3);
}

#[test]
fn two_servers_do_not_listen_on_one_port() {
    refuses(&["ports.https=9090"], "they must differ");
}
