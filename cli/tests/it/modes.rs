//! The same tests where another process has the runs: an `aob up` behind its socket, and two gateways over HTTPS with
//! three runners on one Redis. Tests about what a command does itself use [`crate::place::Place::alone`].

use std::process::Command;

/// The modules whose tests hold wherever the runs are.
const MODULES: [&str; 6] = ["answer::", "files::", "look::", "patch::", "run::", "version::"];

#[test]
fn the_same_through_the_socket_of_aob_up() {
    again("socket");
}

#[test]
fn the_same_over_https_from_two_gateways() {
    again("https");
}

fn again(mode: &str) {
    // In a mode these tests would call themselves.
    if std::env::var_os("AOB_CLI_MODE").is_some() {
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(MODULES).env("AOB_CLI_MODE", mode).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = said.lines().filter(|line| line.ends_with("... ok")).count();
    println!("{mode}: {passed} tests");
    assert!(passed > 30, "only {passed} tests in mode {mode}");
}
