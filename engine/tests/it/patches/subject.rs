//! A run under patches: its document, what workers hold, and requests given as JSON.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};

use aob_engine::check::Ceiling;
use aob_engine::issue::Issue;
use aob_engine::patch::{Checked, Ground, Overlay, Preview, check_patch, read, undo};
use aob_engine::registry::Registry;
use aob_engine::route::{self, Candidate};
use aob_engine::step::{Answer, Input, Step};
use serde_json::{Value, json};

use crate::rules::run::Run;

static BUILTIN: LazyLock<Registry> = LazyLock::new(Registry::builtin);

/// A run that is patched.
pub(crate) struct Subject {
    run: Run,
    /// Of every revision, from 0.
    pub(crate) documents: Vec<Value>,
    pub(crate) overlays: Vec<Overlay>,
    /// Instances whose task a worker holds.
    pub(crate) claimed: Vec<String>,
    /// Who patches.
    pub(crate) by: String,
    /// Gates that whoever patches may decide at.
    pub(crate) approves: Vec<String>,
}

impl Deref for Subject {
    type Target = Run;
    fn deref(&self) -> &Run {
        &self.run
    }
}

impl DerefMut for Subject {
    fn deref_mut(&mut self) -> &mut Run {
        &mut self.run
    }
}

impl Subject {
    /// Starts a spec written as the inside of a YAML flow mapping.
    #[track_caller]
    pub(crate) fn start(spec: &str) -> Self {
        let mut subject = Self {
            run: Run::start(spec),
            documents: vec![crate::rules::run::document(spec)],
            overlays: Vec::new(),
            claimed: Vec::new(),
            by: "user:eve".to_owned(),
            approves: Vec::new(),
        };
        subject.told();
        subject
    }

    pub(crate) fn claim(&mut self, at: &str) {
        assert!(self.out().iter().any(|out| out == at), "{at} is out");
        self.claimed.push(at.to_owned());
    }

    /// What a list of operations leads to, nothing written.
    #[track_caller]
    pub(crate) fn dry(&self, operations: Value) -> Result<(Step, Preview), Vec<Issue>> {
        self.ask(json!({"operations": operations}))
    }

    /// What a request leads to, nothing written; or every finding, placed in the request.
    pub(crate) fn ask(&self, request: Value) -> Result<(Step, Preview), Vec<Issue>> {
        let checked = self.check(&request, None)?;
        let candidate = self.candidate(&checked);
        let sim = &self.run.sim;
        let step = route::apply_patch(
            &sim.irs,
            &sim.state,
            &sim.context,
            &candidate,
            &self.claimed,
            sim.now,
        )
        .expect("a decision")
        .map_err(|issues| checked.placed(issues))?;
        let mut irs = sim.irs.clone();
        irs.insert(step.state.head.revision, candidate.ir.clone());
        let told = route::preview(&irs, &sim.state, &step);
        Ok((step, told))
    }

    /// The same, and it takes effect.
    pub(crate) fn apply(&mut self, request: Value) -> Result<(), Vec<Issue>> {
        let checked = self.check(&request, None)?;
        self.commit(checked)
    }

    /// Takes effect, or is refused; only the operations are given.
    pub(crate) fn patch(&mut self, operations: Value) -> Result<(), Vec<Issue>> {
        self.apply(json!({"operations": operations}))
    }

    /// Takes a patch out.
    pub(crate) fn undo(&mut self, id: &str) -> Result<(), Vec<Issue>> {
        let operations = undo(&self.documents[0], &self.overlays, id, self.document())
            .map_err(|error| vec![Issue::from(error)])?;
        let checked = self.check(&json!({"operations": operations}), Some(id))?;
        self.commit(checked)
    }

    /// Judged without the marking.
    pub(crate) fn check(
        &self,
        request: &Value,
        undoes: Option<&str>,
    ) -> Result<Checked, Vec<Issue>> {
        let request = read(request, &Default::default())?;
        let current = self.sim.irs.get(self.sim.state.head.revision).expect("the current graph");
        let ground = Ground {
            base: &self.documents[0],
            first: 0,
            overlays: &self.overlays,
            current: self.document(),
            ir: Some(current),
        };
        check_patch(&request, undoes, ground, &BUILTIN, &Ceiling::default())
    }

    /// Of the current revision.
    pub(crate) fn document(&self) -> &Value {
        self.documents.last().expect("a document")
    }

    /// An agent's patch with its answer takes effect, or is refused.
    pub(crate) fn answers(
        &mut self,
        at: &str,
        request: Value,
        output: Value,
    ) -> Result<(), Vec<Issue>> {
        self.by = format!("agent:{at}");
        let checked = self.check(&request, None)?;
        let task = self.task(at);
        let result = Answer::Output(Arc::new(output));
        let then = [Input::Settled { instance: task.instance, fence: task.fence, result }];
        let committed = self.commit_with(checked, &then);
        self.by = "user:eve".to_owned();
        committed
    }

    fn commit(&mut self, checked: Checked) -> Result<(), Vec<Issue>> {
        self.commit_with(checked, &[])
    }

    fn commit_with(&mut self, checked: Checked, then: &[Input]) -> Result<(), Vec<Issue>> {
        let candidate = self.candidate(&checked);
        self.run
            .sim
            .patch_with(&candidate, &self.claimed, then)
            .map_err(|issues| checked.placed(issues))?;
        self.overlays.push(Overlay {
            id: candidate.id,
            operations: checked.operations,
            by: candidate.by,
            time: 0,
            reason: None,
            undoes: checked.undoes,
        });
        self.documents.push(checked.document);
        Ok(())
    }

    pub(crate) fn candidate(&self, checked: &Checked) -> Candidate {
        let id = format!("patch_{}", self.documents.len());
        checked.candidate(&id, &self.by, &self.approves, &[])
    }
}
