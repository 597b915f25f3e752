//! What must hold before any parser sees a file: its size, its encoding, its characters.

use super::place::Place;
use super::{Limits, Located};
use crate::catalogue::{BAD_TAG, NOT_TEXT, TOO_LARGE, YAML_AMBIGUOUS, YAML_SYNTAX};
use crate::issue::{Issue, excerpt};

/// The byte order mark, which may begin a file and belongs to no line.
pub(super) const BOM: char = '\u{feff}';

/// Offsets are kept in 32 bits.
const MOST_BYTES: usize = 1 << 30;

/// The file as text, its byte order mark included.
pub(super) fn check<'a>(bytes: &'a [u8], limits: &Limits) -> Result<&'a str, Vec<Located>> {
    let most = limits.bytes.min(MOST_BYTES);
    if bytes.len() > most {
        let issue = Issue::new(&TOO_LARGE, "", format!("the file is larger than {most} bytes"));
        return Err(vec![Located { issue, place: None }]);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let valid = std::str::from_utf8(&bytes[..offset]).unwrap_or_default();
        let byte = bytes.get(offset).copied().unwrap_or_default();
        let issue =
            Issue::new(&NOT_TEXT, "", format!("byte 0x{byte:02x} at offset {offset} is not UTF-8"));
        let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let issue =
            if utf16 { issue.remedy("This looks like UTF-16; save it as UTF-8.") } else { issue };
        refusal(issue, Place::at(valid, offset, 0))
    })?;
    match text.find('\0') {
        None => Ok(text),
        Some(offset) => {
            let issue = Issue::new(&NOT_TEXT, "", format!("the byte at offset {offset} is NUL"));
            Err(refusal(issue, Place::at(text, offset, 1)))
        }
    }
}

/// What YAML forbids in its text and the parser lets through, and the directives.
pub(super) fn check_yaml(text: &str) -> Result<(), Vec<Located>> {
    characters(text)?;
    directives(text)
}

fn characters(text: &str) -> Result<(), Vec<Located>> {
    for (offset, found) in text.char_indices() {
        let code = u32::from(found);
        let issue = match found {
            '\t' | '\n' | '\r' | ' '..='~' => continue,
            // YAML 1.1 ends a line at these, even a comment; 1.2 does not.
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                let message =
                    format!("U+{code:04X} ends a line in YAML 1.1 and does not in YAML 1.2");
                Issue::new(&YAML_AMBIGUOUS, "", message).remedy(format!(
                    "Write it as \"\\u{code:04x}\" in double quotes, or use a plain line break."
                ))
            }
            BOM if offset > 0 => {
                Issue::new(&NOT_TEXT, "", "a byte order mark stands within the file")
                    .remedy("Remove it, or write it as \"\\ufeff\" in double quotes.")
            }
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                let message =
                    format!("U+{code:04X} at offset {offset} is not a printable character");
                Issue::new(&NOT_TEXT, "", message).remedy(format!(
                    "Write it as \"\\u{code:04x}\" in double quotes, or remove it."
                ))
            }
            _ => continue,
        };
        return Err(refusal(issue, Place::at(text, offset, found.len_utf8())));
    }
    Ok(())
}

/// `%` lines stand only before a document: at the start, or after `...`, which ends any scalar.
fn directives(text: &str) -> Result<(), Vec<Located>> {
    let mut before_document = true;
    let mut offset = 0;
    for whole in text.split_inclusive(['\n', '\r']) {
        let line = whole.trim_start_matches(BOM).trim_end();
        if before_document && line.starts_with('%') {
            if let Some(issue) = directive(line) {
                let start = offset + (whole.len() - whole.trim_start_matches(BOM).len());
                return Err(refusal(issue, Place::at(text, start, line.len())));
            }
        } else if line == "..." || line.starts_with("... ") || line.starts_with("...\t") {
            before_document = true;
        } else {
            before_document &= line.trim_start().is_empty() || line.trim_start().starts_with('#');
        }
        offset += whole.len();
    }
    Ok(())
}

fn refusal(issue: Issue, place: Place) -> Vec<Located> {
    vec![Located { issue, place: Some(place) }]
}

fn directive(line: &str) -> Option<Issue> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let quoted = excerpt(line);
    let issue = match (name, version) {
        ("%YAML", "1.2") => return None,
        ("%YAML", "1.1" | "1.0") => {
            Issue::new(&YAML_AMBIGUOUS, "", format!("`{quoted}`: files are read as YAML 1.2"))
        }
        ("%TAG", _) => Issue::new(&BAD_TAG, "", format!("`{quoted}`: no tags are declared here")),
        _ => Issue::new(&YAML_SYNTAX, "", format!("`{quoted}` is no directive that is known here")),
    };
    Some(issue.remedy("Remove the line."))
}
