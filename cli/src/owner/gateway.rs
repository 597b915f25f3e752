//! A gateway as the place where runs are.

use std::net::IpAddr;

use aob_engine::catalogue;
use aob_gateway::client::{Client, Proof};

use super::user;
use crate::context::Server;
use crate::problem::{Problem, Result};

/// Set to `yes`, it says that nobody listens on the way: inside a cluster's own network.
const IN_THE_OPEN: &str = "AOB_TOKEN_IN_THE_OPEN";

/// The way to a gateway, with the proof of who asks: `AOB_TOKEN`, else what the file `AOB_TOKEN_FILE` holds, which others
/// may renew, else the context's token, else the user's name.
pub(crate) fn connect(server: &Server) -> Result<Client> {
    let token = given_token(server)?;
    let open = set(IN_THE_OPEN).is_some_and(|said| said == "yes");
    if token.is_some() && !open && !is_private(&server.url) {
        let message = "a token is sent over https:// only, or to this machine itself";
        return Err(Problem::new(&catalogue::USAGE, &server.url, message));
    }
    let proof = token.map_or_else(|| Proof::User(user()), Proof::Token);
    let trusted = server.ca.as_ref().map(std::fs::read).transpose().map_err(|error| {
        let about = server.ca.as_deref().unwrap_or_else(|| "".as_ref()).display().to_string();
        Problem::new(&catalogue::NO_FILE, about, error.to_string())
    })?;
    Client::at(&server.url, proof, server.tenant.clone(), trusted.as_deref())
}

/// The token that was given, if one was.
pub(super) fn given_token(server: &Server) -> Result<Option<String>> {
    Ok(match (set("AOB_TOKEN"), set("AOB_TOKEN_FILE")) {
        (Some(token), _) => Some(token),
        (None, Some(file)) => Some(read(&file)?),
        (None, None) => server.token.clone(),
    })
}

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn read(file: &str) -> Result<String> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Problem::new(&catalogue::NO_FILE, format!("AOB_TOKEN_FILE={file}"), error.to_string())
    })?;
    Ok(text.trim().to_owned())
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
