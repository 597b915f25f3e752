//! Patterns of `matches`: RE2's syntax, compiled once, linear in the text.

use regex::{Regex, RegexBuilder};

use crate::issue::excerpt;

/// The compiled pattern, or why there is none.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let regex =
        RegexBuilder::new(&with_ascii_classes(pattern)).size_limit(SIZE).nest_limit(32).build();
    regex.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern of `matches` is too large".to_owned(),
        other => {
            let text = other.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("the pattern of `matches` is no RE2 expression: {}", excerpt(reason))
        }
    })
}

/// The largest automaton, in bytes.
const SIZE: usize = 64 << 10;

/// `\d`, `\s`, `\w` and `\b` know ASCII only, as in RE2; the crate would take all of Unicode, which is
/// also a hundred times as large.
fn with_ascii_classes(pattern: &str) -> String {
    let mut written = String::with_capacity(pattern.len());
    let mut in_class = 0_usize;
    let mut rest = pattern.chars();
    while let Some(char) = rest.next() {
        match char {
            '\\' => {
                let escaped = rest.next();
                match (escaped.and_then(ascii_class), escaped) {
                    (Some(class), _) if in_class > 0 => written.push_str(class),
                    (Some(class), _) => written.extend(["[", class, "]"]),
                    (None, Some('b')) if in_class == 0 && !rest.as_str().starts_with('{') => {
                        written.push_str("(?-u:\\b)");
                    }
                    (None, _) => {
                        written.push('\\');
                        written.extend(escaped);
                    }
                }
                continue;
            }
            '[' => {
                in_class += 1;
                written.push(char);
                // A bracket that comes first is one of the class.
                for first in ['^', ']'] {
                    if let Some(tail) = rest.as_str().strip_prefix(first) {
                        written.push(first);
                        rest = tail.chars();
                    }
                }
                continue;
            }
            ']' => in_class = in_class.saturating_sub(1),
            _ => {}
        }
        written.push(char);
    }
    written
}

fn ascii_class(escaped: char) -> Option<&'static str> {
    Some(match escaped {
        'd' => "[:digit:]",
        'D' => "[:^digit:]",
        's' => "[:space:]",
        'S' => "[:^space:]",
        'w' => "[:word:]",
        'W' => "[:^word:]",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{compile, with_ascii_classes};

    #[test]
    fn classes_are_those_of_ascii() {
        for (pattern, yes, no) in [
            (r"^\w+$", "a_1", "é"),
            (r"^\d{2}\s\S$", "12 é", "٣٣ x"),
            (r"^[\w-]+$", "a-b", "é-b"),
            (r"^[^\W\d]+$", "ab", "a1"),
            (r"^[]\d]+$", "]1", "a"),
            (r"^[^]\d]+$", "ab", "]"),
            (r"\bb\b", "éb", "ab"),
            (r"^\\w$", "\\w", "a"),
            (r"^\D\B.$", "éé", "1x"),
            (r"^[\[\]]$", "]", "a"),
            (r"(?i)^é{1,20}$", "É", "e"),
            (r"^\w{1,60}$", "abc", ""),
        ] {
            let regex = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert!(
                regex.is_match(yes) && !regex.is_match(no),
                "{pattern}: {}",
                with_ascii_classes(pattern)
            );
        }
    }

    #[test]
    fn large_and_broken_patterns_are_refused() {
        for pattern in [r"(((a?){20}){20}){20}", r"[^x]{1000}"] {
            assert!(compile(pattern).unwrap_err().contains("too large"));
        }
        for pattern in ["(", "[a", "a{2,1}", "\\", r"(?=a)", r"\1"] {
            assert!(compile(pattern).unwrap_err().contains("no RE2"), "{pattern}");
        }
    }
}
