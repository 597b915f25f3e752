//! A run under patches: its document, what workers hold, and requests given as JSON.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::issue::Issue;
use aob_engine::patch::{Preview, canonical, digest, materialize, read};
use aob_engine::registry::Registry;
use aob_engine::route::{self, Candidate};
use aob_engine::step::Step;
use serde_json::{Value, json};

use crate::rules::run::Run;

/// A run that is patched.
pub(crate) struct Subject {
    run: Run,
    /// Of every revision, from 0.
    pub(crate) documents: Vec<Value>,
    /// Instances whose task a worker holds.
    pub(crate) claimed: Vec<String>,
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
            claimed: Vec::new(),
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

    /// What a request leads to, nothing written.
    #[track_caller]
    pub(crate) fn ask(&self, request: Value) -> Result<(Step, Preview), Vec<Issue>> {
        let (candidate, _) = self.candidate(request);
        self.judge(&candidate)
    }

    fn judge(&self, candidate: &Candidate) -> Result<(Step, Preview), Vec<Issue>> {
        let sim = &self.run.sim;
        let step = route::apply_patch(
            &sim.irs,
            &sim.state,
            &sim.context,
            candidate,
            &self.claimed,
            sim.now,
        )
        .expect("a decision")?;
        let mut irs = sim.irs.clone();
        irs.insert(step.state.head.revision, candidate.ir.clone());
        let told = route::preview(&irs, &sim.state, &step);
        Ok((step, told))
    }

    fn candidate(&self, request: Value) -> (Candidate, Value) {
        let request = read(&request, &Default::default()).expect("the request reads");
        let document = self.documents.last().expect("a document");
        let operations = canonical(&request.operations, None).expect("by name");
        let patched = materialize(document, &[&operations]).expect("it applies");
        let ir =
            compile(&patched, &Registry::builtin(), &Ceiling::default()).unwrap_or_else(|issues| {
                panic!(
                    "it compiles: {:?}",
                    issues.iter().map(ToString::to_string).collect::<Vec<_>>()
                )
            });
        let candidate = Candidate {
            id: format!("patch_{}", self.documents.len()),
            operations: digest(&operations),
            ir: Arc::new(ir),
            cancel: request.cancel,
            approves: Vec::new(),
            by: "user:eve".to_owned(),
            reason: None,
            undoes: None,
            verdicts: Vec::new(),
        };
        (candidate, patched)
    }
}
