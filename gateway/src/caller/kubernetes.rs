//! Kubernetes says who asks and what that caller may do: every right is a SubjectAccessReview on the same group,
//! resource, verb and namespace, so `kubectl` and `aob` cannot differ. A tenant is a namespace.

mod api;
mod kept;

use std::path::PathBuf;
use std::time::Duration;

use aob_engine::catalogue;
use async_trait::async_trait;
use http::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::proof::bearer_or_relayed;
use super::role::Role;
use super::{Caller, Door, GROUP, Peer, Right, not_proven};
use crate::problem::{Problem, Result};
use api::Api;
use kept::Kept;

/// How long an answer is believed. Somebody whose right was taken away has it that long, no longer.
const FRESH: Duration = Duration::from_secs(10);
/// What the names of service accounts begin with, in Kubernetes and here.
const ACCOUNT: (&str, &str) = ("system:serviceaccount:", "service:");
/// What a token says that was made for a pod.
const POD: &str = "authentication.kubernetes.io/pod-name";
/// The tenant of people who name none.
const DEFAULT: &str = "default";

/// Where the API server is, and what the gateway shows it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://10.96.0.1:443`.
    pub server: String,
    /// The certificates it is trusted by, in PEM.
    pub trusted: PathBuf,
    /// The gateway's own token. It is read again: it is renewed in place.
    pub token: PathBuf,
    /// Audiences of the tokens that callers present; one of them must be a token's.
    pub audiences: Vec<String>,
}

impl Settings {
    /// Those of a pod, as Kubernetes gives them to it.
    ///
    /// # Errors
    /// [`catalogue::NO_CLUSTER`] if this is no pod.
    pub fn of_pod(audiences: Vec<String>) -> Result<Self> {
        let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(host), Some(port)) =
            (named("KUBERNETES_SERVICE_HOST"), named("KUBERNETES_SERVICE_PORT"))
        else {
            let message = "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set";
            return Err(Problem::new(&catalogue::NO_CLUSTER, "--kubernetes", message));
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let folder = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount");
        Ok(Self {
            server: format!("https://{host}:{port}"),
            trusted: folder.join("ca.crt"),
            token: folder.join("token"),
            audiences,
        })
    }
}

/// Lets those in whom the cluster knows.
#[derive(Debug)]
pub struct Kubernetes {
    api: Api,
    audiences: Vec<String>,
    /// Callers, by the digests of their tokens; none: the token proves nothing.
    callers: Kept<[u8; 32], Option<Caller>>,
    /// What was asked of them, and whether they may.
    rights: Kept<[u8; 32], bool>,
}

impl Kubernetes {
    /// Reads the certificate and the token; the API server is asked later.
    ///
    /// # Errors
    /// [`catalogue::NO_CLUSTER`] if one of them cannot be read.
    pub fn open(settings: &Settings) -> Result<Self> {
        Ok(Self {
            api: Api::open(settings)?,
            audiences: settings.audiences.clone(),
            callers: Kept::new(FRESH),
            rights: Kept::new(FRESH),
        })
    }

    async fn review(&self, token: &str) -> Result<Option<Caller>> {
        let spec = json!({"token": token, "audiences": self.audiences});
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let status = self.api.review(path, "authentication.k8s.io/v1", "TokenReview", spec).await?;
        Ok(caller(&status, &self.audiences))
    }
}

#[async_trait]
impl Door for Kubernetes {
    async fn who(&self, headers: &HeaderMap, _: Peer) -> Result<Caller> {
        let token = bearer_or_relayed(headers)?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        let known = match self.callers.get(&digest) {
            Some(known) => known,
            None => {
                let known = self.review(token).await?;
                self.callers.put(digest, known.clone());
                known
            }
        };
        known.ok_or_else(|| not_proven("Kubernetes does not know this token for this audience"))
    }

    async fn may(&self, caller: &Caller, right: Right<'_>) -> Result<bool> {
        // Whoever is known may know what answers; a pod may work for its own namespace, without rights in Kubernetes.
        if right.resource == "api" || works_at_home(caller, right) {
            return Ok(true);
        }
        let spec = access(caller, right);
        let digest: [u8; 32] = Sha256::digest(spec.to_string()).into();
        if let Some(known) = self.rights.get(&digest) {
            return Ok(known);
        }
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let kind = "SubjectAccessReview";
        let status = self.api.review(path, "authorization.k8s.io/v1", kind, spec).await?;
        let allowed = status["allowed"] == true && status["denied"] != true;
        self.rights.put(digest, allowed);
        Ok(allowed)
    }
}

/// The caller that a TokenReview's status names. An API server that does not understand audiences names none: its
/// word is not taken, as the token may be meant for anybody.
fn caller(status: &Value, audiences: &[String]) -> Option<Caller> {
    let meant = status["audiences"].as_array()?;
    let ours =
        meant.iter().filter_map(Value::as_str).any(|one| audiences.iter().any(|own| own == one));
    let user = &status["user"];
    let name = user["username"].as_str().filter(|name| !name.is_empty())?;
    if status["authenticated"] != true || !ours {
        return None;
    }
    let strings = |value: &Value| -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let account = name.strip_prefix(ACCOUNT.0);
    let home = account.and_then(|account| account.split_once(':')).map(|(space, _)| space);
    let pod = home.is_some() && !strings(&user["extra"][POD]).is_empty();
    Some(Caller {
        name: match account {
            Some(account) => format!("{}{account}", ACCOUNT.1),
            None => format!("user:{name}"),
        },
        groups: strings(&user["groups"]),
        tenant: home.unwrap_or(DEFAULT).into(),
        tenants: None,
        roles: if pod { vec![Role::Worker] } else { Vec::new() },
        owner: false,
    })
}

/// Whether a pod asks for tasks of the namespace that it runs in.
fn works_at_home(caller: &Caller, right: Right<'_>) -> bool {
    let account = caller.name.strip_prefix(ACCOUNT.1).and_then(|account| account.split_once(':'));
    right.resource == "tasks"
        && caller.roles.contains(&Role::Worker)
        && account.is_some_and(|(home, _)| *home == *caller.tenant)
}

/// What is asked about a right.
fn access(caller: &Caller, right: Right<'_>) -> Value {
    let user = match caller.name.strip_prefix(ACCOUNT.1) {
        Some(account) => format!("{}{account}", ACCOUNT.0),
        None => caller.name.strip_prefix("user:").unwrap_or(&caller.name).to_owned(),
    };
    let mut about = json!({"group": GROUP, "resource": right.resource, "verb": right.verb});
    if let Some(name) = right.name {
        about["name"] = name.into();
    }
    // Node types belong to the whole cluster.
    if right.resource != "nodetypes" {
        about["namespace"] = (*caller.tenant).into();
    }
    json!({"user": user, "groups": caller.groups, "resourceAttributes": about})
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Right;
    use super::{access, caller, works_at_home};

    fn audiences() -> Vec<String> {
        vec!["aob".to_owned()]
    }

    #[test]
    fn a_token_for_somebody_else_proves_nothing() {
        let status = |authenticated, audiences| json!({"authenticated": authenticated, "audiences": audiences, "user": {"username": "ada"}});
        assert!(caller(&status(true, json!(["aob"])), &audiences()).is_some());
        assert!(caller(&status(false, json!(["aob"])), &audiences()).is_none());
        assert!(caller(&status(true, json!(["vault"])), &audiences()).is_none());
        assert!(caller(&status(true, json!(null)), &audiences()).is_none());
    }

    #[test]
    fn names_lead_back_to_where_they_came_from() {
        for (name, here, tenant) in [
            ("ada@example.org", "user:ada@example.org", "default"),
            ("system:serviceaccount:finance:importer", "service:finance:importer", "finance"),
            ("service:finance:importer", "user:service:finance:importer", "default"),
        ] {
            let status = json!({
                "authenticated": true, "audiences": ["aob"], "user": {"username": name, "groups": ["g"]},
            });
            let caller = caller(&status, &audiences()).unwrap();
            assert_eq!((caller.name.as_str(), &*caller.tenant), (here, tenant));
            let right =
                Right { verb: "approve", resource: "gates", name: Some("invoices.publish") };
            assert_eq!(
                access(&caller, right),
                json!({
                    "user": name, "groups": ["g"],
                    "resourceAttributes": {
                        "group": "aob.dev", "resource": "gates", "verb": "approve",
                        "name": "invoices.publish", "namespace": tenant,
                    },
                })
            );
        }
    }

    #[test]
    fn a_pod_works_for_its_own_namespace_only() {
        let right = |resource| Right { verb: "update", resource, name: None };
        let of = |name: &str, pod: bool| {
            let extra = if pod {
                json!({"authentication.kubernetes.io/pod-name": ["p"]})
            } else {
                json!({})
            };
            let user = json!({"username": name, "extra": extra});
            let status = json!({"authenticated": true, "audiences": ["aob"], "user": user});
            caller(&status, &audiences()).unwrap()
        };
        let pod = of("system:serviceaccount:finance:worker", true);
        assert!(works_at_home(&pod, right("tasks")));
        assert!(!works_at_home(&pod, right("runs")));
        assert!(!works_at_home(&pod.clone().of_tenant("sales").unwrap(), right("tasks")));
        assert!(!works_at_home(&of("system:serviceaccount:finance:worker", false), right("tasks")));
        assert!(!works_at_home(&of("finance:worker", true), right("tasks")));
    }
}
