//! How a reference to a secret is written inside a rendered string.

use aob_engine::catalogue::SECRET_INVALID;

use crate::node::Failure;

/// The character before a reference, from the private use area.
pub const OPEN: char = '\u{E000}';
/// The character after a reference.
pub const CLOSE: char = '\u{E001}';
/// What follows [`OPEN`] in a reference: `secret:<name>/<key>`.
pub(super) const WORD: &str = "secret:";
/// The longest name or key, in bytes: that of a Kubernetes object.
const NAME: usize = 253;

/// A part of a string.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Secret { name: &'a str, key: &'a str },
}

/// Splits `text` at its references. A mark that begins none is plain text.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Failure> {
    let mut out = Vec::new();
    let mut rest = text;
    let opening = format!("{OPEN}{WORD}");
    while let Some((before, after)) = rest.split_once(opening.as_str()) {
        if !before.is_empty() {
            out.push(Piece::Text(before));
        }
        let (reference, behind) =
            after.split_once(CLOSE).ok_or_else(|| invalid("a reference has no end"))?;
        let (name, key) =
            reference.split_once('/').ok_or_else(|| invalid("a reference is <name>/<key>"))?;
        if !is_name(name)
            || name.starts_with('.')
            || !is_name(key)
            || key.starts_with("..")
            || key == "."
        {
            return Err(invalid(
                "names are letters, digits, `.`, `_` and `-`, without a leading dot",
            ));
        }
        out.push(Piece::Secret { name, key });
        rest = behind;
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest));
    }
    Ok(out)
}

fn is_name(text: &str) -> bool {
    (1..=NAME).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn invalid(what: &str) -> Failure {
    Failure::new(&SECRET_INVALID, format!("a secret reference cannot be read: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_split_at_references() {
        let text = "a \u{E000}secret:n/k\u{E001}\u{E000}secret:n-2/.k_2\u{E001} b \u{E000}";
        let expected = [
            Piece::Text("a "),
            Piece::Secret { name: "n", key: "k" },
            Piece::Secret { name: "n-2", key: ".k_2" },
            Piece::Text(" b \u{E000}"),
        ];
        assert_eq!(pieces(text).unwrap(), expected);
        assert_eq!(pieces("plain").unwrap(), [Piece::Text("plain")]);
    }

    #[test]
    fn what_could_leave_the_folder_is_no_name() {
        for reference in [
            "n", "n/", "/k", "../k", "n/..", "n/.", "n/..data", ".n/k", "n/a/b", "n/a\\b", "n/a b",
            "n/ä", "n/\0",
        ] {
            let text = format!("{OPEN}{WORD}{reference}{CLOSE}");
            assert_eq!(pieces(&text).unwrap_err().code, "secret_invalid", "{reference}");
        }
        assert!(pieces(&format!("{OPEN}{WORD}n/k")).is_err());
        assert!(pieces(&format!("{OPEN}{WORD}n/{}{CLOSE}", "k".repeat(254))).is_err());
    }
}
