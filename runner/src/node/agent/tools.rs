//! The tools of an agent: which there are, what the model is told of them, and what a call gives.

use std::collections::{BTreeMap, BTreeSet};

use aob_engine::catalogue::AGENT_TOOL;
use aob_provider::Tool;
use serde_json::{Value, json};
use url::Url;

use super::config::{Config, Policy};
use super::desk::{Desk, Scene};
use super::mcp::{Offered, Servers};
use crate::node::http::Http;
use crate::node::{Context, ExecPolicy, Failure, NodeType as _, Task};

/// Bytes of what a tool gives that the model is told.
const TOLD: usize = 32 * 1024;

/// The tool that changes the graph.
pub(super) const PATCH: &str = "patch";

/// What an attempt may call.
#[derive(Debug, Clone, Default)]
pub(super) struct Toolbox {
    patch: bool,
    outputs: bool,
    hosts: BTreeSet<String>,
    /// Tools of servers, by the names that they have here.
    served: BTreeMap<String, Offered>,
}

/// What calls are made with.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    pub(super) http: &'a Http,
    pub(super) servers: &'a Servers,
}

impl Toolbox {
    /// The tools that a config names, those of servers as they are described now.
    ///
    /// # Errors
    /// A name that is no tool, or a server that does not answer.
    pub(super) async fn of(
        config: &Config,
        servers: &Servers,
        exec: &ExecPolicy,
    ) -> Result<Self, Failure> {
        let (mut own, served) = Self::named(config)?;
        for offered in servers.offer(&served, exec).await? {
            own.served.insert(offered.name(), offered);
        }
        Ok(own)
    }

    /// The tools of this process, and the names of those that servers have.
    fn named(config: &Config) -> Result<(Self, Vec<String>), Failure> {
        let mut own = Self { patch: config.policy.is_some(), ..Self::default() };
        let mut served = Vec::new();
        for name in &config.tools {
            match (name.as_str(), name.split_once(':')) {
                ("outputs", _) => own.outputs = true,
                (_, Some(("http", host))) if !host.is_empty() => {
                    own.hosts.insert(host.to_ascii_lowercase());
                }
                ("http", _) => {
                    let message = "`http` names no host, and none is allowed unless it is named: write `http:api.example.com`";
                    return Err(Failure::new(&AGENT_TOOL, message));
                }
                (name, _) if name.starts_with("mcp.") => served.push(name.to_owned()),
                (name, _) => {
                    let message = format!("there is no tool `{}`", cut(name));
                    return Err(Failure::new(&AGENT_TOOL, message));
                }
            }
        }
        served.sort();
        served.dedup();
        Ok((own, served))
    }

    /// Whether nothing can be called.
    pub(super) fn is_empty(&self) -> bool {
        !self.patch && !self.outputs && self.hosts.is_empty() && self.served.is_empty()
    }

    /// Whether it may change the graph.
    pub(super) fn patches(&self) -> bool {
        self.patch
    }

    /// The names of those that change nothing.
    pub(super) fn beside_patch(&self) -> Vec<String> {
        let mut names = Vec::new();
        names.extend(self.outputs.then(|| "outputs".to_owned()));
        names.extend((!self.hosts.is_empty()).then(|| "http".to_owned()));
        names.extend(self.served.keys().cloned());
        names
    }

    /// What the model is told of them: the same for every run of the workflow.
    pub(super) fn told(&self, policy: Option<&Policy>) -> Vec<Tool> {
        let mut all = Vec::new();
        if let (true, Some(policy)) = (self.patch, policy) {
            all.push(patch(policy));
        }
        if self.outputs {
            all.push(Tool {
                name: "outputs".to_owned(),
                description: "Reads what an earlier node of the workflow gave.".to_owned(),
                parameters: json!({"type": "object", "additionalProperties": false, "required": ["node"], "properties": {"node": {"type": "string", "description": "The node's id."}}}),
                strict: false,
                examples: vec![json!({"node": "fetch"})],
            });
        }
        if !self.hosts.is_empty() {
            let hosts: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
            all.push(Tool {
                name: "http".to_owned(),
                description: format!("Reads a page with GET. Hosts that may be asked: {}.", hosts.join(", ")),
                parameters: json!({"type": "object", "additionalProperties": false, "required": ["url"], "properties": {"url": {"type": "string", "description": "https, a host of the list."}}}),
                strict: false,
                examples: vec![],
            });
        }
        all.extend(self.served.values().map(Offered::told));
        all
    }

    /// What a call gives, as text for the model; the error is text too. `patch` is not called here.
    pub(super) async fn call(
        &self,
        name: &str,
        arguments: &Value,
        scene: &Scene,
        desk: &dyn Desk,
        reach: Reach<'_>,
        (task, cx): (&Task, &Context),
    ) -> Result<Result<String, String>, Failure> {
        match name {
            "outputs" if self.outputs => {
                let node = arguments.get("node").and_then(Value::as_str).unwrap_or_default();
                let known = || match scene.outputs.is_empty() {
                    true => "No node has given anything yet.".to_owned(),
                    false => format!("Nodes that have: {}.", scene.outputs.join(", ")),
                };
                // What has settled since is there too, but what was never named is not looked for.
                let output = match node.is_empty() || node.contains(['/', '#', '$']) {
                    true => None,
                    false => desk.output(task, node).await?,
                };
                Ok(match output {
                    Some(output) => Ok(bounded(&output.to_string())),
                    None => Err(format!("there is no output of `{}`. {}", cut(node), known())),
                })
            }
            "http" if !self.hosts.is_empty() => Ok(self.get(arguments, reach.http, task, cx).await),
            other => {
                if let Some(offered) = self.served.get(other) {
                    let exec = &cx.policy.exec;
                    return Ok(reach.servers.call(offered, arguments, exec, &cx.cancel).await);
                }
                let mut names = self.beside_patch();
                names.extend(self.patch.then(|| PATCH.to_owned()));
                Ok(Err(format!("there is no tool `{}`. Tools: {}.", cut(other), names.join(", "))))
            }
        }
    }

    async fn get(
        &self,
        arguments: &Value,
        http: &Http,
        task: &Task,
        cx: &Context,
    ) -> Result<String, String> {
        let url = arguments.get("url").and_then(Value::as_str).unwrap_or_default();
        let parsed = Url::parse(url).map_err(|error| format!("`url` is none: {error}"))?;
        let host = parsed.host_str().unwrap_or_default().to_ascii_lowercase();
        let allowed = |list: &BTreeSet<String>| {
            let port = parsed.port().map(|port| format!("{host}:{port}"));
            list.contains(&host) || port.is_some_and(|named| list.contains(&named))
        };
        if !allowed(&self.hosts) {
            let hosts: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
            return Err(format!(
                "`{}` may not be asked. Hosts that may: {}.",
                cut(&host),
                hosts.join(", ")
            ));
        }
        let ask = Task {
            node_type: "http".to_owned(),
            input: json!({"url": url, "expect": ["1xx", "2xx", "3xx", "4xx", "5xx"]}),
            ..task.clone()
        };
        match http.run(&ask, cx).await {
            Ok(answer) => Ok(bounded(&answer.to_string())),
            Err(failure) => Err(cx.redactor.text(&failure.to_string()).into_owned()),
        }
    }
}

fn patch(policy: &Policy) -> Tool {
    let id = json!({"type": "string", "description": "Lower-case letters, digits and `_`."});
    let properties = json!({
        "do": {"type": "string", "enum": ["add_node", "connect", "disconnect", "set_config", "remove_node"]},
        "id": id,
        "type": {"type": "string", "enum": policy.allow},
        "config": {"type": "object", "description": "Of add_node and set_config."},
        "from": id, "to": id,
        "after": {"type": "string", "enum": ["success", "failure", "always"]},
        "when": {"type": "string", "description": "CEL over what the source gave; of connect."},
    });
    Tool {
        name: PATCH.to_owned(),
        description: "Changes the workflow: all edits in one call, applied whole with your answer or not at all."
            .to_owned(),
        parameters: json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["reason"],
            "properties": {
                "reason": {"type": "string", "description": "Why, in one sentence."},
                "edits": {"type": "array", "items": {"type": "object", "required": ["do"], "properties": properties}},
                "operations": {"type": "array", "description": "RFC 6902 instead of edits: add, remove, replace, test on /nodes/- , /nodes/<id>, /edges/-, /edges/<from>-><to>.", "items": {"type": "object"}}
            }
        }),
        strict: false,
        examples: Vec::new(),
    }
}

fn bounded(text: &str) -> String {
    if text.len() <= TOLD {
        return text.to_owned();
    }
    format!("{}... ({} bytes in all)", &text[..text.floor_char_boundary(TOLD)], text.len())
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
