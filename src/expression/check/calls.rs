//! Calls: which function is meant, and what can be seen of its arguments.

use regex::Regex;

use super::{Checked, Checker, flaw};
use crate::expression::budget::{Budget, DEFAULT_TIME};
use crate::expression::functions::{self, Function};
use crate::expression::functions::{formatting, patterns, time};
use crate::expression::node::{Call, Node};
use crate::expression::syntax::Syntax;
use crate::expression::types::Type;
use crate::expression::value::Value;
use crate::expression::{Flaw, shown};

impl Checker<'_> {
    /// A macro, a function of a library (`sets.contains(…)`), a method or a plain function.
    pub(super) fn call(
        &mut self,
        at: usize,
        target: Option<Box<Syntax>>,
        name: String,
        arguments: Vec<Syntax>,
    ) -> Checked {
        let (target, arguments) = match self.expanded(at, target, &name, arguments) {
            Ok(done) => return done,
            Err(parts) => parts,
        };
        let Some(target) = target else { return self.function(at, name, false, arguments) };
        if let Some(library) = target.dotted() {
            let full = format!("{library}.{name}");
            if !functions::named(&full).is_empty() {
                return self.function(at, full, false, arguments);
            }
            if !self.root_is_bound(&target) {
                return flaw(at, format!("there is no function `{}`", shown(&full)));
            }
        }
        let mut all = vec![*target];
        all.extend(arguments);
        self.function(at, name, true, all)
    }

    fn function(
        &mut self,
        at: usize,
        name: String,
        method: bool,
        arguments: Vec<Syntax>,
    ) -> Checked {
        let named = functions::named(&name);
        let alike: Vec<&'static Function> =
            named.iter().filter(|f| f.signature.method == method).collect();
        if alike.is_empty() {
            return flaw(at, unknown(&name, method, !named.is_empty()));
        }
        let places: Vec<usize> = arguments.iter().map(|argument| argument.at).collect();
        let mut nodes = Vec::new();
        let mut types = Vec::new();
        for argument in arguments {
            let (node, of) = self.check(argument)?;
            nodes.push(node);
            types.push(of);
        }
        let mut overloads = Vec::new();
        let mut gives: Option<Type> = None;
        for function in &alike {
            if let Some(found) = function.signature.apply(&types) {
                gives = Some(match gives {
                    None => found,
                    Some(known) => known.either(found),
                });
                overloads.push(*function);
            }
        }
        let Some(gives) = gives else {
            return flaw(at, misused(&name, method, &alike, &types));
        };
        let pattern = constants(&name, &nodes, &places)?;
        let call = Call { name, overloads, arguments: nodes, pattern };
        converted(at, &call)?;
        Ok((Node::Call(Box::new(call)), gives))
    }
}

fn unknown(name: &str, method: bool, other_form: bool) -> String {
    let name = shown(name);
    match (method, other_form) {
        (true, true) => format!("`{name}` is a function, not a method; write `{name}(…)`"),
        (false, true) => format!("`{name}` is a method, not a function; write `….{name}(…)`"),
        (true, false) => format!("there is no method `{name}`"),
        (false, false) => format!("there is no function `{name}`"),
    }
}

fn misused(name: &str, method: bool, alike: &[&'static Function], types: &[Type]) -> String {
    let own = usize::from(method);
    let given = types.len().saturating_sub(own);
    let mut counts: Vec<usize> =
        alike.iter().map(|f| f.signature.takes.len().saturating_sub(own)).collect();
    counts.sort_unstable();
    counts.dedup();
    if !counts.contains(&given) {
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        let noun = if counts == ["1"] { "argument" } else { "arguments" };
        return format!("`{name}` takes {} {noun}, not {given}", counts.join(" or "));
    }
    let given: Vec<String> = types.iter().map(ToString::to_string).collect();
    match given.split_first() {
        Some((receiver, [])) if method => format!("{receiver} has no method `{name}`"),
        Some((receiver, rest)) if method => {
            format!("{receiver} has no method `{name}` that takes {}", rest.join(" and "))
        }
        _ => format!("`{name}` does not take {}", given.join(" and ")),
    }
}

/// Looks at constant arguments that could only fail once the expression runs: patterns, times and
/// format strings. Gives the compiled pattern.
fn constants(name: &str, nodes: &[Node], places: &[usize]) -> Result<Option<Regex>, Flaw> {
    let constant = |index: usize| match nodes.get(index) {
        Some(Node::Text(text)) => Some((text.as_str(), places.get(index).copied().unwrap_or(0))),
        _ => None,
    };
    let index = usize::from(matches!(name, "matches" | "find" | "findAll"));
    let Some((text, at)) = constant(index) else { return Ok(None) };
    let wrong = match name {
        "matches" | "find" | "findAll" => match patterns::compiled(text) {
            Ok(pattern) => return Ok(Some(pattern)),
            Err(message) => Some(message),
        },
        "duration" if time::duration(text).is_none() => {
            Some(format!("`{}` is not a duration, such as `1h30m`", shown(text)))
        }
        "timestamp" if time::timestamp(text).is_none() => {
            Some(format!("`{}` is not a timestamp, such as `2026-01-02T03:04:05Z`", shown(text)))
        }
        "format" => {
            let given = match nodes.get(1) {
                Some(Node::List(items)) if items.iter().all(|(_, optional)| !optional) => {
                    Some(items.len())
                }
                _ => None,
            };
            formatting::check(text, given).err()
        }
        _ => None,
    };
    match wrong {
        Some(message) => flaw(at, message),
        None => Ok(None),
    }
}

/// Converts a literal once, so that a conversion that always fails is found here.
fn converted(at: usize, call: &Call) -> Result<(), Flaw> {
    let conversion =
        matches!(call.name.as_str(), "int" | "uint" | "double" | "bool" | "string" | "bytes");
    let [argument] = call.arguments.as_slice() else { return Ok(()) };
    let value = match argument {
        Node::Bool(value) => Value::Bool(*value),
        Node::Int(value) => Value::Int(*value),
        Node::Uint(value) => Value::Uint(*value),
        Node::Double(value) => Value::Double(*value),
        Node::Text(value) => Value::text(value.as_str()),
        Node::Bytes(value) => Value::Bytes(value.as_slice().into()),
        _ => return Ok(()),
    };
    if !conversion {
        return Ok(());
    }
    let mut budget = Budget::new(DEFAULT_TIME, None);
    match functions::call(call, &[value], &mut budget) {
        Ok(_) => Ok(()),
        Err(trouble) => flaw(at, trouble.to_string()),
    }
}
