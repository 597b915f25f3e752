//! What agents use: reserved before, booked after, whatever happens in between.

use std::collections::BTreeMap;

use aob_engine::event::Change;
use aob_engine::route::run_budget;
use aob_engine::state::{Amount, Asks, CancelMode, Cap, Live, NodeError, RunOutcome};
use aob_engine::step::{Answer, Decision, Due, Input, Publish, Reply, ShortUntil, Timer, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::rules::run::Run;
use crate::simulate::{Simulation, open_tickets, work};

/// Two agents side by side, and one for each of three items; an exit handler. 100 micro-dollars in all.
const SPEC: &str = r#"limits: {spend: {usd: "0.0001"}, agentStarts: 500},
    nodes: [
        {id: one, type: agent, retry: {attempts: 3, backoff: 1s}, onError: continue, config: {model: a/b, prompt: p, budget: {usd: "0.00006"}}},
        {id: two, type: agent, retry: {attempts: 2, backoff: 1s}, onError: continue, config: {model: a/b, prompt: p}},
        {id: each, type: foreach, onError: continue, config: {items: [1, 2, 3], concurrency: 2, tolerate: 3}},
        {id: inner, within: each, type: agent, config: {model: a/b, prompt: p}},
        {id: tell, within: finally, type: noop}
    ]"#;

fn usd(usd: u64) -> Amount {
    Amount { usd, calls: 1, ..Amount::default() }
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Reserve(usize, u64),
    Short(usize),
    Book(usize, u64),
    Answer(usize),
    Stumble(usize),
    Lose(usize),
    Wait,
    Raise(u64),
    Stop,
    Cancel(bool),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let which = 0_usize..4;
    let one = prop_oneof![
        8 => (which.clone(), 1_u64..40).prop_map(|(at, most)| Move::Reserve(at, most)),
        2 => which.clone().prop_map(Move::Short),
        8 => (which.clone(), 0_u64..=100).prop_map(|(at, share)| Move::Book(at, share)),
        2 => which.clone().prop_map(Move::Answer),
        2 => which.clone().prop_map(Move::Stumble),
        2 => which.prop_map(Move::Lose),
        2 => Just(Move::Wait),
        2 => (1_u64..80).prop_map(Move::Raise),
        1 => Just(Move::Stop),
        1 => any::<bool>().prop_map(Move::Cancel),
    ];
    vec(one, 1..60)
}

struct Books {
    run: Simulation,
    cap: u64,
    stopped: bool,
}

impl Books {
    fn agents(&self) -> Vec<Publish> {
        let tasks = self.run.tasks.values().filter(|task| &*task.node_type == "agent");
        tasks.cloned().collect()
    }

    fn agent(&self, at: usize) -> Option<Publish> {
        let all = self.agents();
        (!all.is_empty()).then(|| all[at % all.len()].clone())
    }

    fn reserved(&self, task: &Publish) -> Option<Amount> {
        let lives = self.run.state.scopes.values().flat_map(|marking| marking.live.values());
        lives.filter(|live| live.cell == task.cell).find_map(|live| live.reserved)
    }

    fn take(&mut self, input: Input) -> Verdict {
        let verdict = self.run.take(&[input]).remove(0);
        self.check();
        verdict
    }

    fn make(&mut self, next: Move) {
        let named = |task: &Publish| (task.instance.clone(), task.fence);
        match next {
            Move::Reserve(at, most) => {
                let Some(task) = self.agent(at) else { return };
                let before = self.reserved(&task);
                let (instance, fence) = named(&task);
                let kept = Some(std::sync::Arc::new(json!(["so far"])));
                let verdict = self.take(Input::Reserve {
                    instance,
                    fence,
                    amount: usd(most),
                    kept,
                    short: None,
                });
                match verdict {
                    Verdict::Applied => assert_eq!(self.reserved(&task), Some(usd(most))),
                    Verdict::Same => assert_eq!(before, Some(usd(most))),
                    Verdict::Refused(entry, why) => {
                        assert_eq!(entry.name, "BUDGET");
                        assert!(why.contains("USD"), "{why}");
                        assert!(!self.run.tasks.values().any(|out| out.fence == task.fence && out.instance == task.instance));
                    }
                    other => panic!("{other:?}"),
                }
            }
            Move::Short(at) => {
                let Some(task) = self.agent(at) else { return };
                let (instance, fence) = named(&task);
                let until = self.run.now.time + 1_000;
                let short = Some(ShortUntil { why: "none is left today".to_owned(), until });
                let ask = Input::Reserve { instance, fence, amount: usd(0), kept: None, short };
                let verdict = self.take(ask);
                assert!(
                    matches!(verdict, Verdict::Refused(entry, _) if entry.name == "BUDGET"),
                    "{verdict:?}"
                );
            }
            Move::Book(at, share) => {
                let Some(task) = self.agent(at) else { return };
                let (instance, fence) = named(&task);
                let Some(open) = self.reserved(&task) else {
                    let nothing = Input::Book { instance, fence, amount: usd(1) };
                    assert_eq!(self.take(nothing), Verdict::Superseded, "nothing is reserved");
                    return;
                };
                let amount = usd(open.usd * share / 100);
                assert_eq!(self.take(Input::Book { instance, fence, amount }), Verdict::Applied);
            }
            Move::Answer(at) => {
                let Some(task) = self.agent(at) else { return };
                let (instance, fence) = named(&task);
                let result = Answer::Output(std::sync::Arc::new(json!({"text": "x"})));
                self.take(Input::Settled { instance, fence, result });
            }
            Move::Stumble(at) => {
                let Some(task) = self.agent(at) else { return };
                let (instance, fence) = named(&task);
                let error = NodeError::new("model_cut", "x");
                let result = Answer::Error { error, retryable: true };
                self.take(Input::Settled { instance, fence, result });
            }
            Move::Lose(at) => {
                let Some(task) = self.agent(at) else { return };
                let (instance, fence) = named(&task);
                self.take(Input::Lost { instance, fence, begun: true });
            }
            Move::Wait => {
                let due = self
                    .run
                    .timers
                    .iter()
                    .filter(|(timer, _)| matches!(timer.what, Due::Backoff | Due::Deadline));
                let Some((timer, at)) =
                    due.min_by_key(|(_, at)| **at).map(|(t, at)| (t.clone(), *at))
                else {
                    return;
                };
                self.run.timers.remove(&timer);
                self.run.now.time = self.run.now.time.max(at);
                self.take(Input::Timer(timer));
            }
            Move::Raise(by) => {
                self.cap += by;
                let cap = Cap { usd: Some(self.cap), ..Cap::default() };
                self.take(Input::Cap {
                    agent: String::new(),
                    cap,
                    by: "user:bob".into(),
                    reason: None,
                });
                let cap = Cap { usd: Some(self.cap), ..Cap::default() };
                self.take(Input::Cap {
                    agent: "one".into(),
                    cap,
                    by: "user:bob".into(),
                    reason: None,
                });
            }
            Move::Stop => {
                let open = open_tickets(&self.run);
                let Some((instance, _)) = open.into_iter().find(|(_, asks)| *asks == Asks::Budget)
                else {
                    return;
                };
                let decision = Decision {
                    instance,
                    ticket: None,
                    answer: Reply::Reject,
                    by: "user:bob".into(),
                    groups: Vec::new(),
                    reason: None,
                };
                assert_eq!(self.take(Input::Decision(decision)), Verdict::Applied);
                self.stopped = true;
            }
            Move::Cancel(now) => {
                let mode = if now { CancelMode::Now } else { CancelMode::Graceful };
                let claimed = self.agents().into_iter().map(|task| task.instance).collect();
                self.take(Input::Cancel { mode, by: "user:bob".into(), reason: None, claimed });
            }
        }
    }

    /// After every step: what is booked and open never passes the cap, and the books are the events.
    fn check(&self) {
        let state = &self.run.state;
        let budget = run_budget(state, &self.run.irs.get(0).expect("the graph").limits);
        let cap = budget.cap.usd.expect("a cap");
        assert_eq!(cap, self.cap, "the cap is what was set");
        assert!(budget.used.usd + budget.reserved.usd <= cap, "{budget:?}");
        let (mut open, mut booked) = (BTreeMap::new(), Amount::default());
        let (mut reserved, mut released) = (Amount::default(), Amount::default());
        for change in self.run.events.iter().flat_map(|(event, _)| &event.changes) {
            match change {
                Change::Reserved { at, amount } => {
                    reserved = reserved.plus(*amount);
                    assert!(open.insert(at.clone(), *amount).is_none(), "{at} reserves once");
                }
                Change::Booked { at, amount } => {
                    let was = open.remove(at).expect("what is booked was reserved");
                    released = released.plus(was.minus(*amount));
                    booked = booked.plus(*amount);
                }
                _ => {}
            }
        }
        let still = open.values().fold(Amount::default(), |sum, one| sum.plus(*one));
        assert_eq!(budget.used, booked, "the state is its events");
        assert_eq!(budget.reserved, still);
        assert_eq!(booked.plus(still), reserved.minus(released), "booked = reserved - released");
    }

    /// Whatever was done, the run comes to its end.
    fn finish(&mut self) {
        for _ in 0..400 {
            if self.run.state.is_ended() {
                assert!(self.run.state.head.tokens == 0);
                return;
            }
            if let Some(task) =
                self.run.tasks.values().find(|task| &*task.node_type != "agent").cloned()
            {
                let result = work(&task);
                self.take(Input::Settled { instance: task.instance, fence: task.fence, result });
            } else if !self.agents().is_empty() {
                self.make(Move::Answer(0));
            } else if open_tickets(&self.run).iter().any(|(_, asks)| *asks == Asks::Budget) {
                self.make(Move::Raise(1_000));
                self.make(Move::Wait);
            } else {
                self.make(Move::Wait);
            }
        }
        panic!("it does not end: {:?}", self.run.state);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_books_balance(moves in moves()) {
        let mut books = Books { run: Run::start(SPEC).sim, cap: 100, stopped: false };
        for next in moves {
            if books.run.state.is_ended() {
                break;
            }
            books.make(next);
        }
        books.finish();
        if books.stopped {
            let head = &books.run.state.head;
            prop_assert_ne!(head.outcome, Some(RunOutcome::Succeeded));
            let finally = |change: &Change| matches!(change, Change::Finally { .. });
            let told = books.run.events.iter().flat_map(|(event, _)| &event.changes).any(finally);
            let cut = books.run.state.head.cancel.as_ref().is_some_and(|cancel| cancel.mode == CancelMode::Now);
            prop_assert!(told || cut, "a stop ends with the exit handler");
        }
    }
}

/// A call that costs more than it was thought to is booked as it was; then nothing more is granted.
#[test]
fn a_cap_is_passed_by_no_more_than_the_call_in_flight() {
    let mut books = Books { run: Run::start(SPEC).sim, cap: 100, stopped: false };
    let task = books.agents().into_iter().find(|task| task.instance == "two").expect("it is out");
    let (instance, fence) = (task.instance, task.fence);
    let reserve = |amount| Input::Reserve {
        instance: instance.clone(),
        fence,
        amount: usd(amount),
        kept: None,
        short: None,
    };
    let book = |amount| Input::Book { instance: instance.clone(), fence, amount: usd(amount) };
    assert_eq!(books.run.take(&[reserve(100)]), [Verdict::Applied]);
    let verdicts = books.run.take(&[book(130), reserve(1)]);
    assert!(matches!(verdicts[..], [Verdict::Applied, Verdict::Refused(..)]), "{verdicts:?}");
    assert_eq!(
        run_budget(&books.run.state, &books.run.irs.get(0).expect("the graph").limits).used.usd,
        130
    );
}

/// What was said before is kept for the attempt that goes on.
#[test]
fn what_was_kept_is_there_when_the_budget_is_raised() {
    let mut books = Books { run: Run::start(SPEC).sim, cap: 100, stopped: false };
    let task = books.agents().into_iter().find(|task| task.instance == "one").expect("it is out");
    let kept = Some(std::sync::Arc::new(json!(["so far"])));
    let (instance, fence) = (task.instance, task.fence);
    let verdict =
        books.take(Input::Reserve { instance, fence, amount: usd(61), kept, short: None });
    assert!(matches!(verdict, Verdict::Refused(..)), "{verdict:?}");
    assert_eq!(books.run.context["one#turns"].value.as_deref(), Some(&json!(["so far"])));
    assert_eq!(open_tickets(&books.run), [("one".to_owned(), Asks::Budget)]);
    let cap = Cap { usd: Some(70), ..Cap::default() };
    let raise = |agent: &str, cap| Input::Cap {
        agent: agent.into(),
        cap,
        by: "user:bob".into(),
        reason: None,
    };
    assert_eq!(books.take(raise("nobody", cap)), Verdict::Unknown);
    assert_eq!(books.take(raise("one", cap)), Verdict::Applied);
    assert_eq!(books.take(raise("one", cap)), Verdict::Same);
    assert!(open_tickets(&books.run).is_empty());
    let again = books.agents().into_iter().find(|task| task.instance == "one").expect("it goes on");
    assert_eq!(again.attempt, 1, "waiting is no failed attempt");
}

fn live(run: &Simulation, id: &str) -> Live {
    let ir = run.irs.get(0).expect("the graph");
    let slot = ir.slot(ir.find(id).expect("a node")) as u32;
    run.state.scopes[""].live[&slot].clone()
}

/// What its tenant has no money for waits until the day is over, whatever is raised in the run; a person may have it ask
/// again before, or stop the run. The run's own budget is looked at first.
#[test]
fn what_is_short_outside_the_run_waits_until_then() {
    let until = 86_400_000 * 20_000;
    let tell = |at: &str, fence, amount, short: bool| Input::Reserve {
        instance: at.to_owned(),
        fence,
        amount: usd(amount),
        kept: Some(std::sync::Arc::new(json!(["so far"]))),
        short: short.then(|| ShortUntil { why: "the tenant's money".to_owned(), until }),
    };
    let mut books = Books { run: Run::start(SPEC).sim, cap: 100, stopped: false };
    let fence = |books: &Books| {
        books.agents().into_iter().find(|task| task.instance == "one").expect("it is out").fence
    };
    let first = fence(&books);
    // It is refused by the run, and waits for that.
    books.take(tell("one", first, 61, true));
    let wants = |books: &Books| live(&books.run, "one").wants.is_some();
    assert!(wants(&books) && live(&books.run, "one").due.is_none());
    let cap = |usd| Cap { usd: Some(usd), ..Cap::default() };
    let raise = |usd| Input::Cap {
        agent: "one".into(),
        cap: cap(usd),
        by: "user:bob".into(),
        reason: None,
    };
    assert_eq!(books.take(raise(70)), Verdict::Applied);
    let second = fence(&books);
    assert_ne!(first, second);
    // Now the tenant has no money.
    assert!(matches!(books.take(tell("one", second, 61, true)), Verdict::Refused(..)));
    assert_eq!(live(&books.run, "one").due, Some(until));
    let told = live(&books.run, "one").error.expect("it says why");
    assert_eq!((told.code.as_str(), told.message.as_str()), ("budget", "the tenant's money"));
    assert_eq!(books.run.context["one#turns"].value.as_deref(), Some(&json!(["so far"])));
    let seq = live(&books.run, "one").fence.1;
    let timer = Timer { instance: "one".into(), what: Due::Deadline, seq };
    assert_eq!(books.run.timers.get(&timer), Some(&until));
    assert_eq!(books.take(raise(90)), Verdict::Applied);
    assert_eq!(open_tickets(&books.run), [("one".to_owned(), Asks::Budget)], "it waits on");
    // A person has it ask again; the timer of before comes to nothing then.
    let retry = Input::Decision(Decision {
        instance: "one".into(),
        ticket: None,
        answer: Reply::Retry,
        by: "user:bob".into(),
        groups: Vec::new(),
        reason: None,
    });
    assert_eq!(books.take(retry), Verdict::Applied);
    assert!(!books.run.timers.contains_key(&timer));
    assert_eq!(books.take(Input::Timer(timer)), Verdict::Superseded);
    let third = fence(&books);
    books.take(tell("one", third, 61, true));
    // The day is over.
    let seq = live(&books.run, "one").fence.1;
    let timer = Timer { instance: "one".into(), what: Due::Deadline, seq };
    assert_eq!(books.take(Input::Timer(timer)), Verdict::Applied);
    assert!(open_tickets(&books.run).is_empty());
    let last = fence(&books);
    assert_eq!(books.take(tell("one", last, 61, false)), Verdict::Applied);
    books.finish();
}
