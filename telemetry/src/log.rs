//! Log lines on stderr, and their level, which can be changed while the process runs.

use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::EnvFilter;

/// Longest filter, in bytes.
const LONGEST: usize = 1_024;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The filter in force, and how it is replaced.
struct Level {
    text: Mutex<String>,
    replace: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
}

static LEVEL: OnceLock<Level> = OnceLock::new();

/// Sends log lines of this process to stderr. `RUST_LOG` chooses what; `usual` does without it.
/// The first call wins; later ones change nothing.
pub fn log(format: Format, usual: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let text = filter.to_string();
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Each way of writing lines is a type of its own, and so is its handle.
    if format == Format::Json || (format == Format::Auto && !terminal) {
        let lines = lines.json().with_filter_reloading();
        let handle = lines.reload_handle();
        let replace = move |filter| handle.reload(filter).map_err(|error| error.to_string());
        keep(lines.try_init().is_ok(), text, replace);
    } else {
        let lines = lines.with_ansi(terminal).with_target(false).with_filter_reloading();
        let handle = lines.reload_handle();
        let replace = move |filter| handle.reload(filter).map_err(|error| error.to_string());
        keep(lines.try_init().is_ok(), text, replace);
    }
}

/// The filter in force, as `RUST_LOG` is written; none before [`log`].
pub fn level() -> Option<String> {
    let level = LEVEL.get()?;
    Some(level.text.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Logs by another filter from now on: `debug`, `info,aob_runner=trace`.
///
/// # Errors
/// What is wrong with the filter, in a sentence.
pub fn set_level(filter: &str) -> Result<(), String> {
    let filter = filter.trim();
    if filter.is_empty() || filter.len() > LONGEST {
        return Err(format!("a filter has 1 to {LONGEST} bytes: `info,aob_runner=debug`"));
    }
    let parsed = EnvFilter::from_str(filter).map_err(|error| {
        format!("the filter cannot be read: {error}; write `info,aob_runner=debug`")
    })?;
    let level = LEVEL.get().ok_or("this process keeps no log")?;
    let mut text = level.text.lock().unwrap_or_else(PoisonError::into_inner);
    (level.replace)(parsed)?;
    filter.clone_into(&mut text);
    Ok(())
}

fn keep(
    first: bool,
    text: String,
    replace: impl Fn(EnvFilter) -> Result<(), String> + Send + Sync + 'static,
) {
    // A subscriber is set already: tests set theirs.
    if first {
        drop(LEVEL.set(Level { text: Mutex::new(text), replace: Box::new(replace) }));
    }
}
