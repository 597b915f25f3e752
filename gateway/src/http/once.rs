//! A request under an `Idempotency-Key` is done once, however often it is sent and to whichever gateway.
//!
//! What makes it so is derived from the key: the run's own key, the patch's id. The store remembers the request beside
//! that, so that another one under the same key is refused, and its answer, so that it is the same to the byte.

use std::time::Duration;

use aob_engine::canonical;
use aob_engine::catalogue;
use http::request::Parts;
use serde_json::{Value, json};

use super::Gateway;
use crate::caller::Caller;
use crate::operation::Request;
use crate::problem::{Problem, Result};
use crate::route::Method;

/// The header.
const HEADER: &str = "idempotency-key";
/// Longest key.
const LONGEST: usize = 200;
/// How long the answer to the same request is waited for while that is under way elsewhere.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(50);

/// The key of a request that changes something, if it has one.
pub(super) fn key(parts: &Parts, method: Method) -> Result<Option<String>> {
    let Some(given) = parts.headers.get(HEADER).filter(|_| method != Method::Get) else {
        return Ok(None);
    };
    let plain = |key: &&str| (1..=LONGEST).contains(&key.len());
    match given.to_str().ok().filter(plain) {
        Some(key) => Ok(Some(key.to_owned())),
        None => {
            let message = format!("a key has 1 to {LONGEST} ASCII characters");
            Err(Problem::new(&catalogue::BAD_REQUEST, "header Idempotency-Key", message))
        }
    }
}

impl Gateway {
    /// Does what is asked under a key, or answers what was answered before.
    pub(super) async fn once(
        &self,
        parts: &Parts,
        caller: &Caller,
        key: &str,
        request: Request,
    ) -> Result<Value> {
        let asked = serde_json::to_value(&request).unwrap_or_default();
        let digest = canonical::digest(&json!({"by": caller.name, "asked": asked}));
        if let Some(answer) = self.before(caller, key, &digest).await? {
            return Ok(answer);
        }
        let answer = match self.perform(parts, caller, keyed(request, caller, key)).await {
            Ok(answer) => answer,
            Err(problem) => {
                // What was refused has changed nothing: it may be asked again at once.
                drop(self.remember(caller, key, &digest, Some(b"")).await);
                return Err(problem);
            }
        };
        let bytes = serde_json::to_vec(&answer).unwrap_or_default();
        if bytes.len() <= aob_store::LONGEST_ANSWER {
            self.remember(caller, key, &digest, Some(&bytes)).await?;
        }
        Ok(answer)
    }

    /// What was answered to the same request; none if it is still to be done.
    async fn before(&self, caller: &Caller, key: &str, digest: &str) -> Result<Option<Value>> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let Some(before) = self.remember(caller, key, digest, None).await? else {
                return Ok(None);
            };
            if before.request != digest {
                let message = "another request was made under this key";
                return Err(Problem::new(
                    &catalogue::KEY_REUSED,
                    "header Idempotency-Key",
                    message,
                ));
            }
            match before.answer {
                Some(refused) if refused.is_empty() => return Ok(None),
                Some(answer) => {
                    return Ok(Some(serde_json::from_slice(&answer).unwrap_or_default()));
                }
                None => {}
            }
            if tokio::time::Instant::now() >= until {
                // Whoever did it has gone, or was refused.
                return Ok(None);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn remember(
        &self,
        caller: &Caller,
        key: &str,
        digest: &str,
        answer: Option<&[u8]>,
    ) -> Result<Option<aob_store::Remembered>> {
        let store = self.options.performer.runs().store();
        let remembered = store.remember(&caller.tenant, key, digest, answer).await;
        remembered.map_err(|error| Problem::store(error, "header Idempotency-Key"))
    }
}

/// The request with what makes it one, where it does not say so itself.
fn keyed(request: Request, caller: &Caller, key: &str) -> Request {
    let digest = canonical::digest(&json!({"by": caller.name, "key": key}));
    let short: String = digest.trim_start_matches("sha256:").chars().take(26).collect();
    match request {
        Request::Start { workflow, inline, input, key: None, patch_set } => {
            let key = Some(format!("idempotent-{short}"));
            Request::Start { workflow, inline, input, key, patch_set }
        }
        Request::Replay { run, from, input, workflow, key: None } => {
            let key = Some(format!("idempotent-{short}"));
            Request::Replay { run, from, input, workflow, key }
        }
        Request::Patch { run, id: None, approves, dry_run, request } => {
            let id = Some(format!("patch_{short}"));
            Request::Patch { run, id, approves, dry_run, request }
        }
        Request::UndoPatch { run, patch, id: None, approves, dry_run, reason } => {
            let id = Some(format!("patch_{short}"));
            Request::UndoPatch { run, patch, id, approves, dry_run, reason }
        }
        other => other,
    }
}
