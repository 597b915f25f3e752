//! The one place that knows the `cel` crate's parser.

use cel::common::ast::IdedExpr;
use cel::parser::{ParseErrors, PrattParser};

use super::{ExprError, bounds, scan};
use crate::catalogue;
use crate::issue::excerpt;

/// The parsed tree of a text within bounds.
///
/// The crate's hand-written parser is used: its other one takes 25 to 80 us for a condition, this one
/// 1 to 7, and a graph holds thousands.
pub(super) fn parse(source: &str) -> Result<IdedExpr, ExprError> {
    bounds::check(source)?;
    PrattParser::new().parse(source).map_err(|errors| first_of(source, &errors))
}

fn first_of(source: &str, errors: &ParseErrors) -> ExprError {
    let entry = &catalogue::BAD_EXPRESSION;
    if scan::scan(source, 0).next().is_none() {
        return ExprError { entry, message: "the expression is empty".to_owned(), offset: 0 };
    }
    let Some(error) = errors.errors.first() else {
        return ExprError { entry, message: "the expression does not parse".to_owned(), offset: 0 };
    };
    if error.msg.contains("recursion limit") {
        return bounds::too_deep(0);
    }
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    let offset = byte_offset(source, error.pos);
    ExprError { entry, message: format!("it does not parse: {}", excerpt(message)), offset }
}

/// The place of a line and column (both from 1, the column in bytes).
fn byte_offset(source: &str, (line, column): (isize, isize)) -> usize {
    let before = usize::try_from(line - 1).unwrap_or(0);
    let start: usize = source.split_inclusive('\n').take(before).map(str::len).sum();
    let offset = start + usize::try_from(column - 1).unwrap_or(0);
    offset.min(source.len())
}
