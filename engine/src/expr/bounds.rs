//! What a text may be before a parser sees it, so that none can exhaust the parser's stack.

use super::ExprError;
use super::scan::{Kind, scan};
use crate::catalogue;

/// The longest expression, in bytes.
pub const MAX_SOURCE: usize = 4096;
/// The deepest nesting of operations in an expression; a chain of `&&`, of `||` or of `.field` is one.
pub const MAX_DEPTH: usize = 64;
/// The most elements of one list or map literal, and the most arguments of a call.
pub const MAX_LITERAL: usize = 1000;

/// Refuses text that is too long, nests too deeply, or holds what no CEL token begins with.
///
/// The parser recurses once per open bracket and per `?`; its tree is as deep as there are operators in
/// a row. Both are bounded here from above; the exact depth is judged on the tree.
pub(super) fn check(source: &str) -> Result<(), ExprError> {
    if source.len() > MAX_SOURCE {
        let message =
            format!("an expression has at most {MAX_SOURCE} bytes, this one has {}", source.len());
        return Err(ExprError { entry: &catalogue::EXPRESSION_LIMIT, message, offset: MAX_SOURCE });
    }
    let mut levels = vec![Level::default()];
    for token in scan(source, 0) {
        let open_levels = levels.len();
        let Some(level) = levels.last_mut() else {
            return Err(never_opened(token.start));
        };
        match token.kind {
            Kind::Punct(b'(' | b'[' | b'{') => {
                level.operators += 1;
                levels.push(Level::default());
            }
            Kind::Punct(b')' | b']' | b'}') if open_levels == 1 => {
                return Err(never_opened(token.start));
            }
            Kind::Punct(b')' | b']' | b'}') => {
                levels.pop();
            }
            Kind::Punct(b',') => *level = Level::default(),
            Kind::Punct(b'?') => *level = Level { conditions: level.conditions + 1, operators: 0 },
            Kind::Punct(b'&' | b'|' | b':') => level.operators = 0,
            Kind::Punct(_) => level.operators += 1,
            Kind::Word if &source[token.start..token.end] == "in" => level.operators += 1,
            Kind::Foreign => {
                let message =
                    "outside strings an expression holds ASCII characters only".to_owned();
                return Err(ExprError {
                    entry: &catalogue::BAD_EXPRESSION,
                    message,
                    offset: token.start,
                });
            }
            Kind::Unclosed => {
                let message = "this string is never closed".to_owned();
                return Err(ExprError {
                    entry: &catalogue::BAD_EXPRESSION,
                    message,
                    offset: token.start,
                });
            }
            _ => {}
        }
        let nesting = levels.len() + levels.iter().map(|level| level.conditions).sum::<usize>();
        let operators = levels.iter().map(|level| level.operators).sum::<usize>();
        if nesting > MAX_DEPTH || operators > MOST_OPERATORS {
            return Err(too_deep(token.start));
        }
    }
    Ok(())
}

/// The refusal of an expression that nests too deeply.
pub(super) fn too_deep(offset: usize) -> ExprError {
    let message = format!("the expression nests more than {MAX_DEPTH} levels deep");
    ExprError { entry: &catalogue::EXPRESSION_LIMIT, message, offset }
}

fn never_opened(offset: usize) -> ExprError {
    let message = "a bracket is closed here that was never opened".to_owned();
    ExprError { entry: &catalogue::BAD_EXPRESSION, message, offset }
}

/// Operators in a row, brackets counted through: an upper bound of the parsed tree's depth.
const MOST_OPERATORS: usize = 256;

#[derive(Default, Clone, Copy)]
struct Level {
    conditions: usize,
    operators: usize,
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn hostile_nesting_is_refused_before_parsing() {
        let chain = |piece: &str, count: usize| piece.repeat(count);
        for text in [
            chain("(", 10_000),
            chain("(", 100),
            chain("[", 100),
            format!("{}1", chain("!", 1000)),
            format!("{}1", chain("-", 1000)),
            format!("{}1", chain("-!", 1000)),
            format!("{}1", chain("a?1:", 100)),
            format!("{}1", chain("a?", 100)),
            format!("a{}", chain(".b", 1000)),
            format!("a{}", chain("[0]", 1000)),
            format!("a{}", chain(".f()", 900)),
            format!("1{}", chain("+1", 1000)),
            format!("1{}", chain(" in a", 500)),
        ] {
            assert!(check(&text).is_err(), "{}", &text[..20]);
        }
    }

    #[test]
    fn wide_text_is_not_deep() {
        let wide = [
            vec!["nodes.a.output.b.c == 1"; 150].join(" && "),
            vec!["f(x.y.z)"; 400].join(", "),
            vec!["a ? b.c : d"; 200].join(", "),
        ];
        for text in wide {
            assert!(check(&text).is_ok(), "{}", &text[..20]);
        }
    }
}
