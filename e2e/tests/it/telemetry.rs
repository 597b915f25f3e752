//! What a runner says of itself, read by what others read it with: OpenTelemetry's and Prometheus's own types.

mod admin;
mod trace;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::local::PATIENCE;
use crate::process::{Process, runner};

/// A runner of a server that also coordinates, with an admin port.
fn admin_runner(url: &str) -> Command {
    let mut command = runner();
    command.args(["--redis", url, "--coordinate", "--lease", "1", "--drain", "1"]);
    command.args(["--allow-private", "--admin", "127.0.0.1:0", "--log-format", "json"]);
    command.env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET");
    command
}

/// Where a runner's admin port is, by its own word.
async fn admin_address(runner: &mut Process) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let said = runner.said();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut found = lines.filter_map(|line| Some(line["fields"]["admin"].as_str()?.to_owned()));
        if let Some(address) = found.next() {
            return address;
        }
        assert!(runner.ended().is_none() && Instant::now() < until, "{said}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Asks an admin port; status and body.
async fn ask(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// Runs `aob` in a folder to its end; what it printed.
fn aob(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = crate::process::aob();
    command.current_dir(folder).args(arguments).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
