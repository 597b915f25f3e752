//! Functions, but for those of text: sizes, conversions, sums.

use super::arithmetic;
use super::budget::Budget;
use super::equality;
use super::eval::{Fail, fail, wrong_type};
use super::functions::Function;
use super::strings;
use super::value::{List, MAX_INT, Val};
use crate::canonical;
use crate::issue::excerpt;

pub(super) fn call<'a>(
    function: Function,
    operands: Vec<Val<'a>>,
    budget: &mut Budget,
) -> Result<Val<'a>, Fail> {
    if let Some(Val::Text(text)) = operands.first() {
        budget.look(text.as_str().len())?;
    }
    match (function, operands.as_slice()) {
        (Function::Size, [operand]) => size(operand),
        (Function::Dyn, [operand]) => Ok(operand.clone()),
        (Function::String, [operand]) => to_text(operand, budget),
        (Function::Int, [operand]) => to_int(operand),
        (Function::Double, [operand]) => to_double(operand),
        (Function::Bool, [operand]) => to_bool(operand),
        (Function::Sum, [Val::List(list)]) => sum(list, budget),
        (Function::Least, [Val::List(list)]) => extreme(list, true, budget),
        (Function::Greatest, [Val::List(list)]) => extreme(list, false, budget),
        (Function::Sum, [other]) => {
            Err(wrong_type(format!("`sum` takes a list, this is {}", other.kind())))
        }
        (Function::Least | Function::Greatest, _) => {
            extreme(&List::Made(std::rc::Rc::new(operands)), function == Function::Least, budget)
        }
        (function, operands) => strings::call(function, operands, budget),
    }
}

fn size<'a>(operand: &Val<'a>) -> Result<Val<'a>, Fail> {
    let size = match operand {
        Val::Text(text) => text.as_str().chars().count(),
        Val::List(list) => list.len(),
        Val::Map(map) => map.len(),
        other => {
            return Err(wrong_type(format!(
                "only strings, lists and maps have a size, this is {}",
                other.kind()
            )));
        }
    };
    i64::try_from(size).map(Val::Int).map_err(|_| fail("overflow", "the size is out of range"))
}

fn to_text<'a>(operand: &Val<'a>, budget: &mut Budget) -> Result<Val<'a>, Fail> {
    let text = match operand {
        Val::Text(_) => return Ok(operand.clone()),
        Val::Bool(bool) => bool.to_string(),
        Val::Int(int) => int.to_string(),
        Val::Double(double) => {
            let mut text = String::new();
            canonical::write_double(&mut text, *double);
            text
        }
        other => {
            return Err(wrong_type(format!(
                "`string` takes a number, bool or string, this is {}",
                other.kind()
            )));
        }
    };
    budget.build(text.len())?;
    Ok(Val::made_text(text))
}

fn to_int<'a>(operand: &Val<'a>) -> Result<Val<'a>, Fail> {
    match operand {
        Val::Int(int) => Ok(Val::Int(*int)),
        Val::Double(double) if double.abs() <= MAX_INT as f64 => {
            Ok(Val::Int(double.trunc() as i64))
        }
        Val::Double(double) => {
            Err(fail("overflow", format!("{double:e} is out of the range of ints")))
        }
        Val::Text(text) => {
            text.as_str().parse().map(Val::Int).map_err(|_| no_number("int", text.as_str()))
        }
        other => {
            Err(wrong_type(format!("`int` takes a number or string, this is {}", other.kind())))
        }
    }
}

fn to_double<'a>(operand: &Val<'a>) -> Result<Val<'a>, Fail> {
    match operand {
        Val::Int(int) => Ok(Val::Double(*int as f64)),
        Val::Double(double) => Ok(Val::Double(*double)),
        Val::Text(text) => {
            let double = text.as_str().parse().ok().filter(|double: &f64| double.is_finite());
            double.map(Val::Double).ok_or_else(|| no_number("double", text.as_str()))
        }
        other => {
            Err(wrong_type(format!("`double` takes a number or string, this is {}", other.kind())))
        }
    }
}

fn to_bool<'a>(operand: &Val<'a>) -> Result<Val<'a>, Fail> {
    match operand {
        Val::Bool(bool) => Ok(Val::Bool(*bool)),
        Val::Text(text) => match text.as_str() {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Val::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Val::Bool(false)),
            other => Err(fail("expression", format!("\"{}\" is no bool", excerpt(other)))),
        },
        other => {
            Err(wrong_type(format!("`bool` takes a bool or string, this is {}", other.kind())))
        }
    }
}

fn no_number(kind: &str, text: &str) -> Fail {
    fail("expression", format!("\"{}\" is no {kind}", excerpt(text)))
}

/// The sum of an empty list is 0.
fn sum<'a>(list: &List<'a>, budget: &mut Budget) -> Result<Val<'a>, Fail> {
    budget.step(list.len())?;
    list.iter().try_fold(Val::Int(0), |sum, item| arithmetic::add(&sum, &item))
}

fn extreme<'a>(list: &List<'a>, least: bool, budget: &mut Budget) -> Result<Val<'a>, Fail> {
    let mut found: Option<Val<'a>> = None;
    for item in list.iter() {
        budget.step(1)?;
        // Compared even when alone, so that a single value without order is refused as well.
        let ordering = equality::order(&item, found.as_ref().unwrap_or(&item), budget)?;
        let better = if least { ordering.is_lt() } else { ordering.is_gt() };
        if better || found.is_none() {
            found = Some(item);
        }
    }
    found.ok_or_else(|| fail("expression", "an empty list has no least or greatest element"))
}
