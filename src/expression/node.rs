//! What a checked expression is made of: names are places, functions are found, constant patterns
//! are compiled.

use regex::Regex;

use super::functions::Function;
use super::syntax::Operator;

/// One step of an evaluation.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// A type used as a value.
    Type(&'static str),
    /// The name of a bound variable.
    Variable(String),
    /// The variable of a loop, counted from the outermost.
    Local(usize),
    Select {
        operand: Box<Self>,
        field: String,
        optional: bool,
    },
    Has {
        operand: Box<Self>,
        field: String,
    },
    Index {
        operand: Box<Self>,
        index: Box<Self>,
        optional: bool,
    },
    List(Vec<(Self, bool)>),
    Map(Vec<(Self, Self, bool)>),
    Not(Box<Self>),
    Negate(Box<Self>),
    Any(Vec<Self>),
    All(Vec<Self>),
    Sum(Vec<Self>),
    Binary {
        operator: Operator,
        left: Box<Self>,
        right: Box<Self>,
    },
    Conditional(Box<[Self; 3]>),
    Call(Box<Call>),
    Fold(Box<Fold>),
}

/// A call with every overload that could be meant; the arguments' values decide.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) overloads: Vec<&'static Function>,
    /// The receiver first.
    pub(super) arguments: Vec<Node>,
    pub(super) pattern: Option<Regex>,
}

/// A loop over a list or the keys of a map, or over the one value of an optional.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) kind: FoldKind,
    /// Whether two variables are bound: index or key, and value.
    pub(super) pairs: bool,
    pub(super) range: Node,
    pub(super) keep: Option<Node>,
    pub(super) body: Node,
    /// The key of a made map's entry, beside its value in `body`.
    pub(super) key: Option<Node>,
}

/// What a loop gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoldKind {
    All,
    Exists,
    ExistsOne,
    /// A list of the bodies' values.
    Map,
    /// A list of the items whose body holds.
    Filter,
    /// The items in the order of the bodies' values.
    SortBy,
    /// A map with the same keys, or with those of `key`.
    MapOf,
    /// An optional of the body's value.
    Optional,
    /// The body's value, which is an optional.
    OptionalFlat,
}
