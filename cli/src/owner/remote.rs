//! A gateway that is not this machine's own: how the caller proves who it is.

use std::path::Path;

use aob_engine::catalogue;
use aob_gateway::client::{Client, Proof};

use super::user;
use crate::problem::{Problem, Result};

/// A client with what the environment says: a token, or a file that has it and is renewed by others; certificates.
pub(super) fn client(url: &str, tenant: Option<String>) -> Result<Client> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let proof = match (set("AOB_TOKEN"), set("AOB_TOKEN_FILE")) {
        (Some(token), _) => Proof::Token(token.trim().to_owned()),
        (None, Some(file)) => {
            let bytes = read("AOB_TOKEN_FILE", &file)?;
            Proof::Token(String::from_utf8_lossy(&bytes).trim().to_owned())
        }
        (None, None) => Proof::User(user()),
    };
    let trusted = set("AOB_GATEWAY_CA").map(|file| read("AOB_GATEWAY_CA", &file)).transpose()?;
    Client::at(url, proof, tenant, trusted.as_deref())
}

fn read(name: &str, file: &str) -> Result<Vec<u8>> {
    std::fs::read(Path::new(file)).map_err(|error| {
        Problem::new(&catalogue::NO_FILE, format!("{name}={file}"), error.to_string())
    })
}
