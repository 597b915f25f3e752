//! Requests under idempotency keys: in memory, so a restart forgets them. What they did is in the journal.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::shared::{Shared, wall};
use crate::Result;
use crate::answered::{LIFE, Remembered, check_key};
use crate::patched::check_names;

/// Most of them; the oldest goes first.
const MOST: usize = 10_000;

/// By tenant and key, with the time.
#[derive(Debug, Default)]
pub(super) struct Answered(Mutex<BTreeMap<(String, String), (u64, Remembered)>>);

impl Shared {
    pub(super) fn remembered(
        &self,
        tenant: &str,
        key: &str,
        request: &str,
        answer: Option<&[u8]>,
    ) -> Result<Option<Remembered>> {
        check_names(&[tenant])?;
        check_key(key, answer)?;
        let now = wall();
        let life = LIFE.as_millis() as u64;
        let mut all = self.answered.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (tenant.to_owned(), key.to_owned());
        let before = all.get(&name).filter(|(since, _)| now.saturating_sub(*since) < life);
        if let (Some((_, before)), None) = (before, answer) {
            return Ok(Some(before.clone()));
        }
        if all.len() >= MOST
            && let Some(oldest) =
                all.iter().min_by_key(|(_, (since, _))| *since).map(|(name, _)| name.clone())
        {
            all.remove(&oldest);
        }
        let answer = answer.map(<[u8]>::to_vec);
        all.insert(name, (now, Remembered { request: request.to_owned(), answer }));
        Ok(None)
    }
}
