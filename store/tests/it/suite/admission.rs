//! What a tenant's starts are counted by.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::tier::Tier;
use aob_store::{Admitted, Debit, Error, Store};
use tokio::time::Instant;

use super::Launcher;
use super::fixture::BEGIN;

const MINUTE: u64 = 60_000;

/// A debit of tenant `t` within 60 s, at a time of a simulation.
fn debit(id: impl ToString, tier: impl Into<Option<Tier>>, limit: u32, now: u64) -> Debit {
    Debit {
        tenant: "t".into(),
        tier: tier.into(),
        id: id.to_string(),
        limit,
        window: Duration::from_secs(60),
        now: Some(now),
    }
}

async fn heavy(store: &dyn Store, id: impl ToString, now: u64) -> Admitted {
    store.admit(&debit(id, Tier::Heavy, 5, now)).await.unwrap()
}

/// Of 1,000 starts that 8 clients ask for over two minutes of one clock, in any 60 s as many are taken as the limit
/// says, and exactly as many while there is demand.
pub(crate) async fn as_many_as_the_limit(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let mut taken: Vec<u64> = Vec::new();
    // Every instant 8 clients ask at once; the last instant of a window is one of them.
    for instant in 0..125_u64 {
        let now = BEGIN + instant * 1_000;
        let asks = (0..8).map(|client| {
            let store = store.clone();
            let one = debit(format!("{client}-{instant}"), Tier::Standard, 20, now);
            tokio::spawn(async move { store.admit(&one).await.unwrap() })
        });
        let mut told = Vec::new();
        for ask in asks.collect::<Vec<_>>() {
            match ask.await.unwrap() {
                Admitted::Taken => taken.push(now),
                Admitted::After(ms) => told.push(ms),
            }
        }
        for ms in told {
            assert_eq!(ms, taken[taken.len() - 20] + MINUTE - now, "when the oldest leaves");
        }
        let within = taken.iter().filter(|&&at| at + MINUTE > now).count();
        let wanted = (instant as usize + 1) * 8;
        assert_eq!(within, wanted.min(20), "in the 60 s up to {now}");
    }
    assert_eq!(taken.len(), 60, "three windows were begun");
}

/// Asked for again under the same id it is counted once; and is taken though the limit is reached.
pub(crate) async fn counted_by_id(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    for again in 0..3 {
        assert_eq!(heavy(&*store, "one", BEGIN + again).await, Admitted::Taken);
    }
    for other in 0..4 {
        assert_eq!(heavy(&*store, other, BEGIN + 10).await, Admitted::Taken);
    }
    assert_eq!(heavy(&*store, "two", BEGIN + 20).await, Admitted::After(MINUTE - 20));
    assert_eq!(heavy(&*store, "one", BEGIN + 20).await, Admitted::Taken);
    // It counts from when it was first asked for.
    assert_eq!(heavy(&*store, "two", BEGIN + MINUTE - 1).await, Admitted::After(1));
    assert_eq!(heavy(&*store, "two", BEGIN + MINUTE).await, Admitted::Taken);
    assert_eq!(heavy(&*store, "three", BEGIN + MINUTE).await, Admitted::After(10));
    // Rivals under one id are one.
    let rivals = (0..16).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { heavy(&*store, "same", BEGIN + MINUTE + 10).await })
    });
    for rival in rivals.collect::<Vec<_>>() {
        assert_eq!(rival.await.unwrap(), Admitted::Taken);
    }
    for other in 0..3 {
        assert_eq!(heavy(&*store, format!("n{other}"), BEGIN + MINUTE + 10).await, Admitted::Taken);
    }
    assert!(matches!(heavy(&*store, "last", BEGIN + MINUTE + 10).await, Admitted::After(_)));
}

/// What is given back makes room; giving back again, or what was never taken, changes nothing.
pub(crate) async fn given_back(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    for id in 0..5 {
        assert_eq!(heavy(&*store, id, BEGIN + id).await, Admitted::Taken);
    }
    assert_eq!(heavy(&*store, "more", BEGIN + 10).await, Admitted::After(MINUTE - 10));
    for id in ["0", "0", "never"] {
        store.refund("t", Some(Tier::Heavy), id).await.unwrap();
        store.refund("t", Some(Tier::Simple), id).await.unwrap();
        store.refund("nobody", Some(Tier::Heavy), id).await.unwrap();
    }
    assert_eq!(heavy(&*store, "more", BEGIN + 10).await, Admitted::Taken);
    assert_eq!(heavy(&*store, "0", BEGIN + 10).await, Admitted::After(MINUTE - 9));
}

/// Tenants and tiers are counted for themselves.
pub(crate) async fn apart_by_tenant_and_tier(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    for tenant in ["t", "u"] {
        for tier in Tier::ALL.map(Some).into_iter().chain([None]) {
            let one = |id| Debit { tenant: tenant.into(), ..debit(id, tier, 1, BEGIN) };
            assert_eq!(store.admit(&one("a")).await.unwrap(), Admitted::Taken);
            assert_eq!(store.admit(&one("b")).await.unwrap(), Admitted::After(MINUTE));
        }
    }
}

/// With a lower limit as many have to leave as are too many.
pub(crate) async fn a_lowered_limit(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    for at in 0..10_u64 {
        let one = debit(at, Tier::Simple, 10, BEGIN + at);
        assert_eq!(store.admit(&one).await.unwrap(), Admitted::Taken);
    }
    let one = debit("more", Tier::Simple, 3, BEGIN + 100);
    assert_eq!(store.admit(&one).await.unwrap(), Admitted::After(7 + MINUTE - 100));
    let one = debit("more", Tier::Simple, 3, BEGIN + 7 + MINUTE);
    assert_eq!(store.admit(&one).await.unwrap(), Admitted::Taken);
}

/// A clock that is set back holds nobody up for longer than a window from then, and counts nothing less; one that is
/// set forward holds nobody up at all.
pub(crate) async fn a_clock_that_is_set(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (day, year) = (86_400_000, 31_536_000_000);
    for id in 0..5 {
        assert_eq!(heavy(&*store, id, BEGIN + day).await, Admitted::Taken);
    }
    assert_eq!(heavy(&*store, "back", BEGIN).await, Admitted::After(MINUTE));
    assert_eq!(heavy(&*store, "back", BEGIN + MINUTE - 1).await, Admitted::After(1));
    assert_eq!(heavy(&*store, "back", BEGIN + MINUTE).await, Admitted::Taken);
    for id in 0..5 {
        let taken = heavy(&*store, format!("ahead{id}"), BEGIN + year).await;
        assert_eq!(taken, Admitted::Taken);
    }
}

/// In real time, over a short window: 8 clients ask 1,000 times at once, and again when they are told to. No window
/// of it has more than the limit, and what they are told is right within 50 ms.
pub(crate) async fn any_window_of_real_time(launcher: &mut dyn Launcher) {
    const SLACK: Duration = Duration::from_millis(50);
    let store = launcher.open().await;
    let clients = (0..8).map(|client: u32| {
        let store: Arc<dyn Store> = store.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            for round in 0..3 {
                let mut told = 0;
                for start in 0..125 {
                    let (asked, admitted) =
                        soon(&*store, format!("{client}-{round}-{start}")).await;
                    match admitted {
                        Admitted::Taken => taken.push((asked, Instant::now())),
                        Admitted::After(ms) => told = ms,
                    }
                }
                assert!(told <= WINDOW.as_millis() as u64, "never longer than a window");
                tokio::time::sleep(Duration::from_millis(told)).await;
            }
            taken
        })
    });
    let mut taken = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        taken.extend(client.await.unwrap());
    }
    taken.sort_unstable_by_key(|(_, answered)| *answered);
    assert!(taken.len() >= 2 * LIMIT as usize, "again in each window");
    for some in taken.windows(LIMIT as usize + 1) {
        // Each was counted between the question and the answer.
        let spread = some[LIMIT as usize].1.duration_since(some[0].0);
        // The store's clock has whole milliseconds.
        assert!(spread + Duration::from_millis(1) >= WINDOW, "{spread:?}");
    }
    let mut number = 0;
    let mut ask = async || {
        number += 1;
        soon(&*store, format!("last-{number}")).await
    };
    let (asked, answered, ms) = loop {
        if let (asked, Admitted::After(ms)) = ask().await {
            break (asked, Instant::now(), Duration::from_millis(ms));
        }
    };
    let mut refused = asked;
    loop {
        let (again, admitted) = ask().await;
        if admitted == Admitted::Taken {
            break;
        }
        refused = again;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(Instant::now() + SLACK >= asked + ms, "taken long before it was promised");
    assert!(refused <= answered + ms + SLACK, "refused long after it was promised");
}

const LIMIT: u32 = 40;
const WINDOW: Duration = Duration::from_millis(1_500);

/// Asks by the store's own clock, within a short window; answers when that was.
async fn soon(store: &dyn Store, id: String) -> (Instant, Admitted) {
    let asked = Instant::now();
    let one = Debit { window: WINDOW, now: None, ..debit(id, Tier::Simple, LIMIT, 0) };
    (asked, store.admit(&one).await.unwrap())
}

/// What was debited before a restart counts after it.
pub(crate) async fn kept_over_a_restart(launcher: &mut dyn Launcher) {
    let mut store = launcher.open().await;
    for id in 0..5 {
        assert_eq!(heavy(&*store, id, BEGIN + id).await, Admitted::Taken);
    }
    store.refund("t", Some(Tier::Heavy), "1").await.unwrap();
    // A start's own commit is on disk before it is answered, and with it what comes before.
    store.put_artifact("sha256:aa", b"{}").await.unwrap();
    store = launcher.kill(store).await;
    assert_eq!(heavy(&*store, "0", BEGIN + 10).await, Admitted::Taken);
    assert_eq!(heavy(&*store, "a", BEGIN + 10).await, Admitted::Taken);
    assert_eq!(heavy(&*store, "b", BEGIN + 10).await, Admitted::After(MINUTE - 10));
    store = launcher.reopen(store).await;
    assert_eq!(heavy(&*store, "b", BEGIN + 10).await, Admitted::After(MINUTE - 10));
}

/// Names and numbers are bounded.
pub(crate) async fn debits_out_of_bounds(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let good = debit("a", Tier::Simple, 1, BEGIN);
    let long = "x".repeat(300);
    for bad in [
        Debit { limit: 0, ..good.clone() },
        Debit { limit: 10_001, ..good.clone() },
        Debit { window: Duration::ZERO, ..good.clone() },
        Debit { window: Duration::from_secs(3_601), ..good.clone() },
        Debit { id: "a b".into(), ..good.clone() },
        Debit { id: long.clone(), ..good.clone() },
        Debit { tenant: "".into(), ..good.clone() },
    ] {
        let refused = store.admit(&bad).await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{bad:?}: {refused:?}");
    }
    let refused = store.refund("t", Some(Tier::Simple), &long).await;
    assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    assert_eq!(store.admit(&good).await.unwrap(), Admitted::Taken);
}
