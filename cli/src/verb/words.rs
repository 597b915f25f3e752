//! What needs no store: `aob explain`, `aob schema`, `aob completion`, `aob version`.

use aob_engine::catalogue::{self, Entry};
use aob_engine::issue::excerpt;
use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::{Value, json};

use super::reference;
use crate::arguments::{Arguments, Explain, Format, Schema, Script};
use crate::exit::Exit;
use crate::problem::{Problem, Result};
use crate::show::table::table;
use crate::show::terminal::Terminal;
use crate::show::value::value;

/// Explains a code, or lists all.
pub(super) fn explain(arguments: &Explain, terminal: Terminal) -> Result<Exit> {
    let data = |entry: &Entry| {
        let Entry { code, name, title, rule, remedy } = entry;
        json!({"code": code, "name": name, "title": title, "rule": rule, "remedy": remedy})
    };
    let Some(code) = &arguments.code else {
        match arguments.output {
            Some(format) => {
                let list = Value::Array(catalogue::all().map(data).collect());
                terminal.data(&value(&list, Some(format), terminal.data));
            }
            None => {
                let rows: Vec<Vec<String>> = catalogue::all()
                    .map(|entry| [entry.code, entry.name, entry.title].map(str::to_owned).to_vec())
                    .collect();
                terminal.data(&table(&["CODE", "NAME", "MEANS"], &rows));
            }
        }
        return Ok(Exit::Done);
    };
    let Some(entry) = catalogue::find(code) else {
        let message = format!("there is no error code {}", excerpt(code));
        return Err(Problem::new(&catalogue::NO_CODE, "argument CODE", message));
    };
    match arguments.output {
        Some(format) => terminal.data(&value(&data(entry), Some(format), terminal.data)),
        None => {
            let Entry { code, name, title, rule, remedy } = entry;
            terminal.data(&format!("{code} {name}: {title}\n\nRule:   {rule}\nRemedy: {remedy}"));
        }
    }
    Ok(Exit::Done)
}

/// Prints a JSON Schema.
pub(super) fn schema(arguments: &Schema, terminal: Terminal) -> Result<Exit> {
    let text = match arguments.name.as_str() {
        // A node type is called workflow too; its schema is `workflow-node`.
        "workflow" => Some(aob_schema::WORKFLOW),
        "patch" => Some(aob_schema::PATCH),
        "event" => Some(aob_schema::EVENT),
        "node-type" => Some(aob_schema::NODE_TYPE),
        "workflow-node" => aob_schema::node_type("workflow"),
        name => aob_schema::node_type(name),
    };
    let Some(text) = text else {
        let names: Vec<&str> = aob_schema::NODE_TYPES
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| *name != "workflow")
            .collect();
        let message = format!("there is no schema {}", excerpt(&arguments.name));
        let known =
            format!("workflow, patch, event, node-type, workflow-node, {}", names.join(", "));
        return Err(Problem::new(&catalogue::NO_SCHEMA, "argument NAME", message).detail(known));
    };
    terminal.data(text);
    Ok(Exit::Done)
}

/// Prints completions, or the page of reference.
pub(super) fn completion(script: Script, terminal: Terminal) -> Result<Exit> {
    let shell = match script {
        Script::Bash => Shell::Bash,
        Script::Elvish => Shell::Elvish,
        Script::Fish => Shell::Fish,
        Script::PowerShell => Shell::PowerShell,
        Script::Zsh => Shell::Zsh,
        Script::Reference => {
            terminal.data(&reference::page());
            return Ok(Exit::Done);
        }
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "aob", &mut script);
    terminal.data(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

/// Prints the version.
pub(super) fn version(output: Option<Format>, terminal: Terminal) -> Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    match output {
        Some(format) => {
            let data = json!({"version": version, "language": "aob.dev/v1alpha1", "socket": aob_gateway::operation::About::API});
            terminal.data(&value(&data, Some(format), terminal.data));
        }
        None => terminal.data(&format!("aob {version}")),
    }
    Ok(Exit::Done)
}
