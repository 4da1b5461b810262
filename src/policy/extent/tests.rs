use super::*;

fn path(text: &str) -> Vec<Step> {
    let step = |name: &str| match name {
        "*" => Step::Item,
        name => Step::Field(name.to_owned()),
    };
    text.split('.').map(step).collect()
}

#[test]
fn only_what_was_added_is_read() {
    let mut extent = Extent::default();
    assert!(extent.is_nothing());
    extent.add(&path("spec.hostNetwork"), true);
    extent.add(&path("metadata"), false);
    assert!(!extent.is_nothing());
    let spec = extent.field("spec").unwrap();
    assert_eq!(spec.field("hostNetwork"), Some(Extent::everything()));
    assert_eq!(spec.field("hostPID"), None);
    assert_eq!(spec.item(), None);
    assert!(extent.field("metadata").unwrap().is_nothing(), "but it is there");
    assert_eq!(extent.field("status"), None);
}

#[test]
fn items_are_read_alike_and_a_map_in_their_place_whole() {
    let mut extent = Extent::default();
    extent.add(&path("containers.*.image"), true);
    let containers = extent.field("containers").unwrap();
    let item = containers.item().unwrap();
    assert_eq!((item.field("image"), item.field("name")), (Some(Extent::everything()), None));
    assert_eq!(containers.field("anything"), Some(Extent::everything()));
}

#[test]
fn two_together_read_what_either_reads() {
    let (mut one, mut other) = (Extent::default(), Extent::default());
    one.add(&path("a.b"), true);
    one.add(&path("l.*.x"), true);
    other.add(&path("a.c"), true);
    other.add(&path("l.*.y"), false);
    other.add(&path("d"), true);
    one.unite(&other);
    let mut both = Extent::default();
    for (text, whole) in [("a.b", true), ("a.c", true), ("d", true), ("l.*.x", true)] {
        both.add(&path(text), whole);
    }
    both.add(&path("l.*.y"), false);
    assert_eq!(one, both);
    one.unite(Extent::everything());
    assert_eq!(one.field("whatever"), Some(Extent::everything()));
    assert_eq!(one.item(), Some(Extent::everything()));
}

#[test]
fn one_is_within_another_that_reads_no_less() {
    let extent = |paths: &[(&str, bool)]| {
        let mut extent = Extent::default();
        paths.iter().for_each(|(text, whole)| extent.add(&path(text), *whole));
        extent
    };
    let held = extent(&[("image", true), ("env.*.name", true), ("env.*.from.secret.name", true)]);
    for (text, whole, is_within) in [
        ("image", true, true),
        ("image", false, true),
        ("image.tag", true, true),
        ("env", false, true),
        ("env", true, false),
        ("env.*", false, true),
        ("env.*", true, false),
        ("env.*.name", true, true),
        ("env.*.value", false, false),
        ("env.*.from", false, true),
        ("env.*.from", true, false),
        ("env.*.from.secret.key", true, false),
        ("args", false, false),
        ("*", false, false),
    ] {
        assert_eq!(extent(&[(text, whole)]).is_within(&held), is_within, "{text} {whole}");
    }
    assert!(held.is_within(Extent::everything()) && !Extent::everything().is_within(&held));
    assert!(Extent::default().is_within(&held) && held.is_within(&held));
}
