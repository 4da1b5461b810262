//! The macros: what looks like a call but binds names or asks about a field.

use super::known::Use;
use super::{Checked, Checker, flaw};
use crate::expression::Flaw;
use crate::expression::node::{Fold, FoldKind, Node};
use crate::expression::syntax::{Shape, Syntax};
use crate::expression::types::Type;

/// Most loops inside each other: work grows with the power of their number.
const MAX_LOOPS: usize = 3;

/// The parts of a call that is no macro are given back.
type Expanded = Result<Checked, (Option<Box<Syntax>>, Vec<Syntax>)>;

/// How a macro is written, and where.
#[derive(Clone, Copy)]
struct Form<'n> {
    at: usize,
    name: &'n str,
    kind: FoldKind,
    variables: usize,
    /// A condition comes before the body: `map(x, keep, body)`.
    keep: bool,
    /// The body is an entry `{key: value}`.
    entry: bool,
}

/// What is inside a loop.
struct Inside {
    keep: Option<Node>,
    key: Option<Node>,
    body: Node,
    of: Type,
}

impl Checker<'_> {
    /// Expands the call if it is a macro; gives its parts back where it is not.
    pub(super) fn expanded(
        &mut self,
        at: usize,
        target: Option<Box<Syntax>>,
        name: &str,
        arguments: Vec<Syntax>,
    ) -> Expanded {
        let Some(target) = target else {
            if name == "has" && arguments.len() == 1 {
                return Ok(self.has(at, arguments));
            }
            return Err((None, arguments));
        };
        match form(at, name, arguments.len()) {
            Some(form) => Ok(self.fold(form, *target, arguments)),
            None => Err((Some(target), arguments)),
        }
    }

    fn has(&mut self, at: usize, arguments: Vec<Syntax>) -> Checked {
        match arguments.into_iter().next().map(|argument| (argument.at, argument.shape)) {
            Some((field_at, Shape::Select { operand, field, optional: false })) => {
                let (node, of) = self.check(*operand)?;
                super::field_type(at, &of, &field)?;
                self.read(field_at, &node, &field, Use::Seen)?;
                Ok((Node::Has { operand: Box::new(node), field }, Type::Bool))
            }
            _ => flaw(at, "`has` takes a field, as in `has(a.b)`"),
        }
    }

    fn fold(&mut self, form: Form<'_>, target: Syntax, arguments: Vec<Syntax>) -> Checked {
        let Form { at, name, .. } = form;
        let range_at = target.at;
        let (range, of) = self.check(target)?;
        let mut arguments = arguments.into_iter();
        let mut variables = Vec::new();
        for argument in arguments.by_ref().take(form.variables) {
            match argument.shape {
                Shape::Name(variable) if !variables.contains(&variable) => {
                    variables.push(variable);
                }
                _ => return flaw(argument.at, format!("`{name}` takes a new name here")),
            }
        }
        let optional = matches!(form.kind, FoldKind::Optional | FoldKind::OptionalFlat);
        let items = item_types(range_at, form, &of, optional)?;
        if !optional && self.loops >= MAX_LOOPS {
            return flaw(at, format!("more than {MAX_LOOPS} loops are inside each other"));
        }
        let outer = self.locals.len();
        self.loops += usize::from(!optional);
        self.locals.extend(variables.into_iter().zip(items.iter().cloned()));
        let inside = self.inside(form, arguments);
        self.locals.truncate(outer);
        self.loops -= usize::from(!optional);
        let Inside { keep, key, body, of: body_type } = inside?;
        let gives = result_type(form, &of, items, body_type);
        let pairs = form.variables == 2;
        let fold = Fold { kind: form.kind, pairs, range, keep, body, key };
        Ok((Node::Fold(Box::new(fold)), gives))
    }

    /// Condition, key and body, in the scope of the loop's variables.
    fn inside(
        &mut self,
        form: Form<'_>,
        mut arguments: impl Iterator<Item = Syntax>,
    ) -> Result<Inside, Flaw> {
        let Form { at, name, .. } = form;
        let condition = if form.keep { arguments.next() } else { None };
        let keep = condition.map(|condition| self.bool_operand(condition, name)).transpose()?;
        let Some(body) = arguments.next() else {
            return flaw(at, format!("`{name}` takes more arguments"));
        };
        let at = body.at;
        if form.entry {
            return self.entry(at, name, keep, body);
        }
        let (body, of) = self.check(body)?;
        let judges = matches!(
            form.kind,
            FoldKind::All | FoldKind::Exists | FoldKind::ExistsOne | FoldKind::Filter
        );
        if judges && !matches!(of, Type::Bool | Type::Dyn) {
            return flaw(at, format!("`{name}` takes a condition, not {of}"));
        }
        if form.kind == FoldKind::OptionalFlat && !matches!(of, Type::Optional(_) | Type::Dyn) {
            return flaw(at, format!("`{name}` takes an optional, not {of}"));
        }
        Ok(Inside { keep, key: None, body, of })
    }

    fn entry(
        &mut self,
        at: usize,
        name: &str,
        keep: Option<Node>,
        body: Syntax,
    ) -> Result<Inside, Flaw> {
        if let Shape::Map(entries) = body.shape
            && let Ok([entry]) = <[_; 1]>::try_from(entries)
            && !entry.optional
        {
            let (key, _) = self.check(entry.key)?;
            let (body, of) = self.check(entry.value)?;
            return Ok(Inside { keep, key: Some(key), body, of });
        }
        flaw(at, format!("`{name}` takes a map of one entry, as in `{{key: value}}`"))
    }
}

fn form(at: usize, name: &str, arguments: usize) -> Option<Form<'_>> {
    let (kind, variables, keep, entry) = match (name, arguments) {
        ("all", 2 | 3) => (FoldKind::All, arguments - 1, false, false),
        ("exists", 2 | 3) => (FoldKind::Exists, arguments - 1, false, false),
        ("exists_one" | "existsOne", 2 | 3) => (FoldKind::ExistsOne, arguments - 1, false, false),
        ("map", 2 | 3) => (FoldKind::Map, 1, arguments == 3, false),
        ("filter", 2) => (FoldKind::Filter, 1, false, false),
        ("sortBy", 2) => (FoldKind::SortBy, 1, false, false),
        ("transformList", 3 | 4) => (FoldKind::Map, 2, arguments == 4, false),
        ("transformMap", 3 | 4) => (FoldKind::MapOf, 2, arguments == 4, false),
        ("transformMapEntry", 3 | 4) => (FoldKind::MapOf, 2, arguments == 4, true),
        ("optMap", 2) => (FoldKind::Optional, 1, false, false),
        ("optFlatMap", 2) => (FoldKind::OptionalFlat, 1, false, false),
        _ => return None,
    };
    Some(Form { at, name, kind, variables, keep, entry })
}

/// The types that the variables of a loop over `of` have.
fn item_types(at: usize, form: Form<'_>, of: &Type, optional: bool) -> Result<Vec<Type>, Flaw> {
    let Form { name, variables, .. } = form;
    let types = match of {
        Type::Dyn => vec![Type::Dyn; 2],
        Type::Optional(of) if optional => vec![(**of).clone()],
        Type::List(of) if !optional && variables == 1 => vec![(**of).clone()],
        Type::List(of) if !optional => vec![Type::Int, (**of).clone()],
        Type::Map(of) if !optional => vec![of.0.clone(), of.1.clone()],
        other if optional => return flaw(at, format!("`{name}` takes an optional, not {other}")),
        other => return flaw(at, format!("`{name}` takes a list or a map, not {other}")),
    };
    Ok(types.into_iter().take(variables).collect())
}

fn result_type(form: Form<'_>, range: &Type, items: Vec<Type>, body: Type) -> Type {
    let item = items.into_iter().next().unwrap_or(Type::Dyn);
    match form.kind {
        FoldKind::All | FoldKind::Exists | FoldKind::ExistsOne => Type::Bool,
        FoldKind::Map => Type::list(body),
        FoldKind::Filter | FoldKind::SortBy => match range {
            Type::Dyn => Type::list(Type::Dyn),
            _ => Type::list(item),
        },
        FoldKind::MapOf if form.entry => Type::map(Type::Dyn, body),
        FoldKind::MapOf => Type::map(item, body),
        FoldKind::Optional => Type::optional(body),
        FoldKind::OptionalFlat => body,
    }
}
