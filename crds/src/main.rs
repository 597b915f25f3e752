//! Prints every file that is made of the kinds, as a JSON object of paths and texts: `cargo xtask generate` writes them.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let printed = aob_crds::manifest::files()
        .and_then(|files| Ok(serde_json::to_string(&files)?))
        .and_then(|text| Ok(std::io::stdout().write_all(text.as_bytes())?));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever asked reads it there; a second failure to write cannot be told.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
