//! A run for tests: one node that waits to be done.

use std::sync::Arc;

use aob_crds::{Cancel, WorkflowRef};
use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::registry::Registry;
use aob_engine::route;
use aob_engine::state::{self, CancelMode, IrSet, RunOutcome, State};
use aob_engine::step::{Now, StartRequest};
use aob_runner::runs::Derived;
use serde_json::json;

use super::dereference::Facts;
use super::validate::Asked;
use crate::identity::Named;

pub(super) const RUN: &str = "run_0000000000000000000000000a";

pub(super) fn asked() -> Asked {
    Asked {
        named: Named {
            namespace: "finance".into(),
            name: "one".into(),
            uid: "u".into(),
            generation: 1,
            created: 0,
        },
        run: RUN.into(),
        derived: Derived { time: 0, random: 0 },
        workflow: WorkflowRef { name: "invoices".into(), tag: None, digest: None },
        input: serde_json::Map::new(),
        patch_set: None,
        stays: None,
        suspend: false,
        cancel: Cancel::None,
        is_new: false,
        by: "user:ada".into(),
        changed_by: "user:ada".into(),
    }
}

pub(super) fn live(change: impl Fn(&mut State)) -> Facts {
    let document = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "invoices"},
        "spec": {"nodes": [{"id": "a", "type": "noop"}, {"id": "b", "type": "noop"}]}
    });
    let ir = Arc::new(compile(&document, &Registry::builtin(), &Ceiling::default()).unwrap());
    let now = Now { time: 1_000, epoch: 1 };
    let request =
        StartRequest::new(RUN.into(), "finance".into(), Arc::new(json!({})), "user:ada".into());
    let step = route::start(&IrSet::new(0, ir), 0, &request, now).unwrap();
    let mut state = step.state;
    change(&mut state);
    Facts { state: Some(Arc::new(state)), was_there: true, ..Facts::default() }
}

pub(super) fn cancel(state: &mut State, mode: CancelMode) {
    state.head.cancel = Some(state::Cancel { mode, outcome: RunOutcome::Cancelled, grace: 0 });
}
