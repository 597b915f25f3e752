//! Asks for the patch: the one step that writes to the store.

use std::time::Duration;

use aob_crds::condition::reason;
use aob_engine::patch::Record;
use aob_runner::runs::{self, PatchAsk, What};

use super::build::Step;
use super::dereference::Facts;
use super::validate::Asked;
use crate::context::Context;
use crate::error::Result;

/// What has become of a patch.
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    /// The run's id.
    pub(super) run: Option<String>,
    /// The answer.
    pub(super) record: Option<Record>,
    /// The patch that took it out.
    pub(super) undone_by: Option<String>,
    /// Why it could not be taken out when its object was deleted.
    pub(super) stays: Option<String>,
    /// Why there is no answer, and whether there never will be one.
    pub(super) waits: Option<(&'static str, String, bool)>,
    /// When to look again.
    pub(super) again: Option<Duration>,
}

pub(super) async fn apply(
    context: &Context,
    asked: &Asked,
    facts: Facts,
    step: Step,
) -> Result<Done> {
    let run = facts.run.as_ref().map(ToString::to_string);
    let done = Done { run, record: facts.record, undone_by: facts.undone_by, ..Done::default() };
    match step {
        Step::Told => Ok(done),
        Step::Wait { reason, message } => {
            Ok(Done { waits: Some((reason, message, false)), ..done })
        }
        Step::Over { message } => {
            Ok(Done { waits: Some((reason::PATCH_REFUSED, message, true)), ..done })
        }
        Step::Ask { run, id } => {
            context.lease.check()?;
            let ask = PatchAsk {
                id: id.into(),
                what: What::Request(asked.request.clone()),
                by: asked.by.clone(),
                groups: asked.groups.clone(),
                approves: Vec::new(),
                dry_run: false,
            };
            match context.runs.patch(&run, &ask).await {
                Ok(patched) => Ok(Done { record: Some(patched.record), ..done }),
                Err(runs::Error::Throttled(throttled)) => {
                    let message =
                        format!("it would make the run dearer: {}", throttled.limit_told());
                    let again = Some(throttled.retry_after.max(Duration::from_millis(100)));
                    Ok(Done { waits: Some((reason::TIER_LIMIT, message, false)), again, ..done })
                }
                Err(error) => Err(error.into()),
            }
        }
    }
}
