//! Layout that readers of YAML take differently, as far as no scalar's value shows it.
//!
//! Found by giving the same random files to this reader and to kubectl's.

use crate::catalogue::YAML_AMBIGUOUS;
use crate::issue::{Issue, excerpt};

/// Judges a plain scalar by how it begins and by what stands behind it.
pub(super) fn plain(text: &str, key: bool, behind: &str) -> Result<(), Issue> {
    if text.starts_with('?') {
        let message = format!(
            "`{}` begins with a `?`, which is a sign of its own to some readers",
            excerpt(text)
        );
        return Err(Issue::new(&YAML_AMBIGUOUS, "", message).remedy("Quote it."));
    }
    let mut next = behind.trim_start().chars();
    let colon = key
        && next.next() == Some(':')
        && next.next().is_some_and(|letter| ",[]{}".contains(letter));
    if colon {
        let message = format!(
            "the `:` behind `{}` is part of it to YAML 1.1, and not to YAML 1.2",
            excerpt(text)
        );
        return Err(Issue::new(&YAML_AMBIGUOUS, "", message)
            .remedy("Put a space after the `:`, and write the value, `null` if there is none."));
    }
    Ok(())
}

/// Judges a block scalar by its end: without a last line break some readers add one to it.
pub(super) fn block(text: &str, unended: bool) -> Result<(), Issue> {
    if !(unended && text.ends_with('\n')) {
        return Ok(());
    }
    let message = "a block scalar ends with the file, and the file's last line has no line break";
    Err(Issue::new(&YAML_AMBIGUOUS, "", message)
        .remedy("End the file with a line break, or write `|-` or `>-`."))
}
