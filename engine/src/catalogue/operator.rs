//! 80xx Kubernetes: what the operator does with it.

use super::entries;

entries! {
    JOB_FAILED "AOB8001" "the Job failed" "A container that exits with another code than 0, or cannot be started, is a failed attempt; it is retried if the node has a `retry`." "See the run's log, and `kubectl describe job` with the name in the message."
    JOB_REFUSED "AOB8002" "the API server takes no such Job" "A Job fits the namespace's quota, its Pod Security profile and the API." "Mend what the message names: image, resources, quota, or the rights of the operator."
    JOB_UNREACHABLE "AOB8003" "the Job could not be asked for or found" "The API server and the store answer; a failure is retried if the node has a `retry`." "See whether the API server answers: `kubectl get --raw /readyz`."
    JOB_OUTPUT "AOB8004" "what the container wrote is no output" "`/aob/output.json` is one JSON value of at most 4 KiB: it comes with the container's end." "Write less, or write the data elsewhere and return its address."
}
