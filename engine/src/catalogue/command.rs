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
    SYSTEM "AOB5013" "the system refuses what the command needs" "A command needs threads, signals and standard streams." "Check the limits of this user: `ulimit -a`."
    HISTORY_BROKEN "AOB5015" "the events of a run do not lead to its state" "A run is the fold of its events, byte for byte." "Do not trust this run: keep a copy of the store, and report it."
    NO_NODE "AOB5016" "there is no such node in the run" "An instance is named by its path: `fetch`, or `each[3]/fetch` inside a container." "`aob get RUN -o wide` lists them."
    NO_CODE "AOB5017" "there is no such error code" "A code is AOB and four digits; a rule's name does as well." "`aob explain` lists them all."
    PROTOCOL "AOB5018" "the process that owns the data directory was not understood" "Both sides must be of the same version." "Restart the owner with this version of aob, or use the owner's."
    OTHER_RULES "AOB5019" "the process that owns the data directory works by other rules" "What nodes may do is decided by the process that runs them." "End the other process and try again, or name another directory: `--data DIR`."
    SAME_NAME "AOB5020" "two documents have the same workflow name" "A child workflow is found by its name, so the files of one command name each workflow once." "Rename one of them, or leave one file out."
    BUSY "AOB5022" "others change the run all the time" "A decision is committed on the state it was taken on, or not at all." "Try again."
    NO_SCHEMA "AOB5023" "there is no such schema" "There is one for `workflow`, `patch` and `event`, and one for each node type." "`aob ls types` lists the node types."
    NO_HOME "AOB5024" "no place for the data is known" "Runs are kept in `$XDG_STATE_HOME/aob`, else in `~/.local/state/aob`." "Name a directory: `--data DIR`, or set AOB_DATA."
    NOT_HERE "AOB5025" "nothing here runs this type of node" "`aob run` runs a workflow in its own process, which must serve every type that is waited for." "Run it where a runner serves the type: `--redis URL`, or take the node out."
    NO_PATCH "AOB5026" "there is no such patch" "A patch is named by its id or a unique beginning of it." "`aob patch list RUN` lists those of a run, the refused ones too."
    NO_PATCH_SET "AOB5027" "there is no such set of patches" "A set is a file of operations, a name that `aob patch save` gave it, or its digest." "`aob ls patch-sets` lists those that have a name."
    NO_REVISION "AOB5028" "the run has no such revision" "Revisions count from 0, the graph that the run was started on; each accepted patch makes the next." "`aob patch list RUN` lists them."
    CONTEXT_FILE "AOB5040" "the file of contexts cannot be used" "Contexts are kept in `$XDG_CONFIG_HOME/aob/config.yaml`, else in `~/.config/aob/config.yaml`, for their user alone." "Mend what is named, or remove the file and begin again with `aob context set`."
    NO_CONTEXT "AOB5041" "there is no such context" "A context is made with `aob context set`, and chosen by --context, AOB_CONTEXT or `aob context use`." "`aob context list` lists them."
}
