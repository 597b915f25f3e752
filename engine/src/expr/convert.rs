//! From the parsed tree to ours: names resolved, functions found, guards known, the impure refused.

mod calls;
mod macros;
mod reading;

use cel::common::ast::{EntryExpr, Expr as Parsed, IdedExpr, LiteralValue, SelectExpr};

use super::guard::Fact;
use super::names::Read;
use super::tree::Tree;
use super::{ExprError, MAX_DEPTH, MAX_LITERAL, bounds, scan};
use crate::catalogue;
use crate::issue::excerpt;

/// Our tree, and what it reads.
pub(super) fn convert(source: &str, parsed: IdedExpr) -> Result<(Tree, Vec<Read>), ExprError> {
    let mut converter = Converter {
        source,
        variables: Vec::new(),
        reads: Vec::new(),
        facts: Vec::new(),
        words: 0,
        depth: 0,
    };
    let root = converter.expression(parsed)?;
    Ok((root, converter.reads))
}

/// An operand and the fields that follow it, in the order they are written: `a.b.c` is a, [b, c].
pub(super) fn unroll(mut expr: IdedExpr) -> (IdedExpr, Vec<String>) {
    let mut fields = Vec::new();
    loop {
        match expr.expr {
            Parsed::Select(SelectExpr { operand, field, test: false }) => {
                fields.push(field);
                expr = *operand;
            }
            other => {
                fields.reverse();
                return (IdedExpr { id: expr.id, expr: other }, fields);
            }
        }
    }
}

struct Converter<'s> {
    source: &'s str,
    /// The variables of the macros around, the innermost last.
    variables: Vec<String>,
    reads: Vec<Read>,
    /// What is certainly there at this place.
    facts: Vec<Fact>,
    /// How many names have been passed in the order of the text: the parser keeps no offsets, but the
    /// nth name of the tree is the nth name of the text.
    words: usize,
    depth: usize,
}

impl Converter<'_> {
    fn expression(&mut self, expr: IdedExpr) -> Result<Tree, ExprError> {
        self.deeper(|this| this.any(expr))
    }

    fn deeper(
        &mut self,
        convert: impl FnOnce(&mut Self) -> Result<Tree, ExprError>,
    ) -> Result<Tree, ExprError> {
        if self.depth >= MAX_DEPTH {
            return Err(bounds::too_deep(self.offset()));
        }
        self.depth += 1;
        let node = convert(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn any(&mut self, expr: IdedExpr) -> Result<Tree, ExprError> {
        match expr.expr {
            Parsed::Literal(literal) => self.literal(literal),
            Parsed::Ident(_) | Parsed::Select(SelectExpr { test: false, .. }) => {
                self.chain(expr, false)
            }
            Parsed::Select(select) => self.presence(select),
            Parsed::Call(call) => self.call(call),
            Parsed::List(list) => {
                self.literal_size(list.elements.len())?;
                Ok(Tree::List(self.each(list.elements)?))
            }
            Parsed::Map(map) => self.map(map.entries.into_iter().map(|entry| entry.expr).collect()),
            Parsed::Comprehension(comprehension) => self.comprehension(*comprehension),
            Parsed::Struct(message) => Err(self.refuse(format!(
                "`{}{{..}}` would make a message; write a map: `{{'key': value}}`",
                excerpt(&message.type_name)
            ))),
            Parsed::Unspecified => Err(self.refuse("the expression does not parse")),
        }
    }

    fn each(&mut self, exprs: Vec<IdedExpr>) -> Result<Vec<Tree>, ExprError> {
        exprs.into_iter().map(|expr| self.expression(expr)).collect()
    }

    fn literal(&self, literal: LiteralValue) -> Result<Tree, ExprError> {
        Ok(match literal {
            LiteralValue::Null => Tree::Null,
            LiteralValue::Boolean(bool) => Tree::Bool(bool.into_inner()),
            LiteralValue::Int(int) => Tree::Int(int.into_inner()),
            LiteralValue::Double(double) => Tree::Double(double.into_inner()),
            LiteralValue::String(text) => Tree::Text(text.into_inner().into()),
            LiteralValue::UInt(uint) => match i64::try_from(uint.into_inner()) {
                Ok(int) => Tree::Int(int),
                Err(_) => return Err(self.refuse("this number is beyond 2^63 - 1")),
            },
            LiteralValue::Bytes(_) => {
                return Err(self
                    .refuse("there are no bytes in expressions; write a string without the `b`"));
            }
        })
    }

    fn map(&mut self, entries: Vec<EntryExpr>) -> Result<Tree, ExprError> {
        self.literal_size(entries.len())?;
        let mut converted = Vec::with_capacity(entries.len());
        for entry in entries {
            let EntryExpr::MapEntry(entry) = entry else {
                return Err(self.refuse("the expression does not parse"));
            };
            let key = self.expression(entry.key)?;
            if matches!(key, Tree::Null | Tree::Bool(_) | Tree::Int(_) | Tree::Double(_)) {
                return Err(self.refuse("the keys of a map are strings: put it in quotes"));
            }
            converted.push((key, self.expression(entry.value)?));
        }
        Ok(Tree::Map(converted))
    }

    fn exactly<const N: usize>(&self, args: Vec<IdedExpr>) -> Result<[IdedExpr; N], ExprError> {
        args.try_into().map_err(|_| self.refuse("the expression does not parse"))
    }

    fn literal_size(&self, count: usize) -> Result<(), ExprError> {
        if count <= MAX_LITERAL {
            return Ok(());
        }
        let message =
            format!("a literal or call has at most {MAX_LITERAL} elements, this one has {count}");
        Err(ExprError { entry: &catalogue::EXPRESSION_LIMIT, message, offset: self.offset() })
    }

    fn refuse(&self, message: impl Into<String>) -> ExprError {
        ExprError {
            entry: &catalogue::BAD_EXPRESSION,
            message: message.into(),
            offset: self.offset(),
        }
    }

    /// Where the last name passed is.
    fn offset(&self) -> usize {
        self.words.checked_sub(1).map_or(0, |last| scan::word_offset(self.source, last))
    }
}
