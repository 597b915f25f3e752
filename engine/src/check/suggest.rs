//! What was probably meant, and how outside names are quoted.

use crate::issue::excerpt;

/// Longest text that is compared.
const LONGEST: usize = 63;

/// The known name nearest to what was written, if it is near enough to be meant.
pub(crate) fn nearest<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = match wanted.len() {
        0 => return None,
        1..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let most = best.map_or(most, |(distance, _)| distance - 1);
        if let Some(distance) = distance_within(wanted, name, most) {
            if distance == 0 || name.is_empty() {
                continue;
            }
            best = Some((distance, name));
            if distance == 1 {
                break;
            }
        }
    }
    best.map(|(_, name)| name)
}

/// `; did you mean ...?`, or nothing.
pub(crate) fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wanted, known)
        .map(|name| format!("; did you mean {}?", quote(name)))
        .unwrap_or_default()
}

/// Levenshtein distance of two short texts, if it is at most `most`.
pub(crate) fn distance_within(a: &str, b: &str, most: usize) -> Option<usize> {
    if a.len() > LONGEST * 4 || b.len() > LONGEST * 4 {
        return None;
    }
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len() > LONGEST || b.len() > LONGEST || a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut row = [0; LONGEST + 1];
    for (at, cell) in row.iter_mut().enumerate() {
        *cell = at;
    }
    for (at, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        let mut least = row[0];
        for (column, y) in b.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] =
                if x == y { diagonal } else { 1 + diagonal.min(above).min(row[column]) };
            diagonal = above;
            least = least.min(row[column + 1]);
        }
        if least > most {
            return None;
        }
    }
    Some(row[b.len()]).filter(|distance| *distance <= most)
}

/// A name from outside in backticks, bounded, with control characters written out.
pub(crate) fn quote(name: &str) -> String {
    let name = excerpt(name);
    if name.chars().any(char::is_control) {
        format!("`{}`", name.escape_debug())
    } else {
        format!("`{name}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, wanted) in [
            ("approval", "approval", Some(0)),
            ("aproval", "approval", Some(1)),
            ("Aproval", "approval", Some(2)),
            ("approve", "approval", Some(2)),
            ("aprovl", "approval", Some(2)),
            ("aprovel", "approval", Some(2)),
            ("approver", "approval", Some(2)),
            ("aproovel", "approval", None),
            ("http", "approval", None),
            ("", "ab", Some(2)),
        ] {
            assert_eq!(distance_within(a, b, 2), wanted, "{a} {b}");
            assert_eq!(distance_within(b, a, 2), wanted, "{b} {a}");
        }
        let long = "a".repeat(100_000);
        assert_eq!(distance_within(&long, &long, 2), None);
    }

    #[test]
    fn the_nearest_is_named() {
        assert_eq!(nearest("fetsh", ["save", "fetch", "fresh"]), Some("fetch"));
        assert_eq!(nearest("zzz", ["save", "fetch"]), None);
        assert_eq!(nearest("ab", ["cd"]), None);
    }

    #[test]
    fn quotes_are_bounded_and_printable() {
        assert_eq!(quote("a\u{1b}[31m"), "`a\\u{1b}[31m`");
        assert!(quote(&"x".repeat(10_000)).len() < 100);
    }
}
