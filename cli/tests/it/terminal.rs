//! What a person on a terminal sees, on a real one.

use std::process::Command;

use crate::place::{Place, Said, example};

/// Runs a command line on a terminal of its own; `script` of util-linux makes one.
fn on_a_terminal(place: &Place, line: &str, set: &[(&str, &str)]) -> Said {
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{} {line}", env!("CARGO_BIN_EXE_aob")), "/dev/null"]);
    command
        .current_dir(place.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .env("AOB_DATA", place.data())
        .env("USER", "ada")
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .env("LANG", "C.UTF-8");
    command.envs(set.iter().copied()).stdin(std::process::Stdio::null());
    Said::of(&mut command)
}

#[test]
fn the_tree_is_drawn_in_place_and_the_result_follows() {
    let place = Place::alone();
    let said = on_a_terminal(&place, &format!("run {}", example("hello.yaml")), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    let last = said.out.rsplit("\u{1b}[J").next().unwrap();
    assert!(said.out.contains("A\u{1b}[J"), "it is redrawn: {}", said.out);
    for part in [
        "hello  run_",
        "succeeded",
        "\u{1b}[32m✓\u{1b}[0m whom",
        "✓\u{1b}[0m greet",
        "{\r\n  \"greeting\": \"Hello, world!\"\r\n}",
    ] {
        assert!(last.contains(part), "`{part}` is not in:\n{last}");
    }
    assert!(!said.out.contains("whom started"), "no lines beside the tree: {}", said.out);
}

#[test]
fn no_color_and_other_locales_are_honoured() {
    let place = Place::alone();
    let said = on_a_terminal(
        &place,
        &format!("run {}", example("hello.yaml")),
        &[("NO_COLOR", "1"), ("LANG", "C")],
    );
    assert!(said.out.contains("  + whom ") && !said.out.contains('✓'), "{}", said.out);
    assert!(!said.out.contains("[32m") && !said.out.contains("[1m"), "{}", said.out);
    let dumb =
        on_a_terminal(&place, &format!("run {}", example("hello.yaml")), &[("TERM", "dumb")]);
    assert!(dumb.out.contains("whom started") && !dumb.out.contains('\u{1b}'), "{}", dumb.out);
}
