//! Equality, order and membership.

use std::cmp::Ordering;

use super::arithmetic::as_double;
use super::budget::Budget;
use super::eval::{Fail, wrong_type};
use super::value::{List, Map, Val};

/// Whether two values are the same; values of different kinds are not, but ints and doubles are
/// numbers alike. Looks into lists and maps.
pub(super) fn equal(left: &Val<'_>, right: &Val<'_>, budget: &mut Budget) -> Result<bool, Fail> {
    match (left, right) {
        (Val::Null, Val::Null) => Ok(true),
        (Val::Bool(left), Val::Bool(right)) => Ok(left == right),
        (Val::Int(left), Val::Int(right)) => Ok(left == right),
        (Val::Int(_) | Val::Double(_), Val::Int(_) | Val::Double(_)) => {
            Ok(as_double(left) == as_double(right))
        }
        (Val::Text(left), Val::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            budget.look(left.len().min(right.len()))?;
            Ok(left == right)
        }
        (Val::List(left), Val::List(right)) => equal_lists(left, right, budget),
        (Val::Map(left), Val::Map(right)) => equal_maps(left, right, budget),
        _ => Ok(false),
    }
}

/// Numbers by value, strings by code points, false before true.
pub(super) fn order(
    left: &Val<'_>,
    right: &Val<'_>,
    budget: &mut Budget,
) -> Result<Ordering, Fail> {
    let ordering = match (left, right) {
        (Val::Int(left), Val::Int(right)) => Some(left.cmp(right)),
        (Val::Bool(left), Val::Bool(right)) => Some(left.cmp(right)),
        (Val::Text(left), Val::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            budget.look(left.len().min(right.len()))?;
            Some(left.cmp(right))
        }
        _ => {
            as_double(left).zip(as_double(right)).and_then(|(left, right)| left.partial_cmp(&right))
        }
    };
    ordering.ok_or_else(|| {
        wrong_type(format!(
            "{} and {} have no order; only numbers, strings and bools do",
            left.kind(),
            right.kind()
        ))
    })
}

/// `left in right`: an element of a list, a key of a map.
pub(super) fn contains(left: &Val<'_>, right: &Val<'_>, budget: &mut Budget) -> Result<bool, Fail> {
    match right {
        Val::List(list) => {
            for item in list.iter() {
                budget.step(1)?;
                if equal(left, &item, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Val::Map(map) => {
            let Val::Text(key) = left else { return Ok(false) };
            budget.look(key.as_str().len())?;
            Ok(map.get(key.as_str()).is_some())
        }
        other => Err(wrong_type(format!("`in` takes a list or a map, this is {}", other.kind()))),
    }
}

fn equal_lists(left: &List<'_>, right: &List<'_>, budget: &mut Budget) -> Result<bool, Fail> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(right.iter()) {
        budget.step(1)?;
        if !equal(&left, &right, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(left: &Map<'_>, right: &Map<'_>, budget: &mut Budget) -> Result<bool, Fail> {
    if left.len() != right.len() {
        return Ok(false);
    }
    budget.step(left.len())?;
    for key in left.keys(left.len()) {
        let (Some(left), Some(right)) = (left.get(key.as_str()), right.get(key.as_str())) else {
            return Ok(false);
        };
        if !equal(&left, &right, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}
