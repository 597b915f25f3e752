//! From a value to JSON: what may be a result.

use serde_json::{Map as JsonMap, Number, Value};

use super::super::budget::Budget;
use super::super::eval::{Fail, fail};
use super::super::secret;
use super::{List, MAX_INT, Map, Val, safe_int};

impl Val<'_> {
    /// As JSON, copied. With `clean`, characters that mark secrets are replaced.
    pub(in super::super) fn into_json(
        self,
        budget: &mut Budget,
        depth: usize,
        clean: bool,
    ) -> Result<Value, Fail> {
        if depth > MAX_NESTING {
            return Err(too_nested());
        }
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(bool) => Value::Bool(bool),
            Self::Int(int) => int_json(int)?,
            Self::Double(double) => double_json(double)?,
            Self::Text(text) => Value::String(copy_text(text.as_str(), budget, clean)?),
            Self::List(List::Lent(items)) => copy_list(items, budget, depth, clean)?,
            Self::Map(Map::Lent(map)) => copy_map(map, budget, depth, clean)?,
            Self::List(List::Made(items)) => {
                budget.copy(8 * items.len())?;
                let copied: Result<_, _> = items
                    .iter()
                    .map(|item| item.clone().into_json(budget, depth + 1, clean))
                    .collect();
                Value::Array(copied?)
            }
            Self::Map(Map::Made(map)) => {
                budget.copy(8 * map.len())?;
                let copied: Result<_, Fail> = map
                    .iter()
                    .map(|(key, item)| {
                        let key = copy_text(key, budget, clean)?;
                        Ok((key, item.clone().into_json(budget, depth + 1, clean)?))
                    })
                    .collect();
                Value::Object(copied?)
            }
        })
    }
}

/// How deep a result may nest; readers of JSON stop at 128.
const MAX_NESTING: usize = 100;

fn copy_json(value: &Value, budget: &mut Budget, depth: usize, clean: bool) -> Result<Value, Fail> {
    Val::lend(value).into_json(budget, depth, clean)
}

fn copy_list(
    items: &[Value],
    budget: &mut Budget,
    depth: usize,
    clean: bool,
) -> Result<Value, Fail> {
    budget.copy(8 * items.len())?;
    let copied: Result<_, _> =
        items.iter().map(|item| copy_json(item, budget, depth + 1, clean)).collect();
    Ok(Value::Array(copied?))
}

fn copy_map(
    map: &JsonMap<String, Value>,
    budget: &mut Budget,
    depth: usize,
    clean: bool,
) -> Result<Value, Fail> {
    budget.copy(8 * map.len())?;
    let mut copied = JsonMap::new();
    for (key, item) in map {
        copied.insert(copy_text(key, budget, clean)?, copy_json(item, budget, depth + 1, clean)?);
    }
    Ok(Value::Object(copied))
}

fn copy_text(text: &str, budget: &mut Budget, clean: bool) -> Result<String, Fail> {
    budget.copy(text.len())?;
    Ok(if clean { secret::without_markers(text).into_owned() } else { text.to_owned() })
}

fn int_json(int: i64) -> Result<Value, Fail> {
    if int.unsigned_abs() > MAX_INT {
        return Err(out_of_range(&int.to_string()));
    }
    Ok(Value::from(int))
}

/// A double from 10^21 on is written with an exponent and stays a double wherever it is read; below
/// that it would come back as an int out of range.
fn double_json(double: f64) -> Result<Value, Fail> {
    if let Some(int) = safe_int(double) {
        return Ok(Value::from(int));
    }
    if double.trunc() == double && double.abs() < 1e21 {
        return Err(out_of_range(&double.to_string()));
    }
    Number::from_f64(double).map(Value::Number).ok_or_else(|| out_of_range("an infinite number"))
}

fn out_of_range(number: &str) -> Fail {
    let message = format!(
        "{number} cannot be a result: ints lie within 2^53 - 1; keep it as text with `string(x)`"
    );
    fail("overflow", message)
}

fn too_nested() -> Fail {
    fail("overflow", format!("the result nests more than {MAX_NESTING} levels deep"))
}
