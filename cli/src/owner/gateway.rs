//! A gateway as the place where runs are.

use std::net::IpAddr;

use aob_engine::catalogue;
use aob_gateway::client::{Client, Proof};

use super::user;
use crate::context::Server;
use crate::problem::{Problem, Result};

/// The way to a gateway, with the proof of who asks: `AOB_TOKEN`, else the context's token, else the user's name.
pub(crate) fn connect(server: &Server) -> Result<Client> {
    let set = std::env::var("AOB_TOKEN").ok().filter(|token| !token.is_empty());
    let token = set.or_else(|| server.token.clone());
    if token.is_some() && !is_private(&server.url) {
        let message = "a token is sent over https:// only, or to this machine itself";
        return Err(Problem::new(&catalogue::USAGE, &server.url, message));
    }
    let proof = token.map_or_else(|| Proof::User(user()), Proof::Token);
    let trusted = server.ca.as_ref().map(std::fs::read).transpose().map_err(|error| {
        let about = server.ca.as_deref().unwrap_or("".as_ref()).display().to_string();
        Problem::new(&catalogue::NO_FILE, about, error.to_string())
    })?;
    Client::at(&server.url, proof, server.tenant.clone(), trusted.as_deref())
}

/// Whether nobody on the way can read what is sent there.
fn is_private(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return true };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_private;

    #[test]
    fn tokens_do_not_travel_in_the_open() {
        for url in ["https://a", "http://localhost:1/x", "http://127.0.0.1", "http://[::1]:80"] {
            assert!(is_private(url), "{url}");
        }
        for url in [
            "http://a",
            "http://localhost.a",
            "http://10.0.0.1",
            "http://127.0.0.1.a/",
            "http://a@localhost",
        ] {
            assert!(!is_private(url), "{url}");
        }
    }
}
