//! What the parser makes of a source: its shape, before any name is looked up.

/// A piece of source and where it is: the byte offset that an error about it points to.
#[derive(Debug, Clone)]
pub(super) struct Syntax {
    pub(super) at: usize,
    pub(super) shape: Shape,
}

impl Syntax {
    /// `a.b.c` as text, where that is what it is.
    pub(super) fn dotted(&self) -> Option<String> {
        match &self.shape {
            Shape::Name(name) => Some(name.clone()),
            Shape::Select { operand, field, optional: false } => {
                Some(format!("{}.{field}", operand.dotted()?))
            }
            _ => None,
        }
    }
}

/// The shapes that an expression can have.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Name(String),
    /// `a.b`, or `a.?b`
    Select {
        operand: Box<Syntax>,
        field: String,
        optional: bool,
    },
    /// `a[b]`, or `a[?b]`
    Index {
        operand: Box<Syntax>,
        index: Box<Syntax>,
        optional: bool,
    },
    /// `f(a)`, or `target.f(a)`
    Call {
        target: Option<Box<Syntax>>,
        name: String,
        arguments: Vec<Syntax>,
    },
    /// `[a, ?b]`
    List(Vec<Element>),
    /// `{a: b, ?c: d}`
    Map(Vec<Entry>),
    Not(Box<Syntax>),
    Negate(Box<Syntax>),
    /// Two operands; chains of `||`, `&&` and `+` are flat, so that length is not depth.
    Binary {
        operator: Operator,
        left: Box<Syntax>,
        right: Box<Syntax>,
    },
    Chain {
        operator: Operator,
        operands: Vec<Syntax>,
    },
    Conditional(Box<[Syntax; 3]>),
}

/// An element of a list, and whether it is left out when it is an empty optional.
#[derive(Debug, Clone)]
pub(super) struct Element {
    pub(super) value: Syntax,
    pub(super) optional: bool,
}

/// An entry of a map, and whether it is left out when its value is an empty optional.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Syntax,
    pub(super) value: Syntax,
    pub(super) optional: bool,
}

/// The operators between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    const ALL: [Self; 14] = [
        Self::Or,
        Self::And,
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::In,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Remainder,
    ];

    /// The operator that is written like this.
    pub(super) fn of(spelled: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.spelled() == spelled)
    }

    /// As it is written.
    pub(super) fn spelled(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// How tightly it binds; the operators of one level group to the left.
    pub(super) fn level(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::In => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide | Self::Remainder => 5,
        }
    }

    /// Whether a run of it is kept flat.
    pub(super) fn chains(self) -> bool {
        matches!(self, Self::Or | Self::And | Self::Add)
    }
}
