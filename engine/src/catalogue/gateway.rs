//! 60xx the gateway.

use super::entries;

entries! {
    BAD_REQUEST "AOB6001" "the request was not understood" "A request has the path, the parameters and the body that `docs/reference/openapi.json` says, and nothing else." "Compare it with the description of its route."
    NO_ROUTE "AOB6002" "there is nothing at this path" "Paths begin with `/api/v1`; `docs/reference/openapi.json` has them all." "Check the path."
    BAD_METHOD "AOB6003" "the path does not know this method" "Each path has its methods in `docs/reference/openapi.json`." "Use one of the methods of this path."
    REQUEST_TOO_LARGE "AOB6004" "the request is too large" "A body has at most 4 MiB, so that one client cannot take the memory of all." "Send less at once; keep large data elsewhere and send its address."
    TOO_SLOW "AOB6005" "the request took too long to arrive" "A body arrives within 30 seconds, so that slow clients cannot hold all connections." "Send it again on a better connection."
    BAD_MEDIA "AOB6006" "a body of this type is not read" "Bodies are `application/json`, or `application/yaml`." "Set the header Content-Type to what is sent."
    NOT_PROVEN "AOB6007" "it is not known who asks" "Whoever asks over the network presents a token; without tokens only this machine itself is served." "Send the header `Authorization: Bearer TOKEN`, or log in: `aob login`."
    NOT_ALLOWED "AOB6008" "whoever asks may not do that" "Every route needs a right: a verb on a resource of a tenant, as `docs/reference/rights.md` says." "Ask for the role that has this right."
    TOO_MANY "AOB6009" "the client asks too often" "Each client has a number of requests in a second, so that all are served." "Ask again after the time in the header Retry-After."
    KEY_REUSED "AOB6010" "the idempotency key was used for another request" "The same `Idempotency-Key` is the same request, and gets the same answer; another request under it is a mistake." "Use a new key for a new request."
    NO_ADDRESS "AOB6011" "the address cannot be listened on" "A gateway listens on an address of this machine that is free." "Check the address and its port, and what else listens there."
    BAD_TOKENS "AOB6012" "the file of tokens is not in order" "Each entry has a name that begins with user: or service:, the SHA-256 of its token in hex, and roles." "Mend the entry named; `printf %s TOKEN | sha256sum` prints the digest."
    BAD_ISSUER "AOB6013" "the file of an OIDC provider is not in order" "It names the issuer by a safe address, the audiences of its tokens, and what users and groups are granted where Kubernetes does not know that." "Mend what is named; `docs/gateway.md` has an example."
    ISSUER_SILENT "AOB6014" "the OIDC provider does not answer" "Whose keys have signed a token is asked of its issuer; what it does not answer is not believed." "Ask again; if it lasts, see the provider, its address in the file, and the certificates by which it is trusted."
}
