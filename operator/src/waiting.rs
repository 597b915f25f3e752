//! Who waits for what: a run for its workflow, a patch for its run, a workflow for a node type. Only to be quick; whoever
//! waits also looks again by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Most things waited for, and most that wait for one.
const MOST: usize = 10_000;

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum For {
    /// A workflow of a namespace.
    Workflow(String, String),
    /// A Run of a namespace.
    Run(String, String),
    /// Any change of the registered node types.
    Types,
}

/// Who waits, by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A Workflow.
    Workflow(String, String),
    /// A Run.
    Run(String, String),
    /// A RunPatch.
    Patch(String, String),
}

/// Who waits for what.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<BTreeMap<For, BTreeSet<Who>>>);

impl Waiting {
    /// `who` is to be told of `what`. Beyond the limits it is not: then it looks by itself.
    pub fn add(&self, what: For, who: Who) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(&what) {
            return;
        }
        let those = all.entry(what).or_default();
        if those.len() < MOST {
            those.insert(who);
        }
    }

    /// Takes those who wait.
    pub fn take(&self, what: &For) -> BTreeSet<Who> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(what).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_once() {
        let waiting = Waiting::default();
        let workflow = For::Workflow("a".into(), "invoices".into());
        let run = Who::Run("a".into(), "one".into());
        waiting.add(workflow.clone(), run.clone());
        waiting.add(workflow.clone(), run.clone());
        assert_eq!(waiting.take(&For::Types), BTreeSet::new());
        assert_eq!(waiting.take(&workflow), BTreeSet::from([run]));
        assert_eq!(waiting.take(&workflow), BTreeSet::new());
    }
}
