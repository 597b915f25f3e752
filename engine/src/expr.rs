//! CEL expressions and `${ }` templates, compiled once and evaluated within bounds.
//!
//! The grammar is CEL's, parsed by the `cel` crate; its evaluator is not used, because it refuses
//! arithmetic of ints with doubles and cannot be stopped. What it parses is turned into a small tree of
//! our own, in which names are resolved, guards are known, and everything that is not pure is refused;
//! that tree is walked over borrowed JSON with a budget of steps and bytes.
//!
//! Left out of CEL on purpose: `bytes`, `timestamp`, `duration`, `uint` (a literal `2u` is the int 2),
//! messages, optional syntax, `type()` outside a comparison with a type's name, dynamic patterns in
//! `matches`, and any clock. Added: `sum`, `min` and `max` of a list.

mod arithmetic;
mod bounds;
mod budget;
mod call;
mod chain;
mod comprehend;
mod convert;
mod equality;
mod eval;
mod functions;
mod guard;
mod names;
mod parse;
mod pattern;
mod scan;
mod secret;
mod strings;
mod template;
mod tree;
mod value;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use bounds::{MAX_DEPTH, MAX_LITERAL, MAX_SOURCE};
pub use budget::{MAX_BUILT, MAX_RESULT, MAX_STEPS, MAX_TEMPLATE_STEPS};
pub use names::{Names, NodeView, RESERVED, Read};
pub use secret::{SecretRef, find_secrets, secret_marker, substitute_secrets};
pub use template::Template;

use crate::catalogue::{self, Entry};
use budget::Budget;

/// One compiled CEL expression. Cheap to clone.
#[derive(Clone)]
pub struct Expr {
    inner: Arc<Compiled>,
}

struct Compiled {
    source: String,
    root: tree::Tree,
    reads: Vec<Read>,
}

impl Expr {
    /// Parses and checks one bare expression (without `${ }`), at most 4,096 bytes.
    ///
    /// # Errors
    /// The first thing that is wrong, with its byte offset in `source`.
    pub fn compile(source: &str) -> Result<Self, ExprError> {
        match chain::chain(source) {
            Some(found) => Ok(Self::of(source, found)),
            None => Ok(Self::of(source, convert::convert(source, parse::parse(source)?)?)),
        }
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// What it reads from outside: every free name and every `nodes.<id>.<field>`, each once, unguarded
    /// if any of its reads is. Variables of macros are not among them.
    pub fn reads(&self) -> &[Read] {
        &self.inner.reads
    }

    /// The value, as JSON: numbers without a fraction are integers.
    ///
    /// # Errors
    /// See [`EvalError`]; also for a result that is no JSON: an int beyond 2^53 - 1, or more than 100
    /// levels or 4 MiB of data.
    pub fn eval(&self, names: &dyn Names) -> Result<Value, EvalError> {
        let mut budget = Budget::new(MAX_STEPS);
        let value = eval::evaluate(&self.inner.root, names, &mut budget).map_err(|error| *error)?;
        value.into_json(&mut budget, 0, false).map_err(|error| *error)
    }

    /// The value of a condition.
    ///
    /// # Errors
    /// As [`Expr::eval`], and with the code `type` for anything but true and false.
    pub fn eval_bool(&self, names: &dyn Names) -> Result<bool, EvalError> {
        let mut budget = Budget::new(MAX_STEPS);
        match eval::evaluate(&self.inner.root, names, &mut budget).map_err(|error| *error)? {
            value::Val::Bool(bool) => Ok(bool),
            other => Err(*eval::wrong_type(format!(
                "a condition is true or false, this is {}",
                other.kind()
            ))),
        }
    }
}

impl Expr {
    fn of(source: &str, (root, reads): (tree::Tree, Vec<Read>)) -> Self {
        Self { inner: Arc::new(Compiled { source: source.to_owned(), root, reads }) }
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.inner.source).finish()
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.inner.source == other.inner.source
    }
}

/// Why an expression cannot be compiled.
#[derive(Debug, Clone)]
pub struct ExprError {
    /// The rule: `BAD_EXPRESSION`, `EXPRESSION_LIMIT` or `SECRET_PLACE`.
    pub entry: &'static Entry,
    /// One sentence: what is wrong and, where it is known, what to write instead.
    pub message: String,
    /// Where, in bytes from the beginning of the text that was given.
    pub offset: usize,
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (at byte {})", self.entry.code, self.message, self.offset)
    }
}

impl std::error::Error for ExprError {}

/// Why an expression has no value. It fails the node it belongs to, without retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalError {
    /// `absent` (a name, output or error that is not there), `type` (an operation on a value of the
    /// wrong type), `overflow` (a number out of range), `budget` (too many steps or too much data), or
    /// `expression` (no such key, index out of range, division by zero, text that is no number).
    pub code: &'static str,
    /// One sentence; in a template it begins with the JSON pointer of the string.
    pub message: String,
    /// The node, if `nodes.<id>.output` was read and is absent.
    pub absent_node: Option<String>,
}

impl EvalError {
    /// The catalogue's entry for [`EvalError::code`].
    pub fn entry(&self) -> &'static Entry {
        match self.code {
            "absent" => &catalogue::ABSENT,
            "type" => &catalogue::TYPE,
            "overflow" => &catalogue::OVERFLOW,
            "budget" => &catalogue::EXPRESSION_BUDGET,
            _ => &catalogue::EXPRESSION,
        }
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for EvalError {}

#[cfg(test)]
mod tests;
