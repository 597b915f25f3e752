//! Ids by their beginning.

use aob_engine::catalogue;

use super::{Operations, PatchOf, Request};
use crate::problem::{Problem, Result};

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `run_...`.
    Run,
    /// `ticket_...`.
    Ticket,
    /// `patch_...`.
    Patch,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Ticket => "ticket",
            Self::Patch => "patch",
        }
    }

    fn about(self) -> String {
        format!("argument {}", self.name().to_uppercase())
    }

    /// What an id begins with whose beginning was given, with or without the word in front of it.
    fn prefix(self, given: &str) -> Result<String> {
        let word = format!("{}_", self.name());
        let named = [Self::Run, Self::Ticket, Self::Patch]
            .iter()
            .any(|kind| given.starts_with(&format!("{}_", kind.name())));
        match (given.starts_with(&word), named || given.is_empty()) {
            (true, _) => Ok(given.to_owned()),
            (false, true) => Err(self.none(given)),
            (false, false) => Ok(format!("{word}{given}")),
        }
    }

    fn none(self, given: &str) -> Problem {
        let missing = match self {
            Self::Run => &catalogue::NO_RUN,
            Self::Ticket => &catalogue::NO_TICKET,
            Self::Patch => &catalogue::NO_PATCH,
        };
        let message = format!("there is no {} {}", self.name(), aob_engine::issue::excerpt(given));
        Problem::new(missing, self.about(), message)
    }

    /// The one that is meant among those that begin so.
    fn only(self, given: &str, prefix: &str, mut found: Vec<String>) -> Result<String> {
        found.sort_unstable();
        found.dedup();
        if let Some(exact) = found.iter().position(|id| id == prefix) {
            return Ok(found.swap_remove(exact));
        }
        match found.len() {
            0 => Err(self.none(given)),
            1 => Ok(found.swap_remove(0)),
            many => {
                let more = if many >= 10 { "10 or more" } else { &many.to_string() };
                let many =
                    if self == Self::Patch { "patches" } else { &format!("{}s", self.name()) };
                let message = format!("{more} {many} begin with {prefix}");
                let problem = Problem::new(&catalogue::NOT_UNIQUE, self.about(), message);
                Err(found.into_iter().fold(problem, Problem::detail))
            }
        }
    }
}

impl dyn Operations + '_ {
    /// The one run or ticket that begins so.
    ///
    /// # Errors
    /// `NO_RUN`, `NO_TICKET`, `NOT_UNIQUE`; as [`Operations::call`].
    pub async fn resolve(&self, kind: Kind, given: &str) -> Result<String> {
        let prefix = kind.prefix(given)?;
        let mut found: Vec<String> = self.ask(Request::Find { prefix: prefix.clone() }).await?;
        found.retain(|id| id.starts_with(&format!("{}_", kind.name())));
        kind.only(given, &prefix, found)
    }

    /// The one patch that begins so, and its run.
    ///
    /// # Errors
    /// `NO_PATCH`, `NOT_UNIQUE`; as [`Operations::call`].
    pub async fn resolve_patch(&self, given: &str) -> Result<(String, String)> {
        let prefix = Kind::Patch.prefix(given)?;
        let found: Vec<PatchOf> = self.ask(Request::FindPatches { prefix: prefix.clone() }).await?;
        let ids = found.iter().map(|one| one.patch.clone()).collect();
        let patch = Kind::Patch.only(given, &prefix, ids)?;
        let mut runs = found.into_iter().filter(|one| one.patch == patch).map(|one| one.run);
        match (runs.next(), runs.next()) {
            (Some(run), None) => Ok((patch, run)),
            (Some(run), Some(other)) => {
                let message = format!("{patch} is a patch of several runs");
                let problem = Problem::new(&catalogue::NOT_UNIQUE, "argument PATCH", message);
                Err([run, other].into_iter().chain(runs).fold(problem, Problem::detail))
            }
            (None, _) => Err(Kind::Patch.none(given)),
        }
    }
}
