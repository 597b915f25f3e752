//! 50xx the command line.

use super::entries;

entries! {
    USAGE "AOB5001" "the command was not understood" "Flags and arguments are as `--help` shows them." "See `aob --help` or `aob COMMAND --help`."
    NO_FILE "AOB5002" "the file cannot be read" "A workflow file is a readable file of at most 4 MiB; `-` is standard input." "Check the path and its rights."
    NO_RUN "AOB5003" "there is no such run" "A run is named by its id or a unique beginning of it." "`aob ls runs` lists them."
    NO_TICKET "AOB5004" "there is no such open ticket" "A ticket is named by its id or a unique beginning of it; an answered one is closed." "`aob ls tickets` lists the open ones."
    NOT_UNIQUE "AOB5005" "several ids begin like this" "A prefix must be unique." "Give more characters; the candidates are listed."
    UNREACHABLE "AOB5006" "the store or its owner cannot be reached" "A verb talks to the process that owns the data directory, to Redis, or opens the directory itself." "Check the address, and that the server runs."
    CHILD_UNKNOWN "AOB5007" "a child workflow is not to be found" "A `workflow` node names a workflow in the same files, or one that was kept before." "Give its file too: `aob run parent.yaml child.yaml`."
    NO_WORKFLOW "AOB5008" "there is no such workflow" "A workflow is named by its name and a tag." "`aob ls workflows` lists them."
    NOT_POSSIBLE "AOB5009" "that cannot be done to this run now" "A decision, a cancel, a retry is judged on the run as it stands." "`aob get RUN` shows how it stands."
}
