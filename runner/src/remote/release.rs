//! Tasks that a worker gives back: others take them.

use std::sync::Arc;

use aob_engine::step::Input;
use aob_store::Signal;

use super::{Error, Remote, Taken, TaskName};
use crate::clock;

impl Remote {
    /// Gives a task back that the worker will not finish; `begun` says whether something of it may have happened. No
    /// answer of the worker counts afterwards.
    ///
    /// # Errors
    /// [`Error::Refused`], the store's.
    pub async fn release(
        self: &Arc<Self>,
        tenant: &str,
        task: &str,
        fence: &str,
        begun: bool,
    ) -> Result<Taken, Error> {
        let TaskName { at, consumer, .. } = TaskName::fenced(task, fence)?;
        if !self.may_answer(tenant, &at).await? {
            return Ok(Taken::Superseded);
        }
        let input = Input::Returned { instance: at.instance.clone(), fence: at.fence, begun };
        let signal = Signal { run: at.run.clone(), input, t: clock::now() };
        self.runs.store().report(&consumer, &at, &signal).await?;
        Ok(Taken::Recorded)
    }
}
