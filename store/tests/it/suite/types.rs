//! Registered node types; queues of tenants, and the bell that rings for them.

use std::sync::Arc;
use std::time::Duration;

use aob_store::{Beat, Error, KeptType, MOST_TYPES};
use serde_json::json;

use super::Launcher;
use super::fixture::{AT_ONCE, LONG, applied, claim_of, instances, next, run_id, start};

fn kept(name: &str, version: u64, document: &[u8]) -> KeptType {
    KeptType { name: name.into(), version, document: document.to_vec() }
}

/// A type is what was put last, on the version that was known; what is there already is not written again.
pub(crate) async fn put_on_a_version(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    assert_eq!(store.types().await.unwrap(), []);
    assert_eq!(store.types_version().await.unwrap(), 0);
    let document = "{\"a\": \"ü\\n 1\"}\n".as_bytes();
    assert_eq!(store.put_type("a.b", 7, document).await.unwrap(), None, "it is not there");
    let first = store.put_type("a.b", 0, document).await.unwrap().unwrap();
    let again = store.put_type("a.b", 0, document).await.unwrap();
    assert_eq!(again, Some(first), "its answer may have been lost");
    assert_eq!(store.put_type("a.b", 0, b"other").await.unwrap(), None);
    let second = store.put_type("a.b", first, b"other").await.unwrap().unwrap();
    let third = store.put_type("a.a", 0, b"").await.unwrap().unwrap();
    assert!(first < second && second < third);
    assert_eq!(store.types_version().await.unwrap(), third);
    let all = [kept("a.a", third, b""), kept("a.b", second, b"other")];
    assert_eq!(store.types().await.unwrap(), all);
    let store = launcher.kill(store).await;
    assert_eq!(store.types().await.unwrap(), all);
    assert_eq!(store.types_version().await.unwrap(), third);
}

/// A type goes on the version that was known; its versions are never used again.
pub(crate) async fn dropped_on_a_version(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let first = store.put_type("a.b", 0, b"1").await.unwrap().unwrap();
    assert!(!store.drop_type("a.b", first + 1).await.unwrap());
    assert!(store.drop_type("a.b", first).await.unwrap());
    assert!(store.drop_type("a.b", first).await.unwrap(), "its answer may have been lost");
    assert_eq!(store.types().await.unwrap(), []);
    let store = launcher.kill(store).await;
    assert_eq!(store.types().await.unwrap(), []);
    let second = store.put_type("a.b", 0, b"1").await.unwrap().unwrap();
    assert!(second > first + 1, "{first} {second}");
    assert!(!store.drop_type("a.b", first).await.unwrap(), "that was another one");
}

/// Of rivals who know the same version one changes the type.
pub(crate) async fn one_of_rivals_changes_it(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let mut known = 0;
    for round in 0..10 {
        let rivals: Vec<_> = (0..4)
            .map(|rival| {
                let store = store.clone();
                let document = format!("{round} {rival}");
                tokio::spawn(async move { store.put_type("a.b", known, document.as_bytes()).await })
            })
            .collect();
        let mut won = Vec::new();
        for rival in rivals {
            won.extend(rival.await.unwrap().unwrap());
        }
        let [version] = won[..] else { panic!("{won:?}") };
        known = version;
    }
}

/// At most a thousand; names with spaces are none.
pub(crate) async fn so_many_types(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    for from in (0..MOST_TYPES).step_by(50) {
        let put = async |number| store.put_type(&format!("a.t{number}"), 0, b"x").await.unwrap();
        let all = futures::future::join_all((from..from + 50).map(put)).await;
        assert!(all.iter().all(Option::is_some));
    }
    let refused = store.put_type("b.b", 0, b"x").await;
    assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    let known = store.types().await.unwrap()[0].version;
    assert!(store.put_type("a.t0", known, b"y").await.unwrap().is_some(), "it is there already");
    let refused = store.put_type("a b", 0, b"x").await;
    assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
}

/// A tenant's queue is another one than the type's, and than another tenant's.
pub(crate) async fn queues_of_tenants(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let draft = start(&*store, &run_id(), 3)
        .publish_as(0, "a.b@t", false, json!({}))
        .publish_as(1, "a.b@u", false, json!({}))
        .publish_as(2, "a.b", false, json!({}));
    applied(&*store, draft).await;
    let of = async |queue: &str| store.claim(&claim_of("w", &[queue], 9), AT_ONCE).await.unwrap();
    assert_eq!(instances(&of("a.b@t").await), ["n0"]);
    let mine = of("a.b@u").await;
    assert_eq!(instances(&mine), ["n1"]);
    assert_eq!((mine[0].at.kind(), &*mine[0].at.node_type), ("a.b", "a.b@u"));
    assert_eq!(instances(&of("a.b").await), ["n2"]);
    // A beat keeps what it names, whatever queues it serves, and tells of nothing else.
    let beat = Beat {
        consumer: "w".into(),
        shard: 0,
        types: [].into(),
        tasks: mine.into_iter().map(|task| task.at).collect(),
        begin: vec![],
        lease: 30_000,
    };
    let kept = store.beat(&beat).await.unwrap();
    assert_eq!((kept.kept, kept.unnamed), (vec![true], vec![]));
    let other = Beat { consumer: "v".into(), ..beat };
    assert_eq!(store.beat(&other).await.unwrap().kept, [false]);
}

/// A task calls one of those who wait for its queue, and nobody else; what was there before calls nobody.
pub(crate) async fn bell(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let draft = start(&*store, &run_id(), 4).publish_as(0, "a.b@t", false, json!({}));
    let state = applied(&*store, draft).await;
    let queues =
        |names: &[&str]| names.iter().map(|&name| Arc::from(name)).collect::<Vec<Arc<str>>>();
    let gone = store.work_bell(&queues(&["a.b@t"])).await.unwrap();
    let mut first = store.work_bell(&queues(&["a.c@t", "a.b@t"])).await.unwrap();
    let mut second = store.work_bell(&queues(&["a.b@t"])).await.unwrap();
    let mut other = store.work_bell(&queues(&["a.b@u"])).await.unwrap();
    drop(gone);
    let state =
        applied(&*store, next(&*store, &state).publish_as(1, "a.b@t", false, json!({}))).await;
    assert_eq!(tokio::time::timeout(LONG, &mut first).await, Ok(0));
    let soon = Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, &mut second).await.is_err(), "one task, one call");
    applied(&*store, next(&*store, &state).publish_as(2, "a.b@t", false, json!({}))).await;
    assert_eq!(tokio::time::timeout(LONG, &mut second).await, Ok(0));
    assert!(tokio::time::timeout(soon, &mut other).await.is_err(), "another tenant's");
}
