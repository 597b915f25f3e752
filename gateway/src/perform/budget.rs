//! The most that a run's agents may use.

use aob_engine::catalogue;
use aob_engine::issue::excerpt;
use aob_engine::state::Cap;
use aob_engine::step::{Input, Verdict};
use aob_runner::runs::Runs;

use super::{Failed, Outcome, decide};
use crate::caller::Caller;
use crate::operation::{Done, Most};
use crate::problem::Problem;

/// Sets it.
pub(super) async fn set(
    runs: &Runs,
    caller: &Caller,
    run: String,
    most: Most,
    agent: Option<String>,
    reason: Option<String>,
) -> Outcome<Done> {
    let cap = cap(&run, &most)?;
    let name = agent.clone().unwrap_or_default();
    let input = Input::Cap { agent: name, cap, by: caller.name.clone(), reason };
    let verdict = decide::verdict(runs.apply(&run, vec![input]).await?);
    if let (Verdict::Unknown, Some(agent)) = (&verdict, &agent) {
        let message = format!("there is no agent {} in {run}", excerpt(agent));
        return Err(Failed::Problem(Problem::new(&catalogue::NO_NODE, run, message)));
    }
    decide::judged(verdict, &run, agent)
}

fn cap(run: &str, most: &Most) -> Outcome<Cap> {
    let wrong = |what: &str, example: &str| {
        let message = format!("{what}; write it like {example}");
        Failed::Problem(Problem::new(&catalogue::BAD_REQUEST, run, message))
    };
    let usd = match &most.usd {
        None => None,
        Some(text) => Some(
            aob_engine::state::micros(text)
                .ok_or_else(|| wrong("`usd` is no amount of dollars", "5 or 0.25"))?,
        ),
    };
    let ms = match &most.duration {
        None => None,
        Some(text) => Some(
            aob_engine::time::duration(text)
                .ok_or_else(|| wrong("`duration` is no length of time", "90s or 1h30m"))?,
        ),
    };
    let cap = Cap { usd, tokens: most.tokens, calls: most.calls, ms };
    if cap.is_open() {
        return Err(wrong("nothing is set", "`usd`, `tokens`, `calls` or `duration`"));
    }
    Ok(cap)
}
