//! What has changed since the last release, from the subjects of commits: `area: what it does`.

use std::collections::BTreeMap;

use crate::shell::output;

/// A page of the changes since the newest tag, or of all.
pub(super) fn since_last(version: &str) -> Result<String, Box<dyn std::error::Error>> {
    let own = format!("v{version}");
    let tags =
        output("git", &["tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname"])?;
    let last = tags.lines().find(|tag| *tag != own);
    let range = last.map_or_else(|| "HEAD".to_owned(), |last| format!("{last}..HEAD"));
    let log = output("git", &["log", "--no-merges", "--format=%s", &range])?;
    let since = last.map_or_else(String::new, |last| format!(" since {last}"));
    let day = output("git", &["log", "-1", "--format=%cs"])?;
    Ok(format!("# AOB {version}\n\n{}: changes{since}.\n{}", day.trim(), page(&log)))
}

/// Subjects by their areas, the newest first; those without one at the end.
fn page(log: &str) -> String {
    let mut areas: BTreeMap<(bool, &str), Vec<&str>> = BTreeMap::new();
    for subject in log.lines() {
        let (area, what) = match subject.split_once(": ") {
            Some((area, what)) if is_area(area) => (area, what),
            _ => ("", subject),
        };
        // What was merged is told by what was merged.
        if area.starts_with("merge") || subject.starts_with("merge ") {
            continue;
        }
        areas.entry((area.is_empty(), area)).or_default().push(what);
    }
    let mut page = String::new();
    for ((_, area), all) in areas {
        let area = if area.is_empty() { "Other" } else { area };
        page.push_str(&format!("\n## {area}\n\n"));
        for what in all {
            page.push_str(&format!("- {what}\n"));
        }
    }
    page
}

/// `operator`, `e2e/cluster`, `docs`: one word.
fn is_area(text: &str) -> bool {
    let fits = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-/_".contains(letter)
    };
    !text.is_empty() && text.len() <= 24 && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn subjects_are_told_by_area() {
        let log = "store: a call that died: tried\nmerge: all\nSomething else\nengine: one\nengine: two\nmerge main\n";
        assert_eq!(
            page(log),
            "\n## engine\n\n- one\n- two\n\n## store\n\n- a call that died: tried\n\n## Other\n\n- Something else\n"
        );
    }
}
