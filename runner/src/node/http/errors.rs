//! What went wrong with a connection, in a node's words.

use std::error::Error as _;

use aob_engine::catalogue::{
    HTTP_BROKEN, HTTP_CONNECT, HTTP_FORBIDDEN, HTTP_REQUEST, HTTP_TIMEOUT,
};

use super::config::Call;
use crate::node::{Failure, Refused};

/// Whether a status tells of a state that may pass.
pub(in crate::node) const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// The failure for an error of the client.
pub(super) fn failure(error: reqwest::Error, call: &Call) -> Failure {
    named(error, &call.told())
}

/// The same for a request that is called so.
pub(super) fn named(error: reqwest::Error, told: &str) -> Failure {
    if let Some(refused) = Refused::among(&error) {
        return Failure::new(&HTTP_FORBIDDEN, refused.to_string());
    }
    let (entry, retryable) = if error.is_builder() {
        (&HTTP_REQUEST, false)
    } else if error.is_timeout() {
        (&HTTP_TIMEOUT, true)
    } else if error.is_connect() {
        (&HTTP_CONNECT, true)
    } else {
        (&HTTP_BROKEN, true)
    };
    let failure = Failure::new(entry, format!("{told}: {}", causes(error.without_url())));
    if retryable { failure.retryable() } else { failure }
}

/// All causes in one line, each once.
fn causes(error: reqwest::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !out.ends_with(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        next = cause.source();
    }
    out
}
