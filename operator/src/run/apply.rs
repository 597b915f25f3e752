//! Starts, suspends and cancels: the one step that writes to the store.

use std::time::Duration;

use aob_crds::RunStatus;
use aob_crds::condition::reason;
use aob_engine::issue::Issue;
use aob_engine::step::{Input, Refusal};
use aob_runner::runs::{self, StartOptions};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::build::{Change, Step};
use super::dereference::{Facts, NotBegun, UNFOUND, dereference};
use super::validate::Asked;
use crate::context::Context;
use crate::error::{Error, Result};

/// How long a run stays in the store after its end at least: until an operator that was away has seen how it went.
const KEEP: Duration = Duration::from_secs(600);
/// Findings told of a refused start.
const MOST_TOLD: usize = 3;

/// Does it; answers what is known then.
pub(super) async fn apply(
    context: &Context,
    asked: &Asked,
    facts: Facts,
    step: Step,
    before: Option<&RunStatus>,
) -> Result<Facts> {
    match step {
        Step::Look => Ok(facts),
        Step::Hold(why) => Ok(Facts { not_begun: Some(why), ..facts }),
        Step::Start { digest } => {
            context.lease.check()?;
            match start(context, asked, &digest).await {
                Ok(()) => dereference(context, asked, None).await,
                Err(error) => held(facts, error),
            }
        }
        Step::Act(changes) => {
            context.lease.check()?;
            for change in changes {
                act(context, asked, change).await?;
            }
            dereference(context, asked, before).await
        }
    }
}

async fn start(
    context: &Context,
    asked: &Asked,
    digest: &str,
) -> std::result::Result<(), runs::Error> {
    let (tenant, by) = (asked.named.namespace.clone(), asked.by.as_str());
    let patch_set = match &asked.patch_set {
        None => None,
        Some(name) => {
            let workflow = &asked.workflow.name;
            let found = context.runs.store().patch_set(&tenant, workflow, name).await?;
            let missing =
                || runs::Error::NoWorkflow(format!("{workflow} with the set of patches {name}"));
            Some(found.ok_or_else(missing)?)
        }
    };
    let input = Value::Object(asked.input.clone());
    let options = StartOptions {
        patch_set,
        keep: KEEP.as_millis() as u64,
        derived: Some(asked.derived),
        ..StartOptions::new(tenant, digest, input, by)
    };
    let started = context.runs.start(&options).await;
    // Runners move it from here on.
    context.runs.forget(&asked.run);
    started.map(drop)
}

/// What a start that came to nothing means: a status, if asking again at once does not help.
fn held(facts: Facts, error: runs::Error) -> Result<Facts> {
    let hold = |reason, message: String, is_final, again| {
        let why = NotBegun { reason, message, is_final };
        Ok(Facts { not_begun: Some(why), again, ..facts.clone() })
    };
    match error {
        runs::Error::Throttled(throttled) => {
            let again = throttled.retry_after.max(Duration::from_millis(100));
            let at = SignedDuration::try_from(again)
                .ok()
                .and_then(|wait| Timestamp::now().checked_add(wait).ok());
            // To the second, so that a status is not written anew for each look.
            let at = at.map_or_else(String::new, |at| at.strftime("%FT%TZ").to_string());
            let message = format!("{}; one more is taken at {at}", throttled.limit_told());
            hold(reason::TIER_LIMIT, message, false, Some(again))
        }
        none @ (runs::Error::NoWorkflow(_) | runs::Error::NoGraph(_)) => {
            hold(reason::WORKFLOW_NOT_FOUND, none.to_string(), false, Some(UNFOUND))
        }
        runs::Error::Invalid(issues)
        | runs::Error::NoFit(issues)
        | runs::Error::Refused(Refusal::Start(issues)) => {
            hold(reason::REFUSED, told(&issues), true, None)
        }
        other => Err(other.into()),
    }
}

fn told(issues: &[Issue]) -> String {
    let first: Vec<String> = issues.iter().take(MOST_TOLD).map(ToString::to_string).collect();
    first.join("; ")
}

async fn act(context: &Context, asked: &Asked, change: Change) -> Result<()> {
    let done = match change {
        Change::Suspend(on) => {
            let input = Input::Suspend { on, by: asked.changed_by.clone() };
            context.runs.apply(&asked.run, vec![input]).await.map(drop)
        }
        Change::Cancel(mode) => {
            let reason = Some(format!("Run {} says so", asked.named.name));
            context.runs.cancel(&asked.run, mode, &asked.changed_by, reason).await.map(drop)
        }
    };
    match done {
        // It ended and went in between: what is known next says so.
        Ok(()) | Err(runs::Error::NoRun(_)) => Ok(()),
        Err(error) => Err(Error::from(error)),
    }
}
