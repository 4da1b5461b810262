use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::policy::request::PullPolicy;
use crate::policy::setting::Setting;

fn change(setting: Setting) -> Change {
    Change { setting, asked: None }
}

fn patched(container: &Value, changes: &[Change]) -> (Value, Value) {
    let place = Pointer::from_static("/spec/ephemeralContainers/3");
    let operations = operations(place, container, changes);
    let text = serde_json::to_value(Patch(operations.clone())).unwrap();
    let filler = json!({"name": "other"});
    let mut pod =
        json!({"spec": {"ephemeralContainers": [filler, filler, filler, container, filler]}});
    json_patch::patch(&mut pod, &Patch(operations)).unwrap();
    for other in [0, 1, 2, 4] {
        assert_eq!(pod["spec"]["ephemeralContainers"][other], filler);
    }
    (pod["spec"]["ephemeralContainers"][3].take(), text)
}

#[test]
fn adds_an_object_whole_where_there_is_none() {
    let changes = [
        change(Setting::RunAsNonRoot(true)),
        change(Setting::CapabilitiesDrop(vec!["ALL".to_owned()])),
    ];
    let (container, text) = patched(&json!({"name": "a"}), &changes);
    let security = json!({"runAsNonRoot": true, "capabilities": {"drop": ["ALL"]}});
    assert_eq!(container, json!({"name": "a", "securityContext": security}));
    assert_eq!(
        text,
        json!([{"op": "add", "path": "/spec/ephemeralContainers/3/securityContext", "value": security}])
    );
}

#[test]
fn adds_and_replaces_field_by_field_where_there_is_one() {
    let asked = json!({"name": "a", "imagePullPolicy": "Never", "novel": [1],
        "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}, "novel": true, "procMount": null}});
    let changes = [
        change(Setting::ImagePullPolicy(PullPolicy::Always)),
        change(Setting::CapabilitiesDrop(vec!["ALL".to_owned()])),
        change(Setting::ProcMount("Default".to_owned())),
    ];
    let (container, text) = patched(&asked, &changes);
    assert_eq!(
        container,
        json!({"name": "a", "imagePullPolicy": "Always", "novel": [1], "securityContext": {
            "capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}, "novel": true, "procMount": "Default"}})
    );
    let words: Vec<_> = text.as_array().unwrap().iter().map(|op| op["op"].clone()).collect();
    assert_eq!(words, ["replace", "add", "replace"]);
}

proptest! {
    /// Whatever stands there, the result is the container with exactly the changed fields changed.
    #[test]
    fn changes_what_was_meant_and_nothing_else(
        has_context in any::<bool>(), has_capabilities in any::<bool>(), null in any::<bool>(),
        user in 0_i64..9, drop in proptest::collection::vec("[A-Z]{1,3}", 0..2),
    ) {
        let capabilities = if has_capabilities { json!({"add": ["X"]}) } else { Value::Null };
        let mut asked = json!({"name": "a", "stdin": true});
        if has_context {
            asked["securityContext"] = json!({"privileged": false});
            if has_capabilities || null {
                asked["securityContext"]["capabilities"] = capabilities;
            }
        }
        let changes = [
            change(Setting::RunAsUser(user)),
            change(Setting::CapabilitiesDrop(drop.clone())),
        ];
        let mut expected = asked.clone();
        put(&mut expected, &["securityContext", "runAsUser"], json!(user));
        put(&mut expected, &["securityContext", "capabilities", "drop"], json!(drop));
        let (container, _) = patched(&asked, &changes);
        prop_assert_eq!(container, expected);
    }
}
