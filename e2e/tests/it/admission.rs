//! Starts by tier, as many clients make them at once, on both stores.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_engine::tier::Tier;
use aob_runner::runs::{Error, PatchAsk, Runs, Settings, TierLimits, What};
use aob_store::embedded::{Embedded, Options};
use aob_store::testing::RedisServer;
use aob_store::{Admitted, Debit, Store};
use serde_json::{Value, json};

use crate::documents::workflow;
use crate::local::{publish, redis, request, server};
use crate::turn::{Turn, number};

/// Clients that start runs.
const CLIENTS: usize = 8;
/// Starts of each.
const STARTS: usize = 125;

fn limited(store: Arc<dyn Store>, limits: &TierLimits) -> Arc<Runs> {
    let settings = Settings { tiers: Some(limits.clone()), ..Settings::default() };
    Runs::with(store, Registry::builtin(), Ceiling::default(), settings)
}

fn agent(id: &str) -> Value {
    json!({"id": id, "type": "agent", "config": {"model": "openai/gpt-5.6", "prompt": "Think."}})
}

/// A run that waits, with so many agents.
fn waiting(agents: usize) -> Value {
    let mut nodes: Vec<Value> = (0..agents).map(|n| agent(&format!("agent{n}"))).collect();
    nodes.push(json!({"id": "ask", "type": "approval", "config": {"title": "Go on?"}}));
    workflow("waiting", &nodes, &[])
}

/// 1,000 starts at once of 8 clients with nothing in common but the store: as many begin as the limit says, and the
/// others are told when to come again.
async fn exactly_the_limit(sides: &[Arc<Runs>], tier: Tier, agents: usize, limit: usize) {
    let digest = publish(&sides[0], &waiting(agents)).await;
    let clients = (0..CLIENTS).map(|client| {
        let (runs, digest) = (sides[client % sides.len()].clone(), digest.clone());
        tokio::spawn(async move {
            let starts =
                (0..STARTS).map(async |_| runs.start(&request(&digest, json!({}), None)).await);
            let (mut begun, mut refused) = (0, Vec::new());
            for start in futures::future::join_all(starts).await {
                match start {
                    Ok(_) => begun += 1,
                    Err(Error::Throttled(throttled)) => {
                        assert_eq!(throttled.tier, Some(tier));
                        refused.push(throttled.retry_after);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            (begun, refused)
        })
    });
    let (mut begun, mut refused) = (0, Vec::new());
    for client in clients.collect::<Vec<_>>() {
        let (own, others) = client.await.unwrap();
        begun += own;
        refused.extend(others);
    }
    assert_eq!(begun, limit, "of {tier}");
    assert_eq!(begun + refused.len(), CLIENTS * STARTS);
    let most = Duration::from_secs(60);
    assert!(refused.iter().all(|wait| *wait > Duration::ZERO && *wait <= most), "{refused:?}");
    let (rows, _) = sides[0].store().runs("default", None, 1_000).await.unwrap();
    assert_eq!(
        rows.iter().filter(|row| row.tier == tier).count(),
        limit,
        "and no others are there"
    );
}

async fn each_tier(sides: &[Arc<Runs>]) {
    for (tier, agents, limit) in
        [(Tier::Simple, 0, 100), (Tier::Standard, 2, 20), (Tier::Heavy, 3, 5)]
    {
        exactly_the_limit(sides, tier, agents, limit).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_starts_on_redis() {
    let _turn = Turn::take("a thousand starts on Redis").await;
    let server = server();
    let limits = TierLimits::default();
    let mut sides = Vec::new();
    for _ in 0..CLIENTS {
        sides.push(limited(redis(&server, 4).await, &limits));
    }
    each_tier(&sides).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_starts_on_the_embedded_store() {
    let _turn = Turn::take("a thousand starts on the embedded store").await;
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(folder.path(), Options::default()).unwrap());
    each_tier(&[limited(store.clone(), &TierLimits::default())]).await;
    // And after a restart they have been started.
    store.close().await.unwrap();
    drop(store);
    let store = Arc::new(Embedded::open(folder.path(), Options::default()).unwrap());
    let runs = limited(store, &TierLimits::default());
    let digest = publish(&runs, &waiting(3)).await;
    let refused = runs.start(&request(&digest, json!({}), None)).await;
    assert!(matches!(refused, Err(Error::Throttled(_))), "{refused:?}");
}

/// Two patches on the same base race to make a run heavy: both are counted before they are written, one is written,
/// and what the other was counted is given back.
async fn refunds(sides: [Arc<Runs>; 2], store: &dyn Store) {
    let races = number("AOB_RACES").unwrap_or(100).min(4_000);
    let digest = publish(&sides[0], &waiting(2)).await;
    for race in 0..races {
        let run = sides[0].start(&request(&digest, json!({}), None)).await.unwrap().run;
        let ask = |side: usize| {
            let operation =
                json!({"op": "add", "path": "/nodes/-", "value": agent(&format!("more{side}"))});
            PatchAsk {
                id: format!("patch_{race}_{side}").into(),
                what: What::Request(
                    json!({"base": 0, "onConflict": "Strict", "operations": [operation]}),
                ),
                by: "user:ada".to_owned(),
                groups: Vec::new(),
                approves: Vec::new(),
                dry_run: false,
            }
        };
        let (one, other) = (ask(0), ask(1));
        let (one, other) = tokio::join!(sides[0].patch(&run, &one), sides[1].patch(&run, &other));
        let accepted = [one, other].map(|patched| patched.unwrap().record.accepted().is_some());
        assert_eq!(accepted.iter().filter(|accepted| **accepted).count(), 1);
        assert_eq!(sides[0].view(&run).await.unwrap().state.head.tier(), Tier::Heavy);
    }
    // As many count as were accepted: one more is taken at a limit of one more, and none at their number.
    let ask = |limit: u64| Debit {
        tenant: "default".into(),
        tier: Some(Tier::Heavy),
        id: "probe".into(),
        limit: u32::try_from(limit).unwrap(),
        window: Duration::from_secs(3_600),
        now: None,
    };
    assert!(matches!(store.admit(&ask(races)).await.unwrap(), Admitted::After(_)), "too few");
    assert_eq!(store.admit(&ask(races + 1)).await.unwrap(), Admitted::Taken, "too many");
    println!("{races} races, {races} starts of tier Heavy counted");
}

fn wide() -> TierLimits {
    let limits = TierLimits::parse(&["standard=10000", "heavy=10000"]).unwrap();
    limits.over(Duration::from_secs(3_600))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_that_lost_its_race_is_given_back_on_redis() {
    let _turn = Turn::take("refunds on Redis").await;
    let server: RedisServer = server();
    let store = redis(&server, 4).await;
    let other = redis(&server, 4).await;
    let sides = [limited(store.clone(), &wide()), limited(other, &wide())];
    refunds(sides, &*store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_that_lost_its_race_is_given_back_on_the_embedded_store() {
    let _turn = Turn::take("refunds on the embedded store").await;
    let store: Arc<Embedded> = Arc::new(Embedded::volatile());
    let sides = [limited(store.clone(), &wide()), limited(store.clone(), &wide())];
    refunds(sides, &*store).await;
}
