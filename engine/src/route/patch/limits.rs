//! R5 and R10: runs that take no patch, and limits that hold for a whole run.

use super::Candidate;
use crate::catalogue;
use crate::ir::{Ir, Node, ROOT};
use crate::issue::Issue;
use crate::layer::{self, Judge};
use crate::mutant::{self, Mutant};
use crate::state::{Phase, State};

/// Why no patch of this size is taken, whatever it does.
pub(super) fn refused_at_once(state: &State, old: &Ir, candidate: &Candidate) -> Option<Issue> {
    let head = &state.head;
    let over = head.phase != Phase::Running || head.cancel.is_some();
    if over && !mutant::is(Mutant::OverTaken) {
        let message = format!("run {} is {} and takes no patch any more", head.run, state.status());
        return Some(Issue::new(&catalogue::PATCH_OVER, "", message));
    }
    let new = &candidate.ir;
    // Those of the run as it is: whatever made the new graph may have had others in mind.
    let limits = &old.limits;
    let refuse = |message: String| Some(Issue::new(&catalogue::PATCH_LIMIT, "", message));
    if head.patches >= limits.patches {
        return refuse(format!(
            "{} patches were accepted for this run; at most {} are",
            head.patches, limits.patches
        ));
    }
    let is_agent = |node: &&Node| node.is_agent();
    // What was there once counts on, by its id; what an undo brings back is counted already.
    let gone = head.agents_gone.iter().map(|id| &**id);
    let gone = gone.filter(|_| !mutant::is(Mutant::GoneAgentsNotCounted));
    let mut ever: std::collections::BTreeSet<&str> = gone.collect();
    ever.extend(old.nodes.iter().filter(is_agent).map(|node| &*node.id));
    let known = ever.len();
    ever.extend(new.nodes.iter().filter(is_agent).map(|node| &*node.id));
    let most = head.allowed.agents(limits);
    let counts = layer::judges(Judge::Commit);
    let below = head.below.agents().saturating_add(state.agents_taken().held);
    let all = ever.len() + below as usize;
    if counts && all > most as usize && ever.len() > known {
        let below = state.told_below();
        return refuse(format!(
            "the run would have had {all} agents{below}; at most {most} are allowed"
        ));
    }
    let root = |ir: &Ir| ir.body(ROOT).nodes.len() as u64;
    let instances = (head.instances + root(new)).saturating_sub(root(old));
    if root(new) > root(old) && instances > limits.instances {
        return refuse(format!(
            "the run would have {instances} node instances; at most {} are allowed",
            limits.instances
        ));
    }
    None
}
