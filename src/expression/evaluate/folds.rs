//! Loops over lists and maps.

use core::cmp::Ordering;

use super::{Done, Evaluation, as_bool, decided, fail};
use crate::expression::Trouble;
use crate::expression::budget::Budget;
use crate::expression::equality;
use crate::expression::node::{Fold, FoldKind, Node};
use crate::expression::value::{List, Map, Value};

/// The variables of one turn: one, or two.
type Turn<'a> = (Value<'a>, Option<Value<'a>>);

/// All turns of a loop. A list is not copied.
enum Turns<'a> {
    Items { list: List<'a>, pairs: bool },
    Entries { entries: Vec<(Value<'a>, Value<'a>)>, pairs: bool },
}

impl<'a> Turns<'a> {
    fn iter(&self) -> impl Iterator<Item = Turn<'a>> + '_ {
        (0usize..).map_while(|place| match self {
            Self::Items { list, pairs } => {
                let item = list.at(place)?;
                Some(match pairs {
                    true => (Value::Int(i64::try_from(place).unwrap_or(i64::MAX)), Some(item)),
                    false => (item, None),
                })
            }
            Self::Entries { entries, pairs } => {
                let (key, value) = entries.get(place)?;
                Some((key.clone(), pairs.then(|| value.clone())))
            }
        })
    }
}

impl<'a> Evaluation<'a> {
    pub(super) fn fold(&mut self, fold: &'a Fold) -> Done<'a> {
        let range = self.of(&fold.range)?;
        if matches!(fold.kind, FoldKind::Optional | FoldKind::OptionalFlat) {
            return self.optional(fold, range);
        }
        let turns = self.turns(fold, range)?;
        match fold.kind {
            FoldKind::All => self.quantified(fold, &turns, false),
            FoldKind::Exists => self.quantified(fold, &turns, true),
            FoldKind::ExistsOne => self.exists_one(fold, &turns),
            FoldKind::Map => self.mapped(fold, &turns),
            FoldKind::Filter => self.filtered(fold, &turns),
            FoldKind::SortBy => self.sorted(fold, &turns),
            FoldKind::MapOf => self.map_of(fold, &turns),
            FoldKind::Optional | FoldKind::OptionalFlat => Ok(Value::Null),
        }
    }

    fn turns(&mut self, fold: &Fold, range: Value<'a>) -> Result<Turns<'a>, Trouble> {
        match range {
            Value::List(list) => Ok(Turns::Items { list, pairs: fold.pairs }),
            Value::Map(map) => {
                self.budget.make_list(map.len().saturating_mul(2))?;
                Ok(Turns::Entries { entries: map.entries(), pairs: fold.pairs })
            }
            other => fail(format!("a loop takes a list or a map, not {}", other.type_name())),
        }
    }

    /// Evaluates a node of a loop with the variables of one turn.
    fn turn(&mut self, node: &'a Node, (first, second): &Turn<'a>) -> Done<'a> {
        let outer = self.locals.len();
        self.locals.push(first.clone());
        self.locals.extend(second.clone());
        let done = self.of(node);
        self.locals.truncate(outer);
        done
    }

    fn judged(&mut self, node: &'a Node, turn: &Turn<'a>) -> Result<bool, Trouble> {
        as_bool(self.turn(node, turn)?)
    }

    /// As `||` and `&&` over all turns.
    fn quantified(&mut self, fold: &'a Fold, turns: &Turns<'a>, decisive: bool) -> Done<'a> {
        decided(turns.iter().map(|turn| self.judged(&fold.body, &turn)), decisive)
    }

    fn exists_one(&mut self, fold: &'a Fold, turns: &Turns<'a>) -> Done<'a> {
        let mut found = 0usize;
        for turn in turns.iter() {
            found += usize::from(self.judged(&fold.body, &turn)?);
        }
        Ok(Value::Bool(found == 1))
    }

    fn kept(&mut self, fold: &'a Fold, turn: &Turn<'a>) -> Result<bool, Trouble> {
        fold.keep.as_ref().map_or(Ok(true), |keep| self.judged(keep, turn))
    }

    fn mapped(&mut self, fold: &'a Fold, turns: &Turns<'a>) -> Done<'a> {
        let mut made = Vec::new();
        for turn in turns.iter() {
            if self.kept(fold, &turn)? {
                self.budget.make_list(1)?;
                made.push(self.turn(&fold.body, &turn)?);
            }
        }
        Ok(Value::list(made))
    }

    fn filtered(&mut self, fold: &'a Fold, turns: &Turns<'a>) -> Done<'a> {
        let mut made = Vec::new();
        for turn in turns.iter() {
            if self.judged(&fold.body, &turn)? {
                self.budget.make_list(1)?;
                made.push(turn.0);
            }
        }
        Ok(Value::list(made))
    }

    fn map_of(&mut self, fold: &'a Fold, turns: &Turns<'a>) -> Done<'a> {
        let mut made = Vec::new();
        for turn in turns.iter() {
            if self.kept(fold, &turn)? {
                let key = match &fold.key {
                    Some(key) => self.turn(key, &turn)?,
                    None => turn.0.clone(),
                };
                let value = self.turn(&fold.body, &turn)?;
                if !self.insert(&mut made, key, value)? {
                    return fail("a key is used twice in one map");
                }
            }
        }
        Ok(Value::Map(Map::Made(made.into())))
    }

    fn sorted(&mut self, fold: &'a Fold, turns: &Turns<'a>) -> Done<'a> {
        let mut keyed = Vec::new();
        for turn in turns.iter() {
            self.budget.make_list(2)?;
            keyed.push((self.turn(&fold.body, &turn)?, turn.0));
        }
        Ok(Value::list(self.in_order(keyed)?))
    }

    fn in_order(
        &mut self,
        mut keyed: Vec<(Value<'a>, Value<'a>)>,
    ) -> Result<Vec<Value<'a>>, Trouble> {
        sort(&mut keyed, &mut self.budget)?;
        Ok(keyed.into_iter().map(|(_, item)| item).collect())
    }

    fn optional(&mut self, fold: &'a Fold, range: Value<'a>) -> Done<'a> {
        let inner = match range {
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) => (*inner).clone(),
            other => return fail(format!("{} where an optional is needed", other.type_name())),
        };
        let value = self.turn(&fold.body, &(inner, None))?;
        match (fold.kind, value) {
            (FoldKind::Optional, value) => Ok(Value::some(value)),
            (_, value @ Value::Optional(_)) => Ok(value),
            (_, other) => fail(format!("{} where an optional is needed", other.type_name())),
        }
    }
}

/// Sorts items by their keys, which must be of one type that has an order. All of that is made sure
/// of, and paid for, before the first comparison: a sort that is lied to may panic.
pub(in crate::expression) fn sort<'a>(
    keyed: &mut [(Value<'a>, Value<'a>)],
    budget: &mut Budget,
) -> Result<(), Trouble> {
    let Some(kind) = keyed.first().map(|(key, _)| key.type_name()) else { return Ok(()) };
    let rounds = keyed.len().ilog2().saturating_add(1) as usize;
    for (key, _) in keyed.iter() {
        if key.type_name() != kind {
            return fail("only items of one type can be sorted");
        }
        if equality::order(key, key).is_none() {
            return fail(format!("{kind} has no order"));
        }
        let length = match key {
            Value::Text(text) => text.as_str().len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        budget.steps(rounds)?;
        budget.look(length.saturating_mul(rounds))?;
    }
    keyed.sort_by(|(left, _), (right, _)| equality::order(left, right).unwrap_or(Ordering::Equal));
    Ok(())
}
