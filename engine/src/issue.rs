//! What is wrong, where, by which rule, and what helps.

use crate::catalogue::Entry;

/// One finding about a document. Findings are gathered and returned together, never one at a time.
#[derive(Debug, Clone)]
pub struct Issue {
    /// The catalogue's entry: code, name and rule.
    pub entry: &'static Entry,
    /// JSON pointer (RFC 6901) of the place in the document; empty for the document itself.
    pub pointer: String,
    /// One sentence naming the thing that is wrong. At most 500 characters of outside data are quoted.
    pub message: String,
    /// The remedy for this very case; the entry's own where nothing nearer is known.
    pub remedy: Option<String>,
    /// Further lines that show it: a path, the two places that clash.
    pub details: Vec<String>,
    /// Whether it only warns.
    pub warning: bool,
}

impl Issue {
    /// A finding that refuses the document.
    pub fn new(
        entry: &'static Entry,
        pointer: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            entry,
            pointer: pointer.into(),
            message: message.into(),
            remedy: None,
            details: Vec::new(),
            warning: false,
        }
    }

    /// A finding that is printed and refuses nothing.
    pub fn warn(
        entry: &'static Entry,
        pointer: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { warning: true, ..Self::new(entry, pointer, message) }
    }

    /// With a remedy that fits this case better than the catalogue's.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// With one more line that shows it.
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// What to do about it.
    pub fn help(&self) -> &str {
        self.remedy.as_deref().unwrap_or(self.entry.remedy)
    }
}

impl std::fmt::Display for Issue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.entry.code, self.message)?;
        if !self.pointer.is_empty() {
            write!(f, " (at {})", self.pointer)?;
        }
        Ok(())
    }
}

/// A piece of outside text short enough to be quoted in a message.
pub fn excerpt(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 3).collect::<String>() + "..."
}
