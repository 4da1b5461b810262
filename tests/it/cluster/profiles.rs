//! `kubectl debug` with each of its profiles, for those who may and those who may not.

use serde_json::{Value, json};

use super::desk::Desk;
use super::support::pod;

const PROFILES: [&str; 6] = ["legacy", "general", "baseline", "restricted", "netadmin", "sysadmin"];

fn debug(pod: &str, namespace: &str, profile: &str, more: &str) -> String {
    format!(
        "kubectl debug {pod} -n {namespace} --image=busybox:1.36 --profile={profile} \
         -c {profile}{more}"
    )
}

#[test]
fn developers_get_the_profiles_that_stay_within_the_container() {
    let mut desk = Desk::open("team-profiles");
    desk.pod("shop");
    for profile in PROFILES {
        desk.types("alice", &debug("shop", "team-profiles", profile, ""));
    }
    let stored = desk.debuggers("shop");
    let names: Vec<_> = stored.iter().map(|container| &container["name"]).collect();
    assert_eq!(names, ["legacy", "general", "baseline", "restricted"]);
    for container in &stored {
        assert_eq!(container["targetContainerName"], "app");
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
    }
    // What was asked for and is allowed stays beside what was filled in.
    assert_eq!(stored[1]["securityContext"]["capabilities"]["add"], json!(["SYS_PTRACE"]));
    assert_eq!(stored[3]["securityContext"]["runAsNonRoot"], true);
    desk.close("profiles_of_developers");
}

#[test]
fn on_call_gets_the_network_too_but_must_say_why() {
    let mut desk = Desk::open("profiles-on-call");
    desk.pod("shop");
    desk.types("bob", &debug("shop", "profiles-on-call", "netadmin", ""));
    desk.types("bob", &debug("shop", "profiles-on-call", "netadmin", " --env=DEBUG_REASON=later"));
    for profile in PROFILES {
        let reason = " --env=DEBUG_REASON=INC-4711";
        desk.types("bob", &debug("shop", "profiles-on-call", profile, reason));
    }
    let stored = desk.debuggers("shop");
    let names: Vec<_> = stored.iter().map(|container| &container["name"]).collect();
    assert_eq!(names, ["legacy", "general", "baseline", "restricted", "netadmin"]);
    desk.close("profiles_of_on_call");
}

#[test]
fn whom_no_policy_names_gets_none_of_them_not_even_administrators() {
    let mut desk = Desk::open("profiles-nobody");
    desk.pod("shop");
    for profile in PROFILES {
        let refused = desk.types("carol", &debug("shop", "profiles-nobody", profile, ""));
        assert_eq!(refused.status, Some(1), "{profile}");
    }
    desk.note("The admin is of the group system:masters");
    desk.types("admin", &debug("shop", "profiles-nobody", "restricted", ""));
    desk.note("In a namespace that developers has nothing to say of");
    desk.types("alice", &debug("shop", "profiles-nobody", "restricted", ""));
    desk.note("Without the right to add debug containers Postern is not even asked");
    desk.types("mallory", &debug("shop", "profiles-nobody", "restricted", ""));
    assert_eq!(desk.debuggers("shop"), Vec::<Value>::new());
    desk.close("profiles_of_nobody");
}

/// The lines about an emergency group are there in the example, to be uncommented.
#[test]
fn guard_rails_open_for_break_glass_once_the_example_says_so() {
    let mut desk = Desk::open_alone("profiles-break-glass");
    desk.pod("shop");
    desk.types("grace", &debug("shop", "profiles-break-glass", "sysadmin", ""));
    desk.postern_mut().edit_policy("guard-rails.yaml", |yaml| {
        let lines =
            "  # match:\n  #   excludeSubjects:\n  #   - {kind: Group, name: break-glass}\n";
        yaml.replace(lines, &lines.replace("  # ", "  "))
    });
    desk.note("guard-rails.yaml is edited; Postern goes on running");
    desk.types("grace", &debug("shop", "profiles-break-glass", "sysadmin", ""));
    assert_eq!(desk.debuggers("shop")[0]["securityContext"]["privileged"], true);
    desk.note("and stays closed for everybody else");
    desk.types("alice", &debug("shop", "profiles-break-glass", "sysadmin", "-of-alice"));
    desk.close("profiles_of_break_glass");
}

/// A column of the page: its heading, who types, where, what they add, and the policy that permits.
const COLUMNS: [(&str, &str, &str, &str); 5] = [
    ("a developer", "alice", "team-table", ""),
    ("a developer, restricted namespace", "alice", "restricted-table", ""),
    ("on call, with a reason", "bob", "table", " --env=DEBUG_REASON=INC-4711"),
    ("on call, without", "bob", "table-again", ""),
    ("nobody's policy", "carol", "table", ""),
];

const PAGE: &str = "\
# What becomes of `kubectl debug`

Written by the tests from what a real kubectl 1.37 and a real API server did
(`UPDATE_DOCS=1 cargo test --test it cluster::profiles`). The policies are those of
[deploy/examples](../deploy/examples), and for the restricted namespace the one in
[policy.md](policy.md) with `set.remove`. A profile is only a way to fill in a container: what
counts is what comes of it.

";

#[test]
fn the_page_of_profiles_is_what_happens() {
    let mut desk = Desk::open("table");
    for namespace in ["team-table", "restricted-table", "table-again"] {
        desk.cluster().create_namespace(namespace, &[]);
    }
    for namespace in ["table", "team-table", "restricted-table", "table-again"] {
        desk.cluster().create_pod(&pod(namespace, "shop"));
    }
    let mut page = PAGE.to_owned();
    let headings = COLUMNS.map(|(heading, ..)| heading).join(" | ");
    page += &format!("| `--profile` | {headings} |\n| --- |{}\n", " --- |".repeat(COLUMNS.len()));
    for profile in PROFILES {
        let cells = COLUMNS.map(|(_, user, namespace, more)| {
            let name = format!("{profile}-{user}");
            let line = format!(
                "kubectl debug shop -n {namespace} --image=busybox:1.36 --profile={profile} \
                 -c {name}{more}"
            );
            desk.types(user, &line);
            outcome(&desk.postern().audit(&["-n", namespace]), &name)
        });
        page += &format!("| `{profile}` | {} |\n", cells.join(" | "));
    }
    crate::documented::is_page("docs/kubectl-debug.md", &page);
}

/// What the ledger says of a container, in a few words.
fn outcome(records: &[Value], name: &str) -> String {
    let of = |record: &&Value| record["injections"][0]["name"] == name;
    let record = records.iter().rfind(of).unwrap();
    if record["answer"] == "Allowed" {
        let changes = record["injections"][0]["changes"].as_array().unwrap();
        let level = record["injections"][0]["privileges"]["podSecurity"].as_str().unwrap();
        return format!("allowed as {level}, {} fields filled in", changes.len());
    }
    let finding = &record["findings"][0];
    format!("refused (`{}`)", finding["constraint"].as_str().unwrap())
}
