//! Match conditions: the emergency exit, and every other way past.

use serde_json::json;

use super::super::access;
use super::super::survey::{Hook, MatchCondition, Phase, Survey};
use super::super::{Code, Diagnosis, Severity};
use super::about;
use crate::expression::{Bindings, Program, Wanted};

/// What the chart and docs/emergency.md call the emergency exit.
const EXIT: &str = "not-break-glass";

pub(super) fn diagnose(hook: &Hook, survey: &Survey) -> Vec<Diagnosis> {
    let conditions = &hook.webhook.match_conditions;
    let groups = conditions.iter().filter_map(|it| break_glass(&it.expression)).count();
    let found = conditions.iter().enumerate().filter_map(|(position, condition)| {
        let MatchCondition { name, expression } = condition;
        let field = format!("matchConditions[{position}]");
        let found =
            |code, what: &str| about(hook, code, &field, format!("{name}: {expression}"), what);
        match always(expression) {
            // Whatever it says, it leaves no debugging out.
            Some(true) => return None,
            Some(false) if hook.phase == Phase::Validating => {
                let what = "is asked about nothing, because of a condition that never holds";
                let found = found(Code::ConditionsExclude, what).at(Severity::Critical);
                return Some(found.remedy("Take the condition away"));
            }
            _ => {}
        }
        Some(match break_glass(expression) {
            None => found(Code::ConditionsExclude, "leaves requests out by a condition"),
            Some(group) if name != EXIT && access::may_debug(survey, &group) => {
                let what =
                    format!("is not asked about group `{group}`, which may add debug containers");
                let severity = match hook.phase {
                    Phase::Validating => Severity::High,
                    Phase::Mutating => Severity::Medium,
                };
                let remedy = format!(
                    "Take the condition away; if it is the emergency exit, call it `{EXIT}`"
                );
                found(Code::ConditionsExclude, &what).at(severity).remedy(remedy)
            }
            Some(group) if groups > 1 => {
                let what = format!("is not asked about group `{group}`, one of {groups}");
                found(Code::ConditionsExclude, &what)
            }
            Some(group) => found(Code::BreakGlass, &format!("is not asked about group `{group}`")),
        })
    });
    found.collect()
}

/// What it gives for every request that adds debug containers; `None`: it depends, or cannot be told.
fn always(expression: &str) -> Option<bool> {
    // The rest of a request is another's each time.
    let fixed = json!({
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "subResource": "ephemeralcontainers",
        "operation": "UPDATE",
    });
    // A request has them all, so that whoever asks whether it has one is answered right.
    let others = [
        "uid",
        "requestKind",
        "requestResource",
        "requestSubResource",
        "name",
        "namespace",
        "userInfo",
        "dryRun",
        "options",
    ];
    let program = Program::compile(expression, Wanted::Bool, &["request"]).ok()?;
    let depends = program.reads("request").is_some_and(|read| {
        read.takes_all_fields() || others.iter().any(|field| read.field(field).is_some())
    });
    if depends {
        return None;
    }
    program.holds(&Bindings::new().with("request", &fixed)).ok()
}

/// The group of `!("GROUP" in request.userInfo.groups)`, however it is spaced and quoted; the chart asks
/// first whether there are groups.
fn break_glass(expression: &str) -> Option<String> {
    let text = without_blanks(expression);
    let inner = text.strip_prefix("!(")?.strip_suffix(')')?;
    let inner = inner.strip_prefix("has(request.userInfo.groups)&&").unwrap_or(inner);
    let group = inner.strip_suffix("inrequest.userInfo.groups")?;
    let group = match group.strip_prefix('\'') {
        Some(rest) => rest.strip_suffix('\'').filter(|it| !it.contains(['\'', '\\']))?.to_owned(),
        // What JSON takes is the same text in CEL.
        None => serde_json::from_str::<String>(group).ok()?,
    };
    // Everybody is in some of those that Kubernetes gives: that is no emergency exit but a hole.
    (!group.starts_with("system:")).then_some(group)
}

/// Those in quotes are part of a name.
fn without_blanks(expression: &str) -> String {
    let (mut quote, mut escaped) = (None, false);
    let keep = |character: &char| {
        let keep = quote.is_some() || !character.is_whitespace();
        match (quote, *character) {
            (None, '"' | '\'') => quote = Some(*character),
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == *character => quote = None,
            _ => {}
        }
        keep
    };
    expression.chars().filter(keep).collect()
}
