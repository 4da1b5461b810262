use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> String {
    ImageRef::parse(text).map_or_else(|error| format!("error: {error}"), |image| image.to_string())
}

fn matches(pattern: &str, image: &str) -> bool {
    ImagePattern::parse(pattern).unwrap().matches(&ImageRef::parse(image).unwrap(), ListKind::Allow)
}

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn resolves_short_names_as_a_runtime_would() {
    for (text, whole) in [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("nicolaka/netshoot", "docker.io/nicolaka/netshoot:latest"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest"),
        ("registry.hub.docker.com/a/b:1", "docker.io/a/b:1"),
        ("DOCKER.IO/library/busybox:1", "docker.io/library/busybox:1"),
        ("Registry.Corp/x/y:1", "registry.corp/x/y:1"),
        ("registry.corp:443/x:1", "registry.corp/x:1"),
        ("registry.corp:0443/x:1", "registry.corp/x:1"),
        ("registry.corp:5000/x", "registry.corp:5000/x:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("[::1]:5000/x:1", "[::1]:5000/x:1"),
        ("[0:0:0:0:0:0:0:1]/x:1", "[::1]/x:1"),
        ("[::ffff:a00:1]:5000/x:1", "10.0.0.1:5000/x:1"),
        ("[0:0::FFFF:0A00:1]:443/x:1", "10.0.0.1/x:1"),
        ("[64:ff9b::a00:1]/x:1", "[64:ff9b::a00:1]/x:1"),
        ("a/b__c-d.e/f---g:T_1.2-x", "docker.io/a/b__c-d.e/f---g:T_1.2-x"),
    ] {
        assert_eq!(parsed(text), whole, "{text}");
    }
}

#[test]
fn keeps_no_tag_where_there_is_a_digest() {
    let image = ImageRef::parse(&format!("busybox@{DIGEST}")).unwrap();
    assert_eq!((image.tag, image.digest.as_deref()), (None, Some(DIGEST)));
}

#[test]
fn refuses_what_no_runtime_would_pull() {
    for text in [
        "",
        " busybox",
        "busybox ",
        "busy box",
        "busybox\n",
        "busybox\u{1b}[2J",
        "büsybox",
        "x/UPPER",
        "UPPER/x",
        "busybox:",
        "busybox:-x",
        "busybox:täg",
        "busybox@sha256:abc",
        "busybox@md5:0123456789abcdef0123456789abcdef",
        "busybox@@",
        "/busybox",
        "registry.corp//x",
        "registry.corp/x/",
        "registry.corp:99999/x",
        "registry.corp:/x",
        "-registry.corp/x",
        "registry..corp/x",
        "[::1/x",
        "[::ffff:10.0.0.1]:5000/x",
        "a___b",
        "a..b",
        ".a",
        "a.",
        "busybox:1:2",
        "busybox*",
        "**",
    ] {
        assert!(ImageRef::parse(text).is_err(), "{text:?} gave {}", parsed(text));
    }
    assert_eq!(ImageRef::parse(&"a/".repeat(10_000)), Err(ImageError::TooLong));
}

/// They read as words of Docker Hub, and run whatever the node has by that id.
#[test]
fn refuses_the_ids_of_images_that_a_node_has() {
    let hex = DIGEST.strip_prefix("sha256:").unwrap();
    let with_digest = format!("sha256:abc@{DIGEST}");
    for text in [DIGEST, "sha256:0123abc", "sha256:latest", &with_digest, hex] {
        assert_eq!(ImageRef::parse(text), Err(ImageError::NodeId), "{text}");
        let pattern = ImagePattern::parse(text);
        assert_eq!(pattern, Err(PatternError::Image(ImageError::NodeId)), "{text}");
    }
    assert!(ImagePattern::parse("sha256:*").is_err());
    let (tagged, shorter) = (format!("{hex}:1"), hex.strip_prefix('0').unwrap());
    for text in ["sha256", "library/sha256:1", "docker.io/sha256:1", shorter, &tagged] {
        assert!(ImageRef::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn matches_part_by_part() {
    let debug = "registry.example.com/debug/**";
    assert!(matches(debug, "registry.example.com/debug/netshoot:1"));
    assert!(matches(debug, "registry.example.com/debug/a/b/c"));
    assert!(matches(debug, "REGISTRY.example.com:443/debug/x"));
    assert!(!matches(debug, "registry.example.com.evil/debug/x"));
    assert!(!matches(debug, "registry.example.com/debugger/x"));
    assert!(!matches(debug, "evil.io/registry.example.com/debug/x"));
    assert!(!matches(debug, "registry.example.com:5000/debug/x"));

    assert!(matches("10.0.0.1:5000/**", "[::ffff:a00:1]:5000/x"));
    assert!(matches("[::ffff:a00:1]:5000/**", "10.0.0.1:5000/x"));
    assert!(matches("[::ffff:10.0.0.1]:5000/**", "10.0.0.1:5000/x"));

    assert!(matches("busybox", "docker.io/library/busybox:1.36"));
    assert!(matches("busybox", "busybox"));
    assert!(matches("docker.io/library/busybox:1.*", "busybox:1.36"));
    assert!(!matches("busybox:1.36", "busybox:1.37"));
    assert!(!matches("busybox", "evil/busybox"));
    assert!(matches("docker.io/busybox", "busybox"));
    assert!(matches("index.docker.io/busybox", "library/busybox:1.36"));
    assert!(matches("docker.io/**", "nicolaka/netshoot"));
    assert!(matches("registry.example.com/*/tools", "registry.example.com/team/tools"));
    assert!(!matches("registry.example.com/*/tools", "registry.example.com/a/b/tools"));
    assert!(matches("registry.example.com/**/tools", "registry.example.com/a/b/tools"));
    assert!(matches("registry.example.com/**/tools", "registry.example.com/tools"));
    assert!(matches("registry.example.com/dbg-*", "registry.example.com/dbg-net"));
    assert!(matches("**", "anything.example:5000/a/b"));
    assert!(matches("*.example.com/**", "a.b.example.com/x"));
    assert!(!matches("*.example.com/**", "example.com/x"));
    assert!(!matches("*.example.com/**", "evilexample.com/x"));
}

/// A runtime pulls `busybox` from `docker.io/library`, so a name at every registry is that too.
#[test]
fn a_name_at_every_registry_is_the_one_in_the_library_of_docker_hub() {
    let covers = |pattern: &str, image: &str, kind| {
        ImagePattern::parse(pattern).unwrap().matches(&ImageRef::parse(image).unwrap(), kind)
    };
    for kind in [ListKind::Allow, ListKind::Deny] {
        for pattern in ["*/busybox", "*/busy*", "*/*", "*/busybox:1.*"] {
            for image in ["busybox:1.36", "docker.io/library/busybox:1.36", "quay.io/busybox:1.1"] {
                assert!(covers(pattern, image, kind), "{pattern} {image}");
            }
            for image in ["docker.io/acme/busybox:1.36", "quay.io/library/busybox:1.36"] {
                assert!(!covers(pattern, image, kind), "{pattern} {image}");
            }
        }
        assert!(!covers("*/busybox", "alpine", kind));
        assert!(!covers("*.corp.io/busybox", "busybox", kind));
        assert!(!covers("*/library", "busybox", kind));
    }
}

#[test]
fn what_is_denied_at_every_registry_is_denied_in_the_library_too() {
    let denies_all = |denied: &str, allowed: &str| {
        let [denied, allowed] = [denied, allowed].map(|text| ImagePattern::parse(text).unwrap());
        denied.denies_all_of(&allowed)
    };
    for (denied, allowed) in [
        ("*/busybox", "busybox:1.36"),
        ("*/busybox", "*/busybox"),
        ("*/busybox", "quay.io/busybox"),
        ("**", "*/busybox"),
        ("*.corp.io/busybox/**", "*.corp.io/busybox"),
    ] {
        assert!(denies_all(denied, allowed), "{denied} {allowed}");
    }
    // The second allows `docker.io/library/busybox`, of which the first knows nothing.
    assert!(!denies_all("*/busybox/**", "*/busybox"));
    assert!(!denies_all("*/busybox", "quay.io/library/busybox"));
}

#[test]
fn a_digest_does_not_ride_on_an_allowed_tag_nor_out_of_a_denied_one() {
    let both = format!("busybox:1.36@{DIGEST}");
    let image = ImageRef::parse(&both).unwrap();
    let tagged = ImagePattern::parse("busybox:1.36").unwrap();
    assert!(!tagged.matches(&image, ListKind::Allow));
    assert!(tagged.matches(&image, ListKind::Deny));
    assert!(matches("busybox", &both));
    assert!(matches(&format!("busybox@{DIGEST}"), &both));
    assert!(!matches(&format!("busybox@{DIGEST}"), "busybox:1.36"));
}

#[test]
fn refuses_patterns_that_reach_further_than_they_read() {
    for pattern in ["registry.*/x", "registry.example.com*/x", "*registry.corp/x", "a.*.com/x"] {
        assert_eq!(ImagePattern::parse(pattern), Err(PatternError::RegistryWildcard), "{pattern}");
    }
    for pattern in ["", "x/a**", "x/**b", "x y", "x:", "x@sha256:1", "x/[ab]", "x/{a,b}", "x?"] {
        assert!(ImagePattern::parse(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn a_host_alone_is_not_read_as_an_image_of_docker_hub() {
    for pattern in ["registry.example.com", "registry.example.com:5000", "*.corp", "localhost:1"] {
        assert_eq!(ImagePattern::parse(pattern), Err(PatternError::HostAlone), "{pattern}");
    }
    for pattern in ["docker.io/registry.example.com", "acme/tool.x", "busybox:1.36", "*:1.*"] {
        assert!(ImagePattern::parse(pattern).is_ok(), "{pattern}");
    }
}

#[test]
fn names_an_image_near_to_what_was_asked() {
    let near =
        |pattern: &str, asked: &str| ImagePattern::parse(pattern).unwrap().example_near(asked);
    assert_eq!(
        near("registry.example.com/debug/**", "nicolaka/netshoot:v1").as_deref(),
        Some("registry.example.com/debug/netshoot")
    );
    assert_eq!(near("busybox:1.36", "x").as_deref(), Some("busybox:1.36"));
    assert_eq!(near("registry.example.com/*/tools", "x"), None);
    assert_eq!(near("registry.example.com/debug/**", "\u{1b}["), None);
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,80}|[a-zA-Z0-9:/@._\\[\\]*-]{0,80}") {
        drop(ImageRef::parse(&text));
        drop(ImagePattern::parse(&text));
    }

    #[test]
    fn what_is_parsed_prints_to_itself(text in "[a-zA-Z0-9:/@._-]{0,40}") {
        if let Ok(image) = ImageRef::parse(&text) {
            prop_assert_eq!(ImageRef::parse(&image.to_string()), Ok(image));
        }
    }

    /// Whatever is accepted here is accepted, and understood alike, by the crate that others use.
    #[test]
    fn agrees_with_oci_spec(
        registry in proptest::option::of("[a-z][a-z0-9]{0,4}(\\.[a-z]{2,3}|:5[0-9]{3})"),
        path in "[a-z0-9]{1,3}([._/-][a-z0-9]{1,3}){0,3}",
        tag in proptest::option::of("[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,5}"),
        digest in any::<bool>(),
    ) {
        let text = format!(
            "{}{path}{}{}",
            registry.map(|registry| format!("{registry}/")).unwrap_or_default(),
            tag.map(|tag| format!(":{tag}")).unwrap_or_default(),
            if digest { format!("@{DIGEST}") } else { String::new() },
        );
        let ours = ImageRef::parse(&text);
        let theirs: Result<oci_spec::distribution::Reference, _> = text.parse();
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(&ours.registry, theirs.registry());
                prop_assert_eq!(&ours.repository, theirs.repository());
                prop_assert_eq!(ours.tag.as_deref(), theirs.tag());
                prop_assert_eq!(ours.digest.as_deref(), theirs.digest());
            }
            // Stricter is safe: what cannot be parsed is refused.
            (Err(_), _) => {}
            _ => prop_assert!(false, "{text}: {ours:?} against {theirs:?}"),
        }
    }

    /// Segment by segment, as a person would say it.
    #[test]
    fn stars_match_as_the_slow_model_says(
        pattern in proptest::collection::vec("a|b|\\*|\\*\\*|a\\*", 1..5),
        path in proptest::collection::vec("a|b|ab", 1..6),
    ) {
        fn slow(pattern: &[String], path: &[String]) -> bool {
            match pattern.split_first() {
                None => path.is_empty(),
                Some((first, rest)) if first == "**" => {
                    (0..=path.len()).any(|skipped| slow(rest, &path[skipped..]))
                }
                Some((first, rest)) => path.split_first().is_some_and(|(word, others)| {
                    let fits = match first.strip_suffix('*') {
                        Some(start) => word.starts_with(start),
                        None => word == first,
                    };
                    fits && slow(rest, others)
                }),
            }
        }
        let text = format!("r.io/{}", pattern.join("/"));
        let image = format!("r.io/{}", path.join("/"));
        prop_assert_eq!(matches(&text, &image), slow(&pattern, &path), "{} {}", text, image);
    }
}
