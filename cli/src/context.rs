//! Contexts: names for the places that verbs talk to, with the proof of who asks, in a file of this user alone.

mod file;

use std::path::PathBuf;

use aob_engine::catalogue;
use aob_engine::issue::excerpt;

use crate::problem::{Problem, Result};

pub(crate) use file::{Config, edit, load};

/// Longest name.
const LONGEST: usize = 64;

/// What a context leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A data directory; the usual one without a path.
    Data(Option<PathBuf>),
    /// A server.
    Redis(String),
    /// A gateway.
    Server(Server),
}

/// A gateway, and how it is asked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// `https://aob.example.com`.
    pub(crate) url: String,
    /// Whose runs are meant, if not those that the token says.
    pub(crate) tenant: Option<String>,
    /// Certificates to trust beside the system's, PEM.
    pub(crate) ca: Option<PathBuf>,
    /// Proves who asks.
    pub(crate) token: Option<String>,
}

/// Without the token.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.url)
    }
}

impl Target {
    /// For people, without passwords and tokens.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Data(None) => "the usual data directory".to_owned(),
            Self::Data(Some(dir)) => dir.display().to_string(),
            Self::Redis(url) => without_password(url),
            Self::Server(server) => server.url.clone(),
        }
    }
}

impl Config {
    /// The context with this name.
    pub(crate) fn target(&self, name: &str, about: &str) -> Result<Target> {
        self.contexts.get(name).cloned().ok_or_else(|| {
            let message = format!("there is no context {}", excerpt(name));
            let problem = Problem::new(&catalogue::NO_CONTEXT, about, message);
            let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            if known.is_empty() {
                problem
            } else {
                problem.detail(format!("contexts: {}", known.join(", ")))
            }
        })
    }
}

/// A name as it is written on the command line.
pub(crate) fn name(text: &str) -> std::result::Result<String, String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if !text.is_empty() && text.len() <= LONGEST && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err(format!("a context's name has 1 to {LONGEST} letters, digits, `.`, `_`, `-`"))
}

/// An address whose user and password are hidden.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let target = Target::Redis("redis://ada:s3cret@host:6379/1".into());
        assert_eq!(target.shown(), "redis://***@host:6379/1");
        let server = Server {
            url: "https://a".into(),
            tenant: None,
            ca: None,
            token: Some("s3cret".into()),
        };
        assert!(
            !format!("{server:?} {}", Target::Server(server.clone()).shown()).contains("s3cret")
        );
    }

    #[test]
    fn names_are_plain() {
        assert!(name("prod-1.eu").is_ok());
        for bad in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
