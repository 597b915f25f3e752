//! A name with fields, `nodes.fetch.output.rows` or `input.x`: what most templates hold. It is told from everything else
//! by its letters, and its tree is made without the parser. What is not found here is parsed, so this decides about time
//! and nothing else.

use super::RESERVED;
use super::names::Read;
use super::tree::{Field, Tree};

/// Longest chain that is looked at, far from every bound.
const MOST: usize = 32;

/// The tree of a chain and what it reads. None says nothing.
pub(super) fn chain(source: &str) -> Option<(Tree, Vec<Read>)> {
    if source.len() > 1_024 || source.split('.').count() > MOST || !source.split('.').all(plain) {
        return None;
    }
    let mut words = source.split('.');
    let root = words.next()?;
    let (operand, read) = match root {
        "secrets" => return None,
        "nodes" => {
            let (id, field) = (words.next()?, Field::parse(words.next()?)?);
            let read = Read {
                root: root.to_owned(),
                node: Some(id.to_owned()),
                field: Some(field.name().to_owned()),
                guarded: false,
                text: format!("nodes.{id}.{}", field.name()),
            };
            (Tree::OfNode { id: id.into(), field }, read)
        }
        _ => {
            let field = words.clone().next().filter(|_| root == "run");
            let text = match field {
                Some(field) => format!("run.{field}"),
                None => root.to_owned(),
            };
            let field = field.map(str::to_owned);
            let read = Read { root: root.to_owned(), node: None, field, guarded: false, text };
            (Tree::Name(root.into()), read)
        }
    };
    let path: Vec<Box<str>> = words.map(Box::from).collect();
    let tree = match path.is_empty() {
        true => operand,
        false => Tree::Select { operand: Box::new(operand), path },
    };
    Some((tree, vec![read]))
}

fn plain(word: &str) -> bool {
    let rest = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.as_bytes().iter().all(rest)
        && !RESERVED.contains(&word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{convert, parse};
    use super::chain;

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "(nodes|input|run|secrets|item|index|output|outcome|error|id)",
            2 => "[a-z_][a-zA-Z0-9_]{0,6}",
            1 => "(true|null|in|as|for|type|size|has|int|[0-9]x|X|é| a|)",
        ]
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_the_parser_finds(words in prop::collection::vec(word(), 1..6)) {
            let source = words.join(".");
            if let Some(found) = chain(&source) {
                let parsed = parse::parse(&source).map_err(|error| TestCaseError::fail(error.to_string()))?;
                let whole = convert::convert(&source, parsed)
                    .map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(format!("{found:?}"), format!("{whole:?}"));
            }
        }
    }

    #[test]
    fn chains_are_found() {
        for source in [
            "nodes.a.output",
            "nodes.a.output.rows.id",
            "input",
            "input.x_1",
            "run.id",
            "item.Name",
        ] {
            assert!(chain(source).is_some(), "{source}");
        }
        for source in [
            "nodes",
            "nodes.a",
            "nodes.a.value",
            "secrets.a.b",
            "a.in.b",
            "a..b",
            "a + b",
            "f(x)",
            "1.5",
            "",
        ] {
            assert!(chain(source).is_none(), "{source}");
        }
    }
}
