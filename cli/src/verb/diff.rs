//! `aob diff`.

use std::path::Path;

use aob_engine::catalogue;
use aob_engine::issue::excerpt;
use aob_engine::patch::{difference, operations_between};
use serde_json::{Value, json};

use super::kept::{graph, is_name, kept};
use crate::arguments::{Diff, Where};
use crate::exit::Exit;
use crate::files::judge;
use crate::operations::{GraphAt, Kind, Request};
use crate::owner::Access;
use crate::problem::{Problem, Result};
use crate::show::diff::{count, diff as lines};
use crate::show::patch::compact;
use crate::show::terminal::Terminal;
use crate::show::value::value;

/// Shows what differs between two graphs.
pub(super) async fn diff(arguments: &Diff, terminal: Terminal) -> Result<Exit> {
    let mut sides = Sides { place: &arguments.place, access: None };
    let from = sides.document(&arguments.from, "argument FROM").await?;
    let to = sides.document(&arguments.to, "argument TO").await?;
    sides.close().await?;
    let told = difference(&from.document, &to.document);
    if arguments.output.is_some() {
        let data = json!({
            "from": from.name,
            "to": to.name,
            "equal": told.is_empty(),
            "difference": compact(&told),
            "operations": operations_between(&from.document, &to.document),
        });
        terminal.data(&value(&data, arguments.output, terminal.data));
        return Ok(Exit::Done);
    }
    let text = lines(&from.document, &to.document, terminal.paint_data());
    if !text.is_empty() {
        terminal.data(&text);
    }
    let said = match told.is_empty() {
        true => "nothing differs in effect".to_owned(),
        false => count(&told),
    };
    terminal.say(&format!("{} -> {}: {said}", from.name, to.name));
    Ok(Exit::Done)
}

/// A graph, and what it is called.
struct Side {
    name: String,
    document: Value,
}

/// Where both come from; a store is opened only if one of them is kept there.
struct Sides<'a> {
    place: &'a Where,
    access: Option<Access>,
}

impl Sides<'_> {
    async fn document(&mut self, given: &str, about: &str) -> Result<Side> {
        if given == "-" || (!given.starts_with("sha256:") && Path::new(given).exists()) {
            let workflows = judge(&[given.to_owned()]).allowed()?.workflows;
            let first = workflows.into_iter().next().map(|first| first.value().clone());
            return Ok(Side { name: given.to_owned(), document: first.unwrap_or_default() });
        }
        let access = match self.access.take() {
            Some(access) => access,
            None => super::open(self.place).await?,
        };
        let found = stored(&access, given, about).await;
        self.access = Some(access);
        found
    }

    async fn close(self) -> Result<()> {
        match self.access {
            Some(access) => access.close().await,
            None => Ok(()),
        }
    }
}

async fn stored(access: &Access, given: &str, about: &str) -> Result<Side> {
    let operations = &*access.operations;
    if given.starts_with("sha256:") {
        let document = Request::Document { digest: given.to_owned() };
        let document: Value = operations.ask(document).await?;
        if document.is_null() {
            let message = format!("no version {} was kept", excerpt(given));
            return Err(Problem::new(&catalogue::NO_WORKFLOW, about, message));
        }
        return Ok(Side { name: given.to_owned(), document });
    }
    if given.starts_with("run_") {
        let (run, revision) = match given.split_once('@') {
            None => (given, None),
            Some((run, text)) => {
                let wrong = |_| {
                    let message = format!("{} is no revision", excerpt(text));
                    Problem::new(&catalogue::USAGE, about, message)
                };
                (run, Some(text.parse::<u32>().map_err(wrong)?))
            }
        };
        let run = operations.resolve(Kind::Run, run).await?;
        let GraphAt { revision, document } = graph(operations, &run, revision, about).await?;
        return Ok(Side { name: format!("{run}@{revision}"), document });
    }
    if !is_name(given) {
        let message = format!("there is no file {}", excerpt(given));
        return Err(Problem::new(&catalogue::NO_FILE, about, message));
    }
    let version = kept(operations, given, None, about).await?;
    let document: Value = operations.ask(Request::Document { digest: version.digest }).await?;
    Ok(Side { name: given.to_owned(), document })
}
