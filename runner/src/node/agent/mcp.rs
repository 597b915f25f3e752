//! Tools of MCP servers: `mcp.<server>.<tool>`, of servers that the runner's operator names.
//!
//! What a server says is data of a stranger: definitions are bounded, pinned and shown to the model as they were first
//! seen; results are bounded text. Nothing that a server asks for in its turn is given.

mod definition;
mod link;
mod settings;
mod told;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aob_engine::catalogue::{AGENT_SERVER, AGENT_TOOL, AGENT_TOOL_CHANGED};
use aob_provider::Tool;
use rmcp::ServiceError;
use rmcp::model::{CallToolRequestParams, CallToolResponse, PaginatedRequestParams};
use serde_json::Value;

use crate::node::{Cancel, ExecPolicy, Failure};
use definition::Definition;
use link::Links;
use settings::{Limits, Server};

/// Pages of a list of tools that are read.
const PAGES: usize = 16;
/// Tools of one server that are looked at.
const LISTED: usize = 512;

/// The servers of a runner, and the connections to them.
pub(super) struct Servers {
    known: BTreeMap<String, Known>,
    limits: Limits,
}

struct Known {
    server: Server,
    links: Links,
    /// Digests of the definitions as they were first seen, by tool.
    seen: Mutex<BTreeMap<String, String>>,
}

/// A tool that an attempt may call.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    server: String,
    tool: String,
    definition: Definition,
}

impl Servers {
    /// What the file says that `AOB_MCP` names; without one there are none.
    ///
    /// # Errors
    /// The setting that cannot be. Reads files.
    pub(super) fn from_env(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let (servers, limits) = settings::from_env(get)?;
        let known = |server: Server| Known {
            links: Links::new(server.at_once()),
            server,
            seen: Mutex::default(),
        };
        let known = servers.into_iter().map(|(name, server)| (name, known(server))).collect();
        Ok(Self { known, limits })
    }

    /// None at all.
    pub(super) fn none() -> Self {
        Self { known: BTreeMap::new(), limits: Limits::default() }
    }

    /// The tools of these names, as their servers describe them now.
    ///
    /// # Errors
    /// A name that is no tool, a server that does not answer, a definition that has changed.
    pub(super) async fn offer(
        &self,
        names: &[String],
        exec: &ExecPolicy,
    ) -> Result<Vec<Offered>, Failure> {
        if names.len() > self.limits.tools {
            let message = format!(
                "{} tools of servers; at most {} are offered",
                names.len(),
                self.limits.tools
            );
            return Err(Failure::new(&AGENT_TOOL, message));
        }
        let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for name in names {
            let (server, tool) = split(name)?;
            wanted.entry(server).or_default().push(tool);
        }
        let mut all = Vec::with_capacity(names.len());
        for (server, tools) in wanted {
            let Some(known) = self.known.get(server) else {
                let message = format!(
                    "this runner has no server `{}`{}",
                    cut(server),
                    listed("; it has", self.known.keys())
                );
                return Err(Failure::new(&AGENT_TOOL, message));
            };
            if let Some(tool) = tools.iter().find(|tool| !known.server.allows(tool)) {
                let message = format!(
                    "the runner's settings do not allow the tool `{}` of `{server}`",
                    cut(tool)
                );
                return Err(Failure::new(&AGENT_TOOL, message));
            }
            let list = self.list(server, known, exec).await?;
            for tool in tools {
                let Some(definition) = list.get(tool) else {
                    let message = format!(
                        "the server `{server}` has no tool `{}`{}",
                        cut(tool),
                        listed("; it has", list.keys())
                    );
                    return Err(Failure::new(&AGENT_TOOL, message));
                };
                let definition = self.judged(server, tool, known, definition)?;
                all.push(Offered { server: server.to_owned(), tool: tool.to_owned(), definition });
            }
        }
        Ok(all)
    }

    /// Calls a tool once, and never again by itself: what it may have done is not done twice.
    pub(super) async fn call(
        &self,
        offered: &Offered,
        arguments: &Value,
        exec: &ExecPolicy,
        cancel: &Cancel,
    ) -> Result<String, String> {
        offered.definition.fits(arguments)?;
        let Some(known) = self.known.get(&offered.server) else {
            return Err(format!("the server `{}` is not there any more", offered.server));
        };
        let Some(arguments) = arguments.as_object().cloned() else {
            return Err("arguments are one JSON object".to_owned());
        };
        let asked = CallToolRequestParams::new(offered.tool.clone()).with_arguments(arguments);
        let asking = async {
            let link = known.links.get(&known.server, &self.limits, exec).await;
            let link = link.map_err(|failure| failure.message)?;
            let answer =
                tokio::time::timeout(self.limits.call, link.peer().call_tool_once(asked)).await;
            match answer {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => {
                    known.links.drop_if_broken(&error);
                    Err(why(&error))
                }
                Err(_) => Err(format!("no answer within {} s", self.limits.call.as_secs())),
            }
        };
        let answer = tokio::select! {
            biased;
            _ = cancel.cancelled() => Err("the attempt was stopped".to_owned()),
            answer = asking => answer,
        };
        let answer = answer.and_then(|answer| match answer {
            CallToolResponse::Complete(result) => told::result(&result),
            CallToolResponse::InputRequired(_) => {
                Err("the tool asks for more than its arguments, and is given nothing".to_owned())
            }
            _ => Err("the tool answers later, which is not waited for".to_owned()),
        });
        match answer {
            Ok(text) => Ok(known.server.scrub(&text)),
            Err(text) => Err(known.server.scrub(&told::bounded(&text))),
        }
    }

    /// The tools of a server by their names.
    async fn list(
        &self,
        name: &str,
        known: &Known,
        exec: &ExecPolicy,
    ) -> Result<BTreeMap<String, Value>, Failure> {
        let wrong = |why: String| {
            let message = format!("the server `{name}` of the runner's settings: {why}");
            Failure::new(&AGENT_SERVER, known.server.scrub(&message)).retryable()
        };
        let link = known.links.get(&known.server, &self.limits, exec).await?;
        let reading = async {
            let (mut all, mut cursor) = (BTreeMap::new(), None);
            for _ in 0..PAGES {
                let page = PaginatedRequestParams::default().with_cursor(cursor);
                let page = link.peer().list_tools(Some(page)).await;
                let page = page.inspect_err(|error| known.links.drop_if_broken(error));
                let page = page.map_err(|error| why(&error))?;
                for tool in page.tools {
                    if all.len() >= LISTED {
                        return Err(format!("it has more than {LISTED} tools"));
                    }
                    let name = tool.name.to_string();
                    all.insert(name, definition::plain(&tool));
                }
                cursor = page.next_cursor;
                if cursor.is_none() {
                    return Ok(all);
                }
            }
            Err(format!("its list of tools has more than {PAGES} pages"))
        };
        match tokio::time::timeout(self.limits.call, reading).await {
            Ok(list) => list.map_err(wrong),
            Err(_) => {
                Err(wrong(format!("no list of tools within {} s", self.limits.call.as_secs())))
            }
        }
    }

    /// A definition that is small enough, is what is pinned, and is what it was when it was first seen here.
    fn judged(
        &self,
        server: &str,
        tool: &str,
        known: &Known,
        definition: &Value,
    ) -> Result<Definition, Failure> {
        let definition = Definition::read(definition, self.limits.definition).map_err(|why| {
            Failure::new(&AGENT_TOOL, format!("the tool `{tool}` of `{server}`: {why}"))
        })?;
        let changed = |was: &str| {
            let message = format!(
                "the definition of `{tool}` of `{server}` is {}, and was {was} when it was looked at",
                definition.digest
            );
            Failure::new(&AGENT_TOOL_CHANGED, message)
        };
        if let Some(pin) = known.server.pin(tool) {
            return if *pin == definition.digest { Ok(definition) } else { Err(changed(pin)) };
        }
        let mut seen = known.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.entry(tool.to_owned()).or_insert_with(|| definition.digest.clone());
        if *first == definition.digest { Ok(definition) } else { Err(changed(first)) }
    }
}

impl Offered {
    /// `mcp.<server>.<tool>`.
    pub(super) fn name(&self) -> String {
        format!("mcp.{}.{}", self.server, self.tool)
    }

    /// What the model is told of it: what its server says.
    pub(super) fn told(&self) -> Tool {
        Tool {
            name: self.name(),
            description: self.definition.description.clone(),
            parameters: self.definition.parameters.clone(),
            strict: false,
            examples: Vec::new(),
        }
    }
}

/// Server and tool of a name; a tool's own name may hold dots.
fn split(name: &str) -> Result<(&str, &str), Failure> {
    let parts = name.strip_prefix("mcp.").and_then(|rest| rest.split_once('.'));
    parts.filter(|(server, tool)| !server.is_empty() && !tool.is_empty()).ok_or_else(|| {
        let message =
            format!("`{}` names no tool of a server: write `mcp.<server>.<tool>`", cut(name));
        Failure::new(&AGENT_TOOL, message)
    })
}

/// Why a server did not answer, in one line.
fn why(error: &ServiceError) -> String {
    match error {
        ServiceError::McpError(error) => format!("the server refused it: {}", error.message),
        ServiceError::TransportSend(error) => link::cause(&*error.error),
        other => link::cause(other),
    }
}

fn listed<'k>(before: &str, names: impl Iterator<Item = &'k String>) -> String {
    let names: Vec<String> = names.take(20).map(|name| cut(name)).collect();
    if names.is_empty() { String::new() } else { format!("{before} {}", names.join(", ")) }
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
