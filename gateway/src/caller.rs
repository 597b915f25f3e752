//! Who asks, and what that caller may do.
//!
//! A [`Door`] answers both: [`open::Open`] for whoever owns the process, [`tokens::Tokens`] for a file of tokens,
//! [`kubernetes::Kubernetes`] for callers whom a cluster knows, [`oidc::Oidc`] for those whom a provider knows. What a request needs is written in the table of routes.

pub mod kubernetes;
pub mod oidc;
pub mod open;
mod proof;
pub mod role;
pub mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::issue::excerpt;
use async_trait::async_trait;
use http::HeaderMap;

use crate::operation::TENANT;
use crate::problem::{Problem, Result};
use role::Role;

/// The header in which whoever is trusted with it says in whose name it asks.
pub const USER: &str = "aob-user";
/// The header of a token that comes by way of Kubernetes' API server, which keeps `Authorization` for itself.
pub const TOKEN: &str = "aob-token";
/// The group of all resources that rights are about.
pub const GROUP: &str = "aob.dev";

/// Whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `user:ada`, `service:importer`.
    pub name: String,
    /// Groups that whoever proved the name knows.
    pub groups: Vec<String>,
    /// Whose runs are meant.
    pub tenant: Arc<str>,
    /// Tenants that may be named; none: any.
    pub tenants: Option<Vec<Arc<str>>>,
    /// What it may do, where roles are known.
    pub roles: Vec<Role>,
    /// Whether it is the user that this process belongs to.
    pub owner: bool,
}

/// One thing that a caller may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right<'a> {
    /// `get`, `list`, `create`, `update`, `delete`, `approve`.
    pub verb: &'a str,
    /// `runs`, `workflows`, of the group [`GROUP`].
    pub resource: &'a str,
    /// One of them, where the right is about one.
    pub name: Option<&'a str>,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Through a socket of this user, from a process of this user or root.
    Socket,
    /// Over the network.
    Network(SocketAddr),
}

/// Lets callers in.
#[async_trait]
pub trait Door: Send + Sync + 'static {
    /// Who asks, as the request proves it.
    ///
    /// # Errors
    /// [`catalogue::NOT_PROVEN`] if it does not.
    async fn who(&self, headers: &HeaderMap, peer: Peer) -> Result<Caller>;

    /// Whether the caller may do that in its tenant.
    ///
    /// # Errors
    /// If that cannot be found out.
    async fn may(&self, caller: &Caller, right: Right<'_>) -> Result<bool>;
}

impl Caller {
    /// The user that this process belongs to, who may do everything.
    pub fn owner(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            groups: Vec::new(),
            tenant: TENANT.into(),
            tenants: None,
            roles: Role::ALL.to_vec(),
            owner: true,
        }
    }

    /// The same, for another tenant.
    ///
    /// # Errors
    /// [`catalogue::NOT_ALLOWED`] if that is none of the caller's.
    pub fn of_tenant(mut self, tenant: &str) -> Result<Self> {
        let known = |tenants: &Vec<Arc<str>>| tenants.iter().any(|one| **one == *tenant);
        if !self.tenants.as_ref().is_none_or(known) {
            let message = format!("{} does not belong to tenant {}", self.name, excerpt(tenant));
            return Err(Problem::new(&catalogue::NOT_ALLOWED, "parameter tenant", message));
        }
        self.tenant = tenant.into();
        Ok(self)
    }
}

/// The refusal of a right.
pub(crate) fn not_allowed(caller: &Caller, right: Right<'_>) -> Problem {
    let Right { verb, resource, name } = right;
    let one = name.map_or_else(String::new, |name| format!(" {}", excerpt(name)));
    let message =
        format!("{} may not {verb} {resource}{one} of tenant {}", caller.name, caller.tenant);
    Problem::new(&catalogue::NOT_ALLOWED, "the request", message)
}

/// The refusal of a request that proves nothing.
pub(crate) fn not_proven(why: impl Into<String>) -> Problem {
    Problem::new(&catalogue::NOT_PROVEN, "header Authorization", why)
}
