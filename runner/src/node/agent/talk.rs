//! One conversation: ask, call what is called, ask again, until there is an answer or no turn left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_engine::catalogue::{
    AGENT_MODEL, AGENT_NO_MODEL, AGENT_OUTPUT, AGENT_REPEATS, AGENT_TURNS, BUDGET, NODE_LOST,
};
use aob_engine::state::Amount;
use aob_provider::ask::Span;
use aob_provider::{
    Answer, Ask, CachePlan, Choice, Estimate, Kind, ModelError, OutputSchema, Prefix, Spent, Stop,
    ToolCall, ToolResult, ToolSpan, Turn,
};
use serde_json::{Value, json};

use super::config::Config;
use super::desk::{Closing, Desk, Finished, Granted, Scene};
use super::drafts::Drafts;
use super::repeats::Repeats;
use super::tools::{PATCH, Reach, Toolbox};
use super::{Mind, answer, prompt, transcript};
use crate::node::{Context, Failure, Stream, Task};

/// Most tokens of one answer.
const ANSWER: u32 = 8_192;
/// Answers that do not fit before the attempt fails.
const MISFITS: u32 = 3;
/// Calls of tools in one answer that are looked at.
const CALLS: usize = 16;
/// Bytes of a conversation; it ends before it costs more than it can be worth.
const LONG: usize = 4 * 1024 * 1024;

/// An attempt under way.
pub(super) struct Talk<'a> {
    task: &'a Task,
    cx: &'a Context,
    desk: &'a dyn Desk,
    mind: &'a dyn Mind,
    reach: Reach<'a>,
    config: Config,
    scene: Scene,
    turns: Vec<Turn>,
    drafts: Drafts,
    repeats: Repeats,
    /// Of the last reservation; what is booked with the next.
    used: Option<Amount>,
    misfits: u32,
    asked: u32,
}

impl<'a> Talk<'a> {
    pub(super) fn begin(
        task: &'a Task,
        cx: &'a Context,
        desk: &'a dyn Desk,
        mind: &'a dyn Mind,
        reach: Reach<'a>,
        config: Config,
        scene: Scene,
    ) -> Self {
        // What was said before a budget was used up is not paid for twice.
        let kept = scene.turns.as_deref();
        let turns = kept.and_then(|kept| transcript::read(kept.get("turns")?));
        let drafts = kept.filter(|_| turns.is_some()).and_then(|kept| kept.get("drafts"));
        let drafts = drafts.map(Drafts::kept).unwrap_or_default();
        let turns = turns.unwrap_or_else(|| vec![Turn::User(config.prompt.clone())]);
        Self {
            task,
            cx,
            desk,
            mind,
            reach,
            config,
            scene,
            turns,
            drafts,
            repeats: Repeats::default(),
            used: None,
            misfits: 0,
            asked: 0,
        }
    }

    /// Talks until there is an answer.
    pub(super) async fn run(mut self) -> Result<Value, Failure> {
        let result = self.answer().await;
        if let Some(used) = self.used.take() {
            // What was used counts, whatever came of it.
            self.desk.book(self.task, used).await?;
        }
        result
    }

    async fn answer(&mut self) -> Result<Value, Failure> {
        let exec = &self.cx.policy.exec;
        let toolbox = Toolbox::of(&self.config, self.reach.servers, exec).await?;
        let policy = self.config.policy.clone();
        let prefix = Arc::new(prompt::prefix(toolbox.told(policy.as_ref()), policy.as_ref()));
        let (system, instance) = (&self.config.system, &self.task.instance);
        let context = prompt::context(system, &self.scene, instance, toolbox.patches());
        while self.asked < self.config.turns {
            let ask = self.ask(&prefix, &context, &toolbox);
            let said = self.say(&ask).await?;
            self.turns.push(said.turn());
            match said.stop {
                Stop::Refused => {
                    return Err(Failure::new(&AGENT_MODEL, "the model refused to answer"));
                }
                Stop::Length if said.calls.is_empty() => {
                    let message = format!("the answer was cut after {ANSWER} tokens");
                    return Err(Failure::new(&AGENT_MODEL, message));
                }
                _ => {}
            }
            if said.calls.is_empty() {
                if let Some(output) = self.settle(&said.text).await? {
                    return Ok(output);
                }
                continue;
            }
            let mut results = Vec::with_capacity(said.calls.len());
            for (at, call) in said.calls.iter().enumerate() {
                let span = ToolSpan::begin(self.place(at), &call.name);
                let (content, is_error) = match at < CALLS {
                    true => self.call(&toolbox, call).await?,
                    false => (format!("not called: at most {CALLS} calls in one answer"), true),
                };
                span.end(is_error);
                let arguments = call.arguments.as_ref().cloned().unwrap_or_default();
                if self.repeats.note(&call.name, &arguments, &content) {
                    let name: String = call.name.chars().take(64).collect();
                    let message = format!(
                        "`{name}` was called again and again with the same arguments, and gave the same"
                    );
                    return Err(Failure::new(&AGENT_REPEATS, message));
                }
                results.push(ToolResult { id: call.id.clone(), content, is_error });
            }
            self.turns.push(Turn::Results(results));
        }
        let message = format!("{} calls of the model, and no answer yet", self.config.turns);
        Err(Failure::new(&AGENT_TURNS, message))
    }

    fn ask(&self, prefix: &Arc<Prefix>, context: &str, toolbox: &Toolbox) -> Ask {
        let schema = self.config.output.as_ref();
        let turns_more = self.config.turns > 1 && (!toolbox.is_empty() || schema.is_some());
        Ask {
            model: self.config.model.clone(),
            prefix: prefix.clone(),
            context: context.to_owned(),
            turns: self.turns.clone(),
            // With tools at hand a provider that is held to a schema could not call them.
            output: schema
                .filter(|_| toolbox.is_empty())
                .map(|schema| OutputSchema { name: "answer".to_owned(), schema: schema.clone() }),
            choice: match (self.drafts.is_open(), toolbox.beside_patch()) {
                (_, names) if names.is_empty() && !toolbox.patches() => Choice::None,
                (true, _) => Choice::Auto,
                // The prefix stays as it is; the tool that no longer answers is left out here.
                (false, names) if names.is_empty() => Choice::None,
                (false, names) => Choice::Only(names),
            },
            max_tokens: ANSWER,
            cache: if turns_more { CachePlan::Minutes } else { CachePlan::Never },
            cache_key: prefix.digest().get(..32).unwrap_or_default().to_owned(),
            parallel: !toolbox.patches(),
            span: Some(Span { n: u64::from(self.asked), ..self.place(0) }),
        }
    }

    /// A call of the last answer, among all of the attempt.
    fn place(&self, call: usize) -> Span {
        Span {
            run: self.task.run.as_str().into(),
            instance: self.task.instance.as_str().into(),
            fence: self.task.fence.as_str().into(),
            n: u64::from(self.asked) * 1_000 + call as u64,
        }
    }

    /// Asks once: reserved before, noted after.
    async fn say(&mut self, ask: &Ask) -> Result<Answer, Failure> {
        let estimate = self.mind.estimate(ask).map_err(|error| failed(&error))?;
        let most = self.most(&estimate)?;
        let kept = self.kept(&self.turns);
        if kept.to_string().len() > LONG {
            let message = format!("the conversation is longer than {LONG} bytes");
            return Err(Failure::new(&AGENT_TURNS, message));
        }
        match self.desk.reserve(self.task, self.used.take(), most, Some(Arc::new(kept))).await? {
            Granted::Yes => {}
            Granted::Waits(why) => return Err(Failure::new(&BUDGET, why)),
            Granted::Gone => return Err(gone()),
        }
        self.asked += 1;
        let begun = Instant::now();
        let left = self.scene.left.map(Duration::from_millis);
        let asking = self.mind.ask(ask, &self.cx.cancel);
        let result = match left {
            None => asking.await,
            Some(left) => match tokio::time::timeout(left, asking).await {
                Ok(result) => result,
                Err(_) => {
                    // Nobody knows whether it was charged for. What is asked for next does not reach any more.
                    self.used = Some(Amount { ms: elapsed(begun), ..most });
                    return match self.reserve_call().await? {
                        Granted::Waits(why) => Err(Failure::new(&BUDGET, why)),
                        Granted::Gone => Err(gone()),
                        Granted::Yes => {
                            let message = "the time that the budget leaves is over";
                            Err(Failure::new(&BUDGET, message).retryable())
                        }
                    };
                }
            },
        };
        let spent = match &result {
            Ok(answer) => &answer.spent,
            Err(error) => &error.spent,
        };
        let took = elapsed(begun);
        self.used = Some(used(spent, most, took));
        self.scene.left = self.scene.left.map(|left| left.saturating_sub(took));
        let answer = result.map_err(|error| self.told(&error))?;
        self.cx.log.line(
            Stream::Node,
            &format!("turn {}: {} calls, {}", self.asked, answer.calls.len(), answer.stop.name()),
        );
        Ok(answer)
    }

    /// The most that a question may use; none may be asked that could pass a cap of money unseen.
    fn most(&self, estimate: &Estimate) -> Result<Amount, Failure> {
        let usd = match estimate.most_cost {
            Some(cost) => cost.0,
            None if self.scene.money => {
                let message = format!(
                    "{} has no price, and a budget of money holds for it: give the runner a price, or leave the cap out",
                    self.config.model
                );
                return Err(Failure::new(&AGENT_NO_MODEL, message));
            }
            None => 0,
        };
        let tokens = estimate.most_input.saturating_add(estimate.most_output);
        Ok(Amount { usd, tokens, calls: 1, ms: 1 })
    }

    /// What a call gives, as it is told to the model, and whether that is an error.
    async fn call(
        &mut self,
        toolbox: &Toolbox,
        call: &ToolCall,
    ) -> Result<(String, bool), Failure> {
        let arguments = match &call.arguments {
            Ok(arguments) => arguments,
            Err(wrong) => {
                let text = format!(
                    "not called: its arguments are no JSON object ({}): {}. Write the call again with one whole JSON object.",
                    wrong.why, wrong.excerpt
                );
                return Ok((text, true));
            }
        };
        if call.name == PATCH && toolbox.patches() {
            let policy = self.config.policy.as_ref();
            return self.drafts.propose(self.desk, self.task, &self.scene, policy, arguments).await;
        }
        match self.reserve_call().await? {
            Granted::Yes => {}
            Granted::Waits(why) => return Err(Failure::new(&BUDGET, why)),
            Granted::Gone => return Err(gone()),
        }
        let begun = Instant::now();
        let (task, cx) = (self.task, self.cx);
        let called =
            toolbox.call(&call.name, arguments, &self.scene, self.desk, self.reach, (task, cx));
        let result = called.await?;
        self.used = Some(Amount { calls: 1, ms: elapsed(begun), ..Amount::default() });
        Ok(match result {
            Ok(text) => (self.cx.redactor.text(&text).into_owned(), false),
            Err(text) => (self.cx.redactor.text(&text).into_owned(), true),
        })
    }

    /// What the next attempt goes on from.
    fn kept(&self, turns: &[Turn]) -> Value {
        json!({"turns": transcript::write(turns), "drafts": self.drafts.keep()})
    }

    async fn reserve_call(&mut self) -> Result<Granted, Failure> {
        // What is kept ends before the calls of this answer: they are made again.
        let whole = match self.turns.split_last() {
            Some((Turn::Model { .. }, before)) => before,
            _ => self.turns.as_slice(),
        };
        let kept = Arc::new(self.kept(whole));
        let one = Amount { calls: 1, ms: 1, ..Amount::default() };
        self.desk.reserve(self.task, self.used.take(), one, Some(kept)).await
    }

    /// Takes a text as the answer: none if it does not fit, or its patch no longer does, and the model is told.
    async fn settle(&mut self, text: &str) -> Result<Option<Value>, Failure> {
        let schema = self.config.output.as_ref();
        let output = match answer::output(text, schema) {
            Ok(output) => self.cx.redactor.value(output),
            Err(misfits) => {
                self.misfits += 1;
                if self.misfits >= MISFITS {
                    let message = format!("{MISFITS} answers did not fit: {}", misfits.join("; "));
                    return Err(Failure::new(&AGENT_OUTPUT, message));
                }
                self.turns.push(Turn::User(answer::told(&misfits, schema.unwrap_or(&Value::Null))));
                return Ok(None);
            }
        };
        let Some(staged) = self.drafts.staged().cloned() else { return Ok(Some(output)) };
        if let Some(used) = self.used.take() {
            self.desk.book(self.task, used).await?;
        }
        let closing =
            Closing { output: output.clone(), request: staged.request, word: staged.word };
        match self.desk.finish(self.task, &closing).await? {
            // The lane hands the same answer in again, and hears that it has counted.
            Finished::Applied | Finished::Waits => Ok(Some(output)),
            Finished::Gone => Err(gone()),
            Finished::Refused(findings) => {
                let policy = self.config.policy.clone();
                let told = self.drafts.overtaken(&findings, policy.as_ref());
                if !self.drafts.is_open() || self.asked >= self.config.turns {
                    return Ok(Some(output));
                }
                self.scene = self.desk.scene(self.task).await?;
                self.turns.push(Turn::User(told));
                Ok(None)
            }
        }
    }

    fn told(&self, error: &ModelError) -> Failure {
        if error.kind == Kind::Cancelled {
            return gone();
        }
        let failure = failed(error);
        Failure { message: self.cx.redactor.text(&failure.message).into_owned(), ..failure }
    }
}

fn failed(error: &ModelError) -> Failure {
    Failure {
        code: error.kind.name().to_owned(),
        message: error.message.clone(),
        retryable: error.is_retryable,
    }
}

/// What was used in fact; where nobody knows what it cost, the most that it can have been.
fn used(spent: &Spent, most: Amount, ms: u64) -> Amount {
    Amount {
        usd: spent.cost.map_or(most.usd, |cost| cost.0),
        tokens: spent.usage.total(),
        calls: 1,
        ms,
    }
}

fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn gone() -> Failure {
    Failure::new(&NODE_LOST, "the attempt is no longer the current one")
}
