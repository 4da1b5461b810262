//! The walk over [`Node`]s that gives a value.

use super::budget::Budget;
use super::equality;
use super::functions;
use super::node::Node;
use super::syntax::Operator;
use super::value::{Map, Text, Value};
use super::{Bindings, Trouble, shown};

pub(super) mod arithmetic;
pub(super) mod folds;

/// A value, or why there is none.
pub(super) type Done<'a> = Result<Value<'a>, Trouble>;

/// One evaluation: documents, the variables of the loops around, and what may still be spent.
#[derive(Debug)]
pub(super) struct Evaluation<'a> {
    bindings: &'a Bindings<'a>,
    locals: Vec<Value<'a>>,
    /// Arguments of the calls that are open.
    arguments: Vec<Value<'a>>,
    budget: Budget,
}

fn as_bool(value: Value<'_>) -> Result<bool, Trouble> {
    match value {
        Value::Bool(value) => Ok(value),
        other => fail(format!("{} where a bool is needed", other.type_name())),
    }
}

/// `||` with `decisive` true, `&&` with false. An operand that decides does so whatever is wrong
/// with those before it.
fn decided<'a>(operands: impl Iterator<Item = Result<bool, Trouble>>, decisive: bool) -> Done<'a> {
    let mut trouble = None;
    for operand in operands {
        match operand {
            Ok(value) if value == decisive => return Ok(Value::Bool(decisive)),
            Ok(_) => {}
            Err(found) if found.can_be_decided_without() => {
                trouble.get_or_insert(found);
            }
            Err(found) => return Err(found),
        }
    }
    trouble.map_or(Ok(Value::Bool(!decisive)), Err)
}

/// An error of the expression.
pub(super) fn fail<T>(message: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Expression(message.into()))
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(bindings: &'a Bindings<'a>) -> Self {
        let budget = Budget::new(bindings.allowed, bindings.deadline);
        Self { bindings, locals: Vec::new(), arguments: Vec::new(), budget }
    }

    /// The value of a node.
    pub(super) fn of(&mut self, node: &'a Node) -> Done<'a> {
        self.budget.steps(1)?;
        match node {
            Node::Null => Ok(Value::Null),
            Node::Bool(value) => Ok(Value::Bool(*value)),
            Node::Int(value) => Ok(Value::Int(*value)),
            Node::Uint(value) => Ok(Value::Uint(*value)),
            Node::Double(value) => Ok(Value::Double(*value)),
            Node::Text(value) => Ok(Value::Text(Text::Borrowed(value))),
            Node::Bytes(value) => self.bytes(value),
            Node::Type(name) => Ok(Value::Type(name)),
            Node::Variable(name) => Ok(self.bindings.document(name).map_or(Value::Null, Value::of)),
            Node::Local(place) => Ok(self.locals.get(*place).cloned().unwrap_or(Value::Null)),
            Node::Select { operand, field, optional } => self.select(operand, field, *optional),
            Node::Has { operand, field } => self.has(operand, field),
            Node::Index { operand, index, optional } => self.index(operand, index, *optional),
            Node::List(items) => self.list(items),
            Node::Map(entries) => self.map(entries),
            Node::Not(operand) => Ok(Value::Bool(!self.bool(operand)?)),
            Node::Negate(operand) => {
                let operand = self.of(operand)?;
                arithmetic::negated(&operand)
            }
            Node::Any(operands) => decided(operands.iter().map(|node| self.bool(node)), true),
            Node::All(operands) => decided(operands.iter().map(|node| self.bool(node)), false),
            Node::Sum(operands) => self.sum(operands),
            Node::Binary { operator, left, right } => self.binary(*operator, left, right),
            Node::Conditional(parts) => self.conditional(parts),
            Node::Call(call) => self.call(call),
            Node::Fold(fold) => self.fold(fold),
        }
    }

    fn bytes(&mut self, value: &[u8]) -> Done<'a> {
        self.budget.make(value.len())?;
        Ok(Value::Bytes(value.into()))
    }

    fn bool(&mut self, node: &'a Node) -> Result<bool, Trouble> {
        as_bool(self.of(node)?)
    }

    fn conditional(&mut self, [condition, yes, no]: &'a [Node; 3]) -> Done<'a> {
        if self.bool(condition)? { self.of(yes) } else { self.of(no) }
    }

    fn select(&mut self, operand: &'a Node, field: &str, optional: bool) -> Done<'a> {
        match self.of(operand)? {
            Value::Map(map) => match map.field(field) {
                Some(value) if optional => Ok(Value::some(value)),
                Some(value) => Ok(value),
                None if optional => Ok(Value::Optional(None)),
                None => fail(format!("no such key: {}", shown(field))),
            },
            Value::Optional(None) => Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) => match &*inner {
                Value::Map(map) => Ok(map.field(field).map_or(Value::Optional(None), Value::some)),
                list @ Value::List(_) => no_field(list, field),
                _ => Ok(Value::Optional(None)),
            },
            other if optional && !other.is_container() => Ok(Value::Optional(None)),
            other => no_field(&other, field),
        }
    }

    /// Whether a field is there. A value without fields has not this one either; a list, which is
    /// read by index, is a mistake.
    fn has(&mut self, operand: &'a Node, field: &str) -> Done<'a> {
        let operand = match self.of(operand)? {
            Value::Optional(Some(inner)) => (*inner).clone(),
            other => other,
        };
        match operand {
            Value::Map(map) => Ok(Value::Bool(map.field(field).is_some())),
            list @ Value::List(_) => no_field(&list, field),
            _ => Ok(Value::Bool(false)),
        }
    }

    fn index(&mut self, operand: &'a Node, index: &'a Node, optional: bool) -> Done<'a> {
        let operand = self.of(operand)?;
        let index = self.of(index)?;
        match operand {
            Value::Optional(None) => Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) if inner.is_container() => {
                let found = self.item(&inner, &index)?;
                Ok(found.map_or(Value::Optional(None), Value::some))
            }
            Value::Optional(Some(_)) => Ok(Value::Optional(None)),
            operand if optional && !operand.is_container() => Ok(Value::Optional(None)),
            operand => match self.item(&operand, &index)? {
                Some(value) if optional => Ok(Value::some(value)),
                Some(value) => Ok(value),
                None if optional => Ok(Value::Optional(None)),
                None => fail(match index {
                    Value::Int(index) => format!("no such key or index: {index}"),
                    Value::Text(key) => format!("no such key: {}", shown(key.as_str())),
                    other => format!("no such key, a {}", other.type_name()),
                }),
            },
        }
    }

    fn item(
        &mut self,
        operand: &Value<'a>,
        index: &Value<'a>,
    ) -> Result<Option<Value<'a>>, Trouble> {
        match operand {
            Value::List(list) => match arithmetic::as_index(index) {
                Some(place) => Ok(usize::try_from(place).ok().and_then(|place| list.at(place))),
                None => fail(format!("a list cannot be indexed by {}", index.type_name())),
            },
            Value::Map(map) => equality::get(map, index, &mut self.budget),
            other => fail(format!("{} cannot be indexed", other.type_name())),
        }
    }

    fn list(&mut self, items: &'a [(Node, bool)]) -> Done<'a> {
        self.budget.make_list(items.len())?;
        let mut made = Vec::with_capacity(items.len());
        for (item, optional) in items {
            let value = self.of(item)?;
            made.extend(if *optional { present(value)? } else { Some(value) });
        }
        Ok(Value::list(made))
    }

    fn map(&mut self, entries: &'a [(Node, Node, bool)]) -> Done<'a> {
        let mut made = Vec::with_capacity(entries.len());
        for (key, value, optional) in entries {
            let key = self.of(key)?;
            let value = self.of(value)?;
            let value = if *optional { present(value)? } else { Some(value) };
            if let Some(value) = value {
                self.insert(&mut made, key, value)?;
            }
        }
        Ok(Value::Map(Map::Made(made.into())))
    }

    /// Adds an entry to a map that is being made; says whether its key was free.
    fn insert(
        &mut self,
        made: &mut Vec<(Value<'a>, Value<'a>)>,
        key: Value<'a>,
        value: Value<'a>,
    ) -> Result<bool, Trouble> {
        if !matches!(key, Value::Text(_) | Value::Int(_) | Value::Uint(_) | Value::Bool(_)) {
            return fail(format!("{} cannot be the key of a map", key.type_name()));
        }
        self.budget.make_list(2)?;
        for (known, old) in made.iter_mut() {
            if equality::equal(known, &key, &mut self.budget)? {
                *old = value;
                return Ok(false);
            }
        }
        made.push((key, value));
        Ok(true)
    }

    fn sum(&mut self, operands: &'a [Node]) -> Done<'a> {
        let mut operands = operands.iter();
        let mut total = match operands.next() {
            Some(first) => self.of(first)?,
            None => return Ok(Value::Null),
        };
        for operand in operands {
            let operand = self.of(operand)?;
            total = arithmetic::added(&total, &operand, &mut self.budget)?;
        }
        Ok(total)
    }

    fn binary(&mut self, operator: Operator, left: &'a Node, right: &'a Node) -> Done<'a> {
        let left = self.of(left)?;
        let right = self.of(right)?;
        let budget = &mut self.budget;
        match operator {
            Operator::Equal => Ok(Value::Bool(equality::equal(&left, &right, budget)?)),
            Operator::NotEqual => Ok(Value::Bool(!equality::equal(&left, &right, budget)?)),
            Operator::In => match equality::contains(&right, &left, budget)? {
                Some(found) => Ok(Value::Bool(found)),
                None => arithmetic::no_operator(operator, &left, &right),
            },
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => match equality::compare(&left, &right, budget)? {
                Some(order) => Ok(Value::Bool(match operator {
                    Operator::Less => order.is_lt(),
                    Operator::LessOrEqual => order.is_le(),
                    Operator::Greater => order.is_gt(),
                    _ => order.is_ge(),
                })),
                None => arithmetic::no_operator(operator, &left, &right),
            },
            _ => arithmetic::computed(operator, &left, &right),
        }
    }

    fn call(&mut self, call: &'a super::node::Call) -> Done<'a> {
        let start = self.arguments.len();
        for argument in &call.arguments {
            match self.of(argument) {
                Ok(value) => self.arguments.push(value),
                Err(trouble) => {
                    self.arguments.truncate(start);
                    return Err(trouble);
                }
            }
        }
        let given = self.arguments.get(start..).unwrap_or_default();
        let done = functions::call(call, given, &mut self.budget);
        self.arguments.truncate(start);
        done
    }
}

/// The value in an optional, if there is one.
fn present(value: Value<'_>) -> Result<Option<Value<'_>>, Trouble> {
    match value {
        Value::Optional(inner) => Ok(inner.map(|inner| (*inner).clone())),
        other => fail(format!("`?` takes an optional, not {}", other.type_name())),
    }
}

fn no_field<T>(value: &Value<'_>, field: &str) -> Result<T, Trouble> {
    fail(format!("{} has no field `{}`", value.type_name(), shown(field)))
}
