//! What a Job's end means. Touches nothing.

use aob_engine::catalogue::{JOB_FAILED, JOB_OUTPUT};
use aob_runner::node::Failure;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use serde_json::{Value, json};

/// Most bytes that a kubelet hands over of an output.
const MOST: usize = 4_096;

/// Whether it has ended.
pub(super) fn has_ended(job: &Job) -> bool {
    holds(job, "Complete") || has_failed(job)
}

/// Whether it has ended badly.
pub(super) fn has_failed(job: &Job) -> bool {
    holds(job, "Failed")
}

fn holds(job: &Job, kind: &str) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|one| one.type_ == kind && one.status == "True")
}

/// The attempt's output, or why it has none.
pub(super) fn answer(job: &Job, pods: &[Pod]) -> Result<Value, Failure> {
    let ended = pods.iter().filter_map(terminated).next_back();
    if has_failed(job) {
        return Err(failed(job, ended));
    }
    let text = ended.and_then(|ended| ended.message.as_deref()).unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(json!({"exitCode": ended.map_or(0, |ended| ended.exit_code)}));
    }
    serde_json::from_str(text).map_err(|error| {
        let why = if text.len() >= MOST {
            format!("it is longer than {MOST} bytes")
        } else {
            error.to_string()
        };
        Failure::new(&JOB_OUTPUT, format!("/aob/output.json: {why}"))
    })
}

/// It was taken away by somebody.
pub(super) fn removed(name: &str) -> Failure {
    Failure::new(&JOB_FAILED, format!("the Job {name} was deleted before its end"))
}

fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find_map(|status| status.state.as_ref()?.terminated.as_ref())
}

fn failed(job: &Job, ended: Option<&ContainerStateTerminated>) -> Failure {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    let why = conditions.into_iter().flatten().find(|one| one.type_ == "Failed");
    let why = why.and_then(|one| one.message.clone()).unwrap_or_default();
    let message = match ended {
        Some(ended) => {
            let reason = ended.reason.as_deref().unwrap_or("Error");
            format!("{reason}, exit code {}: {why}", ended.exit_code)
        }
        None => why,
    };
    Failure::new(&JOB_FAILED, message).retryable()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: &str) -> Job {
        serde_json::from_value(json!({"metadata": {}, "status": {"conditions": [
            {"type": kind, "status": "True", "message": "Job has reached the specified backoff limit"},
        ]}}))
        .unwrap()
    }

    fn pod(code: i32, message: &str) -> Vec<Pod> {
        let state =
            json!({"terminated": {"exitCode": code, "reason": "Error", "message": message}});
        let status = json!({"name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        vec![
            serde_json::from_value(
                json!({"metadata": {}, "status": {"containerStatuses": [status]}}),
            )
            .unwrap(),
        ]
    }

    #[test]
    fn what_the_container_wrote_is_its_output() {
        assert_eq!(
            answer(&job("Complete"), &pod(0, "{\"rows\": 3}\n")).unwrap(),
            json!({"rows": 3})
        );
        assert_eq!(answer(&job("Complete"), &pod(0, "")).unwrap(), json!({"exitCode": 0}));
        let half = answer(&job("Complete"), &pod(0, "{\"rows\"")).unwrap_err();
        assert_eq!(half.code, "job_output");
        let long = answer(&job("Complete"), &pod(0, &"x".repeat(MOST))).unwrap_err();
        assert!(long.message.contains("longer than"), "{long}");
    }

    #[test]
    fn a_failed_job_says_why_and_may_be_tried_again() {
        let failure = answer(&job("Failed"), &pod(3, "ignored")).unwrap_err();
        assert_eq!((failure.code.as_str(), failure.retryable), ("job_failed", true));
        assert!(
            failure.message.contains("exit code 3") && failure.message.contains("backoff"),
            "{failure}"
        );
        assert!(
            has_ended(&job("Failed"))
                && has_ended(&job("Complete"))
                && !has_ended(&job("Suspended"))
        );
    }
}
