//! What a scenario is made of.

use aob_engine::state::CancelMode;
use aob_engine::step::{Answer, Reply};
use serde_json::Value;

use crate::book::Patch;

/// How often what goes wrong may go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// A worker or coordinator dies and comes again under another name.
    pub(crate) crashes: u8,
    /// A call is done, and its answer lost.
    pub(crate) lost: u8,
    /// A call is given up, or answered, and arrives later (once more).
    pub(crate) late: u8,
    /// A worker is silent for longer than its lease.
    pub(crate) zombies: u8,
    /// The server restarts and has forgotten a suffix.
    pub(crate) rollbacks: u8,
    /// Somebody reads, and decides on it later.
    pub(crate) stale: u8,
    /// A coordinator is so slow that its signals are given to another.
    pub(crate) slow: u8,
}

/// Something that is asked for from outside, once.
pub(crate) enum Ask {
    Patch(Patch),
    Cancel(CancelMode),
    Decide(&'static str, Reply),
    Suspend(bool),
}

/// A scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) spec: Value,
    /// The child run's graph, under the name `child`.
    pub(crate) child: Option<Value>,
    pub(crate) asks: Vec<Ask>,
    pub(crate) budget: Budget,
    /// 1 or 2.
    pub(crate) workers: usize,
    /// 0 to 2; more than one if signals are part of it.
    pub(crate) coordinators: usize,
    /// Workers hand their answers to coordinators instead of committing them.
    pub(crate) reports: bool,
    /// A worker's commit claims the next task; else that is another call.
    pub(crate) fused: bool,
    /// Whoever asked asks again after the answer.
    pub(crate) again: bool,
    /// A patch that lost a race may hold the run.
    pub(crate) hold: bool,
    /// Entries' names come again after a rollback: the server's clock is behind.
    pub(crate) names_repeat: bool,
    /// A run is dropped with the commit that ends it.
    pub(crate) drops: bool,
    /// The node whose answer brings a patch with it.
    pub(crate) agent: Option<(&'static str, Patch)>,
    /// What a node may answer; its output is null otherwise.
    pub(crate) answers: fn(&str) -> Vec<Answer>,
    /// What goes wrong in the search of every day, where the whole takes too long for it.
    pub(crate) short: Option<Budget>,
    /// Searched in `cargo xtask soak` only.
    pub(crate) long: bool,
}

impl Scenario {
    /// Two workers, one coordinator, nothing goes wrong.
    pub(crate) fn new(name: &'static str, spec: Value) -> Self {
        Self {
            name,
            spec,
            child: None,
            asks: Vec::new(),
            budget: Budget::default(),
            workers: 2,
            coordinators: 1,
            reports: false,
            fused: true,
            again: false,
            hold: false,
            names_repeat: false,
            drops: false,
            agent: None,
            answers: |_| vec![Answer::Output(Default::default())],
            short: None,
            long: false,
        }
    }
}
