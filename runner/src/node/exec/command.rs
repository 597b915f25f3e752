//! From a node's config to a command line.

use std::collections::BTreeMap;

use aob_engine::catalogue::{EXEC_NOT_ALLOWED, NODE_INPUT};
use serde::Deserialize;
use serde_json::Value;

use crate::node::{ExecPolicy, Failure, Task};

/// How many words and variables a command has at most.
const WORDS: usize = 1024;
/// The largest word, value of a variable, or stdin, in bytes.
const LARGEST: usize = 1024 * 1024;
/// What a command inherits from the runner.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];

/// A command that may be started.
pub(super) struct Command {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    /// All of its environment.
    pub(super) env: BTreeMap<String, String>,
    pub(super) stdin: String,
    pub(super) parse: Option<Parse>,
}

/// What to make of stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Parse {
    Text,
    Json,
}

/// The config of an `exec` node.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    command: Words,
    #[serde(default)]
    env: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    stdin: Option<String>,
    #[serde(default)]
    parse: Option<Parse>,
}

/// A program with its arguments, or a program alone. No shell reads either.
#[derive(Deserialize)]
#[serde(untagged, expecting = "`command` is a list of words, the first the program")]
enum Words {
    Program(String),
    List(Vec<Value>),
}

impl Command {
    pub(super) fn read(task: &Task, policy: &ExecPolicy) -> Result<Self, Failure> {
        let config = Config::deserialize(&task.input).map_err(|error| wrong(error.to_string()))?;
        let mut words = match config.command {
            Words::Program(program) => vec![program],
            Words::List(list) => list
                .iter()
                .enumerate()
                .map(|(index, word)| text(&format!("command/{index}"), word))
                .collect::<Result<_, _>>()?,
        }
        .into_iter();
        let program = words
            .next()
            .filter(|program| !program.is_empty())
            .ok_or_else(|| wrong("`command` is empty"))?;
        let arguments: Vec<String> = words.collect();
        let given = config.env.unwrap_or_default();
        if arguments.len() > WORDS || given.len() > WORDS {
            return Err(wrong(format!("more than {WORDS} words or variables")));
        }
        let mut env: BTreeMap<String, String> = INHERITED
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
            .collect();
        for (name, value) in given {
            variable(&name, policy)?;
            let value = text(&format!("env/{name}"), &value)?;
            env.insert(name, value);
        }
        env.insert("AOB_RUN".to_owned(), task.run.clone());
        env.insert("AOB_INSTANCE".to_owned(), task.instance.clone());
        env.insert("AOB_ATTEMPT".to_owned(), task.attempt.to_string());
        env.insert("AOB_KEY".to_owned(), task.key.clone());

        let stdin = config.stdin.unwrap_or_default();
        for (what, text) in std::iter::once(("command", &program))
            .chain(arguments.iter().map(|word| ("command", word)))
            .chain(env.values().map(|value| ("env", value)))
        {
            if text.contains('\0') || text.len() > LARGEST {
                return Err(wrong(format!("`{what}` holds a NUL character or more than 1 MiB")));
            }
        }
        if stdin.len() > LARGEST {
            return Err(wrong("`stdin` is more than 1 MiB"));
        }
        Ok(Self { program, arguments, env, stdin, parse: config.parse })
    }
}

/// Judges the name of a variable. Where only some programs are allowed, none may be set with which
/// another would start in their place.
fn variable(name: &str, policy: &ExecPolicy) -> Result<(), Failure> {
    let is_plain = name.bytes().enumerate().all(|(at, byte)| {
        byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
    });
    if name.is_empty() || !is_plain {
        return Err(wrong(format!("`{}` is no name of a variable", name.escape_debug())));
    }
    let steers = name == "PATH" || name.starts_with("LD_") || name.starts_with("DYLD_");
    if steers && matches!(policy, ExecPolicy::Only(_)) {
        let message = format!(
            "this runner allows certain commands only, so `env` may not set {name}; its operator can lift that with --allow-exec"
        );
        return Err(Failure::new(&EXEC_NOT_ALLOWED, message));
    }
    Ok(())
}

fn text(place: &str, value: &Value) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(wrong(format!("`{place}` is neither text nor a number")))
        }
    }
}

fn wrong(what: impl Into<String>) -> Failure {
    Failure::new(&NODE_INPUT, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tests::task;
    use serde_json::json;

    fn read(config: Value) -> Result<Command, Failure> {
        Command::read(&task("exec", config), &ExecPolicy::Any)
    }

    #[test]
    fn words_are_words() {
        let command = read(json!({"command": ["echo", 1, true, "a b; c"], "parse": "json", "env": {"N": 7}, "stdin": "x"})).unwrap();
        assert_eq!(
            (command.program.as_str(), command.arguments),
            ("echo", vec!["1".to_owned(), "true".into(), "a b; c".into()])
        );
        assert_eq!(
            (command.parse, command.stdin.as_str(), command.env["N"].as_str()),
            (Some(Parse::Json), "x", "7")
        );
        assert_eq!(read(json!({"command": "a b"})).unwrap().program, "a b");
    }

    #[test]
    fn the_environment_is_small_and_says_who_runs() {
        let command = read(json!({"command": "env", "env": {"AOB_RUN": "other"}})).unwrap();
        assert_eq!(
            (
                command.env["AOB_RUN"].as_str(),
                command.env["AOB_KEY"].as_str(),
                command.env["AOB_ATTEMPT"].as_str()
            ),
            ("run_1", "run_1/n", "1")
        );
        assert!(
            command
                .env
                .keys()
                .all(|name| name.starts_with("AOB_") || INHERITED.contains(&name.as_str())),
            "{:?}",
            command.env.keys()
        );
    }

    #[test]
    fn what_cannot_be_started_is_refused() {
        for (config, said) in [
            (json!({}), "command"),
            (json!({"command": []}), "empty"),
            (json!({"command": ""}), "empty"),
            (json!({"command": {"a": 1}}), "list of words"),
            (json!({"command": ["a", []]}), "command/1"),
            (json!({"command": ["a\u{0}b"]}), "NUL"),
            (json!({"command": vec!["a"; 1100]}), "1024"),
            (json!({"command": "a", "env": {"A-B": 1}}), "A-B"),
            (json!({"command": "a", "env": {"1A": 1}}), "1A"),
            (json!({"command": "a", "env": {"A": {}}}), "env/A"),
            (json!({"command": "a", "shell": true}), "shell"),
            (json!({"command": "a", "parse": "yaml"}), "yaml"),
        ] {
            let Err(failure) = read(config) else { panic!("{said}: passes") };
            assert!(
                failure.code == "node_input" && failure.message.contains(said),
                "{said}: {failure}"
            );
        }
    }

    #[test]
    fn a_list_of_programs_is_not_to_be_talked_round() {
        for name in ["PATH", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES"] {
            let task = task("exec", json!({"command": "git", "env": {name: "x"}}));
            let only = ExecPolicy::Only(["git".to_owned()].into());
            let Err(failure) = Command::read(&task, &only) else { panic!("{name} passes") };
            assert_eq!(failure.code, "exec_not_allowed");
            assert!(Command::read(&task, &ExecPolicy::Any).is_ok());
        }
    }
}
