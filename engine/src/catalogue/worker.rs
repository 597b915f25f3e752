//! 70xx registered node types, and the workers, servers and functions that run them.

use super::entries;

entries! {
    BAD_NODE_TYPE "AOB7001" "the document registers no node type" "A registered type has a dotted name, a JSON Schema for its config, and one way to run: worker, http, lambda or job." "Mend the field named; `aob schema node-type` prints the schema."
    TYPE_MOVED "AOB7002" "the node type has been changed meanwhile" "A type is changed or removed on the version that was read, so that nobody undoes another's change unseen." "Read it again, and change that."
    NO_TYPE "AOB7003" "there is no such registered node type" "A registered type is named as its document names it." "`aob ls types` lists them."
    BAD_TASK "AOB7004" "this names no task" "A worker names a task by the text and the fence that its claim was answered with." "Give back `task` and `fence` as they came."
    BAD_CLAIM "AOB7005" "what a worker asks for is out of bounds" "A claim names 1 to 32 types and at most 256 tasks, a heartbeat at most 1,024." "Ask for less at once."
    BAD_ANSWER "AOB7006" "a worker's answer is out of bounds" "An output is JSON of at most 256 KiB, nested at most 64 deep; an error has a code of lower-case letters, digits and `_`." "Return less, or write the data elsewhere and return its address."
    NOT_CALLED_BACK "AOB7011" "a server took a task and did not come back with its answer in time" "A server that answers 202 completes the task later, by the worker protocol, before the node's `timeout` is over, or an hour without one." "See the server's log; raise `timeout` if it needs longer."
    LAMBDA_REFUSED "AOB7012" "the Lambda API refused the call" "The function must exist, and the credentials must be allowed to invoke it." "Mend what the message names: function, region, credentials."
    LAMBDA_FAILED "AOB7013" "the Lambda function failed" "An answer with X-Amz-Function-Error is a failed attempt; it is retried if the node has a `retry`." "See the function's log."
}
