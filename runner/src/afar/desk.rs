//! What an agent asks of its run, asked of the gateway.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue::{NODE_LOST, UNREACHABLE};
use aob_engine::patch::Finding;
use aob_engine::state::Amount;
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ask::{Error, Gateway};
use super::attempt::Attempts;
use crate::node::{Closing, Desk, Failure, Finished, Granted, Judged, Scene, Task};
use crate::remote::{Question, Told};

/// How often a question is asked again that no answer came to: each may be asked twice.
const TRIES: u32 = 5;
/// The first wait between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// The run of each attempt under way, behind a gateway.
pub(super) struct FarDesk {
    gateway: Arc<Gateway>,
    attempts: Attempts,
}

impl FarDesk {
    pub(super) fn new(gateway: Arc<Gateway>, attempts: Attempts) -> Self {
        Self { gateway, attempts }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        task: &Task,
        question: Question,
    ) -> Result<T, Failure> {
        let named = self.attempts.named(&task.run, &task.instance, &task.fence);
        let gone = || Failure::new(&NODE_LOST, "the attempt is not under way here any more");
        let name = named.ok_or_else(gone)?;
        let away = |why: String| Failure::new(&UNREACHABLE, why).retryable();
        let question = serde_json::to_value(question).map_err(|error| away(error.to_string()))?;
        let body = json!({"task": name, "fence": task.fence, "question": question});
        let mut pause = PAUSE;
        for attempt in 1..=TRIES {
            let answer = match self.gateway.post("consult", &body).await {
                Ok(answer) => answer,
                Err(Error::Away(_)) if attempt < TRIES => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    continue;
                }
                Err(error) => return Err(away(error.to_string())),
            };
            return match serde_json::from_value(answer) {
                Ok(Told::Answer(answer)) => {
                    serde_json::from_value(answer).map_err(|error| away(error.to_string()))
                }
                Ok(Told::Failure(failure)) => Err(failure),
                Err(error) => Err(away(format!("what the gateway answers: {error}"))),
            };
        }
        Err(away("the gateway does not answer".to_owned()))
    }
}

#[async_trait]
impl Desk for FarDesk {
    async fn scene(&self, task: &Task) -> Result<Scene, Failure> {
        self.ask(task, Question::Scene {}).await
    }

    async fn output(&self, task: &Task, node: &str) -> Result<Option<Arc<Value>>, Failure> {
        self.ask(task, Question::Output { node: node.to_owned() }).await
    }

    async fn reserve(
        &self,
        task: &Task,
        used: Option<Amount>,
        amount: Amount,
        kept: Option<Arc<Value>>,
    ) -> Result<Granted, Failure> {
        self.ask(task, Question::Reserve { used, amount, kept }).await
    }

    async fn book(&self, task: &Task, used: Amount) -> Result<(), Failure> {
        self.ask(task, Question::Book { used }).await
    }

    async fn judge(&self, task: &Task, request: &Value) -> Result<Judged, Failure> {
        self.ask(task, Question::Judge { request: request.clone() }).await
    }

    async fn refused(
        &self,
        task: &Task,
        request: &Value,
        findings: &[Finding],
    ) -> Result<(), Failure> {
        let (request, findings) = (request.clone(), findings.to_vec());
        self.ask(task, Question::Refused { request, findings }).await
    }

    async fn finish(&self, task: &Task, closing: &Closing) -> Result<Finished, Failure> {
        self.ask(task, Question::Finish { closing: closing.clone() }).await
    }
}
