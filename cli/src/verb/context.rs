//! `aob context` and `aob login`.

use std::io::Read as _;

use aob_engine::catalogue;
use serde_json::{Value, json};

use crate::arguments::{ContextCommand, Format, Login, SetContext};
use crate::context::{self, Config, Server, Target};
use crate::exit::Exit;
use crate::owner::gateway;
use crate::problem::{Problem, Result};
use crate::show::table::table;
use crate::show::terminal::Terminal;
use crate::show::value::value;

/// Longest token, in bytes.
const LONGEST: u64 = 16 << 10;

/// Lists, chooses, makes and forgets contexts.
pub(super) fn context(command: &ContextCommand, terminal: Terminal) -> Result<Exit> {
    match command {
        ContextCommand::List { output } => list(&context::load()?, *output, terminal),
        ContextCommand::Use { name } if name == "-" => {
            context::edit(|config| {
                config.current = None;
                Ok(())
            })?;
            terminal.say("no context is in use");
        }
        ContextCommand::Use { name } => {
            let target = context::edit(|config| {
                let target = config.target(name, "argument NAME")?;
                config.current = Some(name.clone());
                Ok(target)
            })?;
            terminal.say(&format!("{name} is in use: {}", target.shown()));
        }
        ContextCommand::Set(how) => {
            let target = context::edit(|config| {
                let target = changed(config.contexts.get(&how.name), how)?;
                config.contexts.insert(how.name.clone(), target.clone());
                Ok(target)
            })?;
            terminal.say(&format!("{} is {}", how.name, target.shown()));
        }
        ContextCommand::Delete { name } => {
            context::edit(|config| {
                config.target(name, "argument NAME")?;
                config.contexts.remove(name);
                config.current.take_if(|current| current == name);
                Ok(())
            })?;
            terminal.say(&format!("{name} is forgotten"));
        }
    }
    Ok(Exit::Done)
}

/// Asks a gateway whether it knows the token on standard input, and keeps it.
pub(super) async fn login(arguments: &Login, terminal: Terminal) -> Result<Exit> {
    let config = context::load()?;
    let name = arguments.context.clone().or_else(|| config.current.clone()).ok_or_else(|| {
        let message = "no context is in use, and none was named";
        Problem::new(&catalogue::NO_CONTEXT, "argument CONTEXT", message)
    })?;
    let Target::Server(server) = config.target(&name, "argument CONTEXT")? else {
        let message = format!("{name} is no gateway: only a gateway asks for a token");
        return Err(Problem::new(&catalogue::USAGE, "argument CONTEXT", message));
    };
    let token = token(terminal)?;
    let server = Server { token: Some(token.clone()), ..server };
    gateway::connect(&server)?.about().await?;
    context::edit(|config| match config.contexts.get_mut(&name) {
        Some(Target::Server(kept)) if kept.url == server.url => {
            kept.token = Some(token);
            Ok(())
        }
        _ => {
            let message = format!("{name} was changed meanwhile; nothing was kept");
            Err(Problem::new(&catalogue::NO_CONTEXT, "argument CONTEXT", message))
        }
    })?;
    terminal.say(&format!("{} knows this token; it is kept for {name}", server.url));
    Ok(Exit::Done)
}

fn list(config: &Config, output: Option<Format>, terminal: Terminal) {
    let is_current = |name: &str| config.current.as_deref() == Some(name);
    if output.is_some() {
        let row = |(name, target): (&String, &Target)| {
            let (kind, tenant, token) = match target {
                Target::Data(_) => ("data", None, None),
                Target::Redis(_) => ("redis", None, None),
                Target::Server(server) => {
                    ("server", server.tenant.clone(), Some(server.token.is_some()))
                }
            };
            json!({"name": name, "current": is_current(name), "kind": kind, "place": target.shown(), "tenant": tenant, "token": token})
        };
        let rows: Vec<Value> = config.contexts.iter().map(row).collect();
        return terminal.data(&value(&Value::Array(rows), output, terminal.data));
    }
    let row = |(name, target): (&String, &Target)| {
        let mark = if is_current(name) { "*" } else { "" };
        let tenant = match target {
            Target::Server(server) => server.tenant.clone().unwrap_or_default(),
            _ => String::new(),
        };
        vec![mark.to_owned(), name.clone(), target.shown(), tenant]
    };
    let rows: Vec<Vec<String>> = config.contexts.iter().map(row).collect();
    terminal.data(&table(&["", "NAME", "PLACE", "TENANT"], &rows));
}

/// A context as it is to be.
fn changed(before: Option<&Target>, how: &SetContext) -> Result<Target> {
    let SetContext { server, redis, data_dir, tenant, ca, .. } = how;
    if let Some(redis) = redis {
        return Ok(Target::Redis(redis.clone()));
    }
    if let Some(dir) = data_dir {
        return Ok(Target::Data(Some(absolute(dir)?)));
    }
    let ca = ca.as_deref().map(absolute).transpose()?;
    match (server, before) {
        (None, Some(Target::Server(before))) => Ok(Target::Server(Server {
            tenant: tenant.clone().or_else(|| before.tenant.clone()),
            ca: ca.or_else(|| before.ca.clone()),
            ..before.clone()
        })),
        (None, before) if tenant.is_none() && ca.is_none() => {
            Ok(before.cloned().unwrap_or(Target::Data(None)))
        }
        (None, _) => {
            let message = "a tenant and certificates belong to a gateway: give its --server too";
            Err(Problem::new(&catalogue::USAGE, "the command line", message))
        }
        (Some(url), before) => {
            let token = match before {
                // A token is for the one gateway that it was given to.
                Some(Target::Server(before)) if before.url == *url => before.token.clone(),
                _ => None,
            };
            let server = Server { url: url.clone(), tenant: tenant.clone(), ca, token };
            gateway::connect(&server)?;
            Ok(Target::Server(server))
        }
    }
}

/// A path that leads to the same place from everywhere.
fn absolute(path: &std::path::Path) -> Result<std::path::PathBuf> {
    std::path::absolute(path).map_err(|error| {
        Problem::new(&catalogue::USAGE, path.display().to_string(), error.to_string())
    })
}

fn token(terminal: Terminal) -> Result<String> {
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        terminal.say("the token, then Enter and Ctrl-D:");
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text);
    let text = text.trim();
    let wrong = |why: &str| Err(Problem::new(&catalogue::USAGE, "standard input", why));
    match read {
        Err(error) => wrong(&format!("the token cannot be read: {error}")),
        Ok(read) if read as u64 > LONGEST => wrong("a token has at most 16 KiB"),
        Ok(_) if text.is_empty() => wrong("there is no token on standard input"),
        Ok(_) if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            wrong("a token is one word of visible ASCII characters")
        }
        Ok(_) => Ok(text.to_owned()),
    }
}
