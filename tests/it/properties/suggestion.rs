//! What a refusal tells people to do.

use postern::admission::message::{MAX_REFUSAL_BYTES, MAX_WARNING_CHARS, Remedy};
use postern::kubectl::{DebugOptions, Profile};
use postern::policy::text::is_plain;

use super::*;

/// The flags of a suggested command that has no quoted words.
fn options(command: &str) -> Option<DebugOptions> {
    let mut options = DebugOptions::default();
    for word in command.split(' ') {
        match word.split_once('=') {
            Some(("--image", image)) => options.image = image.to_owned(),
            Some(("--profile", profile)) => options.profile = Profile::parse(profile)?,
            Some(("--container", name)) => options.container = Some(name.to_owned()),
            Some(("--target", target)) => options.target = Some(target.to_owned()),
            Some(("--env", env)) => {
                let (name, value) = env.split_once('=')?;
                options.env.push((name.to_owned(), value.to_owned()));
            }
            _ if word == "-it" => (options.stdin, options.tty) = (true, true),
            _ if word == "-i" => options.stdin = true,
            _ if word == "--" => return None,
            _ => {}
        }
    }
    Some(options)
}

#[test]
fn a_suggested_command_would_pass() {
    let tally = check(500, (policies(), vec(request(), 4)), |(policies, requests), tally| {
        let set = load(&policies);
        for request in requests {
            let review = request.review();
            let judgement = judged(&set, Phase::Validate, &review);
            let Remedy::Try(command) = &judgement.remedy else { continue };
            let Some(options) = options(command) else { continue };
            let container = options.ephemeral_container("again").unwrap();
            let again = request.review_adding(container);
            prop_assert!(passes(&set, &again), "{command}\n{}", shown(&policies, &review));
            tally.note("suggested");
        }
        Ok(())
    });
    tally.at_least_one_in(20, 500, "suggested");
}

#[test]
fn what_is_said_is_short_and_plain() {
    check(400, (policies(), request()), |(policies, request), _| {
        let set = load(&policies);
        let review = request.review();
        for phase in [Phase::Mutate, Phase::Validate] {
            let (response, notes) = judged(&set, phase, &review).response(None);
            if let Response::Refuse { message } = response {
                prop_assert!(message.len() <= MAX_REFUSAL_BYTES, "{message}");
                prop_assert!(message.chars().all(|c| c == '\n' || is_plain(c)), "{message}");
            }
            for warning in notes.warnings {
                prop_assert!(warning.chars().count() <= MAX_WARNING_CHARS, "{warning}");
                prop_assert!(warning.chars().all(is_plain), "{warning}");
            }
        }
        Ok(())
    });
}
