//! 21xx what a patch to a running graph may not do.

use super::entries;

entries! {
    PATCH_STALE "AOB2101" "the run has another revision than the one the patch was written against" "R11: a strict patch names the revision it was written against, and is refused if that is no longer the current one." "Read the difference, write the patch against the current revision, or send it with `onConflict: Rebase`."
    PATCH_OVER "AOB2102" "the run takes no patch any more" "R5: a run that drains, is being cancelled, runs its exit handler or has ended is not changed." "Replay the run on the changed graph: `aob replay RUN --from NODE`."
    PATCH_ID "AOB2103" "the id of the patch was used for another one" "R2: the same id with the same content is answered as before; with other content it is refused." "Leave the id out, or give a new one."
    PATCH_STARTED "AOB2104" "the patch changes what has started or settled" "R4: settled instances and what led to them never change; a started instance is not removed and gets no other in-edge, join or type." "Change what has not started, or name a claimed instance in `cancel`."
    PATCH_REJUDGED "AOB2105" "the patch would change a decision that has been acted on" "R5: a settled node whose out-edges change is judged afresh on its recorded answer; refused if that changes an edge into a started or settled node, or how the node itself settled." "Lead new edges to nodes that have not started, and leave the edges that were followed."
    PATCH_FAILS "AOB2106" "the patch would fail the run at once" "R5: a patch whose own commit would fail the run is refused." "Mend what fails, or handle it with a failure edge."
    PATCH_GATE "AOB2107" "the patch removes, weakens or goes round an approval" "R8: nothing passes a gate. What an approval guards stays guarded, and the approval stays as it is." "Start the edge at the approval, or let somebody decide at it first."
    PATCH_BODY "AOB2108" "the patch changes a container that has begun" "R4: a begun foreach or loop is frozen; a patch to its body takes effect from iterations that have not begun." "Change nodes of the body only, or wait until the container has settled."
    PATCH_CLAIMED "AOB2109" "a worker has claimed the task meanwhile" "R7: published work is taken back only while nobody has claimed it." "Send the patch again: it is judged on the run as it stands then."
    PATCH_LIMIT "AOB2110" "the patch exceeds a limit of the run" "R10: nodes, patches and agents are bounded for the whole run; undo and redo do not count again." "Make the patch smaller, or raise the limit in the workflow."
    PATCH_UNKNOWN_INSTANCE "AOB2111" "`cancel` names an instance that is not running" "R4: only a claimed instance may be cancelled by name." "`aob get RUN` shows what is running."
    PATCH_AGENT_LAYER "AOB2112" "an agent's patch is not allowed here" "R3, R10: an agent's patch commits with its completion, within its own `patch` policy and the run's limits." "Leave the patch out, or ask a person to apply it."
    PATCH_NONE "AOB2113" "there is no such patch" "R12: what is taken out is a patch that the run or workflow accepted." "`aob patch list` shows what was accepted."
    PATCH_UNDONE "AOB2114" "the patch has been taken out already" "R12: a patch is taken out once; taking its undo out puts it in again." "Take the undo out to have the patch back."
    PATCH_BUILT_ON "AOB2115" "later patches build on the patch to be taken out" "R12: what is left without the patch has to apply as it was written." "Take the later patch out first."
    PATCH_EMPTY "AOB2116" "the patch changes nothing" "A patch makes a revision, which differs in effect from the one before; `ui`, `description` and `labels` are not read by any run." "Leave the patch out, or read the graph again: somebody may have made the change."
    PATCH_REUSED "AOB2117" "the patch gives a new node the id of an earlier one" "R2: the id of a removed node is never used again in the run, but by taking its removal out." "Use a new id, or undo the patch that removed it."
    PATCH_FENCE "AOB2118" "an agent's patch without its live attempt" "R3: an agent's patch carries the fence of its live attempt and commits together with its answer, or not at all." "Complete again while the lease is held, with another patch or with none."
    PATCH_CONFIG "AOB2119" "the new config fails on what is recorded" "R4: what has started gets a config that can be rendered on the outputs it reads." "Guard what may be absent, or read something else."
}
