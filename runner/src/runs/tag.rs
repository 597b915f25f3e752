//! Tags of workflows: where they point, and the line of their moves.

use aob_engine::timeline::{Move, MoveKind, Timeline};

use super::{Error, Runs};
use crate::clock;

/// Lost races after which a move is given up.
const MOST_RACES: usize = 20;

/// What to do with a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagMove {
    /// Point it at a digest.
    Set(String),
    /// Back to what it pointed at before.
    Undo,
    /// Forth to what was undone last.
    Redo,
}

impl Runs {
    /// Moves a tag along its line; answers the digest that it points at then.
    ///
    /// # Errors
    /// [`Error::NoMove`] if there is nothing to undo or redo; [`Error::NoGraph`] if a digest is not kept; the store's.
    pub async fn move_tag(
        &self,
        tenant: &str,
        workflow: &str,
        tag: &str,
        to: &TagMove,
        by: &str,
        reason: Option<String>,
    ) -> Result<String, Error> {
        if let TagMove::Set(digest) = to {
            let ir = self.ir_for(Some(tenant), digest).await?;
            if ir.name != workflow {
                return Err(Error::NoMove(format!(
                    "{digest} is a version of {}, not of {workflow}",
                    ir.name
                )));
            }
            return self.point(tenant, workflow, tag, digest, by, reason).await;
        }
        self.step(tenant, workflow, tag, to, by, reason).await
    }

    /// Points a tag at a version of its workflow. One that points there already does not move.
    pub(super) async fn point(
        &self,
        tenant: &str,
        workflow: &str,
        tag: &str,
        digest: &str,
        by: &str,
        reason: Option<String>,
    ) -> Result<String, Error> {
        if self.store.tag(tenant, workflow, tag).await?.as_deref() == Some(digest) {
            return Ok(digest.to_owned());
        }
        let to = TagMove::Set(digest.to_owned());
        self.step(tenant, workflow, tag, &to, by, reason).await
    }

    async fn step(
        &self,
        tenant: &str,
        workflow: &str,
        tag: &str,
        to: &TagMove,
        by: &str,
        reason: Option<String>,
    ) -> Result<String, Error> {
        for _ in 0..MOST_RACES {
            let moves = self.store.timeline(tenant, workflow, tag).await?;
            let line = Timeline::of(&moves);
            let known = |number: u32| {
                moves.get(number.checked_sub(1)? as usize).map(|one| one.digest.clone())
            };
            let (kind, digest) = match to {
                TagMove::Set(digest) => (MoveKind::Set, Some(digest.clone())),
                TagMove::Undo => (MoveKind::Undo, line.undo().and_then(known)),
                TagMove::Redo => (MoveKind::Redo, line.redo().and_then(known)),
            };
            let Some(digest) = digest else {
                let what = if *to == TagMove::Undo { "undo" } else { "redo" };
                return Err(Error::NoMove(format!(
                    "tag {tag} of {workflow} has nothing to {what}"
                )));
            };
            let one = Move {
                kind,
                digest: digest.clone(),
                by: by.to_owned(),
                time: clock::now(),
                reason: reason.clone(),
            };
            let count = moves.len() as u32;
            if self.store.move_tag(tenant, workflow, tag, count, &one).await? {
                return Ok(digest);
            }
        }
        Err(Error::Busy(format!("{workflow}:{tag}")))
    }
}
