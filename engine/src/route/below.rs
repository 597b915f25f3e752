//! What of a run's agents goes with its child runs: see `docs/adr/0038-agents-of-child-runs-count-in-the-run-above.md`.
//!
//! The agents of a child's graph count from its beginning on. What it may have beyond them, and how often it may start
//! one, is a part of what is left, reserved until its end.

use super::share::COUNTED;
use super::{At, Router};
use crate::event::{Cause, Change};
use crate::state::{Fence, NodeState, Part};
use crate::step::{Reach, Refusal};

/// What becomes of a child run that is about to begin.
pub(super) enum Share {
    /// It begins with this.
    Of(Part),
    /// Others hold what it needs, and may give it back.
    Later,
    /// It has more agents than there are; says so.
    None(String),
}

impl Router<'_> {
    /// What a child run is given that may have these agents.
    pub(super) fn agents_for(&mut self, at: &At, reach: &Reach) -> Result<Share, Refusal> {
        if reach.agents == 0 && !reach.grows {
            return Ok(Share::Of(Part::default()));
        }
        let limits = &self.irs.get(self.state.head.revision)?.limits;
        let (allowed, taken) = (self.state.head.allowed, self.state.agents_taken());
        let most = allowed.agents(limits);
        let starts = allowed.agent_starts(limits);
        // The runs of a node have the same agents, as iterations have.
        let known = self.state.head.below.agents.get(&at.node().id).copied().unwrap_or(0);
        let wants = reach.agents.saturating_sub(known);
        let own = reach.own.saturating_sub(known);
        let left = most.saturating_sub(taken.all());
        for needs in [wants, own] {
            if needs > left && needs <= left.saturating_add(taken.held) {
                return Ok(Share::Later);
            }
        }
        if own > left {
            let (name, below) = (at.name(), self.state.told_below());
            return Ok(Share::None(format!(
                "skipped://agent_limit: {name} would bring {own} agents to {}{below}; at most {most}",
                taken.all()
            )));
        }
        let gone = self.state.starts_taken();
        let starts_left = starts.saturating_sub(gone.all());
        if starts_left == 0 && gone.held > 0 {
            return Ok(Share::Later);
        }
        let hungry = self.hungry_for_agents()?;
        let agents = wants.min(left);
        let room = if reach.grows { (left - agents) / hungry } else { 0 };
        let starts = (starts_left / hungry).max(1).min(starts_left);
        let agents = known.saturating_add(agents).min(reach.agents);
        Ok(Share::Of(Part { agents, room, starts }))
    }

    /// Whether an agent of the run itself is given out: if not it is passed over, or waits for what child runs hold.
    pub(super) fn may_start_agent(&mut self, at: &At) -> Result<bool, Refusal> {
        let limits = &self.irs.get(self.state.head.revision)?.limits;
        let most = self.state.head.allowed.agent_starts(limits);
        let taken = self.state.starts_taken();
        if taken.all() < most {
            return Ok(true);
        }
        if taken.had < most {
            self.wait_for_agents(at)?;
            return Ok(false);
        }
        let below = match self.state.head.below.starts {
            0 => String::new(),
            below => format!(", {below} of them in child runs"),
        };
        let why = format!("skipped://agent_limit: {most} agents were started in this run{below}");
        self.pass(at, Cause::AgentLimit, &why)?;
        Ok(false)
    }

    /// Leaves an instance ready until a child run ends. Others of its node wait with it.
    pub(super) fn wait_for_agents(&mut self, at: &At) -> Result<(), Refusal> {
        self.waits.insert(at.node().id.clone());
        match self.node_state(at) {
            NodeState::Ready => Ok(()),
            _ => self.emit(Change::Ready { at: at.name() }),
        }
    }

    /// What a child run has had, at its end: `agents` ever and `starts`, those below it among them.
    pub(super) fn count_child(
        &mut self,
        instance: &str,
        fence: Fence,
        agents: u32,
        starts: u32,
    ) -> Result<(), Refusal> {
        let Some(at) = self.find(instance)? else { return Ok(()) };
        let live = self.live(&at).filter(|live| live.fence == fence);
        let Some(part) = live.map(|live| live.part).filter(Part::is_open) else { return Ok(()) };
        if self.node_state(&at) != NodeState::Active {
            return Ok(());
        }
        let agents = agents.saturating_sub(part.agents);
        self.emit(Change::Counted { at: at.name(), agents, starts })
    }

    /// A child run has had nothing, or no more than was counted.
    pub(super) fn give_back_agents(&mut self, at: &At) -> Result<(), Refusal> {
        match self.live(at).is_some_and(|live| live.part.is_open()) {
            true => self.emit(Change::Counted { at: at.name(), agents: 0, starts: 0 }),
            false => Ok(()),
        }
    }

    /// Nobody knows what a child run has had, or will have: all of its part counts.
    pub(super) fn count_open(&mut self, at: &At) -> Result<(), Refusal> {
        match self.live(at).map(|live| live.part).filter(Part::is_open) {
            Some(Part { room: agents, starts, .. }) => {
                self.emit(Change::Counted { at: at.name(), agents, starts })
            }
            None => Ok(()),
        }
    }

    /// Among how many what is left is divided, with whoever asks: from one look at the run to the next.
    fn hungry_for_agents(&mut self) -> Result<u32, Refusal> {
        let hungry = match self.hungry {
            Some(hungry) => hungry,
            None => u32::try_from(self.hungry(&COUNTED)?).unwrap_or(u32::MAX),
        };
        let hungry = hungry.max(1);
        self.hungry = Some(hungry - 1);
        Ok(hungry)
    }
}
