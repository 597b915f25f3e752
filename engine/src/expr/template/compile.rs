//! From a JSON value to pieces.

use serde_json::Value;

use super::super::names::Read;
use super::super::{Expr, ExprError, MAX_DEPTH, chain, convert, parse, scan, secret};
use super::{Part, Piece};
use crate::catalogue;

/// The pieces, and what they read, each with its pointer; or everything that is wrong.
#[expect(clippy::type_complexity, reason = "two lists of places, each used once")]
pub(super) fn compile(
    value: &Value,
) -> Result<(Piece, Vec<(String, Read)>), Vec<(String, ExprError)>> {
    let mut compiler =
        Compiler { pointer: String::new(), depth: 0, reads: Vec::new(), errors: Vec::new() };
    let root = compiler.piece(value);
    if compiler.errors.is_empty() { Ok((root, compiler.reads)) } else { Err(compiler.errors) }
}

struct Compiler {
    pointer: String,
    depth: usize,
    reads: Vec<(String, Read)>,
    errors: Vec<(String, ExprError)>,
}

impl Compiler {
    fn piece(&mut self, value: &Value) -> Piece {
        // Most values have no expression: nothing has to be taken apart.
        if is_plain(value, MAX_DEPTH - self.depth) {
            return Piece::Static(value.clone());
        }
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                let pieces: Vec<_> = (0..)
                    .zip(items)
                    .map(|(at, item): (usize, _)| self.within(&at.to_string(), item))
                    .collect();
                match pieces.iter().map(statically).collect() {
                    Some(items) => Piece::Static(Value::Array(items)),
                    None => Piece::List(pieces),
                }
            }
            Value::Object(map) => {
                let pieces: Vec<_> =
                    map.iter().map(|(key, item)| (key.clone(), self.within(key, item))).collect();
                match pieces
                    .iter()
                    .map(|(key, piece)| Some((key.clone(), statically(piece)?)))
                    .collect()
                {
                    Some(map) => Piece::Static(Value::Object(map)),
                    None => Piece::Map(pieces),
                }
            }
            scalar => Piece::Static(scalar.clone()),
        }
    }

    fn within(&mut self, segment: &str, value: &Value) -> Piece {
        let before = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
        let piece = if self.depth < MAX_DEPTH {
            self.depth += 1;
            let piece = self.piece(value);
            self.depth -= 1;
            piece
        } else {
            let message = format!("a value nests at most {MAX_DEPTH} levels deep");
            self.error(ExprError { entry: &catalogue::EXPRESSION_LIMIT, message, offset: 0 });
            Piece::Static(Value::Null)
        };
        self.pointer.truncate(before);
        piece
    }

    fn text(&mut self, text: &str) -> Piece {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = 0;
        while let Some(at) = text[rest..].find('$').map(|found| rest + found) {
            plain.push_str(&text[rest..at]);
            if text[at..].starts_with("$${") {
                plain.push_str("${");
                rest = at + 3;
            } else if text[at..].starts_with("${") {
                let Some(close) = scan::closing_brace(text, at + 2) else {
                    let message =
                        "this `${` is never closed; write `$${` for the two characters".to_owned();
                    self.error(ExprError {
                        entry: &catalogue::BAD_EXPRESSION,
                        message,
                        offset: at,
                    });
                    break;
                };
                if !plain.is_empty() {
                    parts.push(Part::Plain(clean(std::mem::take(&mut plain))));
                }
                parts.extend(self.expression(text, at + 2, close));
                rest = close + 1;
            } else {
                plain.push('$');
                rest = at + 1;
            }
        }
        plain.push_str(&text[rest..]);
        if parts.is_empty() {
            return Piece::Static(Value::String(clean(plain)));
        }
        if !plain.is_empty() {
            parts.push(Part::Plain(clean(plain)));
        }
        let pointer = self.pointer.as_str().into();
        match parts.as_slice() {
            [Part::Expr(expr)] => Piece::Whole { pointer, expr: expr.clone() },
            _ => Piece::Text { pointer, parts },
        }
    }

    fn expression(&mut self, text: &str, start: usize, end: usize) -> Option<Part> {
        let source = text[start..end].trim_end();
        let offset = start + source.len() - source.trim_start().len();
        let source = source.trim_start();
        match part(source) {
            Ok((part, reads)) => {
                self.reads.extend(reads.into_iter().map(|read| (self.pointer.clone(), read)));
                Some(part)
            }
            Err(error) => {
                self.error(ExprError { offset: offset + error.offset, ..error });
                None
            }
        }
    }

    fn error(&mut self, error: ExprError) {
        self.errors.push((self.pointer.clone(), error));
    }
}

fn part(source: &str) -> Result<(Part, Vec<Read>), ExprError> {
    if let Some(found) = chain::chain(source) {
        let expr = Expr::of(source, found);
        let reads = expr.reads().to_vec();
        return Ok((Part::Expr(expr), reads));
    }
    let tree = parse::parse(source)?;
    match secret::of_tree(&tree) {
        None => {
            let expr = Expr::of(source, convert::convert(source, tree)?);
            let reads = expr.reads().to_vec();
            Ok((Part::Expr(expr), reads))
        }
        Some(Ok(secret)) => {
            let text = format!("secrets.{}.{}", secret.name, secret.key);
            let read =
                Read { root: "secrets".to_owned(), node: None, field: None, guarded: false, text };
            Ok((Part::Secret(secret::secret_marker(&secret.name, &secret.key)), vec![read]))
        }
        Some(Err(message)) => {
            Err(ExprError { entry: &catalogue::SECRET_PLACE, message, offset: 0 })
        }
    }
}

/// Whether a value stands as it is: no expression, no marker, within the depth that is left.
pub(super) fn is_plain(value: &Value, depth: usize) -> bool {
    match value {
        Value::String(text) => {
            !text.contains('$')
                && matches!(secret::without_markers(text), std::borrow::Cow::Borrowed(_))
        }
        Value::Array(items) => {
            items.is_empty() || depth > 0 && items.iter().all(|item| is_plain(item, depth - 1))
        }
        Value::Object(map) => {
            map.is_empty() || depth > 0 && map.values().all(|item| is_plain(item, depth - 1))
        }
        _ => true,
    }
}

fn statically(piece: &Piece) -> Option<Value> {
    match piece {
        Piece::Static(value) => Some(value.clone()),
        _ => None,
    }
}

fn clean(text: String) -> String {
    match secret::without_markers(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(cleaned) => cleaned,
    }
}
