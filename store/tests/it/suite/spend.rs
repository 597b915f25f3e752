//! What a tenant's agents cost in a day, and what tenants are limited to.

use std::collections::BTreeMap;

use aob_store::spend::MOST_SPEND;
use aob_store::{Error, Reserve, Spend, Spent, Store};

use super::Launcher;
use super::fixture::BEGIN;

const DAY: u64 = 86_400_000;
/// Noon of some day of a simulation.
const NOON: u64 = BEGIN / DAY * DAY + DAY / 2;
const CAP: u64 = 1_000;

/// A call of attempt `id` of tenant `t` at noon.
fn spend(id: &str, call: u64, used: Option<u64>, amount: Option<u64>) -> Spend {
    Spend {
        tenant: "t".into(),
        id: id.to_owned(),
        call,
        used,
        reserve: amount.map(|amount| Reserve { amount, cap: CAP }),
        now: Some(NOON),
    }
}

async fn reserve(store: &dyn Store, id: &str, call: u64, amount: u64) -> Spent {
    store.spend(&spend(id, call, None, Some(amount))).await.unwrap()
}

async fn book(store: &dyn Store, id: &str, call: u64, used: u64) {
    assert_eq!(store.spend(&spend(id, call, Some(used), None)).await.unwrap(), Spent::Taken);
}

/// All that is taken of the day: what is told to one who asks for too much.
async fn taken(store: &dyn Store, now: u64) -> u64 {
    let ask = Spend { now: Some(now), ..spend("nobody", 0, None, Some(CAP + 1)) };
    match store.spend(&ask).await.unwrap() {
        Spent::Short { taken, until } => {
            assert_eq!(until, (now / DAY + 1) * DAY);
            taken
        }
        Spent::Taken => panic!("more than there is was taken"),
    }
}

/// What is reserved counts until it is booked; then what was used counts. A cap is reached, never passed.
pub(crate) async fn reserved_and_booked(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    assert_eq!(reserve(&*store, "a", 1, 600).await, Spent::Taken);
    assert_eq!(reserve(&*store, "b", 2, 400).await, Spent::Taken);
    assert!(matches!(reserve(&*store, "c", 3, 1).await, Spent::Short { taken: 1_000, .. }));
    book(&*store, "a", 4, 100).await;
    assert_eq!(taken(&*store, NOON).await, 500);
    // More than was reserved can have been used; what nobody had reserved cannot.
    book(&*store, "b", 5, 450).await;
    book(&*store, "b", 6, 450).await;
    book(&*store, "stranger", 7, 450).await;
    assert_eq!(taken(&*store, NOON).await, 550);
    // The next question settles the one before: all of it, or what is said.
    assert_eq!(reserve(&*store, "a", 8, 100).await, Spent::Taken);
    assert_eq!(reserve(&*store, "a", 9, 200).await, Spent::Taken);
    assert_eq!(taken(&*store, NOON).await, 850);
    let next = spend("a", 10, Some(0), Some(350));
    assert_eq!(store.spend(&next).await.unwrap(), Spent::Taken);
    assert_eq!(taken(&*store, NOON).await, 1_000);
    // What is refused settles too.
    let next = spend("a", 11, Some(50), Some(301));
    assert!(matches!(store.spend(&next).await.unwrap(), Spent::Short { taken: 700, .. }));
    assert_eq!(taken(&*store, NOON).await, 700);
}

/// A call that is made again, since its answer was lost, changes nothing.
pub(crate) async fn the_same_call_again(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let calls = [
        (spend("a", 1, None, Some(500)), 500),
        (spend("a", 2, Some(10), Some(700)), 710),
        (spend("a", 3, Some(300), Some(800)), 310),
        (spend("a", 4, None, Some(200)), 510),
        (spend("a", 5, Some(1), None), 311),
    ];
    for (call, after) in calls {
        let first = store.spend(&call).await.unwrap();
        assert_eq!(taken(&*store, NOON).await, after, "{call:?}");
        for _ in 0..2 {
            assert_eq!(store.spend(&call).await.unwrap(), first, "{call:?}");
            assert_eq!(taken(&*store, NOON).await, after, "{call:?}, again");
        }
    }
}

/// Of rivals who ask at once as many are served as fit.
pub(crate) async fn rivals_for_the_last_money(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let rivals = (0..64_u64).map(|rival| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut served = 0;
            for round in 0..5 {
                let name = format!("r{rival}");
                if reserve(&*store, &name, rival * 100 + round, 30).await == Spent::Taken {
                    served += 1;
                }
            }
            served
        })
    });
    let mut served = 0;
    for rival in rivals.collect::<Vec<_>>() {
        served += rival.await.unwrap();
    }
    assert_eq!(served, CAP / 30, "each for 30");
    assert_eq!(taken(&*store, NOON).await, CAP / 30 * 30);
}

/// A new day has all its money. What was reserved before midnight is booked on the day before.
pub(crate) async fn midnight(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let next = NOON + DAY / 2;
    assert_eq!(reserve(&*store, "a", 1, 900).await, Spent::Taken);
    let late = Spend { now: Some(next - 1), ..spend("b", 2, None, Some(101)) };
    assert_eq!(store.spend(&late).await.unwrap(), Spent::Short { taken: 900, until: next });
    let early = Spend { now: Some(next), ..late };
    assert_eq!(store.spend(&early).await.unwrap(), Spent::Taken);
    let settled = Spend { now: Some(next + 1), ..spend("a", 3, Some(200), Some(500)) };
    assert_eq!(store.spend(&settled).await.unwrap(), Spent::Taken);
    assert_eq!((taken(&*store, NOON).await, taken(&*store, next).await), (200, 601));
    // A clock that was set back finds the day as it was.
    assert!(matches!(reserve(&*store, "c", 4, 801).await, Spent::Short { taken: 200, .. }));
    // After days nobody is waited for.
    let days = Spend { now: Some(next + 5 * DAY), ..spend("a", 5, Some(0), Some(1_000)) };
    assert_eq!(store.spend(&days).await.unwrap(), Spent::Taken);
    assert_eq!(taken(&*store, next + 5 * DAY).await, 1_000);
}

/// Any calls in any order, some made twice, come to what a sum of them says; tenants are apart.
pub(crate) async fn sums_of_any_calls(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let mut seed = 7_u64;
    // Of two tenants: its name, what was used, and what is reserved by attempt.
    let mut books = [(0, 0, BTreeMap::new()), (1, 0, BTreeMap::new())];
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let (mut short, mut calls) = (0, 0);
    for number in 0..500 {
        let (tenant, used, open) = &mut books[random(2) as usize];
        let (id, amount, part) = (random(6), random(200), random(250));
        let settles = (random(3) > 0).then_some(part);
        let wants = (random(4) > 0).then_some(amount);
        let named = spend(&format!("a{id}"), number, settles, wants);
        let call = Spend { tenant: format!("t{tenant}").into(), ..named };
        if let Some(before) = open.remove(&id) {
            *used += settles.unwrap_or(before);
        }
        let sum = *used + open.values().sum::<u64>();
        let wanted = match wants {
            Some(amount) if sum + amount > CAP => {
                short += 1;
                Spent::Short { taken: sum, until: NOON + DAY / 2 }
            }
            _ => Spent::Taken,
        };
        for _ in 0..=random(2) {
            calls += 1;
            assert_eq!(store.spend(&call).await.unwrap(), wanted, "{number}: {call:?}");
        }
        if let (Some(amount), Spent::Taken) = (wants, wanted) {
            open.insert(id, amount);
        }
        if *used > CAP {
            // Nothing more can be taken of it.
            (*tenant, *used) = (*tenant + 2, 0);
            open.clear();
        }
    }
    assert!(short > 20 && calls > 600, "{short} of {calls}");
}

/// What was taken before a restart is taken after it, and can be booked; so is what a tenant is limited to.
pub(crate) async fn kept_over_a_restart(launcher: &mut dyn Launcher) {
    let mut store = launcher.open().await;
    assert_eq!(reserve(&*store, "a", 1, 500).await, Spent::Taken);
    assert_eq!(reserve(&*store, "b", 2, 300).await, Spent::Taken);
    book(&*store, "b", 3, 200).await;
    store.put_limits("t", Some(b"{\"agents\":3}")).await.unwrap();
    for kill in [true, false] {
        store = match kill {
            true => launcher.kill(store).await,
            false => launcher.reopen(store).await,
        };
        assert_eq!(taken(&*store, NOON).await, 700);
        assert_eq!(reserve(&*store, "a", 1, 500).await, Spent::Taken);
        assert_eq!(taken(&*store, NOON).await, 700);
        assert_eq!(store.limits("t").await.unwrap().as_deref(), Some(&b"{\"agents\":3}"[..]));
    }
    book(&*store, "a", 4, 0).await;
    assert_eq!(taken(&*store, NOON).await, 200);
}

/// Limits are kept for each tenant, changed and forgotten.
pub(crate) async fn limits(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    assert_eq!(store.limits("t").await.unwrap(), None);
    store.put_limits("t", None).await.unwrap();
    store.put_limits("t", Some(b"one")).await.unwrap();
    store.put_limits("u", Some(b"other")).await.unwrap();
    store.put_limits("t", Some(b"two")).await.unwrap();
    assert_eq!(store.limits("t").await.unwrap().as_deref(), Some(&b"two"[..]));
    store.put_limits("t", None).await.unwrap();
    assert_eq!(store.limits("t").await.unwrap(), None);
    assert_eq!(store.limits("u").await.unwrap().as_deref(), Some(&b"other"[..]));
    let large = vec![b'x'; 4_097];
    for (tenant, document) in [("t", &large[..]), ("a b", b"x"), ("", b"x")] {
        let refused = store.put_limits(tenant, Some(document)).await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{tenant}: {refused:?}");
    }
}

/// Names and amounts are bounded.
pub(crate) async fn out_of_bounds(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let good = spend("a", 1, None, Some(1));
    let over = Reserve { amount: 1, cap: MOST_SPEND + 1 };
    for bad in [
        Spend { id: "a b".into(), ..good.clone() },
        Spend { tenant: "".into(), ..good.clone() },
        Spend { used: Some(MOST_SPEND + 1), ..good.clone() },
        Spend { reserve: Some(over), ..good.clone() },
        Spend { reserve: Some(Reserve { amount: MOST_SPEND + 1, cap: 1 }), ..good.clone() },
    ] {
        let refused = store.spend(&bad).await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{bad:?}: {refused:?}");
    }
    let most = Reserve { amount: MOST_SPEND, cap: MOST_SPEND };
    let all = Spend { call: u64::MAX, reserve: Some(most), ..good };
    assert_eq!(store.spend(&all).await.unwrap(), Spent::Taken);
    assert_eq!(store.spend(&all).await.unwrap(), Spent::Taken);
    let more = Spend { id: "b".into(), reserve: Some(Reserve { amount: 1, ..most }), ..all };
    assert!(matches!(store.spend(&more).await.unwrap(), Spent::Short { taken: MOST_SPEND, .. }));
}
