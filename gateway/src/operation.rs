//! What can be asked of runs, workflows, tickets and tags, and how it is answered.
//!
//! A [`Request`] says what; in whose name and for which tenant is said by the [`crate::caller::Caller`] beside it.
//! [`crate::perform`] does it on a store, [`crate::client`] asks a gateway for it: whoever holds an [`Asked`] does
//! not know which. How a request looks over HTTP is written in one table, [`crate::route::ROUTES`].

mod answer;
mod kind;
mod request;
pub(crate) mod schema;
mod usage;
mod work;

use std::sync::Arc;

use aob_engine::catalogue;
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problem::{Problem, Result};

pub use answer::{
    About, BacklogRow, Done, EventPage, GraphAt, Head, Kept, LimitsRow, LogPage, NamedSet, Needs,
    NodeRules, Page, ParentRun, PatchAnswer, PatchOf, Published, RunRow, Standing, Started,
    TicketRow, Verified, Version, VersionRow, Waits, WorkflowRow,
};
pub use kind::Kind;
pub use request::{Choice, Failure, Mode, Most, Next, Request};
pub use usage::Usage;
pub use work::{Answered, Signs, Tasks, TypeGone, TypeRow};

/// Who owns what is done without a word about the tenant.
pub const TENANT: &str = "default";

/// Does what is asked.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Does it and answers what [`Request`] says, as JSON.
    ///
    /// # Errors
    /// Every finding.
    async fn call(&self, request: Request) -> Result<Value>;
}

/// Something to ask.
pub type Asked = Arc<dyn Operations>;

impl dyn Operations + '_ {
    /// Does it and reads the answer.
    ///
    /// # Errors
    /// As [`Operations::call`]; an answer of another type is [`catalogue::PROTOCOL`].
    pub async fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let answer = self.call(request).await?;
        serde_json::from_value(answer)
            .map_err(|error| Problem::new(&catalogue::PROTOCOL, "the answer", error.to_string()))
    }
}
