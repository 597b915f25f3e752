//! How a run stands: what it waits for, its child runs included.

use std::sync::Arc;

use aob_engine::state::{Live, NodeState, State, instance_name};
use aob_runner::runs::{Error, Runs};
use serde_json::Value;

use crate::operation::{Head, Needs, Standing, Waits};

/// Most tickets told of one run.
const MOST_TICKETS: usize = 100;
/// Most child runs looked into.
const MOST_RUNS: usize = 1_000;

/// How a run stands.
pub(super) async fn standing(runs: &Runs, run: &str) -> Result<Standing, Error> {
    let root = runs.store().load(run).await?.ok_or_else(|| Error::NoRun(run.to_owned()))?;
    let mut found = Found::default();
    let mut open = vec![root.clone()];
    let mut seen = 0;
    while let Some(state) = open.pop() {
        seen += 1;
        let children = found.look(runs, &state).await?;
        for child in children.into_iter().take(MOST_RUNS.saturating_sub(seen + open.len())) {
            match runs.store().load(&child).await? {
                Some(child) if !child.is_ended() => open.push(child),
                // Its answer is on the way.
                _ => found.work = true,
            }
        }
    }
    let needs = if root.is_ended() {
        Needs::Nothing
    } else if found.work {
        Needs::Work
    } else if root.head.suspended {
        Needs::Resume
    } else if found.tickets.is_empty() && !found.held {
        Needs::Work
    } else {
        Needs::Person
    };
    Ok(Standing {
        status: root.status().to_owned(),
        head: Head::from(&root.head),
        needs,
        tickets: found.tickets,
    })
}

/// What was found in a run and its child runs.
#[derive(Default)]
struct Found {
    /// A task, a delay, a backoff.
    work: bool,
    /// A suspended run.
    held: bool,
    tickets: Vec<Waits>,
}

impl Found {
    /// Looks at what is live, and answers the child runs it waits for.
    async fn look(&mut self, runs: &Runs, state: &Arc<State>) -> Result<Vec<Arc<str>>, Error> {
        self.held |= state.head.suspended;
        let mut children = Vec::new();
        let mut waiting = Vec::new();
        for (scope, marking) in &state.scopes {
            for (&slot, live) in &marking.live {
                match marking.nodes.get(slot as usize) {
                    Some(NodeState::Active) => match &live.child {
                        Some(child) => children.push(child.clone()),
                        // What is inside a container says what it waits for.
                        None => self.work |= live.container.is_none(),
                    },
                    Some(NodeState::Waiting) if live.ticket.is_some() => {
                        waiting.push((scope.clone(), slot, live))
                    }
                    _ => self.work |= !state.head.suspended,
                }
            }
        }
        if !waiting.is_empty() {
            self.ask(runs, state, &waiting).await?;
        }
        Ok(children)
    }

    async fn ask(
        &mut self,
        runs: &Runs,
        state: &State,
        waiting: &[(Arc<str>, u32, &Live)],
    ) -> Result<(), Error> {
        let ir = runs.ir_of(state).await?;
        let room = MOST_TICKETS.saturating_sub(self.tickets.len());
        let named: Vec<(String, &Live)> = waiting
            .iter()
            .take(room)
            .filter_map(|(scope, slot, live)| {
                let marking = state.scopes.get(scope)?;
                let node = ir.bodies.get(marking.body as usize)?.nodes.start + slot;
                Some((instance_name(scope, &ir.nodes.get(node as usize)?.id), *live))
            })
            .collect();
        let keys: Vec<String> =
            named.iter().map(|(instance, _)| format!("{instance}#config")).collect();
        let configs = runs.store().context(&state.head.run, &keys).await?;
        for ((instance, live), key) in named.into_iter().zip(&keys) {
            let Some(ticket) = &live.ticket else { continue };
            let config = configs.get(key).and_then(|envelope| envelope.value.as_ref());
            let title = config.and_then(|config| config.get("title")).and_then(Value::as_str);
            let title = title
                .or_else(|| live.error.as_ref().map(|error| error.message.as_str()))
                .unwrap_or_default()
                .to_owned();
            let run = state.head.run.to_string();
            self.tickets.push(Waits {
                ticket: ticket.id.to_string(),
                run,
                instance,
                asks: ticket.asks,
                title,
                due: live.due,
            });
        }
        Ok(())
    }
}
