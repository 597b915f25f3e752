//! The file that says whose tokens are believed, and what they give.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aob_engine::catalogue;
use serde::Deserialize;
use url::{Host, Url};

use super::super::proof::document;
use super::super::role::Role;
use super::super::{Caller, Right};
use crate::operation::TENANT;
use crate::problem::{Problem, Result};

/// Longest difference of two clocks that may be allowed for, in seconds.
const MOST_LEEWAY: u64 = 300;

/// A provider and what its users may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// As its tokens name it: `https://login.example.org`.
    pub(super) issuer: String,
    /// Whom its tokens are meant for; one of them must be a token's.
    pub(super) audiences: Vec<String>,
    /// The claim that has a user's name.
    #[serde(default = "subject")]
    pub(super) user: String,
    /// The claim that has the names of the user's groups.
    #[serde(default = "groups")]
    pub(super) groups: String,
    /// What stands before the names of users and groups, to tell them from those of others.
    #[serde(default)]
    pub(super) prefix: String,
    /// How far the provider's clock may be from ours, in seconds.
    #[serde(default = "leeway")]
    pub(super) leeway: u64,
    /// Certificates in PEM by which the provider is trusted; those of the machine where there are none.
    #[serde(default)]
    pub(super) ca: Option<PathBuf>,
    #[serde(default)]
    grants: Vec<Grant>,
}

/// What some users have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    /// `*`: all.
    #[serde(default = "tenants")]
    tenants: Vec<Arc<str>>,
    roles: Vec<Role>,
}

impl Settings {
    /// Reads the file. Where a cluster knows the rights it has no grants, and some elsewhere.
    pub(super) fn read(path: &Path, cluster: bool) -> Result<Self> {
        let settings: Self = document(path, &catalogue::BAD_ISSUER)?;
        match settings.fault(cluster) {
            Some(why) => Err(Problem::new(&catalogue::BAD_ISSUER, path.display().to_string(), why)),
            None => Ok(settings),
        }
    }

    fn fault(&self, cluster: bool) -> Option<String> {
        if !Url::parse(&self.issuer).is_ok_and(|issuer| is_safe(&issuer)) {
            return Some("`issuer` is an address that begins with https://".to_owned());
        }
        if self.audiences.iter().all(String::is_empty) {
            return Some("`audiences` names whom the tokens are meant for".to_owned());
        }
        if self.leeway > MOST_LEEWAY {
            return Some(format!("`leeway` is at most {MOST_LEEWAY} seconds"));
        }
        if self.prefix.starts_with(super::RESERVED) {
            return Some(format!("`prefix` does not begin with {}", super::RESERVED));
        }
        if self.grants.iter().any(|grant| grant.users.is_empty() && grant.groups.is_empty()) {
            return Some("each of `grants` names users or groups".to_owned());
        }
        match (cluster, self.grants.is_empty()) {
            (true, false) => Some("Kubernetes knows the rights: there are no `grants`".to_owned()),
            (false, true) => Some("`grants` says who may do what".to_owned()),
            _ => None,
        }
    }

    /// Tenants that a user may name; none: any.
    pub(super) fn tenants(&self, name: &str, groups: &[String]) -> Option<Vec<Arc<str>>> {
        let grants = self.grants.iter().filter(|grant| grant.is_for(name, groups));
        let tenants: Vec<_> = grants.flat_map(|grant| grant.tenants.iter().cloned()).collect();
        (!super::any(&tenants)).then_some(tenants)
    }

    /// Whether one of the caller's grants has the right in the caller's tenant. Whoever is known may know what answers.
    pub(super) fn may(&self, caller: &Caller, right: Right<'_>) -> bool {
        let name = caller.name.strip_prefix("user:").unwrap_or(&caller.name);
        let here = |grant: &&Grant| {
            grant.is_for(name, &caller.groups)
                && (super::any(&grant.tenants) || grant.tenants.contains(&caller.tenant))
        };
        right.resource == "api"
            || self
                .grants
                .iter()
                .filter(here)
                .any(|grant| grant.roles.iter().any(|role| role.has(right)))
    }
}

impl Grant {
    fn is_for(&self, name: &str, groups: &[String]) -> bool {
        self.users.iter().any(|user| user == name)
            || self.groups.iter().any(|group| groups.contains(group))
    }
}

/// Whether what is sent there and comes back can be read and changed by nobody on the way.
pub(super) fn is_safe(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

fn subject() -> String {
    "sub".to_owned()
}

fn groups() -> String {
    "groups".to_owned()
}

fn leeway() -> u64 {
    30
}

fn tenants() -> Vec<Arc<str>> {
    vec![TENANT.into()]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::{Caller, Right};
    use super::Settings;

    fn read(text: &str, cluster: bool) -> Result<Settings, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Settings::read(file.path(), cluster).map_err(|problem| {
            let first = problem.findings.first().unwrap();
            format!("{} {}", first.issue.entry.code, first.issue.message)
        })
    }

    const HEAD: &str = "issuer: https://login.example.org\naudiences: [aob]\n";

    #[test]
    fn a_wrong_file_says_what_is_wrong() {
        let grants = "grants: [{groups: [g], roles: [viewer]}]\n";
        assert!(read(&format!("{HEAD}{grants}"), false).is_ok());
        assert!(read(HEAD, true).is_ok());
        for (text, cluster, words) in [
            (HEAD.to_owned(), false, "`grants` says"),
            (format!("{HEAD}{grants}"), true, "no `grants`"),
            (format!("{HEAD}grants: [{{roles: [admin]}}]"), false, "names users or groups"),
            (format!("{HEAD}leeway: 3600"), true, "at most 300"),
            (format!("{HEAD}prefix: 'system:'"), true, "does not begin"),
            (format!("{HEAD}secret: x"), true, "unknown field"),
            ("issuer: http://login.example.org\naudiences: [aob]".to_owned(), true, "https://"),
            ("issuer: https://login.example.org\naudiences: []".to_owned(), true, "meant for"),
        ] {
            let said = read(&text, cluster).unwrap_err();
            assert!(said.starts_with("AOB6013 ") && said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_grant_holds_in_its_own_tenants_only() {
        let grants = "grants:
  - {users: [ada], tenants: [a], roles: [admin]}
  - {groups: [all], tenants: [a, b], roles: [viewer]}
  - {users: [root], tenants: ['*'], roles: [admin]}
";
        let settings = read(&format!("{HEAD}{grants}"), false).unwrap();
        let groups = vec!["all".to_owned()];
        let tenants = settings.tenants("ada", &groups).unwrap();
        assert_eq!(tenants, ["a", "a", "b"].map(Arc::from));
        assert_eq!(settings.tenants("root", &[]), None);
        assert_eq!(settings.tenants("eve", &[]), Some(Vec::new()));
        let of = |name: &str, tenant: &str| Caller {
            name: format!("user:{name}"),
            groups: groups.clone(),
            tenant: tenant.into(),
            tenants: None,
            roles: Vec::new(),
            owner: false,
        };
        let create = Right { verb: "create", resource: "runs", name: None };
        let look = Right { verb: "get", resource: "runs", name: None };
        assert!(settings.may(&of("ada", "a"), create));
        assert!(!settings.may(&of("ada", "b"), create) && settings.may(&of("ada", "b"), look));
        assert!(!settings.may(&of("ada", "c"), look));
        assert!(settings.may(&of("root", "c"), create));
        assert!(!settings.may(&of("eve", "a"), create));
    }
}
