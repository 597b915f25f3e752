//! 12xx rules of the graph; 13xx shape and limits.

use super::entries;

entries! {
    CYCLE "AOB1201" "edges form a cycle" "A scope is acyclic; repetition is a loop or foreach node." "Remove one edge of the cycle, or put the repeated part into a loop."
    READ_RACE "AOB1202" "an expression reads a node that may not have settled yet" "What is read must be certainly settled before the reader starts, on every path." "Add an edge that makes the reader wait for the node it reads."
    READ_ABSENT "AOB1203" "an expression reads an output that may be absent" "An output that is not certain needs a guard." "Guard it: `has(nodes.x.output) ? nodes.x.output : <default>`."
    UNKNOWN_NODE "AOB1204" "a node is named that does not exist" "Edges, scopes and expressions name nodes of the same graph." "Use one of the ids listed, or add the node."
    UNKNOWN_TYPE "AOB1205" "no such node type" "Under `unknownTypes: Refuse` every type must be known; else the node is passed over with a warning." "Use a known type, register it, or set `unknownTypes: Skip`."
    GATE_INTO_ANY "AOB1206" "an approval leads into a join of kind any" "Another in-edge could start the target before anyone approved." "Make the join `all`, or put a node between."
    GATE_TYPO "AOB1207" "the type looks like `approval` but is not" "A typo must not open a gate." "Write `approval`, or use a type name that differs more."
    EDGE_CROSSES_SCOPE "AOB1208" "an edge crosses the border of a scope" "Edges join nodes with the same `within`." "Lead the edge to or from the container node."
    DUPLICATE_ID "AOB1209" "two nodes have the same id" "A node's id names it for ever in a run." "Rename one of them."
    DUPLICATE_EDGE "AOB1210" "the same edge is written twice" "An edge is named by from, to and after." "Remove one; join the two conditions with `||`."
    BAD_ID "AOB1211" "this cannot be a node id" "An id is a lower-case letter, then lower-case letters, digits and `_`, 63 at most, and no reserved word." "Rename the node."
    BAD_WITHIN "AOB1212" "`within` does not name a container" "A node lies within a foreach, a loop, or `finally`, without going round in circles." "Name a foreach or loop node, or `finally`."
    TOO_DEEP "AOB1213" "scopes are nested too deeply" "Scopes nest at most 4 deep." "Move the inner part into a workflow of its own."
    RETRY_ON_CONTAINER "AOB1214" "this type of node cannot be retried" "Containers, approvals and child workflows are not attempts; what is inside them is retried." "Put `retry` on the nodes inside."
    WAIT_IN_FINALLY "AOB1215" "a node in `finally` would wait for a person" "The exit handler must end by itself: no approval and no `onError: pause` in it." "Move the approval before the end, or use `onError: continue`."
    OTHERWISE_TWICE "AOB1216" "two edges of one group are `otherwise`" "One edge per source and `after` is taken when no other was." "Keep one."
    OTHERWISE_ALONE "AOB1217" "`otherwise` has no sibling with a `when`, or a `when` of its own" "It is the branch for when no sibling's `when` held." "Give a sibling a `when`, or remove `otherwise`."
    EMPTY_BODY "AOB1218" "a container has no nodes within it" "A foreach or loop repeats at least one node." "Add a node with `within: <container>`."
    BAD_NAME "AOB1219" "this cannot be the name of an item" "`as` is an id and none of input, nodes, run, secrets, index, prev." "Choose another name."
    BAD_CONFIG "AOB1220" "the config does not fit its type's schema" "Each node type judges its config by its own JSON Schema." "Mend the field named; `aob schema TYPE` prints the schema."
    BAD_SHAPE "AOB1301" "the document does not fit the schema" "A workflow is judged by workflow.schema.json." "Mend the field named; `aob schema workflow` prints the schema."
    LIMIT "AOB1302" "a limit is exceeded" "Sizes and counts are bounded, by the workflow's own limits and by the installation's." "Make it smaller, split the workflow, or raise the limit where you may."
    PASSED_READ "AOB1303" "an expression reads a node that will be passed over" "A node of an unknown type has no output." "Guard the read, or register the type."
}
