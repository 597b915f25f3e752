//! Registered node types, and who waits for tasks of tenants' queues.

use std::sync::Arc;

use super::change::Op;
use super::core::After;
use super::shared::{Shared, Wait};
use crate::patched::{check_names, too_many_types};
use crate::{KeptType, MOST_TYPES, Result, WorkBell};

impl Shared {
    pub(super) async fn types(&self) -> Result<Vec<KeptType>> {
        self.check()?;
        let (types, lsn) = {
            let core = self.core();
            let kept = |(name, (version, document)): (&String, &(u64, Arc<[u8]>))| KeptType {
                name: name.clone(),
                version: *version,
                document: document.to_vec(),
            };
            (core.types.iter().map(kept).collect(), core.lsn)
        };
        self.durable(lsn).await?;
        Ok(types)
    }

    pub(super) async fn types_version(&self) -> Result<u64> {
        self.check()?;
        Ok(self.core().types_version)
    }

    pub(super) async fn put_type(
        self: &Arc<Self>,
        name: &str,
        known: u64,
        document: &[u8],
    ) -> Result<Option<u64>> {
        check_names(&[name])?;
        match self.change_type(name, known, Some(document)).await? {
            Verdict::Is(version) => Ok(Some(version)),
            Verdict::MovedOn => Ok(None),
            Verdict::TooMany => Err(too_many_types()),
        }
    }

    pub(super) async fn drop_type(self: &Arc<Self>, name: &str, known: u64) -> Result<bool> {
        check_names(&[name])?;
        Ok(matches!(self.change_type(name, known, None).await?, Verdict::Is(_)))
    }

    async fn change_type(
        self: &Arc<Self>,
        name: &str,
        known: u64,
        document: Option<&[u8]>,
    ) -> Result<Verdict> {
        let (verdict, lsn) = self
            .write(Wait::Durable, |core| {
                let present = core.types.get(name);
                let version = present.map_or(0, |(version, _)| *version);
                if present.map(|(_, document)| &**document) == document {
                    // Made before, by whomever: its answer may have been lost.
                    return (Vec::new(), (Verdict::Is(version), core.lsn));
                }
                if version != known {
                    return (Vec::new(), (Verdict::MovedOn, core.lsn));
                }
                if version == 0 && core.types.len() >= MOST_TYPES {
                    return (Vec::new(), (Verdict::TooMany, core.lsn));
                }
                let version = core.types_version + 1;
                let document = document.map(Arc::from);
                let op = Op::Type { name: name.to_owned(), version, document };
                (vec![op], (Verdict::Is(version), core.lsn))
            })
            .await?;
        // What was found there may be another's, and not on disk yet.
        self.durable(lsn).await?;
        Ok(verdict)
    }

    pub(super) fn work_bell(self: &Arc<Self>, queues: &[Arc<str>]) -> Result<WorkBell> {
        self.check()?;
        let types: Arc<[Arc<str>]> = queues.into();
        let (id, called) = self.core().tasks.waiting.join(&types, 1);
        let place = Place { shared: self.clone(), id, types, taken: false };
        Ok(Box::pin(place.wait(called)))
    }
}

enum Verdict {
    Is(u64),
    MovedOn,
    TooMany,
}

/// A waiter's place. If it is given up after the call has come, the call is passed on.
struct Place {
    shared: Arc<Shared>,
    id: u64,
    types: Arc<[Arc<str>]>,
    taken: bool,
}

impl Place {
    async fn wait(mut self, called: tokio::sync::oneshot::Receiver<()>) -> u32 {
        self.taken = called.await.is_ok();
        0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut after = After::default();
        {
            let mut core = self.shared.core();
            if !core.tasks.waiting.leave(self.id) {
                core.tasks.pass_on(&self.types, &mut after.wake);
            }
        }
        after.run(&self.shared.news);
    }
}
