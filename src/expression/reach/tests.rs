use serde_json::{Value as Json, json};

use super::super::{Program, Wanted};
use crate::document::excerpt;
use crate::policy::extent::Extent;

/// What a condition sees of a pod.
#[track_caller]
fn assert_seen(source: &str, seen: &Json) {
    let pod = json!({
        "metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}},
        "spec": {
            "hostNetwork": false,
            "nodeName": "one",
            "containers": [
                {"name": "app", "image": "web:1", "env": [{"name": "A"}, {"name": "B"}]},
                {"name": "log", "image": "log:2"},
            ],
        },
    });
    let program = Program::compile(source, Wanted::Bool, &["pod", "container"]).unwrap();
    let nothing = Extent::default();
    let read = program.reads("pod").unwrap_or(&nothing);
    assert_eq!(&excerpt::of(&pod, read), seen, "{source}");
}

#[test]
fn fields_are_followed_as_far_as_they_go() {
    assert_seen("pod.spec.?hostNetwork.orValue(false)", &json!({"spec": {"hostNetwork": false}}));
    assert_seen("pod['spec']['nodeName'] == 'one'", &json!({"spec": {"nodeName": "one"}}));
    assert_seen("has(pod.metadata.labels)", &json!({"metadata": {"labels": {}}}));
    assert_seen(
        "pod.metadata.labels.app == 'web' || pod.metadata.name == 'web'",
        &json!({"metadata": {"name": "web", "labels": {"app": "web"}}}),
    );
    let seen = json!({"metadata": {"labels": {"app": "web", "tier": "front"}}});
    assert_seen("pod.metadata.labels == {}", &seen);
    assert_seen("container.image == ''", &json!({}));
}

#[test]
fn loops_see_of_each_item_what_they_name() {
    let images = json!({"spec": {"containers": [{"image": "web:1"}, {"image": "log:2"}]}});
    assert_seen("pod.spec.containers.all(c, c.image != '')", &images);
    assert_seen("pod.spec.containers[0].image == pod.spec.containers[1].image", &images);
    assert_seen("pod.spec.containers.map(c, c.image) == []", &images);
    assert_seen("pod.spec.containers.all(i, c, i < 2 && c.image != '')", &images);
    assert_seen(
        "pod.spec.?containers.optMap(l, l.exists(c, c.image == '')).orValue(false)",
        &images,
    );
    assert_seen(
        "pod.spec.containers.all(c, has(c.env) && c.env.all(e, e.name != ''))",
        &json!({"spec": {"containers": [{"env": [{"name": "A"}, {"name": "B"}]}, {}]}}),
    );
    assert_seen("pod.spec.containers.all(c, true)", &json!({"spec": {"containers": [{}, {}]}}));
}

#[test]
fn what_has_is_asked_of_is_read() {
    let spec = json!({"spec": {"hostNetwork": false, "nodeName": "one", "containers": [
        {"name": "app", "image": "web:1", "env": [{"name": "A"}, {"name": "B"}]},
        {"name": "log", "image": "log:2"},
    ]}});
    assert_seen("has(pod.?spec.orValue({}).nodeName)", &spec);
    assert_seen("has(dyn(pod.spec).nodeName)", &spec);
    assert_seen("has((true ? pod.spec : {}).nodeName)", &spec);
    assert_seen("has({'a': pod.spec}.a)", &spec);
    assert_seen("has([pod.spec][0].nodeName)", &spec);
    assert_seen(
        "has(pod.spec.containers.filter(c, c.name == '')[0].env)",
        &json!({"spec": {
            "containers": spec["spec"]["containers"],
        }}),
    );
    assert_seen(
        "has(pod.metadata.labels[container.name].x)",
        &json!({"metadata": {
            "labels": {"app": "web", "tier": "front"},
        }}),
    );
}

#[test]
fn what_goes_on_as_a_value_is_read_whole() {
    let labels = json!({"metadata": {"labels": {"app": "web", "tier": "front"}}});
    assert_seen("pod.metadata.labels.all(key, key != '')", &labels);
    assert_seen("pod.metadata.labels.size() == 2", &labels);
    assert_seen("pod.metadata.labels[container.name] == 'web'", &labels);
    assert_seen("(true ? pod.metadata.labels : {}).app == ''", &labels);
    assert_seen("[pod.metadata.labels].all(l, l.app == '')", &labels);
    let env = json!([{"name": "A"}, {"name": "B"}]);
    let containers = json!({"spec": {"containers": [
        {"name": "app", "image": "web:1", "env": env},
        {"name": "log", "image": "log:2"},
    ]}});
    assert_seen("pod.spec.containers.filter(c, c.name == '').all(c, has(c.env))", &containers);
    assert_seen("pod.spec.containers.sortBy(c, c.name)[0].image == ''", &containers);
    assert_seen("pod.spec.containers.map(c, c).size() == 2", &containers);
}
