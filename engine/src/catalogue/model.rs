//! 900x asking language models; the names are those of `aob_provider::Kind`.

use super::entries;

entries! {
    MODEL_UNKNOWN "AOB9001" "no provider of this name is set up" "A model is `provider/model`, and the provider is one of the runner's settings." "Set it up (docs/models.md), or name one that the message lists."
    MODEL_INVALID "AOB9002" "this is no question to a model" "A conversation begins with what the user says, and each call has its result in the next turn." "Mend what the message names."
    MODEL_UNAUTHORISED "AOB9003" "the provider does not accept the key" "Each provider proves who asks by a key that the operator sets." "Check the key and what it may do."
    MODEL_MISSING "AOB9004" "the provider has no such model" "What stands after the slash is the provider's own name of a model." "Check the name, and that the key may use it."
    MODEL_BAD_REQUEST "AOB9005" "the provider refused the question as it is" "A question must be one that the model's family knows: tools, schema and sizes." "Mend what the provider's words name."
    MODEL_TOO_LONG "AOB9006" "the question is too long" "A question fits the model's context, and has at most 16 MiB." "Shorten the prompt, or what it embeds."
    MODEL_RATE_LIMITED "AOB9007" "the provider takes no more questions for now" "Providers limit questions and tokens in a time; short waits are waited, long ones are given back." "Wait as long as the message says, or ask the provider for more."
    MODEL_QUOTA "AOB9008" "nothing is left of what was paid for" "A used-up quota does not fill by waiting, so it is not tried again." "Pay the provider, or use another one."
    MODEL_OVERLOADED "AOB9009" "the provider has too much to do" "What certainly cost nothing is sent again, twice." "Try later, or use another model."
    MODEL_FAILED "AOB9010" "the provider failed" "What certainly cost nothing is sent again, twice; what may have cost something is booked first." "Try later; the provider's page of its state may say more."
    MODEL_UNREACHABLE "AOB9011" "the provider cannot be reached" "A connection stands within seconds, with a certificate that this machine trusts." "Check the address, the network policy and the certificates."
    MODEL_CUT "AOB9012" "the answer was cut off" "Half an answer is none: no call of it is made, and what it may have cost is booked." "Try again; a `retry` of the node does."
    MODEL_TIMEOUT "AOB9013" "the provider was silent for too long" "An answer begins within the first-byte time and goes on within the time between events." "Try again, or raise the limits in the settings of models."
    MODEL_NOT_UNDERSTOOD "AOB9014" "the answer is none that its dialect has" "An answer is a stream of events of the provider's dialect, of at most 8 MiB." "Check the base URL and the dialect in the settings of models."
    MODEL_CANCELLED "AOB9015" "nobody waits for the answer any more" "A question ends with the attempt that asked it." "Nothing is to be done."
    MODEL_SETTINGS "AOB9016" "the settings of models are not in order" "Each provider has a dialect and a base URL, with TLS unless it is on this machine; keys come from files or the environment." "Mend the setting named; docs/models.md has them all."
}
