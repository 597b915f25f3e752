//! Moves of tags, and names of sets of patches.

use std::sync::Arc;

use aob_engine::timeline::Move;

use super::change::Op;
use super::core::Tenant;
use super::shared::{Shared, Wait};
use crate::patched::{MOST_MOVES, check_names, too_many_moves};
use crate::{Result, Version};

impl Shared {
    pub(super) async fn move_tag(
        self: &Arc<Self>,
        [tenant, workflow, tag]: [&str; 3],
        known: u32,
        to: &Move,
    ) -> Result<bool> {
        check_names(&[tenant, workflow, tag])?;
        let name = (workflow.to_owned(), tag.to_owned());
        let op = Op::Move {
            tenant: tenant.into(),
            workflow: workflow.into(),
            tag: tag.into(),
            number: known.saturating_add(1),
            to: Arc::new(to.clone()),
        };
        let (verdict, lsn) = self
            .write(Wait::Durable, |core| {
                let moves = core.tenants.get(tenant).and_then(|lists| lists.tags.get(&name));
                let moves = moves.map_or(&[][..], |moves| &**moves);
                let (count, known) = (moves.len(), known as usize);
                let verdict = match moves.last() {
                    Some(last) if count == known + 1 && **last == *to => Verdict::Made,
                    _ if count != known => Verdict::MovedOn,
                    _ if count >= MOST_MOVES as usize => Verdict::TooMany,
                    _ => Verdict::Moves,
                };
                let ops = if verdict == Verdict::Moves { vec![op] } else { Vec::new() };
                (ops, (verdict, core.lsn))
            })
            .await?;
        // What was found there may be another's, and not on disk yet.
        self.durable(lsn).await?;
        match verdict {
            Verdict::Moves | Verdict::Made => Ok(true),
            Verdict::MovedOn => Ok(false),
            Verdict::TooMany => Err(too_many_moves(workflow, tag)),
        }
    }

    pub(super) async fn timeline(&self, [tenant, workflow, tag]: [&str; 3]) -> Result<Vec<Move>> {
        let name = (workflow.to_owned(), tag.to_owned());
        let moves = self.of_tenant(tenant, |lists| lists.tags.get(&name).cloned()).await?.flatten();
        Ok(moves.unwrap_or_default().iter().map(|one| (**one).clone()).collect())
    }

    pub(super) async fn tag(
        &self,
        tenant: &str,
        workflow: &str,
        tag: &str,
    ) -> Result<Option<String>> {
        let name = (workflow.to_owned(), tag.to_owned());
        let digest = |lists: &Tenant| Some(lists.tags.get(&name)?.last()?.digest.clone());
        Ok(self.of_tenant(tenant, digest).await?.flatten())
    }

    pub(super) async fn workflows(&self, tenant: &str) -> Result<Vec<Version>> {
        let versions = |lists: &Tenant| -> Vec<Version> {
            let tags = lists.tags.iter().filter_map(|(name, moves)| Some((name, moves.last()?)));
            let version = |((workflow, tag), last): (&(String, String), &Arc<Move>)| Version {
                workflow: workflow.clone(),
                tag: tag.clone(),
                digest: last.digest.clone(),
            };
            tags.map(version).collect()
        };
        Ok(self.of_tenant(tenant, versions).await?.unwrap_or_default())
    }

    pub(super) async fn name_patch_set(
        self: &Arc<Self>,
        [tenant, workflow, name]: [&str; 3],
        digest: &str,
    ) -> Result<()> {
        check_names(&[tenant, workflow, name])?;
        let op = Op::PatchSet {
            tenant: tenant.into(),
            workflow: workflow.into(),
            name: name.into(),
            digest: digest.into(),
        };
        self.write(Wait::Durable, |_| (vec![op], ())).await
    }

    pub(super) async fn patch_set(
        &self,
        [tenant, workflow, name]: [&str; 3],
    ) -> Result<Option<String>> {
        let name = (workflow.to_owned(), name.to_owned());
        Ok(self.of_tenant(tenant, |lists| lists.sets.get(&name).cloned()).await?.flatten())
    }

    pub(super) async fn patch_sets(
        &self,
        tenant: &str,
        workflow: &str,
    ) -> Result<Vec<(String, String)>> {
        let sets = |lists: &Tenant| -> Vec<(String, String)> {
            let from = (workflow.to_owned(), String::new());
            let sets = lists.sets.range(from..).take_while(|((of, _), _)| of == workflow);
            sets.map(|((_, name), digest)| (name.clone(), digest.clone())).collect()
        };
        Ok(self.of_tenant(tenant, sets).await?.unwrap_or_default())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Moves,
    /// It is the last move already: its answer was lost.
    Made,
    MovedOn,
    TooMany,
}
