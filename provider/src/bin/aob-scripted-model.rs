//! `aob-scripted-model`: a model provider without a model, on a port of this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use aob_provider::script::{Script, Server};
use clap::Parser;

/// Answers like OpenAI and Anthropic do, by a script instead of a model.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// The script, a TOML file; docs/models.md says what it may hold.
    script: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8089")]
    listen: SocketAddr,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    match serve(&flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tell(&format!("aob-scripted-model: {why}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(flags: &Flags) -> Result<(), String> {
    let path = flags.script.display();
    let text =
        std::fs::read_to_string(&flags.script).map_err(|error| format!("{path}: {error}"))?;
    let script = Script::parse(&text).map_err(|error| format!("{path}: {error}"))?;
    let server = Server::on(script, flags.listen, None)
        .await
        .map_err(|error| format!("{}: {error}", flags.listen))?;
    tell(&format!("answers by {path} at {}; no model is asked", server.base_url()));
    server.run().await;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "this is what it says to whoever started it")]
fn tell(line: &str) {
    eprintln!("{line}");
}
