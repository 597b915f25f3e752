//! Logs and a graceful stop, the same in every binary.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

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

/// Sends log lines of this process to stderr. `RUST_LOG` chooses what; `usual` does without it.
/// The first call wins; later ones change nothing.
pub fn log(format: Format, usual: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    let json = format == Format::Json || (format == Format::Auto && !terminal);
    // An error means that a subscriber is set already: tests set theirs.
    drop(if json {
        lines.json().try_init()
    } else {
        lines.with_ansi(terminal).with_target(false).try_init()
    });
}

/// Waits for the word to stop: SIGTERM or SIGINT.
///
/// # Errors
/// If the process may not handle signals.
pub async fn stopped() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
