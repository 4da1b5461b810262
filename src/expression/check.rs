//! [`Syntax`] into [`Node`]s: every name and function is looked up, and whatever can be seen to
//! fail, fails here, with its place.

use super::node::Node;
use super::syntax::{Element, Entry, Operator, Shape, Syntax};
use super::types::Type;
use super::{Flaw, shown};

mod calls;
mod known;
mod loops;

use known::Use;

/// What is known while an expression is checked.
#[derive(Debug)]
pub(super) struct Checker<'c> {
    variables: &'c [&'c str],
    /// The variables of the loops around, outermost first.
    locals: Vec<(String, Type)>,
    /// How many loops are around.
    loops: usize,
    /// Where a document is named of which nothing that is known has been read yet.
    unread: Vec<usize>,
}

type Checked = Result<(Node, Type), Flaw>;

fn flaw<T>(at: usize, message: impl Into<String>) -> Result<T, Flaw> {
    Err(Flaw { at, message: message.into() })
}

impl<'c> Checker<'c> {
    pub(super) fn new(variables: &'c [&'c str]) -> Self {
        Self { variables, locals: Vec::new(), loops: 0, unread: Vec::new() }
    }

    /// Checks one piece and all below it.
    pub(super) fn check(&mut self, syntax: Syntax) -> Checked {
        let at = syntax.at;
        match syntax.shape {
            Shape::Null => Ok((Node::Null, Type::Null)),
            Shape::Bool(value) => Ok((Node::Bool(value), Type::Bool)),
            Shape::Int(value) => Ok((Node::Int(value), Type::Int)),
            Shape::Uint(value) => Ok((Node::Uint(value), Type::Uint)),
            Shape::Double(value) => Ok((Node::Double(value), Type::Double)),
            Shape::Text(value) => Ok((Node::Text(value), Type::Text)),
            Shape::Bytes(value) => Ok((Node::Bytes(value), Type::Bytes)),
            Shape::Name(name) => self.name(at, name),
            Shape::Select { operand, field, optional } => {
                self.select(at, *operand, field, optional)
            }
            Shape::Index { operand, index, optional } => self.index(at, *operand, *index, optional),
            Shape::Call { target, name, arguments } => self.call(at, target, name, arguments),
            Shape::List(elements) => self.list(elements),
            Shape::Map(entries) => self.map(entries),
            Shape::Not(operand) => {
                let node = self.bool_operand(*operand, "!")?;
                Ok((Node::Not(Box::new(node)), Type::Bool))
            }
            Shape::Negate(operand) => self.negate(at, *operand),
            Shape::Binary { operator, left, right } => self.binary(at, operator, *left, *right),
            Shape::Chain { operator, operands } => self.chain(at, operator, operands),
            Shape::Conditional(parts) => self.conditional(*parts),
        }
    }

    fn name(&mut self, at: usize, name: String) -> Checked {
        let local = self.locals.iter().rposition(|(known, _)| *known == name);
        if let Some((place, (_, of))) = local.and_then(|at| Some((at, self.locals.get(at)?))) {
            return Ok((Node::Local(place), of.clone()));
        }
        if self.variables.contains(&name.as_str()) {
            self.named(at, &name);
            return Ok((Node::Variable(name), Type::Dyn));
        }
        if let Some(found) = Type::named(&name) {
            return Ok((Node::Type(found), Type::Kind));
        }
        let known = self.variables.join("`, `");
        flaw(at, format!("there is no variable `{}`; there are `{known}`", shown(&name)))
    }

    /// Whether the name at the root of `a.b.c` is a variable here.
    fn root_is_bound(&self, syntax: &Syntax) -> bool {
        match &syntax.shape {
            Shape::Select { operand, .. } => self.root_is_bound(operand),
            Shape::Name(name) => {
                self.locals.iter().any(|(known, _)| known == name)
                    || self.variables.contains(&name.as_str())
            }
            _ => true,
        }
    }

    fn select(&mut self, at: usize, operand: Syntax, field: String, optional: bool) -> Checked {
        if !optional && !self.root_is_bound(&operand) {
            let name = operand.dotted().map(|root| format!("{root}.{field}")).unwrap_or_default();
            if let Some(found) = Type::named(&name) {
                return Ok((Node::Type(found), Type::Kind));
            }
        }
        let (operand, of) = self.check(operand)?;
        let of = field_type(at, &of, &field)?;
        self.read(at, &operand, &field, Use::Read)?;
        let gives = if optional { as_optional(of) } else { of };
        Ok((Node::Select { operand: Box::new(operand), field, optional }, gives))
    }

    fn index(&mut self, at: usize, operand: Syntax, index: Syntax, optional: bool) -> Checked {
        let index_at = index.at;
        let (operand, of) = self.check(operand)?;
        let (index, by) = self.check(index)?;
        let of = item_type(at, &of, index_at, &by)?;
        if let Node::Text(field) = &index {
            self.read(index_at, &operand, field, Use::Read)?;
        }
        let gives = if optional { as_optional(of) } else { of };
        let (operand, index) = (Box::new(operand), Box::new(index));
        Ok((Node::Index { operand, index, optional }, gives))
    }

    fn list(&mut self, elements: Vec<Element>) -> Checked {
        let mut nodes = Vec::new();
        let mut of = None;
        for Element { value, optional } in elements {
            let at = value.at;
            let (node, found) = self.check(value)?;
            let found = if optional { inside_optional(at, found)? } else { found };
            of = Some(joined(at, "elements of a list", of, found)?);
            nodes.push((node, optional));
        }
        Ok((Node::List(nodes), Type::list(of.unwrap_or(Type::Dyn))))
    }

    fn map(&mut self, entries: Vec<Entry>) -> Checked {
        let mut nodes = Vec::new();
        let (mut keys, mut values) = (None, None);
        for Entry { key, value, optional } in entries {
            let (key_at, value_at) = (key.at, value.at);
            let (key, key_type) = self.check(key)?;
            if !matches!(key_type, Type::Text | Type::Int | Type::Uint | Type::Bool | Type::Dyn) {
                return flaw(key_at, format!("`{key_type}` cannot be the key of a map"));
            }
            let (value, found) = self.check(value)?;
            let found = if optional { inside_optional(value_at, found)? } else { found };
            keys = Some(joined(key_at, "keys of a map", keys, key_type)?);
            values = Some(joined(value_at, "values of a map", values, found)?);
            nodes.push((key, value, optional));
        }
        let of = Type::map(keys.unwrap_or(Type::Dyn), values.unwrap_or(Type::Dyn));
        Ok((Node::Map(nodes), of))
    }

    fn bool_operand(&mut self, operand: Syntax, of: &str) -> Result<Node, Flaw> {
        let at = operand.at;
        match self.check(operand)? {
            (node, Type::Bool | Type::Dyn) => Ok(node),
            (_, other) => flaw(at, format!("`{of}` takes bool, not {other}")),
        }
    }

    fn negate(&mut self, at: usize, operand: Syntax) -> Checked {
        match self.check(operand)? {
            (node, of @ (Type::Int | Type::Double | Type::Dyn)) => {
                Ok((Node::Negate(Box::new(node)), of))
            }
            (_, other) => flaw(at, format!("`-` takes int or double, not {other}")),
        }
    }

    fn conditional(&mut self, [condition, yes, no]: [Syntax; 3]) -> Checked {
        let condition = self.bool_operand(condition, "?:")?;
        let at = no.at;
        let (yes, of_yes) = self.check(yes)?;
        let (no, of_no) = self.check(no)?;
        if !of_yes.meets(&of_no) {
            return flaw(at, format!("the two sides of `?:` differ: {of_yes} and {of_no}"));
        }
        Ok((Node::Conditional(Box::new([condition, yes, no])), of_yes.either(of_no)))
    }

    fn chain(&mut self, at: usize, operator: Operator, operands: Vec<Syntax>) -> Checked {
        if operator == Operator::Add {
            return self.sum(operands);
        }
        let nodes = operands
            .into_iter()
            .map(|operand| self.bool_operand(operand, operator.spelled()))
            .collect::<Result<_, _>>()?;
        match operator {
            Operator::Or => Ok((Node::Any(nodes), Type::Bool)),
            Operator::And => Ok((Node::All(nodes), Type::Bool)),
            other => flaw(at, format!("`{}` cannot be chained", other.spelled())),
        }
    }

    fn sum(&mut self, operands: Vec<Syntax>) -> Checked {
        let mut nodes = Vec::new();
        let mut total = None;
        for operand in operands {
            let at = operand.at;
            let (node, of) = self.check(operand)?;
            total = Some(match total {
                None => of,
                Some(left) => match added(&left, &of) {
                    Some(of) => of,
                    None => return flaw(at, no_operator(Operator::Add, &left, &of)),
                },
            });
            nodes.push(node);
        }
        Ok((Node::Sum(nodes), total.unwrap_or(Type::Dyn)))
    }

    fn binary(&mut self, at: usize, operator: Operator, left: Syntax, right: Syntax) -> Checked {
        let (left, left_type) = self.check(left)?;
        let (right, right_type) = self.check(right)?;
        let Some(gives) = binary_type(operator, &left_type, &right_type) else {
            return flaw(at, no_operator(operator, &left_type, &right_type));
        };
        if matches!(operator, Operator::Equal | Operator::NotEqual) {
            match (&left, &right) {
                (Node::Null, other) | (other, Node::Null) => self.settled(other),
                _ => {}
            }
        }
        let (left, right) = (Box::new(left), Box::new(right));
        Ok((Node::Binary { operator, left, right }, gives))
    }
}

fn no_operator(operator: Operator, left: &Type, right: &Type) -> String {
    format!("`{}` does not take {left} and {right}", operator.spelled())
}

fn binary_type(operator: Operator, left: &Type, right: &Type) -> Option<Type> {
    match operator {
        Operator::Equal | Operator::NotEqual => left.meets(right).then_some(Type::Bool),
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            ordered(left, right).then_some(Type::Bool)
        }
        Operator::In => contains(left, right).then_some(Type::Bool),
        Operator::Subtract => subtracted(left, right),
        Operator::Multiply | Operator::Divide => {
            numeric(left, right, &[Type::Int, Type::Uint, Type::Double])
        }
        Operator::Remainder => numeric(left, right, &[Type::Int, Type::Uint]),
        Operator::Or | Operator::And | Operator::Add => None,
    }
}

fn ordered(left: &Type, right: &Type) -> bool {
    let number = |of: &Type| matches!(of, Type::Int | Type::Uint | Type::Double | Type::Dyn);
    let other = |of: &Type| {
        matches!(
            of,
            Type::Bool | Type::Text | Type::Bytes | Type::Duration | Type::Timestamp | Type::Dyn
        )
    };
    (number(left) && number(right))
        || (other(left) && left.meets(right))
        || (other(right) && left.meets(right))
}

fn contains(item: &Type, within: &Type) -> bool {
    match within {
        Type::Dyn => true,
        Type::List(of) => item.meets(of),
        Type::Map(of) => item.meets(&of.0),
        _ => false,
    }
}

fn numeric(left: &Type, right: &Type, among: &[Type]) -> Option<Type> {
    let known = if *left == Type::Dyn { right } else { left };
    ((*known == Type::Dyn || among.contains(known)) && left.meets(right)).then(|| known.clone())
}

fn subtracted(left: &Type, right: &Type) -> Option<Type> {
    match (left, right) {
        (Type::Duration, Type::Duration) | (Type::Timestamp, Type::Timestamp) => {
            Some(Type::Duration)
        }
        (Type::Timestamp, Type::Duration) => Some(Type::Timestamp),
        (Type::Dyn, Type::Duration | Type::Timestamp)
        | (Type::Duration | Type::Timestamp, Type::Dyn) => Some(Type::Dyn),
        _ => numeric(left, right, &[Type::Int, Type::Uint, Type::Double]),
    }
}

fn added(left: &Type, right: &Type) -> Option<Type> {
    match (left, right) {
        (Type::Duration, Type::Duration) => Some(Type::Duration),
        (Type::Timestamp, Type::Duration) | (Type::Duration, Type::Timestamp) => {
            Some(Type::Timestamp)
        }
        (Type::Dyn, Type::Duration | Type::Timestamp)
        | (Type::Duration | Type::Timestamp, Type::Dyn) => Some(Type::Dyn),
        (Type::List(_), Type::List(_)) => {
            left.meets(right).then(|| left.clone().either(right.clone()))
        }
        (Type::List(_), Type::Dyn) | (Type::Dyn, Type::List(_)) => Some(Type::list(Type::Dyn)),
        _ => numeric(left, right, &[Type::Int, Type::Uint, Type::Double, Type::Text, Type::Bytes]),
    }
}

fn as_optional(of: Type) -> Type {
    match of {
        already @ Type::Optional(_) => already,
        other => Type::optional(other),
    }
}

fn inside_optional(at: usize, of: Type) -> Result<Type, Flaw> {
    match of {
        Type::Optional(of) => Ok(*of),
        Type::Dyn => Ok(Type::Dyn),
        other => flaw(at, format!("`?` takes an optional, not {other}")),
    }
}

fn joined(at: usize, what: &str, so_far: Option<Type>, found: Type) -> Result<Type, Flaw> {
    match so_far {
        None => Ok(found),
        Some(known) if known.meets(&found) => Ok(known.either(found)),
        Some(known) => {
            let hint = "write `dyn(…)` around them if that is meant";
            flaw(at, format!("the {what} differ: {known} and {found}; {hint}"))
        }
    }
}

fn field_type(at: usize, of: &Type, field: &str) -> Result<Type, Flaw> {
    match of {
        Type::Dyn => Ok(Type::Dyn),
        Type::Map(of) if of.0.meets(&Type::Text) => Ok(of.1.clone()),
        Type::Optional(of) => Ok(as_optional(field_type(at, of, field)?)),
        other => flaw(at, format!("{other} has no field `{}`", shown(field))),
    }
}

fn item_type(at: usize, of: &Type, index_at: usize, by: &Type) -> Result<Type, Flaw> {
    let wanted = match of {
        Type::Dyn => return Ok(Type::Dyn),
        Type::List(_) => &Type::Int,
        Type::Map(of) => &of.0,
        Type::Optional(of) => return Ok(as_optional(item_type(at, of, index_at, by)?)),
        other => return flaw(at, format!("{other} cannot be indexed")),
    };
    if !by.meets(wanted) {
        return flaw(index_at, format!("the index is {by}, not {wanted}"));
    }
    match of {
        Type::List(of) => Ok((**of).clone()),
        Type::Map(of) => Ok(of.1.clone()),
        _ => Ok(Type::Dyn),
    }
}
