//! 20xx reading a patch and applying it to a graph.

use super::entries;

entries! {
    PATCH_SHAPE "AOB2001" "the request does not fit the schema of patches" "A request to patch is judged by patch.schema.json." "Mend the member named; `aob schema patch` prints the schema."
    PATCH_MEMBER "AOB2002" "the request has a member that patches do not have" "R2: unknown members are refused, so that a misspelt one is never passed over." "Use one of the members listed, or remove it."
    PATCH_OP "AOB2003" "no such operation" "R2: the operations are add, remove, replace and test." "Write add, remove, replace or test."
    PATCH_MOVE "AOB2004" "move is not an operation of a patch to a run" "R2: what a run has seen keeps its name, and a patch says in full what it adds; so move is refused." "Remove the one and add the other with its whole value."
    PATCH_COPY "AOB2005" "copy is not an operation of a patch to a run" "R2: a patch says in full what it adds, so that a small one cannot make a huge graph; so copy is refused." "Add the whole value."
    PATCH_COUNT "AOB2006" "the patch has too many parts" "R2: a patch has at most 256 operations and cancels at most 256 instances." "Send several patches; each is applied whole or not at all."
    PATCH_BYTES "AOB2007" "the patch or a text in it is too long" "R2: a request has at most 256 KiB, a path and a reason 1,024 characters each." "Make it shorter, or send several patches."
    PATCH_DEPTH "AOB2008" "the patch or what it makes is nested too deeply" "R2: lists and objects nest at most 64 deep, in a request and in the graph." "Flatten the value."
    PATCH_VALUE "AOB2009" "the operation lacks its value, or has one it cannot use" "add, replace and test carry a value, which may be null; remove has none." "Give the operation a `value`, or take it away from a remove."
    PATCH_POINTER "AOB2010" "the path is no JSON pointer" "A path is empty or begins with `/`; in it `~` is written `~0` and `/` inside a name `~1`." "Write it like `/nodes/fetch/config/url`."
    PATCH_ADDRESS "AOB2011" "the path names nothing that a patch can address" "R2: a patch addresses one node or one edge, or what lies within it." "Write `/nodes/-`, `/nodes/<id>`, `/edges/-` or `/edges/<from>-><to>`, and what lies below behind it."
    PATCH_REACH "AOB2012" "this is out of a patch's reach" "R8: a patch changes nodes and edges. A workflow's identity, input, output, limits and policy stay as they were when the run started." "Change the workflow and start a new run, or replay this one on the new version."
    PATCH_POSITION "AOB2013" "a path counts positions, but the patch names no base" "R2: a position means something only in the graph of one revision, sorted by id." "Set `base` to the revision you counted in, or address by id: `/nodes/<id>`."
    PATCH_IDENTITY "AOB2014" "the operation would change what a node or an edge is named by" "R2: a node keeps its id, an edge its from, to and after; events and states name them by it." "Remove it, and add it under its new name."
    PATCH_TARGET "AOB2015" "the path names what is not there" "Only what exists is removed, replaced or tested, and a value is added only into what exists." "Read the graph at its present revision, and write the path against it."
    PATCH_EXISTS "AOB2016" "a node or an edge of this name is already there" "R2: adding never overwrites a node or an edge." "Use replace for the whole of it, or address the field that is to change."
    PATCH_TEST "AOB2017" "a test of the patch did not hold" "A test compares deeply, numbers by value; if one fails, nothing of the patch is applied." "Read the graph as it is now, and write the patch against it."
    PATCH_RESULT "AOB2018" "the patched document would be too large" "R2: the result is bounded: 10,000 nodes, 40,000 edges, 4 MiB." "Remove something first, or move a part into a workflow of its own."
    PATCH_INSTANCE "AOB2019" "`cancel` holds what is no instance" "An instance is named by its path: the iterations it lies in, then the node." "Write it like `fetch` or `each[3]/fetch`; `aob get RUN` shows what is running."
    PATCH_GRAPH "AOB2020" "the graph to be patched has no names to address by" "R2: every node has an id of its own, every edge a from, to and after of its own." "Mend the workflow; `aob lint FILE` shows where."
}
