//! Runs as they were after each of their events: what a store that lost its end may hold.

use std::sync::Arc;

use aob_engine::state::{IrSet, State, fold};
use aob_runner::runs::Runs;
use aob_store::Store;

pub(crate) struct Past {
    runs: Vec<Run>,
}

struct Run {
    id: Arc<str>,
    lines: Vec<Vec<u8>>,
    /// The fold of so many events and one more.
    states: Vec<State>,
}

impl Past {
    /// Folds what is stored of these runs.
    pub(crate) async fn of(runs: &Runs, ids: &[Arc<str>]) -> Self {
        let mut all = Vec::new();
        for id in ids {
            let view = runs.view(id).await.unwrap();
            let irs = IrSet::new(view.state.head.revision, view.ir);
            let (mut lines, mut states) = (Vec::new(), Vec::<State>::new());
            for (event, line) in runs.history(id).await.unwrap() {
                states.push(fold(states.last().cloned(), &event, &line, &irs).unwrap());
                lines.push(line);
            }
            assert_eq!(states.last(), Some(&*view.state));
            all.push(Run { id: id.clone(), lines, states });
        }
        Self { runs: all }
    }

    /// How many events there are in all.
    pub(crate) fn events(&self) -> usize {
        self.runs.iter().map(|run| run.lines.len()).sum()
    }

    /// How many events of these runs a store holds: of each run the first ones, byte for byte, and exactly the
    /// state that they lead to; else what does not fit.
    pub(crate) async fn held(&self, store: &dyn Store) -> Result<usize, String> {
        let mut held = 0;
        for Run { id, lines, states } in &self.runs {
            let found = store.events(id, 0, 1_000).await.unwrap();
            let state = store.load(id).await.map_err(|error| format!("{id}: {error}"))?;
            let seq = state.as_ref().map_or(0, |state| state.head.seq);
            if seq != found.len() as u64 {
                return Err(format!(
                    "{id}: {} events are there, its state says {seq}",
                    found.len()
                ));
            }
            if !lines.starts_with(&found) {
                return Err(format!("{id}: other events"));
            }
            if state.is_some_and(|state| *state != states[found.len() - 1]) {
                return Err(format!("{id}: its state is not the one its events lead to"));
            }
            held += found.len();
        }
        Ok(held)
    }

    /// Runs that a store holds.
    pub(crate) async fn present(&self, store: &dyn Store) -> Vec<Arc<str>> {
        let mut present = Vec::new();
        for run in &self.runs {
            if store.load(&run.id).await.unwrap().is_some() {
                present.push(run.id.clone());
            }
        }
        present
    }
}
