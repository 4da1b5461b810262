use serde_json::json;

use super::*;
use crate::policy::extent::Step;

static BODY: &str = r#"{"request": {"uid": "1", "dryRun" : false, "name":"b", "name":"c",
    "object": {"metadata": {}}, "oldObject": {}}}"#;

fn keys(names: &[&str]) -> Keys {
    let place = |name: &&str| {
        let at = BODY.find(&format!("\"{name}\"")).unwrap() + 1;
        BODY.get(at..at + name.len()).unwrap()
    };
    Keys::new(BODY.as_bytes(), names.iter().map(place).collect())
}

fn wanted(paths: &[&[Step]]) -> Extent {
    let mut extent = Extent::default();
    paths.iter().for_each(|path| extent.add(path, true));
    extent
}

fn field(name: &str) -> Step {
    Step::Field(name.to_owned())
}

#[test]
fn fields_are_read_from_where_they_are() {
    let request = keys(&["uid", "dryRun"]);
    let read = |wanted: &Extent| request.read(BODY.as_bytes(), wanted);
    assert_eq!(read(&wanted(&[&[field("dryRun")]])), Some(json!({"dryRun": false})));
    assert_eq!(read(&Extent::default()), Some(json!({})));
    assert_eq!(read(Extent::everything()), Some(json!({"uid": "1", "dryRun": false})));
}

#[test]
fn places_of_another_body_give_nothing() {
    let request = keys(&["uid"]);
    for body in [&b"{}"[..], &[b' '; 400], &[b'"'; 400], &[0xff; 400]] {
        assert!(
            request.read(body, Extent::everything()).is_none_or(|read| read == json!({})),
            "{body:?}"
        );
    }
}

#[test]
fn a_pod_is_read_field_by_field() {
    let object = PodPlaces { own: keys(&["metadata"]), ..PodPlaces::default() };
    let name = wanted(&[&[field("metadata"), field("name")]]);
    assert_eq!(object.read(BODY.as_bytes(), &name), Some(json!({"metadata": {}})));
}

#[test]
fn parts_of_values() {
    let value = json!({"a": [{"b": 1, "c": 2.5}, {"b": -1}], "d": {"e": null, "f": true}});
    let items = wanted(&[&[field("a"), Step::Item, field("b")]]);
    assert_eq!(of(&value, &items), json!({"a": [{"b": 1}, {"b": -1}]}));
    let fields = wanted(&[&[field("d"), field("e")], &[field("a"), field("b")]]);
    assert_eq!(of(&value, &fields), json!({"a": [], "d": {"e": null}}));
    assert_eq!(of(&value, Extent::everything()), value);
    let looped = wanted(&[&[field("d"), Step::Item, field("x")]]);
    assert_eq!(of(&value, &looped), json!({"d": {"e": null, "f": true}}), "its keys are seen");
}
