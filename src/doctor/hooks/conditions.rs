//! Match conditions: the emergency exit, and every other way past.

use super::super::access;
use super::super::survey::{Hook, MatchCondition, Phase, Survey};
use super::super::{Code, Diagnosis, Severity};
use super::about;

/// What the chart and docs/emergency.md call the emergency exit.
const EXIT: &str = "not-break-glass";

pub(super) fn diagnose(hook: &Hook, survey: &Survey) -> Vec<Diagnosis> {
    let conditions = &hook.webhook.match_conditions;
    let groups = conditions.iter().filter_map(|it| break_glass(&it.expression)).count();
    let found = conditions.iter().enumerate().map(|(position, condition)| {
        let MatchCondition { name, expression } = condition;
        let field = format!("matchConditions[{position}]");
        let found =
            |code, what: &str| about(hook, code, &field, format!("{name}: {expression}"), what);
        match break_glass(expression) {
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
        }
    });
    found.collect()
}

/// The group of `!("GROUP" in request.userInfo.groups)`, however it is spaced and quoted; the chart asks
/// first whether there are groups.
fn break_glass(expression: &str) -> Option<String> {
    let text: String = expression.chars().filter(|c| !c.is_whitespace()).collect();
    let inner = text.strip_prefix("!(")?.strip_suffix(')')?;
    let inner = inner.strip_prefix("has(request.userInfo.groups)&&").unwrap_or(inner);
    let group = inner.strip_suffix("inrequest.userInfo.groups")?;
    let quoted = |quote| group.strip_prefix(quote)?.strip_suffix(quote);
    let group = quoted('"').or_else(|| quoted('\''))?;
    // Everybody is in some of those that Kubernetes gives: that is no emergency exit but a hole.
    (!group.starts_with("system:") && !group.contains(['"', '\''])).then(|| group.to_owned())
}
