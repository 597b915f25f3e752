//! Requests that were made under an idempotency key, and what was answered.

use std::time::Duration;

use crate::{Error, Result};

/// How long they are remembered.
pub(crate) const LIFE: Duration = Duration::from_secs(24 * 3_600);
/// Longest key, in bytes.
const LONGEST_KEY: usize = 256;
/// Longest answer that is remembered, in bytes.
pub const LONGEST_ANSWER: usize = 1 << 20;

/// What was asked under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Digest of the request.
    pub request: String,
    /// Its answer; none if it is still under way, or its end was lost.
    pub answer: Option<Vec<u8>>,
}

/// Refuses keys and answers that are too long.
pub(crate) fn check_key(key: &str, answer: Option<&[u8]>) -> Result<()> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Error::Limit(format!(
            "an idempotency key of {} bytes, 1 to {LONGEST_KEY}",
            key.len()
        )));
    }
    match answer {
        Some(answer) if answer.len() > LONGEST_ANSWER => Err(Error::Limit(format!(
            "an answer of {} bytes is too long to be remembered",
            answer.len()
        ))),
        _ => Ok(()),
    }
}

/// A digest, a sign whether there is an answer, the answer.
pub(crate) fn encode(request: &str, answer: Option<&[u8]>) -> Vec<u8> {
    let sign = if answer.is_some() { "=" } else { "?" };
    [request.as_bytes(), sign.as_bytes(), answer.unwrap_or_default()].concat()
}

/// The other way.
pub(crate) fn decode(bytes: &[u8]) -> Result<Remembered> {
    let at = bytes.iter().position(|byte| matches!(byte, b'=' | b'?'));
    let parts = at.and_then(|at| {
        let request = std::str::from_utf8(bytes.get(..at)?).ok()?;
        Some((request.to_owned(), bytes.get(at)?, bytes.get(at + 1..)?))
    });
    let Some((request, sign, rest)) = parts else {
        return Err(Error::Corrupt("a remembered request has no digest".to_owned()));
    };
    Ok(Remembered { request, answer: (*sign == b'=').then(|| rest.to_vec()) })
}
