//! What people and programs see: on a terminal, in a pipe, as JSON or YAML.

pub(crate) mod diff;
pub(crate) mod graph;
pub(crate) mod line;
pub(crate) mod mermaid;
pub(crate) mod patch;
pub(crate) mod picture;
pub(crate) mod table;
pub(crate) mod terminal;
pub(crate) mod time;
pub(crate) mod timeline;
pub(crate) mod tree;
pub(crate) mod value;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Text from outside on one line: control characters and those that turn the direction of writing are spelt
/// out, so that nothing in a workflow, a log or an answer can command a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let turns = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        match letter {
            '\t' => out.push(' '),
            _ if letter.is_control() || turns => out.extend(letter.escape_default()),
            _ => out.push(letter),
        }
    }
    out
}

/// Text in at most so many columns; what is cut off is shown by `...`.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(3);
    let mut used = 0;
    let mut out = String::new();
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > room {
            break;
        }
        out.push(letter);
    }
    out.extend(std::iter::repeat_n('.', columns.min(3)));
    out
}

#[cfg(test)]
mod tests {
    use super::{cut, plain};

    #[test]
    fn nothing_from_outside_commands_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c\n\td"), "a\\u{1b}[2Jb\\u{202e}c\\n d");
        assert_eq!(plain("grün 漢"), "grün 漢");
    }

    #[test]
    fn text_is_cut_by_columns_not_by_letters() {
        assert_eq!(cut("漢漢漢漢", 8), "漢漢漢漢");
        assert_eq!(cut("漢漢漢漢", 7), "漢漢...");
        assert_eq!(cut("abcdef", 5), "ab...");
        assert_eq!(cut("abcdef", 2), "..");
    }
}
