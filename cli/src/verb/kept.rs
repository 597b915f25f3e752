//! What was kept before: versions of workflows by name, sets of patches, graphs of runs.

use std::path::Path;

use aob_engine::catalogue;
use aob_engine::issue::excerpt;

use crate::operations::{GraphAt, NamedSet, Operations, Request, WorkflowRow};
use crate::patch_file::{Ops, placed};
use crate::problem::{Problem, Result};

/// A version of a workflow.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// The workflow's name.
    pub(super) name: String,
    /// Digest of its spec.
    pub(super) digest: String,
}

/// The version behind `orders` or `orders:stable`; a tag given by flag stands for one that is not written.
pub(super) async fn kept(
    operations: &dyn Operations,
    given: &str,
    flag: Option<&str>,
    about: &str,
) -> Result<Version> {
    let (name, written) = match given.split_once(':') {
        Some((name, tag)) => (name, Some(tag)),
        None => (given, None),
    };
    if let (Some(written), Some(flag)) = (written, flag)
        && written != flag
    {
        let message = format!("{} names one tag and --tag {flag} another", excerpt(given));
        return Err(Problem::new(&catalogue::USAGE, about, message));
    }
    let tag = written.or(flag).unwrap_or("main");
    match digest_of(operations, name, tag).await? {
        Some(digest) => Ok(Version { name: name.to_owned(), digest }),
        None => {
            let tag =
                if tag == "main" { String::new() } else { format!(" with tag {}", excerpt(tag)) };
            let message = format!("no workflow {}{tag} was kept", excerpt(name));
            Err(Problem::new(&catalogue::NO_WORKFLOW, about, message))
        }
    }
}

/// Where a tag points, if it is there.
pub(super) async fn digest_of(
    operations: &dyn Operations,
    workflow: &str,
    tag: &str,
) -> Result<Option<String>> {
    if workflow.is_empty() {
        return Ok(None);
    }
    let request = Request::Tag { workflow: workflow.to_owned(), tag: tag.to_owned() };
    let row: Option<WorkflowRow> = operations.ask(request).await?;
    Ok(row.map(|row| row.digest))
}

/// Whether it can be the name of a workflow, with or without a tag, and looks like no path.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = |part: &str, inner: &[u8]| {
        let ends = part.bytes().next().is_some_and(plain) && part.bytes().last().is_some_and(plain);
        ends && part.len() <= 63 && part.bytes().all(|byte| plain(byte) || inner.contains(&byte))
    };
    let (name, tag) = text.split_once(':').map_or((text, None), |(name, tag)| (name, Some(tag)));
    fits(name, b"-") && tag.is_none_or(|tag| fits(tag, b"._-"))
}

/// The digest of a set of patches: a file of operations, which is kept; a digest; or a name.
pub(super) async fn patch_set(
    operations: &dyn Operations,
    given: &str,
    version: &Version,
) -> Result<String> {
    if given.starts_with("sha256:") {
        return Ok(given.to_owned());
    }
    if given == "-" || Path::new(given).exists() {
        let ops = Ops::read(given)?;
        let request = Request::KeepPatchSet {
            workflow: version.name.clone(),
            version: Some(version.digest.clone()),
            name: None,
            request: ops.request.clone(),
        };
        let kept: Result<NamedSet> = operations.ask(request).await;
        let kept = kept.map_err(|problem| placed(problem, &ops, &version.name))?;
        return Ok(kept.digest);
    }
    let request = Request::PatchSet { workflow: version.name.clone(), name: given.to_owned() };
    let known: Option<NamedSet> = operations.ask(request).await?;
    known.map(|set| set.digest).ok_or_else(|| {
        let message = format!(
            "there is neither a file {} nor a set of that name for {}",
            excerpt(given),
            version.name
        );
        Problem::new(&catalogue::NO_PATCH_SET, "--patch-set", message)
    })
}

/// The graph of a run on a revision; none if the run has no such revision.
pub(super) async fn graph_at(
    operations: &dyn Operations,
    run: &str,
    revision: Option<u32>,
) -> Result<Option<GraphAt>> {
    operations.ask(Request::Graph { run: run.to_owned(), revision }).await
}

/// The same; an error if there is none.
pub(super) async fn graph(
    operations: &dyn Operations,
    run: &str,
    revision: Option<u32>,
    about: &str,
) -> Result<GraphAt> {
    let found = graph_at(operations, run, revision).await?;
    found.ok_or_else(|| {
        let revision = revision.map_or_else(String::new, |revision| revision.to_string());
        let message = format!("{run} has no revision {revision}");
        Problem::new(&catalogue::NO_REVISION, about, message)
    })
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_are_told_from_paths() {
        for name in ["orders", "orders:stable", "a-1:v1.2"] {
            assert!(is_name(name), "{name}");
        }
        for path in ["orders.yaml", "./orders", "a/b", "-", "", "a:", ":a", "A", "a-"] {
            assert!(!is_name(path), "{path}");
        }
    }
}
