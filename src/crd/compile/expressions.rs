//! `spec.match.conditions` and `spec.containers.rules`

use std::sync::Arc;

use crate::expression::scene::{CONDITION_VARIABLES, RULE_VARIABLES};
use crate::expression::{Flaw, Program, Wanted};
use crate::policy::expression::{Condition, ContainerRule, Expression};
use crate::policy::text::is_plain;

use super::super::container::Rule;
use super::super::debug_policy::MatchCondition;
use super::super::problem::{Fault, Findings, Place};
use super::words;

/// As many as a ValidatingAdmissionPolicy may have match conditions.
const MAX_EXPRESSIONS: usize = 64;
const MAX_MESSAGE_CHARS: usize = 256;

pub(super) fn conditions(
    list: &[MatchCondition],
    at: &Place<'_>,
    findings: &mut Findings,
) -> Vec<Condition> {
    let mut names = Names::new(list.len(), at, findings);
    let items = list.iter().enumerate();
    items
        .filter_map(|(position, MatchCondition { name, expression })| {
            let at = at.index(position);
            names.check(name, &at, findings);
            let place = at.key("expression");
            let expression =
                program(expression, Wanted::Bool, &CONDITION_VARIABLES, &place, findings)?;
            Some(Condition { name: name.clone(), expression })
        })
        .collect()
}

pub(super) fn rules(list: &[Rule], at: &Place<'_>, findings: &mut Findings) -> Vec<ContainerRule> {
    let mut names = Names::new(list.len(), at, findings);
    let items = list.iter().enumerate();
    items
        .filter_map(|(position, rule)| {
            let Rule { name, expression, message, message_expression } = rule;
            let at = at.index(position);
            names.check(name, &at, findings);
            if let Some(text) = message {
                check_message(text, &at.key("message"), findings);
            }
            let compiled = |source, wanted, field, findings: &mut _| {
                program(source, wanted, &RULE_VARIABLES, &at.key(field), findings)
            };
            let message_expression = message_expression
                .as_ref()
                .and_then(|text| compiled(text, Wanted::Text, "messageExpression", findings));
            let expression = compiled(expression, Wanted::Bool, "expression", findings)?;
            let message = message.clone();
            Some(ContainerRule { name: name.clone(), expression, message, message_expression })
        })
        .collect()
}

fn check_message(text: &str, at: &Place<'_>, findings: &mut Findings) {
    findings.check(!text.trim().is_empty(), at, || Fault::Empty);
    let fits = text.chars().count() <= MAX_MESSAGE_CHARS;
    findings.check(fits, at, || Fault::TooLong(MAX_MESSAGE_CHARS));
    findings.check(text.chars().all(is_plain), at, || Fault::NotPlain);
}

fn program(
    source: &str,
    wanted: Wanted,
    variables: &[&str],
    at: &Place<'_>,
    findings: &mut Findings,
) -> Option<Arc<dyn Expression>> {
    match Program::compile(source, wanted, variables) {
        Ok(program) => Some(Arc::new(program)),
        Err(Flaw { at: offset, message }) => {
            let before = source.get(..offset).unwrap_or(source);
            let character = before.chars().count() + 1;
            findings.add(at, Fault::Expression { character, message });
            None
        }
    }
}

/// Names are what records and messages call an expression, so no two have the same.
struct Names<'a>(Vec<&'a str>);

impl<'a> Names<'a> {
    fn new(number: usize, at: &Place<'_>, findings: &mut Findings) -> Self {
        findings.check(number <= MAX_EXPRESSIONS, at, || Fault::TooMany(MAX_EXPRESSIONS));
        Self(Vec::with_capacity(number))
    }

    fn check(&mut self, name: &'a str, at: &Place<'_>, findings: &mut Findings) {
        let place = at.key("name");
        findings.check(words::is_label_key(name), &place, || Fault::RuleName(name.to_owned()));
        findings.check(!self.0.contains(&name), &place, || Fault::NameTwice(name.to_owned()));
        self.0.push(name);
    }
}
