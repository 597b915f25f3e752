//! The two streams of a command: stdout is data, stderr is the rest.

use std::io::{IsTerminal, Write};

use crate::exit::Exit;
use crate::problem::{Finding, Problem};
use crate::show::diff::Paint;

/// What the streams are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// Whether data goes to a person.
    pub(crate) data: bool,
    /// Whether the rest goes to a person.
    pub(crate) live: bool,
    /// Whether the rest may be coloured.
    pub(crate) colour: bool,
    /// Whether signs beyond ASCII are shown.
    pub(crate) unicode: bool,
}

impl Terminal {
    /// Looks at the streams and at `NO_COLOR`, `TERM` and the locale.
    pub(crate) fn detect() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let live = std::io::stderr().is_terminal() && !dumb;
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| set(name));
        let unicode = locale
            .is_some_and(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"));
        Self {
            data: std::io::stdout().is_terminal(),
            live,
            colour: live && set("NO_COLOR").is_none(),
            unicode,
        }
    }

    /// Columns and rows of the terminal behind stderr.
    pub(crate) fn size(self) -> (usize, usize) {
        match rustix::termios::tcgetwinsize(std::io::stderr()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => (80, 24),
        }
    }

    /// Writes data, ended by a line break.
    pub(crate) fn data(self, text: &str) {
        let mut out = std::io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        if out
            .write_all(text.as_bytes())
            .and_then(|()| out.write_all(end.as_bytes()))
            .and_then(|()| out.flush())
            .is_err()
        {
            // Whoever read it has gone: `aob ls runs | head`.
            std::process::exit(i32::from(Exit::Done as u8));
        }
    }

    /// Writes a line for a person. Should nobody read it any more, the command still does its work.
    pub(crate) fn say(self, line: &str) {
        self.write(&format!("{line}\n"));
    }

    /// Writes to stderr as it is.
    pub(crate) fn write(self, text: &str) {
        let mut err = std::io::stderr().lock();
        drop(err.write_all(text.as_bytes()).and_then(|()| err.flush()));
    }

    /// Prints findings.
    pub(crate) fn findings(self, findings: &[Finding]) {
        for finding in findings {
            self.write(&finding.text(self.colour));
        }
    }

    /// Prints what stopped a command and answers how it ends.
    pub(crate) fn stop(self, problem: &Problem) -> Exit {
        self.findings(&problem.findings);
        crate::problem::exit(problem)
    }

    /// Colours for data: none in a pipe.
    pub(crate) fn paint_data(self) -> Paint {
        Paint(self.data && self.colour)
    }

    /// Text in a colour (an SGR code), where colours are shown.
    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
