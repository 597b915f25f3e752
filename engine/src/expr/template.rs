//! A JSON value whose strings hold `${ expression }`.

mod compile;
mod render;

use std::sync::Arc;

use serde_json::Value;

use super::names::{Names, Read};
use super::{EvalError, Expr, ExprError, MAX_DEPTH};

/// A compiled value. Cheap to clone.
///
/// A string that is one `${ }` as a whole becomes the expression's value with its type; within text,
/// strings stand as they are, null as nothing, all else as canonical JSON. `$${` writes `${`, taken first,
/// from left to right. Keys are literal.
#[derive(Debug, Clone)]
pub struct Template {
    inner: Arc<Compiled>,
}

impl Template {
    /// Compiles every string within `value`.
    ///
    /// # Errors
    /// Everything that is wrong: the JSON pointer of the string within `value`, and the error, whose offset
    /// counts from the beginning of that string.
    pub fn compile(value: &Value) -> Result<Self, Vec<(String, ExprError)>> {
        if compile::is_plain(value, MAX_DEPTH) {
            let source = value.clone();
            return Ok(Self {
                inner: Arc::new(Compiled { source, root: Piece::Source, reads: Vec::new() }),
            });
        }
        let (root, reads) = compile::compile(value)?;
        Ok(Self { inner: Arc::new(Compiled { source: value.clone(), root, reads }) })
    }

    /// The value with every expression in its place. Secrets stand in it as markers; characters in data
    /// that would look like one are replaced.
    ///
    /// # Errors
    /// The first expression that fails; the message begins with the pointer of its string.
    pub fn render(&self, names: &dyn Names) -> Result<Value, EvalError> {
        render::render(&self.inner, names).map_err(|error| *error)
    }

    /// What its expressions read, each with the pointer of its string. Secrets are among them, with the
    /// root `secrets`.
    pub fn reads(&self) -> impl Iterator<Item = (&str, &Read)> {
        self.inner.reads.iter().map(|(pointer, read)| (pointer.as_str(), read))
    }

    /// Whether it renders to the same value whatever the names are.
    pub fn is_static(&self) -> bool {
        matches!(self.inner.root, Piece::Source | Piece::Static(_))
    }

    /// The value it was compiled from.
    pub fn source(&self) -> &Value {
        &self.inner.source
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.inner.source == other.inner.source
    }
}

#[derive(Debug)]
struct Compiled {
    source: Value,
    root: Piece,
    reads: Vec<(String, Read)>,
}

#[derive(Debug)]
enum Piece {
    /// The source as it is; never within another.
    Source,
    Static(Value),
    Whole {
        pointer: Box<str>,
        expr: Expr,
    },
    Text {
        pointer: Box<str>,
        parts: Vec<Part>,
    },
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

#[derive(Debug)]
enum Part {
    Plain(String),
    Expr(Expr),
    Secret(String),
}
