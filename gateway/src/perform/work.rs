//! Registered types, and workers' tasks.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue;
use aob_engine::issue::Issue;
use aob_engine::time::duration;
use aob_runner::remote::{self, ClaimAsk, Completion, Failing, Remote};
use aob_runner::runs::Runs;
use serde_json::Value;

use super::{Failed, Outcome};
use crate::operation::{Answered, Failure, Next, Signs, Tasks, TypeRow};
use crate::problem::{Finding, Problem};

pub(super) async fn put_type(
    runs: &Runs,
    name: &str,
    version: Option<u64>,
    document: &Value,
) -> Outcome<TypeRow> {
    let written = document.pointer("/metadata/name").and_then(Value::as_str);
    if written.is_some_and(|written| written != name) {
        let message = format!("the path names {}", aob_engine::issue::excerpt(name));
        let issue = Issue::new(&catalogue::BAD_NODE_TYPE, "/metadata/name", message);
        return Err(Problem::found("the document", issue).into());
    }
    Ok(runs.put_type(document, version).await?.into())
}

pub(super) async fn claim(
    remote: &Arc<Remote>,
    tenant: &str,
    (types, runners): (Vec<String>, Option<String>),
    max: u32,
    wait: Option<&str>,
) -> Outcome<Tasks> {
    let wait = match wait {
        None => Duration::ZERO,
        Some(text) => duration(text).map(Duration::from_millis).ok_or_else(|| {
            let message = "`wait` is a duration such as 30s";
            Problem::found("the request", Issue::new(&catalogue::BAD_CLAIM, "/wait", message))
        })?,
    };
    let ask = ClaimAsk { types, runners, max: max as usize, wait };
    let tasks = remote.claim(tenant, &ask).await?;
    Ok(Tasks { tasks, lease: remote.lease().as_secs_f64() })
}

pub(super) async fn heartbeat(
    remote: &Arc<Remote>,
    tenant: &str,
    tasks: &[String],
) -> Outcome<Signs> {
    Ok(Signs { tasks: remote.heartbeat(tenant, tasks).await? })
}

pub(super) fn completion(
    (task, fence): (String, String),
    output: Value,
    patch: Option<Value>,
    next: Option<Next>,
) -> Completion {
    let next = next.map(|Next { types, runners, max }| ClaimAsk {
        types,
        runners,
        max: max as usize,
        wait: Duration::ZERO,
    });
    Completion { task, fence, output: Arc::new(output), patch, next }
}

pub(super) async fn fail(
    remote: &Arc<Remote>,
    tenant: &str,
    (task, fence): (String, String),
    error: Failure,
    retryable: bool,
) -> Outcome<Answered> {
    let Failure { code, message } = error;
    let failed = Failing { task, fence, code, message, retryable };
    Ok(Answered { result: remote.fail(tenant, &failed).await?, tasks: Vec::new() })
}

impl From<remote::Error> for Failed {
    fn from(error: remote::Error) -> Self {
        match error {
            remote::Error::Runs(error) => Self::Runs(error),
            remote::Error::Refused(issue) => Self::Problem(Problem::found("the request", *issue)),
            remote::Error::Patch(findings) => {
                let finding = |found: aob_engine::patch::Finding| Finding {
                    issue: Issue {
                        entry: catalogue::find(&found.code).unwrap_or(&catalogue::PROTOCOL),
                        pointer: format!("/patch{}", found.pointer),
                        message: found.message,
                        remedy: Some(found.remedy),
                        details: found.details,
                        warning: false,
                    },
                    about: "the patch".to_owned(),
                    place: None,
                    source: None,
                };
                Self::Problem(Problem::of(findings.into_iter().map(finding).collect()))
            }
        }
    }
}
