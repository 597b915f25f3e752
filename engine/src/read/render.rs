//! A finding as a person reads it: what, where, by which rule, and what helps.

use super::place::Place;
use super::text::BOM;
use crate::issue::Issue;

/// Characters of a source line that are shown at most.
const WIDTH: usize = 120;

/// Characters of a pointer that are shown at most.
const POINTER: usize = 300;

/// Prints a finding, ending with a line break.
///
/// `source` is the text that was read; where it is at hand, the line is shown with a mark under it.
/// Control characters of outside data are shown, never sent to the terminal.
pub fn render(
    issue: &Issue,
    place: Option<Place>,
    file: &str,
    source: Option<&str>,
    colour: bool,
) -> String {
    let paint = Paint { on: colour };
    let (kind, kind_colour) = if issue.warning { ("warning", "1;33") } else { ("error", "1;31") };
    let gutter = place.map_or(2, |place| place.line.to_string().len().max(2));
    let bar = paint.with("1;34", "|");
    let head = paint.with(kind_colour, &format!("{kind}[{}]", issue.entry.code));
    let mut lines = vec![format!("{head}: {}", paint.with("1", &printable(&issue.message)))];

    let at = place.map_or(String::new(), |place| format!(":{}:{}", place.line, place.column));
    let pointer = if issue.pointer.is_empty() {
        String::new()
    } else {
        format!("  {}", shortened(&issue.pointer))
    };
    let rule = issue.entry.rule.trim_end_matches('.');
    let arrow = paint.with("1;34", "-->");
    lines.push(format!("{:gutter$}{arrow} {}{at}{pointer}   ({rule})", "", printable(file)));

    if let Some((line, before, marked)) =
        place.zip(source).and_then(|(place, source)| excerpt(source, place))
    {
        let number = place.map_or(0, |place| place.line).to_string();
        lines.push(format!("{} {bar} {line}", paint.with("1;34", &format!("{number:>gutter$}"))));
        lines.push(format!(
            "{:gutter$} {bar} {:before$}{}",
            "",
            "",
            paint.with(kind_colour, &"^".repeat(marked))
        ));
    }
    for detail in &issue.details {
        lines.push(format!("{:gutter$} {bar}  {}", "", printable(detail)));
    }
    let help = paint.with("1;36", "help");
    lines.push(format!(
        "{help}: {}          more: aob explain {}",
        printable(issue.help()),
        issue.entry.code
    ));
    lines.join("\n") + "\n"
}

struct Paint {
    on: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The part of the line that shows the place, the characters before the mark, and the mark's length.
fn excerpt(source: &str, place: Place) -> Option<(String, usize, usize)> {
    let before = source.get(..place.offset)?;
    let start = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let start = if source[start..].starts_with(BOM) { start + BOM.len_utf8() } else { start };
    let end =
        source[place.offset..].find(['\n', '\r']).map_or(source.len(), |at| place.offset + at);
    let column = source.get(start..place.offset)?.chars().count();
    let marked = source
        .get(place.offset..end.min(place.offset + place.length))
        .map_or(1, |text| text.chars().count());
    let total = column + source[place.offset..end].chars().count();

    // Of a long line a window is shown, with a third of it before the mark.
    let from = if total <= WIDTH { 0 } else { column.saturating_sub(WIDTH / 3) };
    let (head, tail) =
        (if from > 0 { "..." } else { "" }, if total - from > WIDTH { "..." } else { "" });
    let shown: String = source[start..end]
        .chars()
        .skip(from)
        .take(WIDTH)
        .map(|letter| {
            if visible(letter) {
                letter
            } else if letter == '\t' {
                ' '
            } else {
                '\u{fffd}'
            }
        })
        .collect();
    let room = WIDTH.saturating_sub(column - from).max(1);
    Some((format!("{head}{shown}{tail}"), head.len() + column - from, marked.clamp(1, room)))
}

fn shortened(pointer: &str) -> String {
    let mut shown: String = pointer.chars().take(POINTER).collect();
    if shown.len() < pointer.len() {
        shown.push_str("...");
    }
    printable(&shown)
}

/// The text with everything escaped that would move the cursor or turn the direction of writing.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if visible(letter) {
            shown.push(letter);
        } else {
            shown.extend(letter.escape_default());
        }
    }
    shown
}

fn visible(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | BOM);
    !(letter.is_control() || turns)
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::catalogue::{BAD_KEY, TOO_LARGE};
    use crate::issue::Issue;
    use crate::read::{Limits, Place, documents};

    fn rendered(text: &str, colour: bool) -> String {
        let found = documents(text.as_bytes(), &Limits::default()).expect_err("refused");
        found
            .iter()
            .map(|one| render(&one.issue, one.place, "flow.yaml", Some(text), colour))
            .collect()
    }

    #[test]
    fn the_line_and_a_mark_are_shown() {
        assert_eq!(
            rendered("spec:\n  edges:\n    - {from: é, on: yes}\n", false),
            "\
error[AOB1002]: `on` is true to YAML 1.1 and a string to YAML 1.2
  --> flow.yaml:3:17  /spec/edges/0/on   (What two readers understand differently is refused, so that kubectl and aob cannot disagree about a file)
 3 |     - {from: é, on: yes}
   |                 ^^
help: Write `\"on\"` if the string is meant, `true` if the truth value is.          more: aob explain AOB1002
error[AOB1002]: `yes` is true to YAML 1.1 and a string to YAML 1.2
  --> flow.yaml:3:21  /spec/edges/0/on   (What two readers understand differently is refused, so that kubectl and aob cannot disagree about a file)
 3 |     - {from: é, on: yes}
   |                     ^^^
help: Write `\"yes\"` if the string is meant, `true` if the truth value is.          more: aob explain AOB1002
"
        );
    }

    #[test]
    fn details_follow_the_line_and_the_gutter_fits_the_number() {
        let text = format!("{}a: 1\na: 2\n", "\n".repeat(998));
        assert_eq!(
            rendered(&text, false),
            "\
error[AOB1003]: the key `a` is written twice
    --> flow.yaml:1000:1  /a   (Each key of a mapping is written once; readers differ in which of two wins)
1000 | a: 2
     | ^
     |  first at line 999, column 1
     |  again at line 1000, column 1
help: Remove one of the two.          more: aob explain AOB1003
"
        );
    }

    #[test]
    fn without_place_or_source_there_is_no_line() {
        let issue = Issue::warn(&TOO_LARGE, "/a", "long").remedy("Cut it.");
        let rule = "(Every size from outside is bounded)";
        let help = "help: Cut it.          more: aob explain AOB1004\n";
        assert_eq!(
            render(&issue, None, "-", Some("x"), false),
            format!("warning[AOB1004]: long\n  --> -  /a   {rule}\n{help}")
        );
        let place = Place { line: 2, column: 3, offset: 900, length: 1 };
        for source in [None, Some("short")] {
            let text = render(&issue, Some(place), "f", source, false);
            assert_eq!(text, format!("warning[AOB1004]: long\n  --> f:2:3  /a   {rule}\n{help}"));
        }
    }

    #[test]
    fn a_window_of_a_long_line_is_shown() {
        let text = format!("{{\"{}\": on, \"b\": \"{}\"}}", "k".repeat(200), "v".repeat(200));
        let shown = rendered(&text, false);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[2],
            format!(" 1 | ...{}\": on, \"b\": \"{}...", "k".repeat(37), "v".repeat(70))
        );
        assert_eq!(lines[3], format!("   | {}^^", " ".repeat(43)));
        let long = format!("- {}\n", "1_".repeat(300));
        let mark = rendered(&long, false).lines().nth(3).map(str::to_owned);
        assert_eq!(mark, Some(format!("   |   {}", "^".repeat(118))));
    }

    #[test]
    fn nothing_outside_reaches_the_terminal_raw() {
        let issue = Issue::new(&BAD_KEY, "/\u{1b}[2J", "a\u{202e}b\nc").detail("\u{7}");
        let place = Place { line: 1, column: 2, offset: 1, length: 2 };
        assert_eq!(
            render(&issue, Some(place), "f\u{1b}", Some("\tx\u{1b}y\r"), false),
            "\
error[AOB1008]: a\\u{202e}b\\nc
  --> f\\u{1b}:1:2  /\\u{1b}[2J   (Keys are strings)
 1 |  x\u{fffd}y
   |  ^^
   |  \\u{7}
help: Quote the key.          more: aob explain AOB1008
"
        );
    }

    #[test]
    fn colour_is_for_terminals() {
        let shown = rendered("a: ~\na: 1\n", true);
        assert!(shown.starts_with(
            "\u{1b}[1;31merror[AOB1003]\u{1b}[0m: \u{1b}[1mthe key `a` is written twice\u{1b}[0m\n"
        ));
        assert!(shown.contains("   \u{1b}[1;34m|\u{1b}[0m \u{1b}[1;31m^\u{1b}[0m\n"));
        assert!(shown.contains("\u{1b}[1;36mhelp\u{1b}[0m: Remove"));
    }
}
