//! An OpenID Connect provider says who asks: its ID tokens are believed. What the caller may do stands in the same file
//! as the provider, or Kubernetes knows it.
//!
//! ```yaml
//! issuer: https://login.example.org
//! audiences: [aob]
//! user: email
//! grants:
//!   - {groups: [finance], tenants: [default], roles: [author, approver]}
//!   - {users: [ada@example.org], tenants: ['*'], roles: [admin]}
//! ```

mod keys;
mod settings;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::kubernetes::Kubernetes;
use super::proof::bearer;
use super::{Caller, Door, Peer, Right, not_proven};
use crate::operation::TENANT;
use crate::problem::Result;
use keys::Keys;
use settings::Settings;

/// Longest name of a user or a group.
const LONGEST_NAME: usize = 128;
/// What the names of a cluster's own users and groups begin with: no provider gives them.
const RESERVED: &str = "system:";

type Claims = Map<String, Value>;

/// Lets those in whom a provider knows.
pub struct Oidc {
    settings: Settings,
    keys: Keys,
    /// Who knows the rights, and those callers whose tokens are of another issuer.
    cluster: Option<Kubernetes>,
}

impl Oidc {
    /// Reads the file; the provider is asked when the first token comes. With a cluster, that knows the rights, and
    /// the file has no grants.
    ///
    /// # Errors
    /// [`NO_FILE`](aob_engine::catalogue::NO_FILE), [`BAD_ISSUER`](aob_engine::catalogue::BAD_ISSUER), or what is wrong
    /// in the text.
    pub fn open(path: &Path, cluster: Option<Kubernetes>) -> Result<Self> {
        let settings = Settings::read(path, cluster.is_some())?;
        let keys = Keys::of(&settings, &path.display().to_string())?;
        Ok(Self { settings, keys, cluster })
    }

    /// The claims of a token that the provider has signed, for us, and that is valid now.
    async fn claims(&self, token: &str) -> Result<Claims> {
        let header = decode_header(token).map_err(|_| not_proven("this is no token of a user"))?;
        if !keys::ALLOWED.contains(&header.alg) {
            return Err(not_proven("the token is signed in a way that is not believed"));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await?;
        let mut wanted = Validation::new(header.alg);
        wanted.leeway = self.settings.leeway;
        wanted.validate_nbf = true;
        wanted.set_issuer(&[&self.settings.issuer]);
        wanted.set_audience(&self.settings.audiences);
        wanted.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let data = decode::<Claims>(token, &key, &wanted).map_err(|error| {
            // The library's own words could repeat what the token has.
            not_proven(match error.kind() {
                ErrorKind::ExpiredSignature => "the token has expired",
                ErrorKind::ImmatureSignature => "the token is not valid yet",
                ErrorKind::InvalidAudience => "the token is meant for somebody else",
                ErrorKind::InvalidIssuer => "the token is of another issuer",
                ErrorKind::InvalidSignature => "the token's signature is wrong",
                ErrorKind::MissingRequiredClaim(_) => "the token lacks one of exp, iss, aud, sub",
                _ => "the token cannot be read",
            })
        })?;
        Ok(data.claims)
    }

    fn caller(&self, claims: &Claims) -> Result<Caller> {
        let Settings { user, groups, prefix, .. } = &self.settings;
        let name = claims.get(user).and_then(Value::as_str).filter(|name| is_name(name));
        let Some(name) = name else {
            return Err(not_proven(format!("the token has no claim `{user}` that is a name")));
        };
        // Anybody can write another's address into an account of their own.
        if user == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(not_proven("the token's address is not verified"));
        }
        let name = format!("{prefix}{name}");
        if name.starts_with(RESERVED) {
            return Err(not_proven(format!("names that begin with {RESERVED} are the cluster's")));
        }
        let listed = match claims.get(groups) {
            Some(Value::String(one)) => {
                std::slice::from_ref(one).iter().map(String::as_str).collect()
            }
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let listed = listed.into_iter().filter(|group| is_name(group));
        let groups: Vec<String> = listed
            .map(|group| format!("{prefix}{group}"))
            .filter(|group| !group.starts_with(RESERVED))
            .collect();
        let tenants = match self.cluster {
            Some(_) => None,
            None => self.settings.tenants(&name, &groups),
        };
        let first = tenants.as_ref().and_then(|tenants| tenants.first().cloned());
        Ok(Caller {
            name: format!("user:{name}"),
            groups,
            tenant: first.unwrap_or_else(|| TENANT.into()),
            tenants,
            roles: Vec::new(),
            owner: false,
        })
    }

    /// Whether a token says that it is the provider's. That is not believed: it only says who has to look at it.
    fn is_ours(&self, token: &str) -> bool {
        insecure_decode::<Claims>(token).is_ok_and(|data| {
            data.claims.get("iss").and_then(Value::as_str) == Some(&self.settings.issuer)
        })
    }
}

#[async_trait]
impl Door for Oidc {
    async fn who(&self, headers: &HeaderMap, peer: Peer) -> Result<Caller> {
        let token = bearer(headers)?;
        match &self.cluster {
            Some(cluster) if !self.is_ours(token) => cluster.who(headers, peer).await,
            _ => self.caller(&self.claims(token).await?),
        }
    }

    async fn may(&self, caller: &Caller, right: Right<'_>) -> Result<bool> {
        match &self.cluster {
            Some(cluster) => cluster.may(caller, right).await,
            None => Ok(self.settings.may(caller, right)),
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

/// Tenants as grants name them; `*` stands for any.
fn any(tenants: &[Arc<str>]) -> bool {
    tenants.iter().any(|tenant| **tenant == *"*")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Claims, Oidc};

    fn door(more: &str) -> Oidc {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "issuer: https://login.example.org\naudiences: [aob]\ngrants: [{{groups: [finance], roles: [viewer]}}]\n{more}"
        );
        std::fs::write(file.path(), text).unwrap();
        Oidc::open(file.path(), None).unwrap()
    }

    fn claims(claims: Value) -> Claims {
        claims.as_object().unwrap().clone()
    }

    #[test]
    fn claims_become_a_caller() {
        let plain = door("");
        let caller = plain
            .caller(&claims(json!({"sub": "7", "groups": ["finance", "system:masters", "a b", 7]})))
            .unwrap();
        assert_eq!((caller.name.as_str(), &*caller.tenant), ("user:7", "default"));
        assert_eq!(caller.groups, ["finance"]);
        let one = plain.caller(&claims(json!({"sub": "7", "groups": "finance"}))).unwrap();
        assert_eq!(one.groups, ["finance"]);
        // Known, and granted nothing: no tenant is theirs.
        let other = plain.caller(&claims(json!({"sub": "8"}))).unwrap();
        assert_eq!(other.tenants, Some(Vec::new()));
        let prefixed = door("prefix: 'oidc:'\n");
        let caller = prefixed.caller(&claims(json!({"sub": "system:x", "groups": ["g"]}))).unwrap();
        assert_eq!(
            (caller.name.as_str(), caller.groups),
            ("user:oidc:system:x", vec!["oidc:g".to_owned()])
        );
    }

    #[test]
    fn what_is_no_name_is_nobody() {
        let said = |door: &Oidc, given: Value| {
            let problem = door.caller(&claims(given)).unwrap_err();
            problem.findings.first().unwrap().issue.message.clone()
        };
        let plain = door("");
        for given in [json!({}), json!({"sub": 7}), json!({"sub": ""}), json!({"sub": "a\nb"})] {
            assert!(said(&plain, given).contains("no claim `sub`"));
        }
        assert!(said(&plain, json!({"sub": "system:admin"})).contains("the cluster's"));
        let email = door("user: email\n");
        for verified in [json!(null), json!(false), json!("true")] {
            let given = json!({"email": "ada@example.org", "email_verified": verified});
            assert!(said(&email, given).contains("not verified"));
        }
        let given = json!({"email": "ada@example.org", "email_verified": true});
        assert_eq!(email.caller(&claims(given)).unwrap().name, "user:ada@example.org");
    }
}
