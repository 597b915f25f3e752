//! A file of tokens. It holds their digests only: whoever reads it can use none of them.
//!
//! ```yaml
//! tokens:
//!   - {name: "user:ada", sha256: "<hex>", groups: [finance], tenants: [default], roles: [author, approver]}
//! ```

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use aob_engine::catalogue;
use async_trait::async_trait;
use http::HeaderMap;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::proof::{bearer, document};
use super::role::Role;
use super::{Caller, Door, Peer, Right, not_proven};
use crate::operation::TENANT;
use crate::problem::{Problem, Result};

/// How often the file is looked at again.
const FRESH: Duration = Duration::from_secs(1);

/// Lets those in who present a token of the file.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    known: RwLock<Known>,
}

#[derive(Debug)]
struct Known {
    callers: Arc<FxHashMap<[u8; 32], Caller>>,
    changed: Option<SystemTime>,
    looked: Instant,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    tokens: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    #[serde(default)]
    groups: Vec<String>,
    /// The first is meant where none is named; `*`: any may be named.
    #[serde(default)]
    tenants: Vec<String>,
    roles: Vec<Role>,
}

impl Tokens {
    /// Reads the file. It is read again when it has changed; one that cannot be read then changes nothing.
    ///
    /// # Errors
    /// [`catalogue::NO_FILE`], or what is wrong in it.
    pub fn open(path: &Path) -> Result<Self> {
        let known = Known {
            changed: changed(path),
            callers: Arc::new(callers(path)?),
            looked: Instant::now(),
        };
        Ok(Self { path: path.to_owned(), known: RwLock::new(known) })
    }

    fn callers(&self) -> Arc<FxHashMap<[u8; 32], Caller>> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.looked.elapsed() < FRESH {
                return known.callers.clone();
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.looked = Instant::now();
        let now = changed(&self.path);
        if now != known.changed {
            match callers(&self.path) {
                Ok(callers) => {
                    known.callers = Arc::new(callers);
                    known.changed = now;
                }
                Err(problem) => {
                    let why = problem.findings.first().map(|one| one.issue.message.as_str());
                    tracing::warn!(why, "the file of tokens has changed and cannot be read");
                }
            }
        }
        known.callers.clone()
    }
}

#[async_trait]
impl Door for Tokens {
    async fn who(&self, headers: &HeaderMap, _: Peer) -> Result<Caller> {
        let token = bearer(headers)?;
        // Compared by digest: how long that takes says nothing about the token.
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.callers().get(&digest).cloned().ok_or_else(|| not_proven("the token is not known"))
    }

    async fn may(&self, caller: &Caller, right: Right<'_>) -> Result<bool> {
        Ok(caller.roles.iter().any(|role| role.has(right)))
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|about| about.modified()).ok()
}

fn callers(path: &Path) -> Result<FxHashMap<[u8; 32], Caller>> {
    let file: TokenFile = document(path, &catalogue::BAD_TOKENS)?;
    let wrong = |why| Problem::new(&catalogue::BAD_TOKENS, path.display().to_string(), why);
    let mut callers = FxHashMap::default();
    for Entry { name, sha256, groups, tenants, roles } in file.tokens {
        let digest = data_encoding::HEXLOWER_PERMISSIVE.decode(sha256.as_bytes()).ok();
        let Some(digest) = digest.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
            return Err(wrong(format!("the digest of {name} is not 64 hexadecimal digits")));
        };
        if !name.starts_with("user:") && !name.starts_with("service:") {
            return Err(wrong(format!("`{name}` begins neither with user: nor with service:")));
        }
        let tenant = tenants.iter().find(|tenant| *tenant != "*").map_or(TENANT, String::as_str);
        let caller = Caller {
            tenant: tenant.into(),
            tenants: (!tenants.iter().any(|tenant| tenant == "*")).then(|| {
                match tenants.is_empty() {
                    true => vec![TENANT.into()],
                    false => tenants.iter().map(|tenant| tenant.as_str().into()).collect(),
                }
            }),
            name,
            groups,
            roles,
            owner: false,
        };
        if callers.insert(digest, caller).is_some() {
            return Err(wrong("a digest stands there twice".to_owned()));
        }
    }
    Ok(callers)
}
