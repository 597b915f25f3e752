//! 902x to 909x agents: their patches, their tools, what they spend.

use super::entries;

entries! {
    BUDGET "AOB9020" "a budget does not reach for what an agent is about to do" "What a call may cost is reserved before it is made: from the node's `budget`, from the run's `limits.spend`, and from what the tenant may spend in a day of UTC." "Raise it: `aob budget RUN --usd 5`, or for the tenant `limits.aob.dev/usd-per-day` of its Namespace; or reject its ticket, and the run stops. What waits for the tenant's day asks again by itself."
    PATCH_WORD "AOB9021" "an agent's patch needs a person's word" "An agent that was told what comes from outside adds what is pure, or of a type in its `patch.ungated`; anything else waits for a ticket." "`aob ls tickets` shows what it would change; approve or reject it."
    AGENT_SPAWN "AOB9022" "an agent's patch was stopped before it was sent" "The runner counts what a patch would add before it sends it: agents of the run, nodes that the agent may add, types that it may add." "Add less, or do without."
    AGENT_RECEIVED "AOB9023" "an agent's patch was refused by its receiver" "Whoever receives a patch judges its operations by the author's policy and the run's limits, whatever the sender says." "Add less, and only what the agent's `patch` allows."
    AGENT_CONFIG "AOB9030" "the agent's config cannot be used as rendered" "Model, prompt and tools have to be there once their expressions have values." "Mend the field named, or the expression that made its value."
    AGENT_NO_MODEL "AOB9031" "this runner reaches no such model" "A model is named by its provider and its name; the runner's settings say which providers it reaches." "Name a provider that the runner has, or give it a key."
    AGENT_MODEL "AOB9032" "the model did not answer" "A call that failed for a passing reason is made again by the node's `retry`." "See the message; add a `retry`."
    AGENT_TOOL "AOB9033" "there is no such tool" "`tools` names `http`, `outputs`, or `mcp.<server>.<tool>` of a server in the runner's settings." "Mend the name, or add the server to the runner's settings."
    AGENT_TURNS "AOB9034" "the agent used all its turns without an answer" "`maxTurns` bounds the calls of the model within one attempt." "Raise `maxTurns`, or ask for less."
    AGENT_REPEATS "AOB9035" "the agent made the same call again and again" "Three equal calls with equal answers end the attempt: a fourth would bring nothing else." "Mend the prompt, or what the tool answers."
    AGENT_OUTPUT "AOB9036" "the agent's answer does not fit its output schema" "An answer that does not fit is told to the model with every misfit, three times at most." "Make the schema simpler, or say in the prompt what is meant."
    AGENT_LIMIT "AOB9037" "the run has more agents than it may have" "The runner counts the agents of a run before it calls a model." "Raise `limits.agents` where you may, or remove agents."
    AGENT_SERVER "AOB9038" "a server of tools did not answer" "`mcp.<server>.<tool>` is a tool of a server in the runner's settings (`AOB_MCP`); it is asked once for each call." "See the message; add a `retry`, or mend the server or its settings."
    AGENT_TOOL_CHANGED "AOB9039" "a tool is no longer what it was when it was looked at" "What a server says of a tool is shown to models; it stays what the settings pin, or what this process saw first." "Look at the new definition; then pin its digest in the runner's settings, or start the runner again."
}
