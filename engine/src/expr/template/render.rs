//! From pieces to a JSON value.

use serde_json::{Map, Value};

use super::super::budget::Budget;
use super::super::eval::{self, Fail};
use super::super::names::Names;
use super::super::value::Val;
use super::super::{Expr, MAX_TEMPLATE_STEPS, secret};
use super::{Compiled, Part, Piece};
use crate::{canonical, issue};

pub(super) fn render(template: &Compiled, names: &dyn Names) -> Result<Value, Fail> {
    let budget = Budget::new(MAX_TEMPLATE_STEPS);
    Renderer { source: &template.source, names, budget }.piece(&template.root, 0)
}

struct Renderer<'a> {
    source: &'a Value,
    names: &'a dyn Names,
    budget: Budget,
}

impl Renderer<'_> {
    fn piece(&mut self, piece: &Piece, depth: usize) -> Result<Value, Fail> {
        match piece {
            Piece::Source => Ok(self.source.clone()),
            Piece::Static(value) => Ok(value.clone()),
            Piece::Whole { pointer, expr } => self
                .with(expr, |value, budget| value.into_json(budget, depth, true))
                .map_err(|error| at(pointer, error)),
            Piece::Text { pointer, parts } => {
                self.text(parts).map(Value::String).map_err(|error| at(pointer, error))
            }
            Piece::List(pieces) => {
                let items: Result<_, _> =
                    pieces.iter().map(|piece| self.piece(piece, depth + 1)).collect();
                Ok(Value::Array(items?))
            }
            Piece::Map(pieces) => {
                let mut map = Map::new();
                for (key, piece) in pieces {
                    map.insert(key.clone(), self.piece(piece, depth + 1)?);
                }
                Ok(Value::Object(map))
            }
        }
    }

    fn text(&mut self, parts: &[Part]) -> Result<String, Fail> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Plain(plain) | Part::Secret(plain) => text.push_str(plain),
                Part::Expr(expr) => self.with(expr, |value, budget| {
                    let before = text.len();
                    match value {
                        Val::Null => {}
                        Val::Text(value) => {
                            budget.build(value.as_str().len())?;
                            text.push_str(&secret::without_markers(value.as_str()));
                            return Ok(());
                        }
                        other => {
                            canonical::write_value(&mut text, &other.into_json(budget, 0, true)?)
                        }
                    }
                    budget.build(text.len() - before)
                })?,
            }
        }
        Ok(text)
    }

    /// Hands the value of an expression on together with the budget; it has the steps of one expression.
    fn with<T>(
        &mut self,
        expr: &Expr,
        then: impl FnOnce(Val<'_>, &mut Budget) -> Result<T, Fail>,
    ) -> Result<T, Fail> {
        let mut budget = self.budget.lend();
        let value = eval::evaluate(&expr.inner.root, self.names, &mut budget)?;
        let result = then(value, &mut budget)?;
        self.budget.give_back(&budget);
        Ok(result)
    }
}

fn at(pointer: &str, mut error: Fail) -> Fail {
    if !pointer.is_empty() {
        error.message = format!("{}: {}", issue::excerpt(pointer), error.message);
    }
    error
}
