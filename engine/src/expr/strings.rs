//! Functions of text. Positions are counted in code points.

use super::arithmetic::as_int;
use super::budget::Budget;
use super::eval::{Fail, fail, wrong_type};
use super::functions::Function;
use super::value::{List, Text, Val};

pub(super) fn call<'a>(
    function: Function,
    operands: &[Val<'a>],
    budget: &mut Budget,
) -> Result<Val<'a>, Fail> {
    let Some((operand, args)) = operands.split_first() else {
        return Err(wrong_type("a function of text takes a text"));
    };
    if function == Function::Join {
        return join(operand, args, budget);
    }
    let text = text_of(operand)?;
    match function {
        Function::Contains => Ok(Val::Bool(text.as_str().contains(argument(args, 0)?))),
        Function::StartsWith => Ok(Val::Bool(text.as_str().starts_with(argument(args, 0)?))),
        Function::EndsWith => Ok(Val::Bool(text.as_str().ends_with(argument(args, 0)?))),
        Function::LowerAscii => {
            made(text.as_str().len(), budget, || text.as_str().to_ascii_lowercase())
        }
        Function::UpperAscii => {
            made(text.as_str().len(), budget, || text.as_str().to_ascii_uppercase())
        }
        Function::Trim => {
            let trimmed = text.as_str().trim();
            let start = trimmed.as_ptr() as usize - text.as_str().as_ptr() as usize;
            piece(text, start, start + trimmed.len(), budget)
        }
        Function::Substring => substring(text, args, budget),
        Function::Split => split(text, args, budget),
        Function::Replace => replace(text.as_str(), args, budget),
        _ => Err(wrong_type("this function takes no text")),
    }
}

fn text_of<'v, 'a>(value: &'v Val<'a>) -> Result<&'v Text<'a>, Fail> {
    match value {
        Val::Text(text) => Ok(text),
        other => Err(wrong_type(format!(
            "a string is wanted here, this is {}; convert it: `string(x)`",
            other.kind()
        ))),
    }
}

fn argument<'v>(args: &'v [Val<'_>], at: usize) -> Result<&'v str, Fail> {
    args.get(at).map_or(Ok(""), |arg| text_of(arg).map(Text::as_str))
}

/// A position or count among the arguments; none if it is not given.
fn count(args: &[Val<'_>], at: usize) -> Result<Option<i64>, Fail> {
    let Some(arg) = args.get(at) else { return Ok(None) };
    as_int(arg)
        .map(Some)
        .ok_or_else(|| wrong_type(format!("an int is wanted here, this is {}", arg.kind())))
}

/// The most parts or replacements; a negative count means all.
fn limit(args: &[Val<'_>], at: usize) -> Result<usize, Fail> {
    Ok(count(args, at)?.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX))
}

fn made<'a>(
    bytes: usize,
    budget: &mut Budget,
    make: impl FnOnce() -> String,
) -> Result<Val<'a>, Fail> {
    budget.build(bytes)?;
    Ok(Val::made_text(make()))
}

/// A part of a text: of lent text it is lent as well.
fn piece<'a>(
    text: &Text<'a>,
    start: usize,
    end: usize,
    budget: &mut Budget,
) -> Result<Val<'a>, Fail> {
    match text {
        Text::Lent(text) => Ok(Val::Text(Text::Lent(text.get(start..end).unwrap_or_default()))),
        Text::Made(text) => made(end.saturating_sub(start), budget, || {
            text.get(start..end).unwrap_or_default().to_owned()
        }),
    }
}

fn substring<'a>(text: &Text<'a>, args: &[Val<'a>], budget: &mut Budget) -> Result<Val<'a>, Fail> {
    let whole = text.as_str();
    let offset = |position: i64| {
        let mut offsets = whole.char_indices().map(|(offset, _)| offset).chain([whole.len()]);
        usize::try_from(position)
            .ok()
            .and_then(|position| offsets.nth(position))
            .ok_or_else(|| fail("expression", format!("position {position} is outside the text")))
    };
    let start = offset(count(args, 0)?.unwrap_or(0))?;
    let end = count(args, 1)?.map_or(Ok(whole.len()), offset)?;
    if start > end {
        return Err(fail("expression", "a substring ends before it begins"));
    }
    piece(text, start, end, budget)
}

fn split<'a>(text: &Text<'a>, args: &[Val<'a>], budget: &mut Budget) -> Result<Val<'a>, Fail> {
    let (separator, most) = (argument(args, 0)?, limit(args, 1)?);
    let whole = text.as_str();
    let mut pieces = Vec::new();
    let mut start = 0;
    // An empty separator takes the text apart into its characters.
    let next = |start: usize| {
        let rest = whole.get(start..)?;
        match separator {
            "" => rest
                .chars()
                .next()
                .map(|first| start + first.len_utf8())
                .filter(|end| *end < whole.len()),
            _ => rest.find(separator).map(|at| start + at),
        }
    };
    while pieces.len() + 1 < most {
        let Some(end) = next(start) else { break };
        budget.step(1)?;
        pieces.push(piece(text, start, end, budget)?);
        start = end + separator.len();
    }
    if most > 0 && !(separator.is_empty() && whole.is_empty()) {
        pieces.push(piece(text, start, whole.len(), budget)?);
    }
    Ok(Val::made_list(pieces))
}

fn join<'a>(operand: &Val<'a>, args: &[Val<'a>], budget: &mut Budget) -> Result<Val<'a>, Fail> {
    let Val::List(list) = operand else {
        return Err(wrong_type(format!(
            "`join` takes a list of strings, this is {}",
            operand.kind()
        )));
    };
    let separator = argument(args, 0)?;
    budget.step(list.len())?;
    let mut bytes = separator.len().saturating_mul(list.len().saturating_sub(1));
    for item in list.iter() {
        bytes = bytes.saturating_add(text_of(&item)?.as_str().len());
    }
    made(bytes, budget, || joined(list, separator))
}

fn joined(list: &List<'_>, separator: &str) -> String {
    let mut text = String::new();
    for (at, item) in list.iter().enumerate() {
        if at > 0 {
            text.push_str(separator);
        }
        if let Val::Text(piece) = item {
            text.push_str(piece.as_str());
        }
    }
    text
}

fn replace<'a>(text: &str, args: &[Val<'a>], budget: &mut Budget) -> Result<Val<'a>, Fail> {
    let (old, new, most) = (argument(args, 0)?, argument(args, 1)?, limit(args, 2)?);
    let times = text.matches(old).take(most).count();
    budget.step(times)?;
    let bytes = (text.len() - times * old.len()).saturating_add(times.saturating_mul(new.len()));
    made(bytes, budget, || text.replacen(old, new, times))
}
