//! Operators on two values. Ints and doubles mix; nothing wraps round or becomes infinite.

use super::budget::Budget;
use super::equality;
use super::eval::{Fail, fail, wrong_type};
use super::tree::Operator;
use super::value::{Val, safe_int};

pub(super) fn binary<'a>(
    operator: Operator,
    left: Val<'a>,
    right: Val<'a>,
    budget: &mut Budget,
) -> Result<Val<'a>, Fail> {
    match operator {
        Operator::Equal => Ok(Val::Bool(equality::equal(&left, &right, budget)?)),
        Operator::NotEqual => Ok(Val::Bool(!equality::equal(&left, &right, budget)?)),
        Operator::Less => Ok(Val::Bool(equality::order(&left, &right, budget)?.is_lt())),
        Operator::LessEqual => Ok(Val::Bool(equality::order(&left, &right, budget)?.is_le())),
        Operator::Greater => Ok(Val::Bool(equality::order(&left, &right, budget)?.is_gt())),
        Operator::GreaterEqual => Ok(Val::Bool(equality::order(&left, &right, budget)?.is_ge())),
        Operator::In => equality::contains(&left, &right, budget).map(Val::Bool),
        Operator::Add => match (&left, &right) {
            (Val::Text(_), Val::Text(_)) | (Val::List(_), Val::List(_)) => {
                join(&left, &right, budget)
            }
            _ => number(operator, &left, &right),
        },
        Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Modulo => {
            number(operator, &left, &right)
        }
    }
}

pub(super) fn negate(value: &Val<'_>) -> Result<Val<'static>, Fail> {
    match value {
        Val::Int(int) => int.checked_neg().map(Val::Int).ok_or_else(|| overflow("-", *int, 0)),
        Val::Double(double) => Ok(Val::Double(-double)),
        other => Err(wrong_type(format!("only a number is negated, this is {}", other.kind()))),
    }
}

/// The int that a number is, also a double without a fraction.
pub(super) fn as_int(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::Int(int) => Some(*int),
        Val::Double(double) => safe_int(*double),
        _ => None,
    }
}

/// A number as a double.
pub(super) fn as_double(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Int(int) => Some(*int as f64),
        Val::Double(double) => Some(*double),
        _ => None,
    }
}

/// The sum of two numbers.
pub(super) fn add(left: &Val<'_>, right: &Val<'_>) -> Result<Val<'static>, Fail> {
    number(Operator::Add, left, right)
}

fn number(operator: Operator, left: &Val<'_>, right: &Val<'_>) -> Result<Val<'static>, Fail> {
    if let (Val::Int(left), Val::Int(right)) = (left, right) {
        return ints(operator, *left, *right).map(Val::Int);
    }
    match (as_double(left), as_double(right)) {
        (Some(x), Some(y)) => doubles(operator, x, y).map(Val::Double),
        _ => {
            let (left, right) = (left.kind(), right.kind());
            let symbol = symbol(operator);
            Err(wrong_type(format!(
                "`{symbol}` does not join {left} and {right}; convert one: `string(x)`, `int(x)`"
            )))
        }
    }
}

fn ints(operator: Operator, left: i64, right: i64) -> Result<i64, Fail> {
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        _ if right == 0 => {
            return Err(fail(
                "expression",
                format!("{left} {} 0: division by zero", symbol(operator)),
            ));
        }
        Operator::Divide => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    result.ok_or_else(|| overflow(symbol(operator), left, right))
}

fn doubles(operator: Operator, left: f64, right: f64) -> Result<f64, Fail> {
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide if right == 0.0 => {
            return Err(fail("expression", format!("{left} / 0: division by zero")));
        }
        Operator::Divide => left / right,
        _ => return Err(wrong_type("`%` takes two ints; convert with `int(x)`")),
    };
    if result.is_finite() {
        return Ok(result);
    }
    Err(fail(
        "overflow",
        format!("{left:e} {} {right:e} is too large for a number", symbol(operator)),
    ))
}

fn join<'a>(left: &Val<'a>, right: &Val<'a>, budget: &mut Budget) -> Result<Val<'a>, Fail> {
    match (left, right) {
        (Val::Text(left), Val::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            budget.build(left.len() + right.len())?;
            Ok(Val::made_text([left, right].concat()))
        }
        (Val::List(left), Val::List(right)) => {
            budget.step(left.len() + right.len())?;
            Ok(Val::made_list(left.iter().chain(right.iter()).collect()))
        }
        _ => number(Operator::Add, left, right),
    }
}

fn overflow(symbol: &str, left: i64, right: i64) -> Fail {
    fail("overflow", format!("{left} {symbol} {right} is beyond 2^63"))
}

fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Add => "+",
        Operator::Subtract => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::Modulo => "%",
        Operator::Equal => "==",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterEqual => ">=",
        Operator::In => "in",
    }
}
