//! What an expression sees from a scope, and the loading of exactly that.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Router;
use crate::expr::{EvalError, Expr, Names, NodeView, Read, Template};
use crate::ir::Kind;
use crate::state::{NodeError, NodeState, ScopePath, instance_name, split_instance, split_scope};
use crate::step::Refusal;
use crate::time::rfc3339;

/// The result of an evaluation: its own failure is data, a missing context is not.
pub(super) type Evaluated<T> = Result<Result<T, EvalError>, Refusal>;

/// An expression's surroundings.
pub(super) struct View<'r, 'a> {
    router: &'r Router<'a>,
    scope: ScopePath,
    /// `value`, for an assertion.
    pub(super) value: Option<&'r Value>,
    run: Value,
    index: Value,
    prev: Option<Arc<Value>>,
    null: Value,
}

impl<'a> Router<'a> {
    pub(super) fn render(&self, scope: &ScopePath, template: &Template) -> Evaluated<Value> {
        if template.is_static() {
            return Ok(template.render(&Nothing));
        }
        self.load(scope, template.reads().map(|(_, read)| read))?;
        let view = View::new(self, scope, template.reads().map(|(_, read)| read))?;
        Ok(template.render(&view))
    }

    pub(super) fn holds(
        &self,
        scope: &ScopePath,
        expr: &Expr,
        value: Option<&Value>,
    ) -> Evaluated<bool> {
        self.load(scope, expr.reads().iter())?;
        let mut view = View::new(self, scope, expr.reads().iter())?;
        view.value = value;
        Ok(expr.eval_bool(&view))
    }

    /// Asks for everything that these reads need, at once.
    fn load<'t>(
        &self,
        scope: &ScopePath,
        reads: impl Iterator<Item = &'t Read>,
    ) -> Result<(), Refusal> {
        let mut missing = Vec::new();
        for read in reads {
            let key = match (read.root.as_str(), &read.node) {
                ("input", _) => Some("input".to_owned()),
                ("nodes", Some(id)) if read.field.as_deref() != Some("outcome") => {
                    self.output_key(scope, id)?
                }
                ("run" | "index" | "value" | "secrets" | "nodes", _) => None,
                ("prev", _) => self.prev_key(scope)?,
                (name, _) => self.item(scope, name)?.map(|(key, _)| key),
            };
            if let Some(key) = key
                && !self.fresh.contains_key(&key)
                && self.context.get(&key).is_none()
                && !missing.contains(&key)
            {
                missing.push(key);
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(Refusal::Missing(missing)) }
    }

    /// The instance that a node's id means from a scope: of the same or the nearest enclosing scope.
    fn visible(&self, scope: &str, id: &str) -> Result<Option<(ScopePath, NodeState)>, Refusal> {
        let mut here = scope.to_owned();
        loop {
            if let Some((path, marking)) = self.state.scopes.get_key_value(here.as_str()) {
                let ir = self.ir(path)?;
                if let Some(ix) = ir.find(id).filter(|&ix| ir.node(ix).body == marking.body) {
                    return Ok(marking.nodes.get(ir.slot(ix)).map(|&state| (path.clone(), state)));
                }
            }
            match (split_scope(&here), here.as_str()) {
                (Some((container, _)), _) => here = split_instance(container).0.to_owned(),
                (None, "") => return Ok(None),
                // The exit handler reads the graph's nodes.
                (None, _) => here = String::new(),
            }
        }
    }

    /// Where a node's output is kept, if it has one.
    fn output_key(&self, scope: &str, id: &str) -> Result<Option<String>, Refusal> {
        Ok(match self.visible(scope, id)? {
            Some((path, NodeState::Succeeded | NodeState::Failed)) => {
                Some(instance_name(&path, id))
            }
            _ => None,
        })
    }

    /// Where the list behind an item's name is kept, and the item's position in it.
    fn item(&self, scope: &str, name: &str) -> Result<Option<(String, u32)>, Refusal> {
        let mut here = scope.to_owned();
        while let Some((container, index)) = split_scope(&here) {
            let (outer, id) = split_instance(container);
            let ir = self.ir(outer)?;
            if let Some(Kind::Foreach { name: own, .. }) = ir.find(id).map(|ix| &ir.node(ix).kind)
                && **own == *name
            {
                return Ok(Some((format!("{container}#items"), index)));
            }
            here = outer.to_owned();
        }
        Ok(None)
    }

    /// Where the last round's result is kept; none in a first round and outside loops.
    fn prev_key(&self, scope: &str) -> Result<Option<String>, Refusal> {
        let mut here = scope.to_owned();
        while let Some((container, index)) = split_scope(&here) {
            let (outer, id) = split_instance(container);
            let ir = self.ir(outer)?;
            if let Some(Kind::Loop { .. }) = ir.find(id).map(|ix| &ir.node(ix).kind) {
                return Ok(index.checked_sub(1).map(|last| format!("{container}[{last}]")));
            }
            here = outer.to_owned();
        }
        Ok(None)
    }
}

impl<'r, 'a> View<'r, 'a> {
    fn new<'t>(
        router: &'r Router<'a>,
        scope: &ScopePath,
        reads: impl Iterator<Item = &'t Read>,
    ) -> Result<Self, Refusal> {
        let mut view = Self {
            router,
            scope: scope.clone(),
            value: None,
            run: Value::Null,
            index: Value::Null,
            prev: None,
            null: Value::Null,
        };
        for read in reads {
            match read.root.as_str() {
                "run" if view.run.is_null() => {
                    let head = &router.state.head;
                    view.run = json!({
                        "id": &*head.run, "workflow": &*head.workflow, "startedAt": rfc3339(head.started),
                    });
                    if let (Some(outcome), Value::Object(run)) = (head.outcome, &mut view.run) {
                        run.insert("outcome".to_owned(), outcome.name().into());
                    }
                }
                "index" => {
                    view.index = split_scope(scope).map_or(Value::Null, |(_, index)| index.into())
                }
                "prev" => {
                    if let Some(key) = router.prev_key(scope)? {
                        view.prev = router.kept(&key)?.and_then(|envelope| envelope.value.clone());
                    }
                }
                _ => {}
            }
        }
        Ok(view)
    }

    fn kept(&self, key: &str) -> Option<&crate::step::Envelope> {
        self.router.kept(key).ok().flatten()
    }
}

impl Names for View<'_, '_> {
    fn name(&self, name: &str) -> Option<&Value> {
        match name {
            "value" if self.value.is_some() => self.value,
            "input" => self.kept("input")?.value.as_deref(),
            "run" => Some(&self.run),
            "index" if !self.index.is_null() => Some(&self.index),
            "prev" => Some(self.prev.as_deref().unwrap_or(&self.null)),
            _ => {
                let (key, index) = self.router.item(&self.scope, name).ok().flatten()?;
                self.kept(&key)?.value.as_deref()?.get(index as usize)
            }
        }
    }

    fn node(&self, id: &str) -> Option<NodeView<'_>> {
        let (path, state) = self.router.visible(&self.scope, id).ok().flatten()?;
        let outcome = if state.is_settled() { state.name() } else { "" };
        let has = matches!(state, NodeState::Succeeded | NodeState::Failed);
        let kept = if has { self.kept(&instance_name(&path, id)) } else { None };
        Some(NodeView {
            outcome,
            output: kept.and_then(|envelope| envelope.value.as_deref()),
            error: kept.and_then(|envelope| envelope.error.as_ref()),
        })
    }
}

/// For what reads nothing.
struct Nothing;

impl Names for Nothing {
    fn name(&self, _: &str) -> Option<&Value> {
        None
    }
    fn node(&self, _: &str) -> Option<NodeView<'_>> {
        None
    }
}

/// The error of a node whose expression failed.
pub(super) fn failed(what: &str, error: &EvalError) -> NodeError {
    NodeError::new(error.code, format!("{what}: {}", error.message))
}
