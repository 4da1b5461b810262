//! Tokens into [`Syntax`], with limits on its size and depth kept while it is built: what comes
//! out can be walked and dropped on any stack.

use super::lexer::{self, Kind, Token};
use super::literal::number;
use super::syntax::{Element, Entry, Operator, Shape, Syntax};
use super::{Flaw, shown};

/// Longest source, in bytes.
pub(super) const MAX_SOURCE: usize = 4096;
/// Deepest nesting. Real rules stay below 20.
pub(super) const MAX_DEPTH: usize = 64;
/// Most pieces of one expression.
pub(super) const MAX_PIECES: usize = 2000;

/// Words that the language keeps for itself.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Reads a whole expression.
pub(super) fn parse(source: &str) -> Result<Syntax, Flaw> {
    if source.len() > MAX_SOURCE {
        return Err(flaw(MAX_SOURCE, format!("it is longer than {MAX_SOURCE} bytes")));
    }
    let tokens = lexer::tokens(source)?;
    let mut parser = Parser { tokens: &tokens, next: 0, pieces: 0, depth: 0 };
    let whole = parser.expression()?;
    match parser.peek() {
        Kind::End => Ok(whole.syntax),
        _ => Err(parser.unexpected("the end or an operator")),
    }
}

fn flaw(at: usize, message: impl Into<String>) -> Flaw {
    Flaw { at, message: message.into() }
}

struct Parser<'t, 's> {
    tokens: &'t [Token<'s>],
    next: usize,
    pieces: usize,
    /// How many calls of `expression` and `unary` are open.
    depth: usize,
}

/// A piece and its height, so that long chains of postfixes are found out too.
struct Tall {
    syntax: Syntax,
    height: usize,
}

impl<'s> Parser<'_, 's> {
    fn peek(&self) -> &Kind<'s> {
        self.tokens.get(self.next).map_or(&Kind::End, |token| &token.kind)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |token| token.at)
    }

    fn is(&self, sign: &'static str) -> bool {
        matches!(self.peek(), Kind::Sign(found) if *found == sign)
    }

    fn take(&mut self, sign: &'static str) -> bool {
        let found = self.is(sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), Flaw> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> Flaw {
        let found = match self.peek() {
            Kind::Word(text)
            | Kind::Escaped(text)
            | Kind::Int(text)
            | Kind::Uint(text)
            | Kind::Double(text) => {
                format!("`{}`", shown(text))
            }
            Kind::Text(_) => "a string".to_owned(),
            Kind::Bytes(_) => "a bytes literal".to_owned(),
            Kind::Sign(sign) => format!("`{sign}`"),
            Kind::End => "the end".to_owned(),
        };
        flaw(self.at(), format!("expected {wanted}, found {found}"))
    }

    fn piece(&mut self, at: usize, shape: Shape, below: usize) -> Result<Tall, Flaw> {
        self.pieces += 1;
        if self.pieces > MAX_PIECES {
            return Err(flaw(at, format!("it has more than {MAX_PIECES} parts")));
        }
        if below >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        Ok(Tall { syntax: Syntax { at, shape }, height: below + 1 })
    }

    fn deeper<T>(&mut self, go: impl FnOnce(&mut Self) -> Result<T, Flaw>) -> Result<T, Flaw> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep(self.at()));
        }
        self.depth += 1;
        let found = go(self);
        self.depth -= 1;
        found
    }

    fn expression(&mut self) -> Result<Tall, Flaw> {
        self.deeper(|parser| {
            let condition = parser.binary(1)?;
            let at = parser.at();
            if !parser.take("?") {
                return Ok(condition);
            }
            let yes = parser.binary(1)?;
            parser.expect(":")?;
            let no = parser.expression()?;
            let below = condition.height.max(yes.height).max(no.height);
            let parts = Box::new([condition.syntax, yes.syntax, no.syntax]);
            parser.piece(at, Shape::Conditional(parts), below)
        })
    }

    fn operator(&self) -> Option<Operator> {
        match self.peek() {
            Kind::Word("in") => Some(Operator::In),
            Kind::Sign(sign) => Operator::of(sign),
            _ => None,
        }
    }

    /// Operators of level `lowest` and tighter, grouped to the left.
    fn binary(&mut self, lowest: u8) -> Result<Tall, Flaw> {
        let mut left = self.unary()?;
        while let Some(operator) = self.operator().filter(|found| found.level() >= lowest) {
            let at = self.at();
            self.next += 1;
            let right = self.binary(operator.level() + 1)?;
            left = self.joined(at, operator, left, right)?;
        }
        Ok(left)
    }

    fn joined(
        &mut self,
        at: usize,
        operator: Operator,
        left: Tall,
        right: Tall,
    ) -> Result<Tall, Flaw> {
        let below = left.height.max(right.height);
        if !operator.chains() {
            let (left, right) = (Box::new(left.syntax), Box::new(right.syntax));
            return self.piece(at, Shape::Binary { operator, left, right }, below);
        }
        match left.syntax {
            // Only what was built without brackets is a run of the same operator; a bracketed
            // chain would be flattened too, which changes nothing but the order of its steps.
            Syntax { at, shape: Shape::Chain { operator: same, mut operands } }
                if same == operator =>
            {
                operands.push(right.syntax);
                let height = left.height.max(right.height.saturating_add(1));
                let chain = self.piece(at, Shape::Chain { operator, operands }, 0)?;
                if height > MAX_DEPTH {
                    return Err(too_deep(at));
                }
                Ok(Tall { height, ..chain })
            }
            other => {
                let operands = vec![other, right.syntax];
                self.piece(at, Shape::Chain { operator, operands }, below)
            }
        }
    }

    /// A run of one prefix operator and what it stands before; `!` and `-` do not mix.
    fn unary(&mut self) -> Result<Tall, Flaw> {
        let sign = if self.is("!") { "!" } else { "-" };
        let mut places = Vec::new();
        while self.is(sign) && !self.is_negative_number() {
            places.push(self.at());
            self.next += 1;
        }
        let mut operand = self.postfix()?;
        for at in places.into_iter().rev() {
            let inner = Box::new(operand.syntax);
            let shape = if sign == "!" { Shape::Not(inner) } else { Shape::Negate(inner) };
            operand = self.piece(at, shape, operand.height)?;
        }
        Ok(operand)
    }

    /// Whether a minus comes next that belongs to the number after it.
    fn is_negative_number(&self) -> bool {
        let after = self.tokens.get(self.next + 1).map(|token| &token.kind);
        self.is("-") && matches!(after, Some(Kind::Int(_) | Kind::Double(_)))
    }

    fn postfix(&mut self) -> Result<Tall, Flaw> {
        let mut operand = self.primary()?;
        loop {
            let at = self.at();
            if self.take(".") {
                operand = self.selection(operand)?;
            } else if self.take("[") {
                let optional = self.take("?");
                let index = self.expression()?;
                self.expect("]")?;
                let below = operand.height.max(index.height);
                let (operand_, index) = (Box::new(operand.syntax), Box::new(index.syntax));
                let shape = Shape::Index { operand: operand_, index, optional };
                operand = self.piece(at, shape, below)?;
            } else if self.is("{") {
                let Some(name) = operand.syntax.dotted() else {
                    return Err(self.unexpected("the end or an operator"));
                };
                return Err(flaw(
                    operand.syntax.at,
                    format!("there is no type `{}`", shown(&name)),
                ));
            } else {
                return Ok(operand);
            }
        }
    }

    /// What follows a dot.
    fn selection(&mut self, operand: Tall) -> Result<Tall, Flaw> {
        let optional = self.take("?");
        let at = self.at();
        let (name, escaped) = match self.peek() {
            Kind::Escaped(name) => ((*name).to_owned(), true),
            Kind::Word(word) if !matches!(*word, "in" | "true" | "false" | "null") => {
                ((*word).to_owned(), false)
            }
            _ => return Err(self.unexpected("the name of a field")),
        };
        self.next += 1;
        if self.is("(") && !optional && !escaped {
            self.next += 1;
            let (arguments, height) = self.list_until(")", Self::expression)?;
            let below = operand.height.max(height);
            let target = Some(Box::new(operand.syntax));
            let arguments = arguments.into_iter().map(|tall| tall.syntax).collect();
            return self.piece(at, Shape::Call { target, name, arguments }, below);
        }
        let shape = Shape::Select { operand: Box::new(operand.syntax), field: name, optional };
        self.piece(at, shape, operand.height)
    }

    /// Items between commas up to `close`, with the height of the tallest.
    fn list_until<T: HasHeight>(
        &mut self,
        close: &'static str,
        item: impl Fn(&mut Self) -> Result<T, Flaw>,
    ) -> Result<(Vec<T>, usize), Flaw> {
        let mut items = Vec::new();
        let mut height = 0;
        // The grammar lets a list or map be empty but for a comma.
        if close != ")" && self.take(",") {
            self.expect(close)?;
            return Ok((items, height));
        }
        while !self.take(close) {
            let found = item(self)?;
            height = height.max(found.height());
            items.push(found);
            if self.take(",") {
                // A call has no trailing comma; lists and maps may.
                if close == ")" && self.is(close) {
                    return Err(self.unexpected("an argument"));
                }
            } else if !self.is(close) {
                return Err(self.unexpected(&format!("`,` or `{close}`")));
            }
        }
        Ok((items, height))
    }

    fn primary(&mut self) -> Result<Tall, Flaw> {
        let at = self.at();
        let negative = self.is_negative_number() && self.take("-");
        let kind = self.peek().clone();
        if let Some(shape) = number(at, negative, &kind)? {
            self.next += 1;
            return self.piece(at, shape, 0);
        }
        let shape = match kind {
            Kind::Text(text) => Shape::Text(text),
            Kind::Bytes(bytes) => Shape::Bytes(bytes),
            Kind::Word("null") => Shape::Null,
            Kind::Word("true") => Shape::Bool(true),
            Kind::Word("false") => Shape::Bool(false),
            Kind::Word(_) | Kind::Sign(".") => return self.name(at),
            Kind::Sign("(") => {
                self.next += 1;
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Kind::Sign("[") => {
                self.next += 1;
                let (elements, height) = self.list_until("]", Self::element)?;
                let elements = elements.into_iter().map(|(element, _)| element).collect();
                return self.piece(at, Shape::List(elements), height);
            }
            Kind::Sign("{") => {
                self.next += 1;
                let (entries, height) = self.list_until("}", Self::entry)?;
                let entries = entries.into_iter().map(|(entry, _)| entry).collect();
                return self.piece(at, Shape::Map(entries), height);
            }
            _ => return Err(self.unexpected("a value")),
        };
        self.next += 1;
        self.piece(at, shape, 0)
    }

    fn name(&mut self, at: usize) -> Result<Tall, Flaw> {
        // A leading dot asks for the outermost scope, where all our names are.
        self.take(".");
        let name = match self.peek() {
            Kind::Word(word) if RESERVED.contains(word) => {
                return Err(flaw(self.at(), format!("`{word}` is a reserved word")));
            }
            Kind::Word(word) if *word != "in" => (*word).to_owned(),
            _ => return Err(self.unexpected("a name")),
        };
        self.next += 1;
        if !self.take("(") {
            return self.piece(at, Shape::Name(name), 0);
        }
        let (arguments, height) = self.list_until(")", Self::expression)?;
        let arguments = arguments.into_iter().map(|tall| tall.syntax).collect();
        self.piece(at, Shape::Call { target: None, name, arguments }, height)
    }

    fn element(&mut self) -> Result<(Element, usize), Flaw> {
        let optional = self.take("?");
        let Tall { syntax: value, height } = self.expression()?;
        Ok((Element { value, optional }, height))
    }

    fn entry(&mut self) -> Result<(Entry, usize), Flaw> {
        let optional = self.take("?");
        let key = self.expression()?;
        self.expect(":")?;
        let value = self.expression()?;
        let height = key.height.max(value.height);
        Ok((Entry { key: key.syntax, value: value.syntax, optional }, height))
    }
}

trait HasHeight {
    fn height(&self) -> usize;
}

impl HasHeight for Tall {
    fn height(&self) -> usize {
        self.height
    }
}

impl<T> HasHeight for (T, usize) {
    fn height(&self) -> usize {
        self.1
    }
}

fn too_deep(at: usize) -> Flaw {
    flaw(at, format!("it is nested deeper than {MAX_DEPTH} levels"))
}
