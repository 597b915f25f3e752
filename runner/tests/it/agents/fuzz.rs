//! A model that says anything: ten thousand turns, and no limit is passed, no gate gone round, no run stuck.

use std::sync::Mutex;

use aob_engine::state::{Asks, NodeState, State};
use aob_engine::step::{Decision, Input, Reply};
use aob_provider::{Answer, Malformed, Stop, ToolCall};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, text, workflow};

const TURNS: usize = 10_000;

/// What a model under nobody's control may come up with.
struct Noise(StdRng);

impl Noise {
    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.0.random_range(0..all.len())]
    }

    fn id(&mut self) -> String {
        let known = [
            "think", "gate", "pay", "note", "new", "x1", "x2", "x3", "", "Gate", "a/b", "~",
            "finally",
        ];
        match self.0.random_range(0..4) {
            0 => format!("n{}", self.0.random_range(0..40)),
            _ => (*self.pick(&known)).to_owned(),
        }
    }

    fn value(&mut self, depth: u32) -> Value {
        match self.0.random_range(0..if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.0.random_range(-5..5)),
            2 => json!(self.id()),
            3 => json!("${ nodes.think.output.text }"),
            4 => json!("${ secrets.erp.token }"),
            5 => json!("x".repeat(self.0.random_range(0..3_000))),
            6 => (0..self.0.random_range(0..4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let names = [
                    "id", "type", "config", "value", "assert", "patch", "tools", "allow", "from",
                    "to", "when", "within", "model", "prompt", "url", "method",
                ];
                let mut members = serde_json::Map::new();
                for _ in 0..self.0.random_range(0..5) {
                    let name = (*self.pick(&names)).to_owned();
                    members.insert(name, self.value(depth - 1));
                }
                Value::Object(members)
            }
        }
    }

    fn kind(&mut self) -> &'static str {
        let kinds = [
            "transform",
            "agent",
            "http",
            "exec",
            "approval",
            "aproval",
            "foreach",
            "noop",
            "delay",
            "acme.x",
            "future",
        ];
        kinds[self.0.random_range(0..kinds.len())]
    }

    fn config(&mut self, kind: &str) -> Value {
        match (kind, self.0.random_range(0..4)) {
            (_, 0) => self.value(3),
            ("agent", 1) => {
                json!({"model": "a/b", "prompt": "p", "patch": {"allow": ["transform", "agent"], "maxNodes": 2}})
            }
            ("agent", _) => json!({"model": "a/b", "prompt": "p"}),
            ("http", 1) => json!({"url": "http://127.0.0.1:9/", "method": "POST"}),
            ("http", _) => json!({"url": "http://127.0.0.1:9/"}),
            ("delay", _) => json!({"for": "1ms"}),
            ("transform", _) => json!({"value": 1}),
            _ => json!({}),
        }
    }

    fn edit(&mut self) -> Value {
        let kind = self.kind();
        match self.0.random_range(0..8) {
            0..=2 => {
                json!({"do": "add_node", "id": self.id(), "type": kind, "config": self.config(kind)})
            }
            3..=4 => {
                let mut edge = json!({"do": "connect", "from": self.id(), "to": self.id()});
                match self.0.random_range(0..4) {
                    0 => edge["after"] = json!(self.pick(&["failure", "always", "success"])),
                    1 => edge["when"] = json!("true"),
                    _ => {}
                }
                edge
            }
            5 => json!({"do": "disconnect", "from": self.id(), "to": self.id()}),
            6 => {
                json!({"do": self.pick(&["remove_node", "set_config", "insert"]), "id": self.id(), "config": self.value(2)})
            }
            _ => self.value(3),
        }
    }

    /// What would be accepted, now and then.
    fn good(&mut self) -> Value {
        let id = format!("n{}", self.0.random_range(0..1_000));
        let kind = *self.pick(&["transform", "agent"]);
        let config = if kind == "agent" {
            json!({"model": "a/b", "prompt": "p"})
        } else {
            json!({"value": 1})
        };
        json!({"reason": "r", "edits": [
            {"do": "add_node", "id": id, "type": kind, "config": config},
            {"do": "connect", "from": "think", "to": id}]})
    }

    fn operation(&mut self) -> Value {
        let path =
            format!("/{}/{}", self.pick(&["nodes", "edges", "policy", "limits", ""]), self.id());
        let op = *self.pick(&["add", "remove", "replace", "test", "move", "copy", "ADD"]);
        json!({"op": op, "path": path, "value": self.value(3), "from": "/nodes"})
    }

    fn arguments(&mut self) -> Value {
        match self.0.random_range(0..6) {
            0 => self.value(4),
            1 => self.good(),
            2 => {
                json!({"operations": (0..self.0.random_range(0..6)).map(|_| self.operation()).collect::<Vec<_>>()})
            }
            3 => json!({"node": self.id(), "url": "http://169.254.169.254/"}),
            _ => {
                json!({"reason": self.value(1), "edits": (0..self.0.random_range(0..7)).map(|_| self.edit()).collect::<Vec<_>>()})
            }
        }
    }

    fn answer(&mut self) -> Answer {
        match self.0.random_range(0..12) {
            0 => text(&self.value(3).to_string()),
            1 => text(""),
            2 => Answer { stop: Stop::Length, ..text("half") },
            3 => Answer { stop: Stop::Refused, ..text("no") },
            _ => {
                let count = self.0.random_range(1..4);
                let calls = (0..count).map(|n| {
                    let name = (*self
                        .pick(&["patch", "patch", "patch", "outputs", "http", "sh", ""]))
                    .to_owned();
                    let arguments = match self.0.random_range(0..8) {
                        0 => Err(Malformed { why: "EOF".into(), excerpt: "{\"edits\": [".into() }),
                        _ => Ok(self.arguments()),
                    };
                    ToolCall { id: format!("c{n}"), name, arguments }
                });
                Answer { calls: calls.collect(), stop: Stop::Tools, ..text("") }
            }
        }
    }
}

fn document() -> Value {
    workflow(json!({
        "limits": {"agentStarts": 12, "spend": {"usd": "0.02"}},
        "nodes": [
            {"id": "note", "type": "transform", "config": {"value": "a note"}},
            {"id": "think", "type": "agent", "onError": "continue", "retry": {"attempts": 2, "backoff": "1ms"}, "config": {
                "model": "a/b", "prompt": "p", "tools": ["outputs"], "maxTurns": 40,
                "patch": {"allow": ["transform", "agent", "http"], "maxNodes": 6}}},
            {"id": "gate", "type": "approval", "config": {"title": "pay?"}},
            {"id": "pay", "type": "transform", "config": {"value": "paid"}}
        ],
        "edges": [{"from": "note", "to": "think"}, {"from": "note", "to": "gate"}, {"from": "gate", "to": "pay"}]
    }))
}

/// What holds at any time, whatever the model says.
async fn holds(bench: &Bench, run: &str, state: &State, seed: u64) {
    let view = bench.runs.view(run).await.expect("a run");
    let place = format!("seed {seed}, {run}");
    assert!(state.head.agents <= 5, "{place}: {} agents", state.head.agents);
    assert!(state.head.agent_starts <= 12, "{place}");
    for (agent, placed) in &state.head.placed {
        assert!(*placed <= 6, "{place}: {agent} placed {placed}");
    }
    for node in &view.ir.nodes {
        let ours = ["note", "think", "gate", "pay"].contains(&&*node.id);
        let allowed = ["transform", "agent", "http"].contains(&&*node.node_type);
        assert!(ours || allowed, "{place}: {} is {}", node.id, node.node_type);
    }
    // Nobody has approved anything: what the gate guards has not begun.
    let root = &state.scopes[""];
    let pay = view.ir.find("pay").expect("it stays");
    assert_eq!(root.nodes[view.ir.slot(pay)], NodeState::Idle, "{place}");
    let spent: u64 = state.head.spent.values().map(|spent| spent.usd).sum();
    assert!(spent <= 20_000, "{place}: {spent}");
}

/// KiB that this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test]
async fn ten_thousand_turns_of_anything() {
    let seed = std::env::var("AOB_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random::<u64>);
    println!("seed {seed}");
    let noise = Mutex::new(Noise(StdRng::seed_from_u64(seed)));
    let mind = Scripted::priced(100, 60, move |_, _| noise.lock().unwrap().answer());
    let bench = Bench::new(&mind);
    let (mut patched, mut proposed, mut runs) = (0, 0, 0);
    // What the process holds after the first tenth of the turns, with its caches filled, and at the end.
    let mut early = None;
    while mind.asked.lock().unwrap().len() < TURNS {
        // What was asked before is let go, so that only its number grows.
        mind.asked.lock().unwrap().iter_mut().for_each(|ask| ask.turns.truncate(1));
        runs += 1;
        if mind.asked.lock().unwrap().len() >= TURNS / 10 {
            early.get_or_insert_with(resident);
        }
        let run = bench.start(&document()).await;
        // Every ticket but the gate's is answered until only the gate is left.
        for round in 0.. {
            assert!(round < 60, "seed {seed}: {run} goes on for ever");
            let state = bench.waiting(&run).await;
            holds(&bench, &run, &state, seed).await;
            let mut asked = None;
            for (slot, live) in &state.scopes[""].live {
                let Some(ticket) = &live.ticket else { continue };
                let view = bench.runs.view(&run).await.expect("a run");
                let node = view.ir.node(view.ir.body(0).nodes.start + slot);
                if ticket.asks != Asks::Gate {
                    asked = Some((node.id.to_string(), ticket.asks));
                }
            }
            let Some((instance, asks)) = asked else { break };
            proposed += usize::from(asks == Asks::Patch);
            let decision = Decision {
                instance,
                ticket: None,
                answer: Reply::Reject,
                by: "user:bob".into(),
                groups: Vec::new(),
                reason: None,
            };
            bench.runs.apply(&run, vec![Input::Decision(decision)]).await.expect("an answer");
            if bench.runs.view(&run).await.expect("a run").state.is_ended() {
                break;
            }
        }
        let state = bench.runs.view(&run).await.expect("a run").state;
        patched += state.head.patches;
        assert_eq!(bench.runs.verify(&run).await.expect("an answer").err(), None, "seed {seed}");
        bench
            .runs
            .cancel(&run, aob_engine::state::CancelMode::Now, "user:ada", None)
            .await
            .expect("it ends");
    }
    let (early, late) = (early.expect("a tenth of the turns"), resident());
    println!("{runs} runs, {patched} patches accepted, {proposed} proposed to people");
    println!(
        "memory: {early} KiB after a tenth of the turns, {late} KiB after all, {} a run",
        (late.saturating_sub(early)) / runs
    );
    // The store of this test keeps every run in memory: some 40 KiB of history each, and nothing beside.
    assert!(
        late < early + 128 * runs + 64 * 1_024,
        "seed {seed}: {early} KiB grew to {late} KiB over {runs} runs"
    );
    assert!(patched > 0, "seed {seed}: nothing was ever accepted, so nothing was tried");
    bench.stop().await;
}
