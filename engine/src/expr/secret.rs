//! Secrets in rendered values: references between two private characters, which data cannot forge.

use std::borrow::Cow;
use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, Expr as Parsed, IdedExpr, LiteralValue, SelectExpr, operators};
use serde_json::Value;

/// A key of a named secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretRef {
    /// The secret's name.
    pub name: String,
    /// The key within it.
    pub key: String,
}

/// How a reference to a secret stands in a rendered string.
pub fn secret_marker(name: &str, key: &str) -> String {
    format!("{OPEN}{PREFIX}{name}/{key}{CLOSE}")
}

/// Every secret that the strings of a rendered value refer to. Keys of maps hold none.
pub fn find_secrets(value: &Value) -> BTreeSet<SecretRef> {
    let mut found = BTreeSet::new();
    gather(value, &mut found);
    found
}

/// Puts what `resolve` gives in the place of every reference. What is put in is not looked through again.
///
/// # Errors
/// The first error of `resolve`; the value is then partly changed and must be dropped.
pub fn substitute_secrets<E>(
    value: &mut Value,
    resolve: &mut impl FnMut(&SecretRef) -> Result<String, E>,
) -> Result<(), E> {
    match value {
        Value::String(text) if text.contains(OPEN) => {
            let mut resolved = String::new();
            for piece in pieces(text) {
                match piece {
                    Ok(plain) => resolved.push_str(plain),
                    Err(secret) => resolved.push_str(&resolve(&secret)?),
                }
            }
            *text = resolved;
            Ok(())
        }
        Value::Array(items) => {
            items.iter_mut().try_for_each(|item| substitute_secrets(item, resolve))
        }
        Value::Object(map) => {
            map.values_mut().try_for_each(|item| substitute_secrets(item, resolve))
        }
        _ => Ok(()),
    }
}

/// The text with every character that marks secrets replaced by U+FFFD.
pub(super) fn without_markers(text: &str) -> Cow<'_, str> {
    if text.contains(MARKS) {
        Cow::Owned(text.replace(MARKS, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The secret that a whole expression is: `secrets.<name>.<key>`, either part also as `["text"]`. None if
/// it is anything else; the error says why a part cannot be a name.
pub(super) fn of_tree(tree: &IdedExpr) -> Option<Result<SecretRef, String>> {
    let (holder, key) = last_part(tree)?;
    let (root, name) = last_part(holder)?;
    if !matches!(&root.expr, Parsed::Ident(root) if root == "secrets") {
        return None;
    }
    // They become names of files or of keys in a cluster: nothing else may slip through.
    let wrong = [name, key].into_iter().find(|part| !is_name(part));
    Some(match wrong {
        None => Ok(SecretRef { name: name.to_owned(), key: key.to_owned() }),
        Some(_) => {
            Err("names and keys of secrets are 1 to 253 letters, digits, `.`, `_` and `-`"
                .to_owned())
        }
    })
}

const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';
const MARKS: [char; 2] = [OPEN, CLOSE];
const PREFIX: &str = "secret:";

fn is_name(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=253).contains(&part.len()) && part.bytes().all(allowed) && part != "." && part != ".."
}

/// What the last part is taken from, and its name.
fn last_part(expr: &IdedExpr) -> Option<(&IdedExpr, &str)> {
    match &expr.expr {
        Parsed::Select(SelectExpr { operand, field, test: false }) => Some((operand, field)),
        Parsed::Call(CallExpr { func_name, target: None, args })
            if func_name == operators::INDEX =>
        {
            match args.as_slice() {
                [operand, IdedExpr { expr: Parsed::Literal(LiteralValue::String(text)), .. }] => {
                    Some((operand, text.inner()))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn gather(value: &Value, found: &mut BTreeSet<SecretRef>) {
    match value {
        Value::String(text) if text.contains(OPEN) => {
            found.extend(pieces(text).filter_map(Result::err))
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
        Value::Object(map) => map.values().for_each(|item| gather(item, found)),
        _ => {}
    }
}

/// The text in pieces: plain ones, and references.
fn pieces(text: &str) -> impl Iterator<Item = Result<&str, SecretRef>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let start = rest.find(OPEN).unwrap_or(rest.len());
        if start > 0 {
            let (plain, tail) = rest.split_at(start);
            rest = tail;
            return Some(Ok(plain));
        }
        if let Some((secret, tail)) = reference(rest) {
            rest = tail;
            return Some(Err(secret));
        }
        let (stray, tail) = rest.split_at(OPEN.len_utf8());
        rest = tail;
        Some(Ok(stray))
    })
}

fn reference(text: &str) -> Option<(SecretRef, &str)> {
    let (inner, tail) = text.strip_prefix(OPEN)?.split_once(CLOSE)?;
    let (name, key) = inner.strip_prefix(PREFIX)?.split_once('/')?;
    let named = is_name(name) && is_name(key);
    named.then(|| (SecretRef { name: name.to_owned(), key: key.to_owned() }, tail))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{SecretRef, find_secrets, secret_marker, substitute_secrets, without_markers};

    #[test]
    fn markers_are_found_and_resolved_once() {
        let (a, b) = (secret_marker("erp", "token"), secret_marker("erp", "user.name"));
        let mut value =
            json!({"url": format!("x{a}y{b}"), "list": [a, "\u{e000}secret:bad\u{e001}"], "n": 1});
        let found: Vec<_> = find_secrets(&value).into_iter().map(|secret| secret.key).collect();
        assert_eq!(found, ["token", "user.name"]);
        let again = secret_marker("other", "one");
        let mut resolve = |secret: &SecretRef| -> Result<String, ()> {
            Ok(if secret.key == "token" { again.clone() } else { "u".to_owned() })
        };
        substitute_secrets(&mut value, &mut resolve).unwrap();
        assert_eq!(
            value,
            json!({"url": format!("x{again}yu"), "list": [again, "\u{e000}secret:bad\u{e001}"], "n": 1})
        );
        assert_eq!(substitute_secrets(&mut value, &mut |_| Err("gone")), Err("gone"));
    }

    #[test]
    fn marks_in_data_are_replaced() {
        assert_eq!(without_markers("a\u{e000}b\u{e001}\u{e002}"), "a\u{fffd}b\u{fffd}\u{e002}");
        assert!(find_secrets(&json!(without_markers(&secret_marker("a", "b")))).is_empty());
    }
}
