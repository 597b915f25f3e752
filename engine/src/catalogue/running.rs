//! 30xx a run and its nodes.

use super::entries;

entries! {
    BAD_INPUT "AOB3101" "the run's input does not fit the workflow" "The input is judged by `spec.input` before anything starts, and bounded in size." "Give the input that the schema asks for: `aob run FILE -i key=value`."
    BAD_DECISION "AOB3102" "the answer does not fit the question" "A gate is approved or rejected; a failure is retried, settled or failed." "See what is asked: `aob get RUN`."
    NOT_AN_APPROVER "AOB3103" "this person may not decide here" "A gate names its approvers; whoever asked for the run is excluded unless `allowRequester` says otherwise." "Ask one of the approvers."
    ASSERT "AOB3001" "an assertion of a transform is false" "A false assertion fails the node and is not retried: the same value would fail again." "Mend the data before it, or the assertion."
    NODE_INPUT "AOB3002" "the config, once its expressions had values, does not fit the node type" "Each node type judges what it is given when it starts." "Mend the field named, or the expression that made its value."
    NOT_SERVED "AOB3003" "this worker does not serve the node type" "A worker runs the types it was built with." "Start a worker that serves the type, or mend `type`."
    NODE_PANIC "AOB3004" "the code of a node type stopped with a panic" "A defect of a node type fails its node and nothing else." "Report it with the message and the node's config."
    NODE_OUTPUT_LIMIT "AOB3005" "the output of a node is larger than its limit" "Outputs are kept with the run and are at most 256 KiB." "Return less, or write the data elsewhere and return its address."
    NODE_CANCELLED "AOB3006" "the attempt was cancelled" "A cancelled run or scope stops what is under way." "Nothing, or `aob retry` the node if the run is still open."
    NODE_TIMEOUT "AOB3007" "the attempt took longer than the node's timeout" "`timeout` bounds one attempt, from the moment a worker takes it." "Raise `timeout`, or make the work smaller."
    NODE_LOST "AOB3008" "the worker no longer holds the attempt" "A worker whose lease has passed to another stops; its result does not count." "Nothing: the run goes on with the other attempt."
    SECRET_MISSING "AOB3011" "a secret is not there" "`secrets.<name>.<key>` is the file <name>/<key> in the runner's secrets folder, read when a task starts." "Put the file there, or mend the name; `--secrets DIR` says which folder."
    SECRET_INVALID "AOB3012" "a secret cannot be used" "A secret is a file inside the secrets folder: UTF-8 text, not empty, at most 64 KiB; names are letters, digits, `.`, `_` and `-`." "Mend the file or the reference named."
    HTTP_REQUEST "AOB3021" "the request cannot be made as written" "`url` is http or https without credentials, methods and headers are those of a client, a body is at most 1 MiB." "Mend the field named."
    HTTP_FORBIDDEN "AOB3022" "the address may not be reached from a workflow" "Private, loopback, link-local, metadata and other special addresses are refused, at every redirect anew, unless the runner allows them." "Use a public address, or start the runner with `--allow-private HOST|CIDR`."
    HTTP_CONNECT "AOB3023" "no connection could be made" "Looking up the name, connecting and agreeing on TLS must succeed; a failure is retried if the node has a `retry`." "Check host, port and certificate, and that the server runs."
    HTTP_TIMEOUT "AOB3024" "the server did not answer in time" "A request has a limit on connecting and one in all; a failure is retried if the node has a `retry`." "Check the server, or raise the runner's limit."
    HTTP_BROKEN "AOB3025" "the connection broke off before the whole response was there" "Half a response is no output; a failure is retried if the node has a `retry`, with the same Idempotency-Key." "Check the server and what lies between."
    HTTP_STATUS "AOB3026" "the server answered with a status that was not expected" "`expect` names what counts as success, 2xx by default; 408, 425, 429 and 5xx are retried if the node has a `retry`." "Mend the request, or name the status in `expect`."
    HTTP_REDIRECT "AOB3027" "a redirect was not followed" "At most 5 redirects, none from https to http, none to another scheme, and a body that holds a secret goes to no other host." "Use the final address as `url`, or name the status in `expect`."
    HTTP_TOO_LARGE "AOB3028" "the response is larger than its limit" "At most 1 MiB of a response is read." "Ask for less: page through it, or select fields."
    HTTP_BODY "AOB3029" "the response says it is JSON and is not" "A body whose content type is JSON is parsed." "Mend the server, or its content type."
    HTTP_CLIENT "AOB3030" "the runner cannot make HTTPS connections" "Certificates are judged by the machine's own roots." "Install the package ca-certificates on the runner's machine."
    EXEC_NOT_ALLOWED "AOB3041" "this runner does not run local commands, or not this one" "`exec` runs with the rights of the runner, so it is off until its operator allows it." "Start the runner with `--allow-exec` or `--allow-exec=COMMAND`, or use a `job` node."
    EXEC_SPAWN "AOB3042" "the command could not be started" "The first word of `command` is a program on the runner's PATH, or a path." "Check that it is installed and may be executed."
    EXEC_EXIT "AOB3043" "the command exited with a code other than 0" "Exit code 0 is success; the last line of stderr is the message." "See its log; mend the command, or add a `retry`."
    EXEC_SIGNAL "AOB3044" "the command was ended by a signal" "A command that a signal ended has not succeeded." "See its log and the machine's memory limits."
    EXEC_OUTPUT "AOB3045" "what the command printed cannot be parsed" "With `parse: json` stdout is one JSON value of at most 256 KiB." "Print one JSON value and nothing else to stdout, or leave `parse` out."
}
