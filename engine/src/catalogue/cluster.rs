//! 81xx Kubernetes, seen by those who ask it who a caller is.

use super::entries;

entries! {
    NO_CLUSTER "AOB8101" "there is no Kubernetes to ask" "A gateway that lets Kubernetes say who a caller is runs in a pod with a token of its service account, or is told where the API server is." "Run it in a cluster, or name its address, certificate and token: `aob-gateway --help`."
    CLUSTER_SILENT "AOB8102" "the Kubernetes API server does not answer" "Who a caller is, and what it may do, is asked of the API server; what it does not answer is not done." "Ask again; if it lasts, see the API server, and whether the gateway may create tokenreviews and subjectaccessreviews."
}
