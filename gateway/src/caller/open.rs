//! No proof is asked for: the socket's owner, or whoever reaches an address of this machine alone.

use aob_engine::catalogue;
use async_trait::async_trait;
use http::HeaderMap;
use http::header::{HOST, ORIGIN};

use super::{Caller, Door, Peer, Right, USER, not_proven};
use crate::problem::{Problem, Result};

/// Longest name of a user.
const LONGEST: usize = 128;

/// Lets everybody in who can connect: processes of one user through a socket, those of one machine over loopback.
/// Whoever it is says in a header in whose name it asks.
#[derive(Debug, Clone)]
pub struct Open {
    /// In whose name things are done without that header.
    user: String,
    /// Of whoever comes through the socket, being the same user.
    groups: Vec<String>,
}

impl Open {
    /// With the name that requests without one get: `user:ada`.
    pub fn new(user: impl Into<String>) -> Self {
        Self { user: user.into(), groups: Vec::new() }
    }

    /// With the groups of the socket's user.
    pub fn of(self, groups: Vec<String>) -> Self {
        Self { groups, ..self }
    }
}

#[async_trait]
impl Door for Open {
    async fn who(&self, headers: &HeaderMap, peer: Peer) -> Result<Caller> {
        if let Peer::Network(address) = peer {
            if !address.ip().to_canonical().is_loopback() {
                return Err(not_proven("without tokens only this machine itself is served"));
            }
            is_direct(headers)?;
        }
        let mut caller = Caller::owner(named(headers)?.unwrap_or_else(|| self.user.clone()));
        caller.owner = peer == Peer::Socket;
        if caller.owner {
            caller.groups.clone_from(&self.groups);
        }
        Ok(caller)
    }

    async fn may(&self, _: &Caller, _: Right<'_>) -> Result<bool> {
        Ok(true)
    }
}

/// The name in the header, if there is one.
fn named(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(name) = headers.get(USER) else { return Ok(None) };
    let plain = |name: &&str| {
        (1..=LONGEST).contains(&name.len())
            && !name.contains(|letter: char| letter.is_whitespace() || letter.is_control())
    };
    match name.to_str().ok().filter(plain) {
        Some(name) => Ok(Some(format!("user:{name}"))),
        None => {
            let message = format!("a user's name has 1 to {LONGEST} letters without spaces");
            Err(Problem::new(&catalogue::BAD_REQUEST, format!("header {USER}"), message))
        }
    }
}

/// Refuses what a browser sends for a page of somebody else: another origin, or a name that was made to lead here.
fn is_direct(headers: &HeaderMap) -> Result<()> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if !matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        return Err(not_proven("without tokens the host must be localhost, 127.0.0.1 or [::1]"));
    }
    let foreign = |origin: &http::HeaderValue| {
        let origin = origin.to_str().unwrap_or_default();
        origin.strip_prefix("http://") != Some(host)
            && origin.strip_prefix("https://") != Some(host)
    };
    if headers.get(ORIGIN).is_some_and(foreign) {
        return Err(not_proven("without tokens no page of another origin may ask"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{Door as _, Open};
    use crate::caller::Peer;

    #[tokio::test]
    async fn pages_of_others_are_refused() {
        let door = Open::new("user:ada");
        let who = async |address: &str, given: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.insert(*name, value.parse().unwrap());
            }
            let peer = Peer::Network(address.parse().unwrap());
            door.who(&headers, peer).await.ok().map(|caller| caller.name)
        };
        let ada = Some("user:ada".to_owned());
        assert_eq!(who("127.0.0.1:9", &[("host", "localhost:8080")]).await, ada);
        assert_eq!(who("[::1]:9", &[("host", "[::1]:8080")]).await, ada);
        assert_eq!(who("[::ffff:127.0.0.1]:9", &[("host", "127.0.0.1")]).await, ada);
        let bert = who("127.0.0.1:9", &[("host", "localhost"), ("aob-user", "bert")]).await;
        assert_eq!(bert.as_deref(), Some("user:bert"));
        assert_eq!(who("10.0.0.1:9", &[("host", "localhost")]).await, None);
        assert_eq!(who("127.0.0.1:9", &[("host", "evil.example:8080")]).await, None);
        assert_eq!(who("127.0.0.1:9", &[]).await, None);
        let page = [("host", "localhost:8080"), ("origin", "http://evil.example")];
        assert_eq!(who("127.0.0.1:9", &page).await, None);
        let own = [("host", "localhost:8080"), ("origin", "http://localhost:8080")];
        assert_eq!(who("127.0.0.1:9", &own).await, ada);
        assert_eq!(who("127.0.0.1:9", &[("host", "localhost"), ("aob-user", "a b")]).await, None);
    }
}
