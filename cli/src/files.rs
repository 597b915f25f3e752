//! Workflow files: read, judged, and every finding shown with its line.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::check::{Ceiling, check};
use aob_engine::compile::compile;
use aob_engine::ir::{Ir, Kind};
use aob_engine::issue::{Issue, excerpt};
use aob_engine::read::{self, Document, Limits, Place};
use aob_engine::registry::{KeptType, Registry};
use serde_json::Value;

use crate::problem::{Finding, Problem, Result};

/// The text of a file.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// As it was named.
    pub(crate) name: String,
    bytes: Vec<u8>,
    text: Arc<str>,
}

/// A workflow that has been judged and is allowed.
#[derive(Debug)]
pub(crate) struct Workflow {
    source: Source,
    document: Document,
    /// The compiled graph.
    pub(crate) ir: Arc<Ir>,
}

/// A node type that is to be registered.
#[derive(Debug)]
pub(crate) struct Registered {
    /// `acme.enrich`.
    pub(crate) name: String,
    /// What was written.
    pub(crate) value: Value,
}

/// What became of files.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Node types, in order; workflows after them know them.
    pub(crate) types: Vec<Registered>,
    /// In order, those that are allowed.
    pub(crate) workflows: Vec<Workflow>,
    /// What refuses them.
    pub(crate) refused: Vec<Finding>,
    /// What only warns.
    pub(crate) warnings: Vec<Finding>,
}

impl Source {
    /// Reads a file, `-` being standard input; at most one byte more than is allowed.
    pub(crate) fn read(name: &str) -> Result<Self> {
        let most = Limits::default().bytes as u64 + 1;
        let mut bytes = Vec::new();
        let read = if name == "-" {
            std::io::stdin().lock().take(most).read_to_end(&mut bytes)
        } else {
            std::fs::File::open(name).and_then(|file| file.take(most).read_to_end(&mut bytes))
        };
        read.map_err(|error| {
            let why = error.to_string();
            let why = why.split(" (os error").next().unwrap_or_default();
            Problem::new(
                &catalogue::NO_FILE,
                name,
                format!("{} cannot be read: {why}", excerpt(name)),
            )
        })?;
        let text = String::from_utf8_lossy(&bytes).into();
        Ok(Self {
            name: if name == "-" { "stdin".to_owned() } else { name.to_owned() },
            bytes,
            text,
        })
    }

    /// Its documents.
    pub(crate) fn documents(&self) -> Result<Vec<Document>> {
        let documents = read::documents(&self.bytes, &Limits::default()).map_err(|found| {
            let findings =
                found.into_iter().map(|one| self.finding(one.issue, one.place)).collect();
            Problem::of(findings)
        })?;
        if documents.is_empty() {
            let issue = Issue::new(&catalogue::NOT_A_WORKFLOW, "", "the file holds no document");
            return Err(Problem::of(vec![self.finding(issue, None)]));
        }
        Ok(documents)
    }

    /// A finding in this file.
    pub(crate) fn finding(&self, issue: Issue, place: Option<Place>) -> Finding {
        Finding { issue, about: self.name.clone(), place, source: Some(self.text.clone()) }
    }
}

impl Workflow {
    /// What was written.
    pub(crate) fn value(&self) -> &Value {
        &self.document.value
    }

    /// A finding in it.
    pub(crate) fn finding(&self, issue: Issue) -> Finding {
        let place = self.document.places.nearest(&issue.pointer);
        self.source.finding(issue, Some(place))
    }

    /// Its nodes as written, with their pointers.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (String, &Value)> {
        let nodes = self.value().pointer("/spec/nodes").and_then(Value::as_array);
        nodes
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(at, node)| (format!("/spec/nodes/{at}"), node))
    }

    /// Child workflows that it names: pointer, name, tag; those named by digest are left out.
    pub(crate) fn children(&self) -> Vec<(String, String, String)> {
        let child = |(pointer, node): (String, &Value)| {
            let of = |name: &str| node.get("config")?.get(name)?.as_str().map(str::to_owned);
            let is_child = node.get("type").and_then(Value::as_str) == Some("workflow")
                && of("digest").is_none();
            let name = of("name").filter(|_| is_child)?;
            Some((
                format!("{pointer}/config/name"),
                name,
                of("tag").unwrap_or_else(|| "main".to_owned()),
            ))
        };
        self.nodes().filter_map(child).collect()
    }

    /// What is warned of where these types are known.
    pub(crate) fn warnings(&self, registry: &Registry) -> Vec<Finding> {
        let checked = check(&self.document.value, registry, &Ceiling::default());
        checked.warnings.into_iter().map(|issue| self.finding(issue)).collect()
    }

    /// Nodes whose type a worker has to run and none of these does.
    pub(crate) fn not_served(&self, served: &[&str]) -> Vec<Finding> {
        let waits = |id: &str| {
            let ix = self.ir.find(id)?;
            let node = self.ir.node(ix);
            (matches!(node.kind, Kind::Task { .. }) && !served.contains(&&*node.node_type))
                .then(|| node.node_type.clone())
        };
        let found = |(pointer, node): (String, &Value)| {
            let id = node.get("id")?.as_str()?;
            let node_type = waits(id)?;
            let message = format!(
                "nothing here runs nodes of type `{node_type}`: `{id}` would wait for ever"
            );
            Some(self.finding(Issue::new(&catalogue::NOT_HERE, format!("{pointer}/type"), message)))
        };
        self.nodes().filter_map(found).collect()
    }
}

impl Judged {
    /// Itself if everything is allowed, else all that refuses.
    pub(crate) fn allowed(self) -> Result<Self> {
        if self.refused.is_empty() { Ok(self) } else { Err(Problem::of(self.refused)) }
    }
}

/// Reads and judges files, all of them whatever is wrong with one.
pub(crate) fn judge(files: &[String]) -> Judged {
    let mut registry = Registry::builtin();
    let mut judged = Judged::default();
    for name in files {
        let read = Source::read(name)
            .and_then(|source| source.documents().map(|documents| (source, documents)));
        match read {
            Ok((source, documents)) => {
                for document in documents {
                    if document.value.get("kind").and_then(Value::as_str) == Some("NodeType") {
                        judge_type(&source, document, &mut registry, &mut judged);
                    } else {
                        judge_one(source.clone(), document, &registry, &mut judged);
                    }
                }
            }
            Err(problem) => judged.refused.extend(problem.findings),
        }
    }
    let mut seen: BTreeMap<&str, &Workflow> = BTreeMap::new();
    let mut twice = Vec::new();
    for workflow in &judged.workflows {
        if let Some(first) = seen.insert(&workflow.ir.name, workflow) {
            let message = format!("a workflow `{}` was read before", workflow.ir.name);
            let place = first.document.places.nearest("/metadata/name");
            let first = format!("first at {}:{}:{}", first.source.name, place.line, place.column);
            twice.push(workflow.finding(
                Issue::new(&catalogue::SAME_NAME, "/metadata/name", message).detail(first),
            ));
        }
    }
    judged.refused.extend(twice);
    judged
}

/// A node type's document: what follows knows it.
fn judge_type(source: &Source, document: Document, registry: &mut Registry, judged: &mut Judged) {
    let taken = KeptType::read(&document.value).and_then(|kept| match registry.add(&kept) {
        Ok(()) => Ok(kept.name),
        Err(error) => {
            Err(vec![Issue::new(&catalogue::BAD_NODE_TYPE, "/metadata/name", error.to_string())])
        }
    });
    match taken {
        Ok(name) => judged.types.push(Registered { name, value: document.value }),
        Err(issues) => judged.refused.extend(issues.into_iter().map(|issue| {
            let place = document.places.nearest(&issue.pointer);
            source.finding(issue, Some(place))
        })),
    }
}

fn judge_one(source: Source, document: Document, registry: &Registry, judged: &mut Judged) {
    let ceiling = Ceiling::default();
    let checked = check(&document.value, registry, &ceiling);
    let locate = |issue: Issue| {
        let place = document.places.nearest(&issue.pointer);
        source.finding(issue, Some(place))
    };
    judged.warnings.extend(checked.warnings.into_iter().map(locate));
    let mut issues = checked.issues;
    if checked.left_out > 0
        && let Some(last) = issues.last_mut()
    {
        last.details.push(format!("and {} more findings that are not shown", checked.left_out));
    }
    if !issues.is_empty() {
        judged.refused.extend(issues.into_iter().map(locate));
        return;
    }
    match compile(&document.value, registry, &ceiling) {
        Ok(ir) => judged.workflows.push(Workflow { source, document, ir: Arc::new(ir) }),
        Err(issues) => judged.refused.extend(issues.into_iter().map(locate)),
    }
}
