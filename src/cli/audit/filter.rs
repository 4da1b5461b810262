//! Which decisions are wanted: the same words for every command that reads several.

use clap::ValueEnum;
use jiff::Timestamp;

use super::detail::shell_word;
use super::moment::Moment;
use crate::cli::Misuse;
use crate::ledger::{Outcome, Query};

/// Of a value, as it is recorded: no name of Kubernetes is longer. A server takes up no event of
/// more than 16 KiB, and people may ask for anything.
const MAX_CHARS: usize = 256;

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Filter {
    /// Only decisions of this time and later: `24h`, `7d` ago, or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only decisions before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only of this user
    #[arg(long)]
    user: Option<String>,
    /// Only of members of this group
    #[arg(long)]
    group: Option<String>,
    /// Only in this namespace
    #[arg(long, short)]
    namespace: Option<String>,
    /// Only on this pod
    #[arg(long)]
    pod: Option<String>,
    /// Only with this image, as asked or as resolved; `*` stands for anything
    #[arg(long, value_name = "PATTERN")]
    image: Option<String>,
    /// Only what this policy permitted or objected to
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// Only with an objection by this place in a policy; `*` stands for anything
    #[arg(long, value_name = "PATTERN")]
    constraint: Option<String>,
    /// Only what was answered so
    #[arg(long)]
    answer: Option<Answer>,
    /// Only where the answer is not what policy says; what only a policy at `Warn` or `Audit`
    /// objects to is no part of that
    #[arg(long)]
    differs: bool,
    /// Only with a privileged container
    #[arg(long)]
    privileged: bool,
    /// Only where the reason that was given has this in it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Answer {
    Allowed,
    Refused,
}

impl Filter {
    pub(super) fn query(&self, now: Timestamp) -> Result<Query, Misuse> {
        let moment = |moment: Option<&Moment>| moment.map(|it| it.seen_from(now)).transpose();
        let Self { since, until, user, group, namespace, pod, image, .. } = self;
        let Self { policy, constraint, answer, differs, privileged, reason, .. } = self;
        let (since, until) = (moment(since.as_ref())?, moment(until.as_ref())?);
        in_order(since, until)?;
        Ok(Query {
            since,
            until,
            user: user.clone(),
            group: group.clone(),
            namespace: namespace.clone(),
            pod: pod.clone(),
            image: image.clone(),
            policy: policy.clone(),
            constraint: constraint.clone(),
            answer: answer.map(|answer| match answer {
                Answer::Allowed => Outcome::Allowed,
                Answer::Refused => Outcome::Refused,
            }),
            differs: *differs,
            privileged: *privileged,
            reason: reason.clone(),
            ..Query::default()
        })
    }
}

/// Between two times of which the first is the later one nothing ever happened.
pub(super) fn in_order(since: Option<Timestamp>, until: Option<Timestamp>) -> Result<(), Misuse> {
    match since.zip(until) {
        Some((since, until)) if since >= until => {
            Err(Misuse("`--since` is not before `--until`".to_owned()))
        }
        _ => Ok(()),
    }
}

/// A query as the flags that ask it, each with a space before it. Not as it was typed: `24h` means
/// something else tomorrow, and the URL of a ledger may hold a password.
pub(super) fn spelled(query: &Query) -> String {
    let Query { since, until, user, group, namespace, pod, image, .. } = query;
    let Query { policy, constraint, answer, differs, privileged, reason, .. } = query;
    let values = [
        ("since", since.map(|time| time.to_string())),
        ("until", until.map(|time| time.to_string())),
        ("user", user.clone()),
        ("group", group.clone()),
        ("namespace", namespace.clone()),
        ("pod", pod.clone()),
        ("image", image.clone()),
        ("policy", policy.clone()),
        ("constraint", constraint.clone()),
        ("answer", answer.map(|answer| answer.as_str().to_lowercase())),
        ("reason", reason.clone()),
    ];
    let mut words = String::new();
    for (name, value) in values {
        if let Some(value) = value {
            words.push_str(&format!(" --{name} {}", shell_word(&shortened(value))));
        }
    }
    for (name, is_given) in [("differs", differs), ("privileged", privileged)] {
        if *is_given {
            words.push_str(&format!(" --{name}"));
        }
    }
    words
}

fn shortened(value: String) -> String {
    match value.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => {
            let begin = value.get(..end).unwrap_or_default();
            format!("{begin}\u{2026} ({} bytes)", value.len())
        }
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};
    use jiff::{SignedDuration, Timestamp};

    use super::{Filter, in_order, spelled};
    use crate::ledger::Query;

    fn query(words: &str, now: Timestamp) -> Query {
        let command = Filter::augment_args(Command::new("x").no_binary_name(true));
        let matches = command.try_get_matches_from(words.split_whitespace()).unwrap();
        Filter::from_arg_matches(&matches).unwrap().query(now).unwrap()
    }

    #[test]
    fn what_is_spelled_asks_the_same_at_any_time() {
        let now: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let words = "--since 24h --until 2026-11-24T07:00:00Z --user jane --group dev -n payments \
                     --pod api-0 --image *netshoot* --policy developers --constraint spec.* \
                     --answer refused --differs --privileged --reason INC-1";
        let asked = query(words, now);
        let text = spelled(&asked);
        let begin = " --since 2026-11-23T08:00:00Z --until 2026-11-24T07:00:00Z --user jane";
        assert!(text.starts_with(begin), "{text}");
        assert!(text.contains(" --image '*netshoot*'"), "{text}");
        assert!(text.ends_with(" --differs --privileged"), "{text}");
        let later = now + SignedDuration::from_hours(99);
        assert_eq!(query(&text.replace('\'', ""), later), asked);
        assert_eq!(spelled(&query("", now)), "");
    }

    #[test]
    fn times_are_in_order() {
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let (early, late) = (time("2026-11-24T08:00:00Z"), time("2026-11-24T09:00:00Z"));
        for (since, until, is_fine) in
            [(early, late, true), (late, early, false), (early, early, false), (late, None, true)]
        {
            assert_eq!(in_order(since, until).is_ok(), is_fine, "{since:?} {until:?}");
        }
    }

    /// What is longer than that, no server takes up.
    #[test]
    fn whatever_is_asked_for_is_short_enough_to_be_recorded() {
        for text in ["\u{1}", "'", "\u{1f6aa}"] {
            let long = || Some(text.repeat(30_000));
            let (user, group, namespace, pod) = (long(), long(), long(), long());
            let (image, policy, constraint, reason) = (long(), long(), long(), long());
            let query = Query { user, group, namespace, pod, image, ..Query::default() };
            let words = spelled(&Query { policy, constraint, reason, ..query });
            assert!(serde_json::to_string(&words).unwrap().len() < 15 << 10, "{text}");
            assert!(
                words.contains(&format!("\u{2026} ({} bytes)", 30_000 * text.len())),
                "{words}"
            );
        }
    }

    #[test]
    fn a_value_is_one_word() {
        let reason = Some("it's late --user x".to_owned());
        let text = spelled(&Query { reason, ..Query::default() });
        assert_eq!(text, r" --reason 'it'\''s late --user x'");
    }
}
