//! An instance is enabled: what that means for each kind of node, and the window of published tasks.

use std::sync::Arc;

use serde_json::{Value, json};

use super::below::Share;
use super::view::failed;
use super::{At, DEEPEST_CHILD, Router, WINDOW};
use crate::event::{Cause, Change, Settled};
use crate::ir::{Effect, Kind};
use crate::layer::{self, Judge};
use crate::state::{Asks, NodeError, NodeState, Parent};
use crate::step::{ChildStart, Due, Envelope, Publish, Reach, Refusal, Timer};

impl Router<'_> {
    /// Begins an enabled instance.
    pub(super) fn begin(&mut self, at: &At) -> Result<(), Refusal> {
        let ir = at.ir.clone();
        if let Some(replay) = self.replay.clone()
            && let Some(recorded) = replay.answers.get(&at.name())
        {
            return self.settle_again(at, recorded);
        }
        match &ir.node(at.ix).kind {
            Kind::Unknown => {
                let why =
                    format!("skipped://unknown_type: nobody knows type {}", at.node().node_type);
                self.pass(at, Cause::UnknownType, &why)
            }
            Kind::Task { .. } if self.has_room() => self.publish(at),
            Kind::Child { .. } if self.has_room() && !self.is_money_out()? => self.start_child(at),
            Kind::Task { .. } | Kind::Child { .. } => self.emit(Change::Ready { at: at.name() }),
            Kind::Delay { config } => {
                match self.render(&at.scope, config)?.map_err(|e| failed("the config", &e)) {
                    Ok(config) => self.begin_delay(at, &config),
                    Err(error) => self.fail(at, error, Cause::Expression, None),
                }
            }
            Kind::Approval { config } => {
                match self.render(&at.scope, config)?.map_err(|e| failed("the config", &e)) {
                    Ok(config) => self.begin_gate(at, &Arc::new(config)),
                    Err(error) => self.fail(at, error, Cause::Expression, None),
                }
            }
            Kind::Foreach { .. } | Kind::Loop { .. } => self.begin_container(at),
        }
    }

    /// Settles an instance as it settled in the run that this one replays.
    fn settle_again(&mut self, at: &At, recorded: &Envelope) -> Result<(), Refusal> {
        match (recorded.outcome, &recorded.value) {
            (Settled::Succeeded, Some(output)) => self.succeed(at, output.clone(), Cause::Replay),
            (Settled::Failed, _) => {
                let text = |key: &str| {
                    let found = recorded.error.as_ref().and_then(|error| error.get(key)?.as_str());
                    found.unwrap_or("failed").to_owned()
                };
                self.fail(at, NodeError::new(text("code"), text("message")), Cause::Replay, None)
            }
            _ => self.pass(at, Cause::Replay, "settled without an output in the run it replays"),
        }
    }

    /// Publishes the next instance that is ready; false if there is none or no room.
    pub(super) fn publish_next(&mut self) -> Result<bool, Refusal> {
        if !self.has_room() {
            return Ok(false);
        }
        let is_money_out = self.is_money_out()?;
        let any_waits = is_money_out || !self.waits.is_empty();
        let ready = self.state.scopes.iter().find_map(|(scope, marking)| {
            let ir = if any_waits { self.irs.get(marking.revision).ok() } else { None };
            let waits = |slot: usize| {
                ir.is_some_and(|ir| {
                    let node = ir.node(ir.body(marking.body).nodes.start + slot as u32);
                    let is_child = matches!(node.kind, Kind::Child { .. });
                    (is_child && is_money_out) || self.waits.contains(&node.id)
                })
            };
            let mut nodes = marking.nodes.iter().enumerate();
            let slot =
                nodes.position(|(slot, &state)| state == NodeState::Ready && !waits(slot))?;
            Some((scope.clone(), marking.body, slot))
        });
        let Some((scope, body, slot)) = ready else { return Ok(false) };
        let ir = self.ir(&scope)?;
        let at = At { ix: ir.body(body).nodes.start + slot as u32, scope, ir };
        match at.node().kind {
            Kind::Child { .. } => self.start_child(&at)?,
            _ => self.publish(&at)?,
        }
        Ok(true)
    }

    /// Whether another task may be given out.
    fn has_room(&self) -> bool {
        self.state.head.tokens < WINDOW && !self.state.head.suspended
    }

    /// Gives a task out.
    fn publish(&mut self, at: &At) -> Result<(), Refusal> {
        let ir = at.ir.clone();
        let node = ir.node(at.ix);
        let Kind::Task { config, asserts, agent } = &node.kind else {
            return Err(Refusal::Corrupt(format!("{} is no task", at.name())));
        };
        let current = self.irs.get(self.state.head.revision)?;
        let limits = &current.limits;
        // Those that are gone count on, whoever let the patches pass that took them out; so do those of child runs.
        let head = &self.state.head;
        let ever = u64::from(current.agents) + head.agents_gone.len() as u64;
        let ever = ever + u64::from(head.below.agents());
        let most = head.allowed.agents(limits);
        if *agent && ever > u64::from(most) && layer::judges(Judge::Dispatch) {
            let below = self.state.told_below();
            let why = format!("skipped://agent_limit: {ever} agents{below}; at most {most}");
            return self.pass(at, Cause::AgentLimit, &why);
        }
        if *agent && !self.may_start_agent(at)? {
            return Ok(());
        }
        let mut input = match self.render(&at.scope, config)? {
            Ok(input) => input,
            Err(error) => {
                return self.fail(at, failed("the config", &error), Cause::Expression, None);
            }
        };
        if !asserts.is_empty() {
            let value = input.get("value").cloned().unwrap_or(Value::Null);
            let mut judged = Vec::with_capacity(asserts.len());
            for assert in asserts {
                let message = match &assert.message {
                    Some(message) => self.render(&at.scope, message)?.map(|text| match text {
                        Value::String(text) => Value::String(text),
                        other => Value::String(other.to_string()),
                    }),
                    None => Ok(Value::Null),
                };
                let message = match message {
                    Ok(message) => message,
                    Err(error) => {
                        let error = failed("the message of an assertion", &error);
                        return self.fail(at, error, Cause::Expression, None);
                    }
                };
                match self.holds(&at.scope, &assert.that, Some(&value))? {
                    Ok(ok) => judged
                        .push(json!({"that": assert.that.source(), "message": message, "ok": ok})),
                    Err(error) => {
                        return self.fail(
                            at,
                            failed("an assertion", &error),
                            Cause::Expression,
                            None,
                        );
                    }
                }
            }
            if let Value::Object(input) = &mut input {
                input.insert("assert".to_owned(), judged.into());
            }
        }
        let name = at.name();
        let attempt = self.live(at).map_or(1, |live| live.attempt());
        self.emit(Change::Published { at: name.clone(), attempt })?;
        let cell = self.live(at).map_or(0, |live| live.cell);
        self.effects.publish.push(Publish {
            cell,
            instance: name,
            node_type: node.pool.queue(&node.node_type, &ir.runners, &self.state.head.tenant),
            fence: self.fence(),
            attempt,
            timeout: node.timeout,
            once: node.effect == Effect::Once,
            input: Arc::new(input),
        });
        Ok(())
    }

    fn begin_delay(&mut self, at: &At, config: &Value) -> Result<(), Refusal> {
        let due = match (
            config.get("for").and_then(Value::as_str),
            config.get("until").and_then(Value::as_str),
        ) {
            (Some(text), None) => {
                crate::time::duration(text).map(|ms| self.now.time.saturating_add(ms))
            }
            (None, Some(text)) => crate::time::instant(text),
            _ => None,
        };
        let Some(due) = due else {
            let message =
                "`for` is a duration such as 90s, `until` a time such as 2026-11-02T09:00:00Z";
            return self.fail(at, NodeError::new("config", message), Cause::Expression, None);
        };
        let name = at.name();
        self.emit(Change::Delayed { at: name.clone(), due })?;
        let seq = self.fence().1;
        self.effects.arm.push((Timer { instance: name, what: Due::Delay, seq }, due));
        Ok(())
    }

    fn begin_gate(&mut self, at: &At, config: &Arc<Value>) -> Result<(), Refusal> {
        let deadline = match config.get("deadline") {
            None | Some(Value::Null) => None,
            Some(text) => match text.as_str().and_then(crate::time::duration) {
                Some(ms) => Some(ms),
                None => {
                    let error = NodeError::new("config", "`deadline` is a duration such as 24h");
                    return self.fail(at, error, Cause::Expression, None);
                }
            },
        };
        if let Some(fault) = approvers_fault(config) {
            return self.fail(at, NodeError::new("config", fault), Cause::Expression, None);
        }
        let shortest = [deadline, at.node().timeout].into_iter().flatten().min();
        let due = shortest.map(|ms| self.now.time.saturating_add(ms));
        self.keep_value(&format!("{}#config", at.name()), config);
        self.ask(at, Asks::Gate, config, due, None)
    }

    fn start_child(&mut self, at: &At) -> Result<(), Refusal> {
        let ir = at.ir.clone();
        let Kind::Child { config } = &ir.node(at.ix).kind else {
            return Err(Refusal::Corrupt(format!("{} is no child", at.name())));
        };
        let config = match self.render(&at.scope, config)? {
            Ok(config) => config,
            Err(error) => {
                return self.fail(at, failed("the config", &error), Cause::Expression, None);
            }
        };
        let Some((workflow, version)) = Reach::named(&config) else {
            return self.fail(
                at,
                NodeError::new("config", "`name` names a workflow"),
                Cause::Expression,
                None,
            );
        };
        if self.state.head.depth >= DEEPEST_CHILD {
            let message = format!("child runs nest at most {DEEPEST_CHILD} deep");
            return self.fail(at, NodeError::new("depth", message), Cause::Limit, None);
        }
        let reach = match self.kept(&Reach::key(workflow, version))? {
            Some(known) => Reach::of(known),
            None => Reach::default(),
        };
        let part = match self.agents_for(at, &reach)? {
            Share::Of(part) => part,
            Share::Later => return self.wait_for_agents(at),
            Share::None(why) => return self.pass(at, Cause::AgentLimit, &why),
        };
        let name = at.name();
        let run: Arc<str> = self.derived_id("run", &name).into();
        let due = at.node().timeout.map(|ms| self.now.time.saturating_add(ms));
        self.emit(Change::Child { at: name.clone(), run: run.to_string(), due, part })?;
        let fence = self.fence();
        if let Some(due) = due {
            self.effects
                .arm
                .push((Timer { instance: name.clone(), what: Due::Timeout, seq: fence.1 }, due));
        }
        self.effects.children.push(ChildStart {
            run,
            name: workflow.to_owned(),
            version: reach.digest.or_else(|| version.map(str::to_owned)),
            input: Arc::new(config.get("input").cloned().unwrap_or_else(|| json!({}))),
            parent: Parent { run: self.state.head.run.clone(), instance: name.into(), fence },
            depth: self.state.head.depth + 1,
            spend: None,
            part,
        });
        Ok(())
    }
}

/// What is wrong with a gate's approvers as its templates gave them. Nothing of it is read leniently: a list
/// that is none, or empty, must not open the gate to everyone.
fn approvers_fault(config: &Value) -> Option<&'static str> {
    let approvers = config.get("approvers")?;
    let names =
        |list: &Value| list.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    let lists = ["users", "groups"].map(|key| approvers.get(key));
    if !lists.iter().flatten().all(|list| names(list)) {
        return Some("`approvers.users` and `approvers.groups` are lists of names");
    }
    let named = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
    if lists.iter().flatten().next().is_some() && !lists.iter().flatten().any(|list| named(list)) {
        return Some("`approvers` names nobody, so that nobody could approve");
    }
    let counts = |count: &Value| count.as_u64().is_some_and(|count| (1..=100).contains(&count));
    if !approvers.get("count").is_none_or(counts) {
        return Some("`approvers.count` is a whole number from 1 to 100");
    }
    let bools = approvers.get("allowRequester").is_none_or(Value::is_boolean);
    (!bools).then_some("`approvers.allowRequester` is true or false")
}
