//! What can be said of a value before there is one.

use std::fmt;

/// The type of a value, as far as it is known. Documents are [`Type::Dyn`]: only their values
/// tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    /// The type of types.
    Kind,
    List(Box<Self>),
    Map(Box<(Self, Self)>),
    Optional(Box<Self>),
    Quantity,
    Url,
    Ip,
    Cidr,
    Semver,
    Format,
    /// Stands for one type throughout a signature: `A` for any, `O` for one that has an order.
    Any(char),
}

const WORDS: [(&str, Type); 19] = [
    ("dyn", Type::Dyn),
    ("null_type", Type::Null),
    ("bool", Type::Bool),
    ("int", Type::Int),
    ("uint", Type::Uint),
    ("double", Type::Double),
    ("string", Type::Text),
    ("bytes", Type::Bytes),
    ("google.protobuf.Duration", Type::Duration),
    ("google.protobuf.Timestamp", Type::Timestamp),
    ("type", Type::Kind),
    ("kubernetes.Quantity", Type::Quantity),
    ("kubernetes.URL", Type::Url),
    ("net.IP", Type::Ip),
    ("net.CIDR", Type::Cidr),
    ("kubernetes.Semver", Type::Semver),
    ("kubernetes.NamedFormat", Type::Format),
    ("A", Type::Any('A')),
    ("O", Type::Any('O')),
];

impl Type {
    pub(super) fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    pub(super) fn map(key: Self, value: Self) -> Self {
        Self::Map(Box::new((key, value)))
    }

    pub(super) fn optional(of: Self) -> Self {
        Self::Optional(Box::new(of))
    }

    /// Its name in the language, as `type(x)` gives it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Any(_) => "dyn",
            simple => {
                WORDS.iter().find(|(_, known)| known == simple).map_or("dyn", |(word, _)| word)
            }
        }
    }

    /// The name of a type that an expression may use as a value, as in `type(x) == int`.
    pub(super) fn named(name: &str) -> Option<&'static str> {
        const NAMES: [&str; 14] = [
            "null_type",
            "bool",
            "int",
            "uint",
            "double",
            "string",
            "bytes",
            "google.protobuf.Duration",
            "google.protobuf.Timestamp",
            "type",
            "list",
            "map",
            "optional_type",
            "net.IP",
        ];
        NAMES.into_iter().find(|known| *known == name)
    }

    /// Whether one value of the type can come before another.
    fn has_order(&self) -> bool {
        match self {
            Self::Int | Self::Uint | Self::Double | Self::Text | Self::Bytes | Self::Bool => true,
            Self::Duration | Self::Timestamp | Self::Dyn | Self::Any(_) => true,
            Self::Null | Self::Kind | Self::List(_) | Self::Map(_) | Self::Optional(_) => false,
            Self::Quantity | Self::Url | Self::Ip | Self::Cidr | Self::Semver => false,
            Self::Format => false,
        }
    }

    /// Whether values of the two types can meet, as in `a == b` or in one list.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn | Self::Any(_), _) | (_, Self::Dyn | Self::Any(_)) => true,
            (Self::List(a), Self::List(b)) | (Self::Optional(a), Self::Optional(b)) => a.meets(b),
            (Self::Map(a), Self::Map(b)) => a.0.meets(&b.0) && a.1.meets(&b.1),
            (a, b) => a == b,
        }
    }

    /// The type of something that is either of the two.
    pub(super) fn either(self, other: Self) -> Self {
        match (self, other) {
            (Self::List(a), Self::List(b)) => Self::list(a.either(*b)),
            (Self::Optional(a), Self::Optional(b)) => Self::optional(a.either(*b)),
            (Self::Map(a), Self::Map(b)) => {
                let ((key_a, value_a), (key_b, value_b)) = (*a, *b);
                Self::map(key_a.either(key_b), value_a.either(value_b))
            }
            (a, b) if a == b => a,
            _ => Self::Dyn,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f, 3)
    }
}

impl Type {
    /// What is inside of more than `levels` others is left out.
    fn show(&self, f: &mut fmt::Formatter<'_>, levels: usize) -> fmt::Result {
        let Some(below) = levels.checked_sub(1) else { return f.write_str("…") };
        match self {
            Self::List(of) => {
                f.write_str("list<")?;
                of.show(f, below)?;
            }
            Self::Optional(of) => {
                f.write_str("optional<")?;
                of.show(f, below)?;
            }
            Self::Map(of) => {
                f.write_str("map<")?;
                of.0.show(f, below)?;
                f.write_str(", ")?;
                of.1.show(f, below)?;
            }
            simple => return f.write_str(simple.name()),
        }
        f.write_str(">")
    }
}

/// What a function takes and gives, read from a line such as `string . string int -> int`:
/// the receiver, if it is a method, before the dot, then the arguments, then the result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signature {
    pub(super) method: bool,
    /// The receiver first.
    pub(super) takes: Vec<Type>,
    pub(super) gives: Type,
}

impl Signature {
    /// `None` where the line is not a signature; a test reads every line of the table.
    pub(super) fn read(line: &str) -> Option<Self> {
        let (before, gives) = line.split_once("->")?;
        let method = before.contains(" . ");
        let takes = before
            .split(' ')
            .filter(|word| !word.is_empty() && *word != ".")
            .map(read_type)
            .collect::<Option<_>>()?;
        Some(Self { method, takes, gives: read_type(gives.trim())? })
    }

    /// The result for arguments of these types, or `None` where they do not fit.
    pub(super) fn apply(&self, arguments: &[Type]) -> Option<Type> {
        if arguments.len() != self.takes.len() {
            return None;
        }
        let mut stands_for = None;
        for (wanted, given) in self.takes.iter().zip(arguments) {
            if !fits(wanted, given, &mut stands_for) {
                return None;
            }
        }
        Some(substituted(&self.gives, stands_for.as_ref()))
    }
}

/// Whether `given` can be handed to `wanted`; a type parameter takes the first type it meets.
fn fits(wanted: &Type, given: &Type, stands_for: &mut Option<Type>) -> bool {
    match (wanted, given) {
        (Type::Any('O'), given) if !given.has_order() => false,
        (Type::Any(_), given) => match stands_for.take() {
            None => {
                *stands_for = Some(given.clone());
                true
            }
            Some(known) => {
                let right = known.meets(given);
                *stands_for =
                    Some(if known == *given { known } else { known.either(given.clone()) });
                right
            }
        },
        (Type::Dyn, _) | (_, Type::Dyn) => true,
        (Type::List(wanted), Type::List(given))
        | (Type::Optional(wanted), Type::Optional(given)) => fits(wanted, given, stands_for),
        (Type::Map(wanted), Type::Map(given)) => {
            fits(&wanted.0, &given.0, stands_for) && fits(&wanted.1, &given.1, stands_for)
        }
        (wanted, given) => wanted == given,
    }
}

fn substituted(gives: &Type, stands_for: Option<&Type>) -> Type {
    match gives {
        Type::Any(_) => stands_for.cloned().unwrap_or(Type::Dyn),
        Type::List(of) => Type::list(substituted(of, stands_for)),
        Type::Optional(of) => Type::optional(substituted(of, stands_for)),
        other => other.clone(),
    }
}

fn read_type(word: &str) -> Option<Type> {
    let inside = |kind: &str| word.strip_prefix(kind)?.strip_prefix('<')?.strip_suffix('>');
    if let Some(of) = inside("list") {
        return Some(Type::list(read_type(of)?));
    }
    if let Some(of) = inside("optional") {
        return Some(Type::optional(read_type(of)?));
    }
    if let Some(of) = inside("map") {
        let (key, value) = of.split_once(',')?;
        return Some(Type::map(read_type(key)?, read_type(value)?));
    }
    let short = match word {
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "quantity" => Type::Quantity,
        "url" => Type::Url,
        "ip" => Type::Ip,
        "cidr" => Type::Cidr,
        "semver" => Type::Semver,
        "format" => Type::Format,
        _ => return WORDS.iter().find(|(known, _)| *known == word).map(|(_, found)| found.clone()),
    };
    Some(short)
}
