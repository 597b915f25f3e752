//! The tree that is evaluated.

use super::functions::Function;

/// Which part of a node is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Output,
    Outcome,
    Error,
}

impl Field {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "output" => Some(Self::Output),
            "outcome" => Some(Self::Outcome),
            "error" => Some(Self::Error),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Outcome => "outcome",
            Self::Error => "error",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

#[derive(Debug)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    /// A variable of a macro, by its place among those in force.
    Local {
        slot: usize,
        name: Box<str>,
    },
    /// A free name.
    Name(Box<str>),
    /// `nodes.<id>.<field>`.
    OfNode {
        id: Box<str>,
        field: Field,
    },
    /// `operand.a.b.c`
    Select {
        operand: Box<Self>,
        path: Vec<Box<str>>,
    },
    /// `has(operand.field)`
    Has {
        operand: Box<Self>,
        field: Box<str>,
    },
    /// `has(nodes.<id>.<field>)`
    HasOfNode {
        id: Box<str>,
        field: Field,
    },
    Index(Box<(Self, Self)>),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Not(Box<Self>),
    Negate(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Choose(Box<[Self; 3]>),
    Binary(Operator, Box<(Self, Self)>),
    /// A function; what a method is called on comes first.
    Call(Function, Vec<Self>),
    Matches(Box<Self>, regex::Regex),
    /// `type(operand) == name`
    TypeIs(Box<Self>, &'static str),
    Macro(Box<Macro>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MacroKind {
    All,
    Exists,
    ExistsOne,
    /// `map` and `filter`.
    Collect,
}

#[derive(Debug)]
pub(super) struct Macro {
    pub(super) kind: MacroKind,
    pub(super) range: Tree,
    /// The condition; none for a `map` of two arguments.
    pub(super) test: Option<Tree>,
    /// What is collected; none for the elements themselves.
    pub(super) each: Option<Tree>,
}

impl Tree {
    /// The part of a node that a chain of fields and indexes begins with.
    pub(super) fn base(&self) -> Option<(&str, Field)> {
        match self {
            Self::OfNode { id, field } => Some((id, *field)),
            Self::Select { operand, .. } => operand.base(),
            Self::Index(operands) => operands.0.base(),
            _ => None,
        }
    }

    /// As one would write it, for messages; only names and chains of fields.
    pub(super) fn spelling(&self) -> Option<String> {
        match self {
            Self::Local { name, .. } | Self::Name(name) => Some(name.to_string()),
            Self::OfNode { id, field } => Some(format!("nodes.{id}.{}", field.name())),
            Self::Select { operand, path } => {
                Some(format!("{}.{}", operand.spelling()?, path.join(".")))
            }
            _ => None,
        }
    }
}
