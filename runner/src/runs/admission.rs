//! How many runs a tenant may start: by tier, within a minute. A patch that makes a run dearer counts as a start of
//! the dearer tier; a child run counts as a run, and waits for its turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::canonical;
use aob_engine::state::{NodeError, State};
use aob_engine::step::{ChildStart, Input};
use aob_engine::tier::Tier;
use aob_store::admission::{LONGEST_WINDOW, MOST_DEBITS};
use aob_store::{Admitted, Debit, Item, Signal};
use serde_json::json;

use super::{Error, Runs};
use crate::clock;

/// How long a start counts.
const WINDOW: Duration = Duration::from_secs(60);
/// The most windows that a child run which is refused again and again is put off by, beyond what it is told.
const MOST_WINDOWS: u64 = 10;

/// Starts that are taken from a tenant within a window, by tier; none: of all tiers together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierLimits {
    usual: BTreeMap<Option<Tier>, u32>,
    tenants: BTreeMap<(String, Option<Tier>), u32>,
    window: Duration,
}

/// A tenant has started as many runs of a tier as it may for now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}; one more is taken in {} ms", self.limit_told(), retry_after.as_millis())]
pub struct Throttled {
    /// Who asks.
    pub tenant: Arc<str>,
    /// Of what; none: of all tiers together.
    pub tier: Option<Tier>,
    /// How many are taken within the window.
    pub limit: u32,
    /// How long a start counts.
    pub window: Duration,
    /// When one more is taken, from now.
    pub retry_after: Duration,
}

impl Throttled {
    /// `acme may start 5 runs of tier heavy in 60 s and has`.
    pub fn limit_told(&self) -> String {
        let Self { tenant, tier, limit, window, .. } = self;
        let tier = tier.map_or_else(String::new, |tier| format!(" of tier {tier}"));
        format!("{tenant} may start {limit} runs{tier} in {} s and has", window.as_secs_f64())
    }
}

impl Default for TierLimits {
    fn default() -> Self {
        let usual = [(Tier::Simple, 100), (Tier::Standard, 20), (Tier::Heavy, 5)];
        let usual = usual.map(|(tier, number)| (Some(tier), number)).into();
        Self { usual, tenants: BTreeMap::new(), window: WINDOW }
    }
}

impl TierLimits {
    /// The usual limits but for what a list says: `heavy=5` for everybody, `finance/heavy=50` for one tenant;
    /// `all` is every tier together.
    ///
    /// # Errors
    /// If an entry is not of this form, or its number not in 1..=10,000.
    pub fn parse<S: AsRef<str>>(list: &[S]) -> Result<Self, String> {
        let mut limits = Self::default();
        for entry in list {
            let entry = entry.as_ref().trim();
            let wrong = || {
                format!(
                    "`{entry}` is no limit; write `heavy=5`, `all=100`, or `TENANT/heavy=5` for one tenant"
                )
            };
            let (name, number) = entry.split_once('=').ok_or_else(wrong)?;
            let number: u32 = number.parse().map_err(|_| wrong())?;
            if !(1..=MOST_DEBITS).contains(&number) {
                return Err(format!("`{entry}`: a limit is a number from 1 to {MOST_DEBITS}"));
            }
            let (tenant, tier) = name.rsplit_once('/').map_or((None, name), |(a, b)| (Some(a), b));
            let named = |known: &Tier| known.name().eq_ignore_ascii_case(tier);
            let tier = match tier {
                "all" => None,
                _ => Some(Tier::ALL.into_iter().find(named).ok_or_else(wrong)?),
            };
            match tenant {
                None => limits.usual.insert(tier, number),
                Some("") => return Err(wrong()),
                Some(tenant) => limits.tenants.insert((tenant.to_owned(), tier), number),
            };
        }
        Ok(limits)
    }

    /// Counted over another time than a minute, an hour at most: for tests, and for who sells by the hour.
    #[must_use]
    pub fn over(self, window: Duration) -> Self {
        Self { window: window.clamp(Duration::from_millis(1), LONGEST_WINDOW), ..self }
    }

    /// How many starts of a tier, or of all together, are taken from a tenant; none: as many as it likes.
    pub fn of(&self, tenant: &str, tier: Option<Tier>) -> Option<u32> {
        let own = self.tenants.get(&(tenant.to_owned(), tier));
        own.or_else(|| self.usual.get(&tier)).copied()
    }
}

/// Debits that have been made, and are to be given back if nothing comes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counted(Vec<Debit>);

impl Runs {
    /// Counts a start against all of a tenant's, and against those of its tier, once for each `about`.
    ///
    /// # Errors
    /// [`Error::Throttled`], or the store's.
    pub(super) async fn count_start(
        &self,
        tenant: &Arc<str>,
        tier: Tier,
        about: &[&str],
    ) -> Result<Counted, Error> {
        let told = self.tiers.as_ref().and_then(|limits| limits.of(tenant, None));
        let all = self.known_limits(tenant).await?.runs_per_minute.or(told);
        let mut counted = Counted::default();
        if let Some(limit) = all {
            self.count(&mut counted, tenant, None, limit, about).await?;
        }
        self.count_tier(counted, tenant, tier, about).await
    }

    /// The same against those of a tier alone.
    async fn count_tier(
        &self,
        mut counted: Counted,
        tenant: &Arc<str>,
        tier: Tier,
        about: &[&str],
    ) -> Result<Counted, Error> {
        let limits = self.tiers.as_ref();
        if let Some(limit) = limits.and_then(|limits| limits.of(tenant, Some(tier))) {
            self.count(&mut counted, tenant, Some(tier), limit, about).await?;
        }
        Ok(counted)
    }

    async fn count(
        &self,
        counted: &mut Counted,
        tenant: &Arc<str>,
        tier: Option<Tier>,
        limit: u32,
        about: &[&str],
    ) -> Result<(), Error> {
        let window = self.tiers.as_ref().map_or(WINDOW, |limits| limits.window);
        let debit = Debit {
            tenant: tenant.clone(),
            tier,
            id: canonical::digest(&json!(about)),
            limit: limit.clamp(1, MOST_DEBITS),
            window,
            now: None,
        };
        let refused = match self.store.admit(&debit).await {
            Ok(Admitted::Taken) => {
                counted.0.push(debit);
                return Ok(());
            }
            Ok(Admitted::After(ms)) => Ok(Duration::from_millis(ms)),
            Err(error) => Err(error),
        };
        // What was counted before it has come to nothing.
        self.give_back(std::mem::take(counted)).await;
        let retry_after = refused?;
        let Debit { tenant, limit, .. } = debit;
        Err(Error::Throttled(Throttled { tenant, tier, limit, window, retry_after }))
    }

    /// Gives back what nothing came of. If that fails it counts until its time is over.
    pub(super) async fn give_back(&self, counted: Counted) {
        for Debit { tenant, tier, id, .. } in counted.0 {
            if let Err(error) = self.store.refund(&tenant, tier, &id).await {
                tracing::warn!(tenant = %tenant, %error, "a start that was refused stays counted");
            }
        }
    }

    /// Counts a patch that makes a run dearer, before it is written.
    ///
    /// # Errors
    /// As [`Runs::count_start`].
    pub(super) async fn count_patch(
        &self,
        before: &State,
        after: &State,
        patch: &str,
    ) -> Result<Counted, Error> {
        let (head, tier) = (&before.head, after.head.tier());
        if tier <= head.tier() {
            return Ok(Counted::default());
        }
        self.count_tier(Counted::default(), &head.tenant, tier, &["patch", &*head.run, patch]).await
    }

    /// Counts a child run; if it is not taken, what its parent is told: to ask again later.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn count_child(
        &self,
        parent: &State,
        child: &ChildStart,
        first: &Item,
    ) -> Result<Option<Signal>, Error> {
        let head = &parent.head;
        // A decision that lost its race names the run anew, but not who waits for it.
        let about = ["child", &*head.run, &*child.parent.instance];
        let throttled = match self.count_start(&head.tenant, first.after.head.tier(), &about).await
        {
            Ok(_) => return Ok(None),
            Err(Error::Throttled(throttled)) => throttled,
            Err(error) => return Err(error),
        };
        let lives = parent.scopes.values().flat_map(|marking| marking.live.values());
        let waits = lives.filter(|live| live.child.as_ref() == Some(&child.run));
        let refused = waits.map(|live| u64::from(live.failures)).max().unwrap_or(0);
        // Those that were refused together do not all come back at the same moment, and less and less often.
        let window = throttled.window.as_millis() as u64;
        let spread = (window / 4).saturating_mul(refused).min(window * MOST_WINDOWS);
        let now = clock::now();
        let wait = throttled.retry_after.as_millis() as u64 + rand::random_range(0..=spread);
        let input = Input::Deferred {
            instance: child.parent.instance.to_string(),
            fence: child.parent.fence,
            due: now.saturating_add(wait),
            error: NodeError::new("tier_limit", throttled.to_string()),
        };
        Ok(Some(Signal { run: child.parent.run.clone(), input, t: now }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_the_usual_ones_but_for_what_is_said() {
        let limits = TierLimits::parse(&["heavy=7", "acme/heavy=50", "a/b/Simple=1"]).unwrap();
        let of = |tenant: &str| Tier::ALL.map(|tier| limits.of(tenant, Some(tier)).unwrap());
        assert_eq!(of("default"), [100, 20, 7]);
        assert_eq!(of("acme"), [100, 20, 50]);
        assert_eq!(of("a/b"), [1, 20, 7]);
        let limits = TierLimits::parse(&["all=30", "acme/all=3"]).unwrap();
        let of = |tenant: &str| limits.of(tenant, None);
        assert_eq!((of("default"), of("acme")), (Some(30), Some(3)));
        assert_eq!(TierLimits::default().of("default", None), None);
        assert_eq!(TierLimits::parse::<&str>(&[]), Ok(TierLimits::default()));
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for wrong in
            ["", "heavy", "heavy=", "heavy=0", "heavy=10001", "heavy=-1", "heavier=5", "/heavy=5"]
        {
            let why = TierLimits::parse(&[wrong]).unwrap_err();
            assert!(why.contains(wrong), "{why}");
        }
    }
}
