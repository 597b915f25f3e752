//! A model that answers by a script, and a process that moves runs with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aob_engine::check::Ceiling;
use aob_engine::event::{Change, Event};
use aob_engine::read;
use aob_engine::registry::Registry;
use aob_engine::state::State;
use aob_provider::{
    Answer, Ask, Estimate, Micros, ModelError, ModelName, Spent, Stop, ToolCall, Turn, Usage,
};
use aob_runner::node::{self, Agent, Cancel, Mind, Policy};
use aob_runner::runs::{Runs, Settings, StartOptions};
use aob_runner::secret::Secrets;
use aob_runner::service::{Service, ServiceOptions};
use aob_store::Store;
use aob_store::embedded::Embedded;
use async_trait::async_trait;
use serde_json::{Value, json};

/// What the model says to a question; `n` counts its questions from 0.
type Script = dyn Fn(&Ask, usize) -> Answer + Send + Sync;

pub(crate) struct Scripted {
    script: Box<Script>,
    pub(crate) asked: Mutex<Vec<Ask>>,
    /// What a question costs at most, and does.
    pub(crate) most: u64,
    pub(crate) cost: u64,
}

impl Scripted {
    pub(crate) fn new(script: impl Fn(&Ask, usize) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Self::priced(100, 40, script)
    }

    pub(crate) fn priced(
        most: u64,
        cost: u64,
        script: impl Fn(&Ask, usize) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { script: Box::new(script), asked: Mutex::default(), most, cost })
    }

    /// What the model was told after its calls, question by question.
    pub(crate) fn told(&self) -> Vec<String> {
        let last = |ask: &Ask| match ask.turns.last() {
            Some(Turn::Results(results)) => {
                results.iter().map(|one| one.content.as_str()).collect::<Vec<_>>().join("\n")
            }
            Some(Turn::User(text)) => text.clone(),
            _ => String::new(),
        };
        self.asked.lock().unwrap().iter().map(last).collect()
    }
}

#[async_trait]
impl Mind for Scripted {
    fn knows(&self, _: &ModelName) -> bool {
        true
    }

    fn estimate(&self, _: &Ask) -> Result<Estimate, ModelError> {
        Ok(Estimate {
            likely_input: 50,
            most_input: 100,
            most_output: 100,
            most_cost: Some(Micros(self.most)),
        })
    }

    async fn ask(&self, ask: &Ask, _: &Cancel) -> Result<Answer, ModelError> {
        let n = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(ask.clone());
            asked.len() - 1
        };
        let mut answer = (self.script)(ask, n);
        answer.spent.cost = Some(Micros(self.cost));
        Ok(answer)
    }
}

/// A final answer.
pub(crate) fn text(text: &str) -> Answer {
    Answer {
        text: text.to_owned(),
        calls: Vec::new(),
        stop: Stop::End,
        spent: Spent {
            usage: Usage { input: 60, output: 20, ..Usage::default() },
            cost: Some(Micros(40)),
            is_exact: true,
        },
        model: "scripted".to_owned(),
        id: "1".to_owned(),
        request_id: None,
        sent: 1,
        verbatim: None,
    }
}

/// A call of a tool.
pub(crate) fn call(name: &str, arguments: Value) -> Answer {
    let call = ToolCall { id: "c1".to_owned(), name: name.to_owned(), arguments: Ok(arguments) };
    Answer { calls: vec![call], stop: Stop::Tools, ..text("") }
}

/// A process that moves runs, with this model.
pub(crate) struct Bench {
    pub(crate) runs: Arc<Runs>,
    service: Service,
}

impl Bench {
    pub(crate) fn new(mind: &Arc<Scripted>) -> Self {
        Self::with(mind.clone())
    }

    pub(crate) fn with(mind: Arc<dyn Mind>) -> Self {
        Self::limited(mind, Settings::default())
    }

    /// The same where tenants have limits.
    pub(crate) fn limited(mind: Arc<dyn Mind>, settings: Settings) -> Self {
        Self::on(Arc::new(Embedded::volatile()), mind, settings)
    }

    /// The same on this store.
    pub(crate) fn on(store: Arc<dyn Store>, mind: Arc<dyn Mind>, settings: Settings) -> Self {
        let runs = Runs::with(store, Registry::builtin(), Ceiling::default(), settings);
        let policy = Arc::new(Policy::default());
        let nodes = node::Registry::built_in(&policy).with(Box::new(Agent::new(mind, &policy)));
        let service = Service::spawn(&ServiceOptions {
            runs: runs.clone(),
            types: nodes.allowed(&policy).map(Arc::from).collect(),
            nodes: Arc::new(nodes),
            policy,
            secrets: Arc::new(Secrets::none()),
            coordinate: true,
            lanes: 1,
            slots: 16,
            lease: Duration::from_secs(30),
            sweep: Duration::from_millis(20),
            idle: Duration::from_millis(20),
            drain: Duration::from_secs(1),
        });
        Self { runs, service }
    }

    pub(crate) async fn start(&self, document: &Value) -> Arc<str> {
        let digest = self.runs.publish("default", document, None).await.expect("kept").digest;
        let options = StartOptions::new("default", digest, json!({}), "user:ada");
        self.runs.start(&options).await.expect("it starts").run
    }

    /// Starts a run and waits for its end.
    pub(crate) async fn run(&self, document: &Value) -> (Arc<str>, Arc<State>) {
        let run = self.start(document).await;
        (run.clone(), self.end(&run).await)
    }

    pub(crate) async fn end(&self, run: &str) -> Arc<State> {
        let state = self.runs.wait(run, Duration::from_secs(20)).await.expect("a state");
        assert!(state.is_ended(), "{run} is stuck: {:?}", state.head);
        assert_eq!(self.runs.verify(run).await.expect("an answer").err(), None, "{run} verifies");
        state
    }

    /// Waits until the run waits for a person.
    pub(crate) async fn waiting(&self, run: &str) -> Arc<State> {
        let until = tokio::time::Instant::now() + Duration::from_secs(20);
        let mut seq = 0;
        loop {
            let state = self.runs.view(run).await.expect("a run").state;
            if state.status() == "waiting" {
                return state;
            }
            assert!(!state.is_ended() && tokio::time::Instant::now() < until, "{:?}", state.head);
            let store = self.runs.store();
            seq = seq.max(state.head.seq);
            store.watch(run, seq, Duration::from_secs(1)).await.expect("a change");
        }
    }

    pub(crate) async fn changes(&self, run: &str) -> Vec<(Event, Change)> {
        let history = self.runs.history(run).await.expect("events");
        history
            .into_iter()
            .flat_map(|(event, _)| {
                event.changes.clone().into_iter().map(move |change| (event.clone(), change))
            })
            .collect()
    }

    pub(crate) async fn output(&self, run: &str, node: Option<&str>) -> Value {
        let output = self.runs.output(run, node).await.expect("an answer");
        output.as_deref().cloned().unwrap_or_default()
    }

    pub(crate) async fn stop(self) {
        self.service.stop().await;
    }
}

/// A workflow of these nodes and edges.
pub(crate) fn workflow(spec: Value) -> Value {
    json!({"apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}, "spec": spec})
}

/// A file of `examples/`.
pub(crate) fn example(file: &str) -> Value {
    let path = format!("{}/../examples/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(path).expect("the example is there");
    let mut all = read::documents(&text, &read::Limits::default()).expect("it reads");
    all.remove(0).value
}
