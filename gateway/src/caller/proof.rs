//! What callers present, and the files that say what it proves.

use std::path::Path;

use aob_engine::catalogue::{self, Entry};
use aob_engine::read::{self, Limits};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::de::DeserializeOwned;

use super::{TOKEN, not_proven};
use crate::problem::{Finding, Problem, Result};

/// Longest token that is looked at, in bytes.
const LONGEST: usize = 16 << 10;

/// The token that a request presents: `Authorization: Bearer TOKEN`.
///
/// # Errors
/// [`catalogue::NOT_PROVEN`] if there is none, or one of another form.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str> {
    let Some(given) = headers.get(AUTHORIZATION) else {
        return Err(not_proven("no token was presented"));
    };
    let (scheme, token) = given.to_str().unwrap_or_default().split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(not_proven(FORM));
    }
    bounded(token)
}

/// The same, or else the token that came by way of Kubernetes' API server.
///
/// # Errors
/// As [`bearer`].
pub(super) fn bearer_or_relayed(headers: &HeaderMap) -> Result<&str> {
    match headers.get(TOKEN) {
        Some(relayed) if !headers.contains_key(AUTHORIZATION) => {
            bounded(relayed.to_str().unwrap_or_default())
        }
        _ => bearer(headers),
    }
}

/// A file of one document.
///
/// # Errors
/// [`catalogue::NO_FILE`], every finding of the reader, or the given code with what is wrong about it.
pub(super) fn document<T: DeserializeOwned>(path: &Path, wrong: &'static Entry) -> Result<T> {
    let about = path.display().to_string();
    let text = std::fs::read(path)
        .map_err(|error| Problem::new(&catalogue::NO_FILE, &about, error.to_string()))?;
    let documents = read::documents(&text, &Limits::default()).map_err(|found| {
        let one = |one: read::Located| Finding {
            issue: one.issue,
            about: about.clone(),
            place: one.place,
            source: None,
        };
        Problem::of(found.into_iter().map(one).collect())
    })?;
    let wrong = |why: String| Problem::new(wrong, &about, why);
    let [document] = documents.as_slice() else {
        return Err(wrong("it is one document".to_owned()));
    };
    serde_json::from_value(document.value.clone()).map_err(|error| wrong(error.to_string()))
}

const FORM: &str = "a token is presented as `Bearer TOKEN`, of at most 16 KiB";

fn bounded(token: &str) -> Result<&str> {
    let token = token.trim();
    match token.len() {
        1..=LONGEST => Ok(token),
        _ => Err(not_proven(FORM)),
    }
}
