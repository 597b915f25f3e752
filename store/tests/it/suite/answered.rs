//! Requests under idempotency keys.

use aob_store::{Error, Remembered};

use super::Launcher;

fn before(request: &str, answer: Option<&str>) -> Option<Remembered> {
    let answer = answer.map(|answer| answer.as_bytes().to_vec());
    Some(Remembered { request: request.to_owned(), answer })
}

/// The first request under a key is remembered, and its answer; another one is told what it was.
pub(crate) async fn first_is_remembered(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let ask = async |tenant: &str, key: &str, request: &str, answer: Option<&str>| {
        store.remember(tenant, key, request, answer.map(str::as_bytes)).await.unwrap()
    };
    assert_eq!(ask("t", "k", "a", None).await, None);
    assert_eq!(ask("t", "k", "a", None).await, before("a", None));
    assert_eq!(ask("t", "k", "b", None).await, before("a", None));
    assert_eq!(ask("t", "k", "a", Some("{\"x\":\"=?\"}")).await, None);
    assert_eq!(ask("t", "k", "b", None).await, before("a", Some("{\"x\":\"=?\"}")));
    assert_eq!(ask("other", "k", "b", None).await, None);
    assert_eq!(ask("t", "k 2", "c", Some("")).await, None);
    assert_eq!(ask("t", "k 2", "c", None).await, before("c", Some("")));
}

/// Of many who ask first under one key, one is the first.
pub(crate) async fn one_is_the_first(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let rivals: Vec<_> = (0..16)
        .map(|rival: u32| {
            let store = store.clone();
            tokio::spawn(async move {
                store.remember("t", "k", &rival.to_string(), None).await.unwrap()
            })
        })
        .collect();
    let mut told = Vec::new();
    for rival in rivals {
        told.push(rival.await.unwrap());
    }
    assert_eq!(told.iter().filter(|before| before.is_none()).count(), 1);
}

/// Keys and answers have their sizes.
pub(crate) async fn keys_are_bounded(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    for (tenant, key, answer) in [
        ("t", "", None),
        ("t", &*"k".repeat(257), None),
        ("a b", "k", None),
        ("t", "k", Some(vec![0; (1 << 20) + 1])),
    ] {
        let refused = store.remember(tenant, key, "a", answer.as_deref()).await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{tenant} {key:.10}");
    }
}
