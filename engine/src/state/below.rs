//! Agents of the runs below a run: what they have had, and what those under way may yet have.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::State;

/// What a child run is given of the agents of the run that waits for it, from its beginning to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Agents of its graph and of those below: they count from its beginning on, once for all runs of its node.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub agents: u32,
    /// Agents that it may have beyond these: they count for this run alone, and what it has not had is given back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub room: u32,
    /// Dispatches of agents: what it has not made is given back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub starts: u32,
}

/// What child runs have had, whatever became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Below {
    /// Agents of the graphs of child runs, by the node's id; of every node whose child runs might have any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agents: BTreeMap<Arc<str>, u32>,
    /// Agents that single ones had beyond these.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub grown: u32,
    /// Dispatches of agents.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub starts: u32,
}

/// What is gone of a limit that a run shares with those below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// For good.
    pub had: u32,
    /// By child runs under way, which may give it back.
    pub held: u32,
}

impl Part {
    /// Whether it is nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether something of it may be given back.
    pub(crate) fn is_open(&self) -> bool {
        self.room > 0 || self.starts > 0
    }
}

impl Below {
    /// Whether nothing was had.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Agents that child runs have had.
    pub fn agents(&self) -> u32 {
        self.agents.values().copied().fold(self.grown, u32::saturating_add)
    }
}

impl Taken {
    /// Both together.
    pub fn all(self) -> u32 {
        self.had.saturating_add(self.held)
    }
}

impl State {
    /// Distinct agents that the run and those below it ever had, and may yet have.
    pub fn agents_taken(&self) -> Taken {
        Taken {
            had: self.head.agents.saturating_add(self.head.below.agents()),
            held: self.held(|part| part.room),
        }
    }

    /// Dispatches of agents, of the run and of those below it.
    pub fn starts_taken(&self) -> Taken {
        Taken {
            had: self.head.agent_starts.saturating_add(self.head.below.starts),
            held: self.held(|part| part.starts),
        }
    }

    /// `, 3 of them in child runs of call, triage`; empty if there are none.
    pub(crate) fn told_below(&self) -> String {
        let below = self.head.below.agents().saturating_add(self.agents_taken().held);
        if below == 0 {
            return String::new();
        }
        let ids: Vec<&str> = self.head.below.agents.keys().map(|id| &**id).take(5).collect();
        format!(", {below} of them in or held by child runs of {}", ids.join(", "))
    }

    fn held(&self, of: impl Fn(&Part) -> u32) -> u32 {
        let lives = self.scopes.values().flat_map(|marking| marking.live.values());
        lives.map(|live| of(&live.part)).fold(0, u32::saturating_add)
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
