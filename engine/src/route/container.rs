//! Foreach and loop: their beginning, their iterations, their end.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::view::failed;
use super::{At, LARGEST_OUTPUT, Router, Work, size};
use crate::event::{Cause, Change, Settled};
use crate::expr::Template;
use crate::ir::Kind;
use crate::state::{
    Container, NodeError, NodeState, ScopePath, instance_name, iteration_scope, split_scope,
};
use crate::step::{Due, Envelope, Refusal, Timer};

impl Router<'_> {
    pub(super) fn begin_container(&mut self, at: &At) -> Result<(), Refusal> {
        let ir = at.ir.clone();
        let (total, concurrency, tolerate) = match &ir.node(at.ix).kind {
            Kind::Foreach { items, concurrency, tolerate, .. } => {
                let items = match self.render(&at.scope, items)? {
                    Ok(Value::Array(items)) => items,
                    Ok(_) => {
                        let error = NodeError::new("type", "`items` is not a list");
                        return self.fail(at, error, Cause::Expression, None);
                    }
                    Err(error) => {
                        return self.fail(at, failed("`items`", &error), Cause::Expression, None);
                    }
                };
                let (width, spare) = match (
                    self.count(at, concurrency, "concurrency", 1..=1_000)?,
                    self.count(at, tolerate, "tolerate", 0..=u64::from(Container::MOST))?,
                ) {
                    (Ok(width), Ok(spare)) => (width, spare),
                    (Err(error), _) | (_, Err(error)) => {
                        return self.fail(at, error, Cause::Expression, None);
                    }
                };
                let total = items.len() as u64;
                if total > u64::from(Container::MOST) {
                    let message = format!("{total} items; at most {}", Container::MOST);
                    return self.fail(at, NodeError::new("limit", message), Cause::Limit, None);
                }
                self.keep_value(&format!("{}#items", at.name()), &Arc::new(Value::Array(items)));
                (total as u32, width, spare)
            }
            Kind::Loop { max, .. } => {
                match self.count(at, max, "max", 1..=u64::from(Container::MOST))? {
                    Ok(max) => (max, 1, 0),
                    Err(error) => return self.fail(at, error, Cause::Expression, None),
                }
            }
            _ => return Err(Refusal::Corrupt(format!("{} is no container", at.name()))),
        };
        let due = at.node().timeout.map(|ms| self.now.time.saturating_add(ms));
        let name = at.name();
        self.emit(Change::Begun { at: name.clone(), total, concurrency, tolerate, due })?;
        if let Some(due) = due {
            let seq = self.fence().1;
            self.effects.arm.push((Timer { instance: name, what: Due::Timeout, seq }, due));
        }
        self.go_on(at)
    }

    /// An iteration has settled: its result, and what follows.
    pub(super) fn end_iteration(&mut self, scope: &ScopePath) -> Result<(), Refusal> {
        let Some((container, index)) = split_scope(scope) else { return Ok(()) };
        let container = container.to_owned();
        let Some(at) = self.find(&container)? else { return Ok(()) };
        let failed_by = self.state.scopes.get(scope).and_then(|marking| marking.failed.clone());
        let cut = self
            .state
            .scopes
            .get(scope)
            .is_some_and(|marking| marking.nodes.contains(&NodeState::Cancelled));
        let mut stop = None;
        let mut over = false;
        let (outcome, value, error) = match failed_by {
            Some(error) => (Settled::Failed, None, Some(error)),
            None if cut => (Settled::Cancelled, None, None),
            None => match self.result(&at, scope)?.and_then(fitting) {
                Ok(value) => {
                    // `until` still sees the round before as `prev`.
                    match self.is_over(&at, scope)? {
                        Ok(is_over) => over = is_over,
                        Err(error) => stop = Some(error),
                    }
                    (Settled::Succeeded, Some(Arc::new(value)), None)
                }
                Err(error) => (Settled::Failed, None, Some(error)),
            },
        };
        let digest = value.as_deref().map(crate::canonical::digest);
        let kept = Envelope {
            fence: self.fence(),
            outcome,
            digest: digest.clone(),
            value,
            error: error
                .as_ref()
                .map(|error| json!({"code": error.code, "message": error.message})),
        };
        self.fresh.insert(iteration_scope(&container, index), kept);
        self.emit(Change::IterationEnded {
            at: container.clone(),
            index,
            outcome,
            digest,
            error: error.clone(),
        })?;
        let is_loop = matches!(at.node().kind, Kind::Loop { .. });
        let progress = self.progress(&at)?;
        let too_many = progress.failed > progress.tolerate;
        if let Some(error) = error
            && progress.failure.is_none()
            && (is_loop || too_many)
        {
            stop = Some(error);
        }
        if let Some(error) = stop
            && progress.failure.is_none()
        {
            self.emit(Change::Stopped { at: container.clone(), error: error.clone() })?;
            self.drain_iterations(&at, &error)?;
        }
        if over {
            return self.end_loop(&at, index);
        }
        self.go_on(&at)
    }

    /// Begins what may begin, or ends the container when nothing is left.
    fn go_on(&mut self, at: &At) -> Result<(), Refusal> {
        loop {
            let progress = self.progress(at)?;
            let stopped = progress.failure.is_some() || self.is_draining(&at.scope);
            if !stopped && progress.next < progress.total && progress.live() < progress.concurrency
            {
                if let Err(error) = self.begin_iteration(at, progress.next)? {
                    self.emit(Change::Stopped { at: at.name(), error: error.clone() })?;
                    self.drain_iterations(at, &error)?;
                }
                continue;
            }
            if progress.live() > 0 {
                return Ok(());
            }
            return match progress.failure {
                Some(error) => self.fail(at, error, Cause::Completion, None),
                None if progress.next < progress.total || progress.cut > 0 => {
                    self.abandon(at, Settled::Cancelled, Cause::Drain)
                }
                None if matches!(at.node().kind, Kind::Loop { .. }) => {
                    let message = format!("`until` did not hold within {} rounds", progress.total);
                    self.fail(at, NodeError::new("loop_max", message), Cause::Completion, None)
                }
                None => self.end_foreach(at, progress.total),
            };
        }
    }

    fn begin_iteration(&mut self, at: &At, index: u32) -> Result<Result<(), NodeError>, Refusal> {
        // An iteration begins on the body of the revision that its container's scope is on: at the root that is the
        // current one, within an iteration the one that this iteration began with.
        let nodes = at.node().kind.body().map_or(0, |body| at.ir.body(body).nodes.len());
        let revision = self.state.head.revision;
        let ir = self.irs.get(revision).map_err(|_| Refusal::Revision(revision))?;
        let most = ir.limits.instances;
        if self.state.head.instances + nodes as u64 > most {
            return Ok(Err(NodeError::new(
                "limit",
                format!("more than {most} node instances in this run"),
            )));
        }
        let name = at.name();
        self.emit(Change::Iteration { at: name.clone(), index })?;
        self.open_scope(&iteration_scope(&name, index).into())?;
        Ok(Ok(()))
    }

    fn end_foreach(&mut self, at: &At, total: u32) -> Result<(), Refusal> {
        let name = at.name();
        let keys: Vec<String> = (0..total).map(|index| iteration_scope(&name, index)).collect();
        let missing: Vec<String> = keys
            .iter()
            .filter(|key| !self.fresh.contains_key(*key) && self.context.get(key).is_none())
            .cloned()
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::Missing(missing));
        }
        let mut list = Vec::with_capacity(keys.len());
        for key in &keys {
            list.push(match self.kept(key)? {
                Some(Envelope { error: Some(error), .. }) => json!({"error": error}),
                Some(Envelope { value: Some(value), .. }) => Value::clone(value),
                _ => Value::Null,
            });
        }
        self.succeed(at, Arc::new(Value::Array(list)), Cause::Completion)
    }

    fn end_loop(&mut self, at: &At, index: u32) -> Result<(), Refusal> {
        let key = iteration_scope(&at.name(), index);
        let value =
            self.kept(&key)?.and_then(|envelope| envelope.value.clone()).unwrap_or_default();
        self.succeed(at, value, Cause::Completion)
    }

    /// What an iteration gives.
    fn result(&self, at: &At, scope: &ScopePath) -> Result<Result<Value, NodeError>, Refusal> {
        let ir = self.ir(scope)?;
        let ix = ir.find(&at.node().id);
        if let Some(
            Kind::Foreach { result: Some(result), .. } | Kind::Loop { result: Some(result), .. },
        ) = ix.map(|ix| &ir.node(ix).kind)
        {
            return Ok(self.render(scope, result)?.map_err(|error| failed("`result`", &error)));
        }
        let body = self.state.scopes.get(scope).map_or(0, |marking| marking.body);
        let last = &ir.body(body).last;
        let mut outputs = Map::new();
        for &ix in last {
            let id = ir.node(ix).id.to_string();
            let at = At { scope: scope.clone(), ix, ir: ir.clone() };
            if self.node_state(&at) == NodeState::Succeeded
                && let Some(value) = self
                    .kept(&instance_name(scope, &id))?
                    .and_then(|envelope| envelope.value.clone())
            {
                outputs.insert(id, Value::clone(&value));
            }
        }
        Ok(Ok(match last.as_slice() {
            [only] => outputs.remove(&*ir.node(*only).id).unwrap_or_default(),
            _ => Value::Object(outputs),
        }))
    }

    /// Whether a loop's condition holds after a round; never for a foreach.
    fn is_over(&self, at: &At, scope: &ScopePath) -> Result<Result<bool, NodeError>, Refusal> {
        match &at.node().kind {
            Kind::Loop { until, .. } => {
                Ok(self.holds(scope, until, None)?.map_err(|error| failed("`until`", &error)))
            }
            _ => Ok(Ok(false)),
        }
    }

    fn progress(&self, at: &At) -> Result<Container, Refusal> {
        let container = self.live(at).and_then(|live| live.container.clone());
        container.ok_or_else(|| Refusal::Corrupt(format!("{} has not begun", at.name())))
    }

    /// The live iterations of a container that failed drain.
    fn drain_iterations(&mut self, at: &At, error: &NodeError) -> Result<(), Refusal> {
        for scope in self.iterations(at) {
            self.emit(Change::Failing { scope: scope.to_string(), error: error.clone() })?;
            self.work.push_back(Work::Drain(scope));
        }
        Ok(())
    }

    /// Scopes of a container's live iterations.
    pub(super) fn iterations(&self, at: &At) -> Vec<ScopePath> {
        let name = at.name();
        let own =
            |scope: &&ScopePath| split_scope(scope).is_some_and(|(container, _)| container == name);
        self.state.scopes.keys().filter(own).cloned().collect()
    }

    fn count(
        &self,
        at: &At,
        template: &Template,
        what: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Result<u32, NodeError>, Refusal> {
        Ok(match self.render(&at.scope, template)? {
            Err(error) => Err(failed(&format!("`{what}`"), &error)),
            Ok(value) => match value.as_u64().filter(|number| range.contains(number)) {
                Some(number) => Ok(number as u32),
                None => {
                    let (least, most) = (range.start(), range.end());
                    Err(NodeError::new(
                        "type",
                        format!("`{what}` is not a whole number from {least} to {most}"),
                    ))
                }
            },
        })
    }
}

/// What an iteration gives is kept like an output, and bounded like one.
fn fitting(value: Value) -> Result<Value, NodeError> {
    let bytes = size(&value);
    if bytes <= LARGEST_OUTPUT {
        return Ok(value);
    }
    let message = format!("the result has {bytes} bytes; at most {LARGEST_OUTPUT} are kept");
    Err(NodeError::new("output_too_large", message))
}
