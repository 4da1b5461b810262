use super::*;
use crate::policy::evaluate::{Defaults, evaluate};
use crate::policy::rule::Enforcement;
use crate::policy::set::PolicySet;
use crate::policy::testing::{asking, container, images, permit, require};

fn refused_image(image: &str) -> Verdict {
    let mut developers = permit("developers");
    developers.constraints.images =
        images(&["registry.example.com/debug/**", "docker.io/library/busybox:1.36"]);
    developers.contact = Some("#platform-help".to_owned());
    evaluate(&PolicySet::new(vec![developers]), &asking(vec![container(image)]), Defaults::Applied)
}

#[test]
fn says_what_is_wrong_what_is_approved_what_to_type_and_who_decided() {
    let command = "kubectl debug api -n payments --image=registry.example.com/debug/netshoot";
    let id = Uuid::from_u128(0x019a_b3ff_0000_7000_8000_0000_0000_0001);
    let text =
        refusal(&refused_image("nicolaka/netshoot"), &Remedy::Try(command.to_owned()), Some(id));
    assert_eq!(
        text,
        "container \"debugger\": image `nicolaka/netshoot` is not approved here\n  \
         approved: registry.example.com/debug/**, docker.io/library/busybox:1.36\n  \
         try: kubectl debug api -n payments --image=registry.example.com/debug/netshoot\n  \
         policy developers (spec.containers.images.allow), \
         decision 019ab3ff-0000-7000-8000-000000000001, contact #platform-help"
    );
}

#[test]
fn whom_no_policy_permits_anything_is_told_whom_to_ask() {
    let mut rails = require("rails");
    rails.contact = Some("#platform-help".to_owned());
    let asked = asking(vec![container("busybox")]);
    let verdict = evaluate(&PolicySet::new(vec![rails]), &asked, Defaults::Applied);
    let text = refusal(&verdict, &Remedy::None, None);
    assert!(text.ends_with("\n  no matching policy, contact #platform-help"), "{text}");
}

#[test]
fn never_prints_what_a_terminal_would_obey() {
    let text = refusal(&refused_image("evil\u{1b}[2J\r\n\u{202e}x`y"), &Remedy::None, None);
    assert!(text.lines().next().unwrap().contains(r"evil\u{1b}[2J\u{d}\u{a}\u{202e}x'y"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || is_plain(c)));
}

#[test]
fn stays_within_a_kibibyte_and_keeps_who_decided() {
    let long = "x".repeat(5_000);
    let mut verdict = refused_image(&long);
    let ruling = verdict.rulings[0].clone();
    verdict.rulings.extend(std::iter::repeat_n(ruling, 50));
    let text = refusal(&verdict, &Remedy::Try("é".repeat(900)), Some(Uuid::nil()));
    assert!(text.len() <= MAX_REFUSAL_BYTES, "{}", text.len());
    assert!(text.contains("policy developers"), "{text}");
    assert!(text.contains("… and "), "{text}");
}

#[test]
fn gives_each_structural_fault_its_path_and_what_to_do() {
    let faults: Vec<Fault> = [
        "ports",
        "resources",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
        "resizePolicy",
        "restartPolicy",
    ]
    .map(|field| Fault::new(12, "debugger-abcde", FaultKind::ForbiddenField { field }))
    .into();
    let text = structural(&faults, Some(Uuid::nil()));
    assert!(text.starts_with(
        "container \"debugger-abcde\": ports cannot be set on an ephemeral container (and 7 more)\n  \
         spec.ephemeralContainers[12].ports: leave it out; kubectl port-forward"
    ), "{text}");
    for fault in &faults {
        assert!(text.contains(&fault.path), "{text}");
    }
    assert!(text.len() <= MAX_REFUSAL_BYTES);
}

#[test]
fn warnings_are_short_and_plain() {
    let mut strict = require("strict");
    strict.enforcement = Enforcement::Warn;
    strict.constraints.images = images(&["alpine"]);
    let policies = PolicySet::new(vec![permit("p"), strict]);
    let request = asking(vec![container(&format!("evil\u{7}{}", "x".repeat(200)))]);
    let verdict = evaluate(&policies, &request, Defaults::Ignored);
    let ruling = &verdict.rulings[0];
    let text = objection_warning(ruling, ruling.findings.last().unwrap());
    assert_eq!(text.chars().count(), MAX_WARNING_CHARS);
    assert!(text.chars().all(is_plain) && text.ends_with('…'));
    assert_eq!(warning("one\u{1b}two\nthree"), "onetwothree");
}
