//! The person who is asked when nobody can know: answers for attempts that must not be repeated.

use std::sync::Arc;

use aob_engine::step::{Decision, Input, Reply};
use aob_runner::runs::{Error, Runs};
use serde_json::{Value, json};

/// The owner of every run of these tests.
pub const TENANT: &str = "default";
/// Most questions answered at once.
const MOST: usize = 100;

/// The output that [`unknown_outcomes`] gives to an instance.
pub fn settled() -> Value {
    json!({"settled": "by hand"})
}

/// Settles every instance whose attempt must not be repeated and whose outcome is unknown; answers how many were
/// asked for.
///
/// # Errors
/// The store's. A run that has gone on by itself meanwhile is none.
pub async fn unknown_outcomes(runs: &Runs) -> Result<usize, Error> {
    let mut answered = 0;
    for open in runs.store().tickets(TENANT, MOST).await? {
        if open.asks != "unknown" {
            continue;
        }
        let decision = Decision {
            instance: open.instance,
            ticket: Some(open.ticket),
            answer: Reply::Settle(Arc::new(settled())),
            by: "user:witness".to_owned(),
            groups: Vec::new(),
            reason: Some("its worker was killed".to_owned()),
        };
        match runs.apply(&open.run, vec![Input::Decision(decision)]).await {
            Ok(_) => answered += 1,
            Err(Error::NoRun(_) | Error::Busy(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answered)
}
