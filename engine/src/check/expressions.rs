//! BAD_EXPRESSION and its kin: every expression and template of the document, compiled once.

use serde_json::Value;

use super::document::{Document, Node};
use super::findings::Findings;
use super::kept::{self, Kept};
use super::names::{Names, Place, Reader};
use super::scopes::{Scope, Scopes};
use super::suggest::quote;
use super::types::{Role, Type};
use crate::expr::{Expr, ExprError, Template};
use crate::ir::{self, Assert, Kind, ROOT};
use crate::issue::Issue;
use crate::registry::TypeInfo;

/// The document's expressions, compiled.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    /// What each node is, in the document's order; the body of a container is not filled in. Absent if
    /// one of its expressions does not compile.
    pub(crate) kinds: Vec<Option<Kind>>,
    /// The condition of each edge, in the document's order.
    pub(crate) whens: Vec<Option<Expr>>,
    /// `spec.output`
    pub(crate) output: Option<Template>,
}

/// Compiles all of them and hands each thing they read to `names`.
pub(crate) fn judge<'a>(
    document: &Document<'a>,
    types: &[Type<'_>],
    scopes: &Scopes,
    kept: &mut Kept<'a>,
    names: &mut Names<'_, '_>,
    findings: &mut Findings,
) -> Expressions {
    let mut expressions = Expressions::default();
    expressions.kinds.reserve(document.nodes.len());
    for (at, (node, of)) in (0..).zip(document.nodes.iter().zip(types)) {
        let outside = Place { reader: Reader::Config(at), scope: scopes.of(at), value: false };
        let inside = Place { reader: Reader::End(at), scope: Scope::Body(at), value: false };
        let before = kept.node(node.id);
        let mut compiler =
            Compiler { node, info: of.info, before, outside, inside, names, findings };
        expressions.kinds.push(compiler.kind(of.role));
    }
    for edge in &document.edges {
        let when = edge.when.and_then(|source| match kept.condition(source) {
            Ok(when) => {
                if let Some(from) = names.find(edge.from) {
                    let place = Place {
                        reader: Reader::When { from, after: edge.after },
                        scope: scopes.of(from),
                        value: false,
                    };
                    let pointer = || format!("{}/when", edge.pointer());
                    names.judge_all(when.reads(), place, pointer, findings);
                }
                Some(when)
            }
            Err(error) => {
                findings.push(broken(&error, format!("{}/when", edge.pointer()), source));
                None
            }
        });
        expressions.whens.push(when);
    }
    if let Some(output) = document.output {
        let place = Place { reader: Reader::Output, scope: Scope::Root, value: false };
        match Template::compile(output) {
            Ok(template) => {
                for (inner, read) in template.reads() {
                    names.judge(read, place, false, || format!("/spec/output{inner}"), findings);
                }
                expressions.output = Some(template);
            }
            Err(errors) => refuse(errors, "/spec/output", output, findings),
        }
    }
    expressions
}

struct Compiler<'c, 'a, 'd, 'f> {
    node: &'c Node<'c>,
    info: Option<&'c TypeInfo>,
    /// The node with the same id in the graph before.
    before: Option<&'c ir::Node>,
    /// Where the config is evaluated.
    outside: Place,
    /// Where what belongs to the body's scope is evaluated.
    inside: Place,
    names: &'c mut Names<'d, 'a>,
    findings: &'f mut Findings,
}

impl Compiler<'_, '_, '_, '_> {
    fn kind(&mut self, role: Role) -> Option<Kind> {
        match role {
            Role::Unknown => Some(Kind::Unknown),
            Role::Task | Role::Agent => Some(Kind::Task {
                config: self.config()?,
                asserts: Vec::new(),
                agent: role == Role::Agent,
            }),
            Role::Delay => Some(Kind::Delay { config: self.config()? }),
            Role::Approval => Some(Kind::Approval { config: self.config()? }),
            Role::Child => Some(Kind::Child { config: self.config()? }),
            Role::Transform => self.transform(),
            Role::Foreach => self.foreach(),
            Role::Loop => self.repeat(),
        }
    }

    fn config(&mut self) -> Option<Template> {
        let config = self.node.config;
        match self.info {
            Some(info) => self.template(&info.marks().protect(config), "", self.outside),
            None => self.template(config, "", self.outside),
        }
    }

    fn transform(&mut self) -> Option<Kind> {
        let written = self.node.config.get("value");
        let config = match (written, self.node.config.as_object().map(serde_json::Map::len)) {
            (Some(_), Some(1)) => self.template(self.node.config, "", self.outside),
            _ => self.template(&serde_json::json!({ "value": written }), "", self.outside),
        };
        let mut asserts = Vec::new();
        let mut whole = true;
        let after_value = Place { value: true, ..self.outside };
        match self.node.config.get("assert") {
            Some(Value::String(that)) => match self.condition(that, "/assert", after_value) {
                Some(that) => asserts.push(Assert { that, message: None }),
                None => whole = false,
            },
            Some(Value::Array(list)) => {
                for (at, assertion) in list.iter().enumerate() {
                    let Some(that) = assertion.get("that").and_then(Value::as_str) else {
                        continue;
                    };
                    let message = assertion.get("message").map(|message| {
                        self.template(message, &format!("/assert/{at}/message"), self.outside)
                    });
                    whole &= message.as_ref().is_none_or(Option::is_some);
                    let message = message.flatten();
                    match self.condition(that, &format!("/assert/{at}/that"), after_value) {
                        Some(that) => asserts.push(Assert { that, message }),
                        None => whole = false,
                    }
                }
            }
            _ => {}
        }
        Some(Kind::Task { config: config?, asserts, agent: false }).filter(|_| whole)
    }

    fn foreach(&mut self) -> Option<Kind> {
        let items = self.field("items", Value::Null, self.outside);
        let concurrency = self.field("concurrency", Value::from(10), self.outside);
        let tolerate = self.field("tolerate", Value::from(0), self.outside);
        let result = self.result();
        let name = self.node.config.get("as").and_then(Value::as_str).unwrap_or("item").into();
        Some(Kind::Foreach {
            items: items?,
            name,
            concurrency: concurrency?,
            tolerate: tolerate?,
            result: result?,
            body: ROOT,
        })
    }

    fn repeat(&mut self) -> Option<Kind> {
        let until = self.node.config.get("until").and_then(Value::as_str);
        let until = until.and_then(|source| self.condition(source, "/until", self.inside));
        let max = self.field("max", Value::from(100), self.outside);
        let result = self.result();
        Some(Kind::Loop { until: until?, max: max?, result: result?, body: ROOT })
    }

    /// Nothing if it does not compile; `Some(None)` if it is not written.
    #[expect(clippy::option_option, reason = "not written and not right are told apart")]
    fn result(&mut self) -> Option<Option<Template>> {
        match self.node.config.get("result") {
            Some(result) => self.template(result, "/result", self.inside).map(Some),
            None => Some(None),
        }
    }

    fn field(&mut self, name: &str, default: Value, place: Place) -> Option<Template> {
        let value = self.node.config.get(name).unwrap_or(&default);
        self.template(value, &format!("/{name}"), place)
    }

    fn template(&mut self, value: &Value, at: &str, place: Place) -> Option<Template> {
        match kept::template(self.before, at, value) {
            Ok(template) => {
                for (inner, read) in template.reads() {
                    // Nearly nothing that is read is a secret.
                    let secrets = read.root == "secrets"
                        && self
                            .info
                            .is_some_and(|info| info.marks().secrets_at(&format!("{at}{inner}")));
                    let pointer = || format!("{}{at}{inner}", self.node.field("config"));
                    self.names.judge(read, place, secrets, pointer, self.findings);
                }
                Some(template)
            }
            Err(errors) => {
                refuse(errors, &format!("{}{at}", self.node.field("config")), value, self.findings);
                None
            }
        }
    }

    fn condition(&mut self, source: &str, at: &str, place: Place) -> Option<Expr> {
        let pointer = || format!("{}{at}", self.node.field("config"));
        match Expr::compile(source) {
            Ok(expr) => {
                self.names.judge_all(expr.reads(), place, pointer, self.findings);
                Some(expr)
            }
            Err(error) => {
                self.findings.push(broken(&error, pointer(), source));
                None
            }
        }
    }
}

fn refuse(errors: Vec<(String, ExprError)>, base: &str, value: &Value, findings: &mut Findings) {
    for (inner, error) in errors {
        let source = value.pointer(&inner).and_then(Value::as_str).unwrap_or_default();
        findings.push(broken(&error, format!("{base}{inner}"), source));
    }
}

fn broken(error: &ExprError, pointer: String, source: &str) -> Issue {
    let near: String = source.get(error.offset..).unwrap_or_default().chars().take(30).collect();
    let issue = Issue::new(error.entry, pointer, error.message.clone());
    let character =
        source.get(..error.offset).map_or(error.offset, |before| before.chars().count()) + 1;
    if near.is_empty() {
        issue.detail(format!("at character {character}, the end of the text"))
    } else {
        issue.detail(format!("at character {character}, near {}", quote(&near)))
    }
}
