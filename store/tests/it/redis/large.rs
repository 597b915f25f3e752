//! Items with more parts than the short form counts, and than one command takes.

use std::sync::Arc;

use aob_engine::state::ScopePath;
use aob_store::Store;
use aob_store::redis::RedisStore;
use aob_store::testing::{RedisServer, ServerOptions};
use serde_json::json;

use crate::suite::fixture::{AT_ONCE, BEGIN, applied, next, noops, run_id, start};

#[tokio::test]
async fn thousands_of_fields_come_and_go() {
    let server =
        RedisServer::start(ServerOptions { appendfsync: None, ..ServerOptions::default() })
            .unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let run = run_id();
    let mut draft = (0..300).fold(start(&store, &run, 400), |draft, slot| draft.publish(slot));
    let body = draft.after.scopes[""].clone();
    for index in 0..1_500 {
        let mut scope = body.clone();
        scope.live.clear();
        draft.after.scopes.insert(ScopePath::from(format!("each[{index}]")), scope);
    }
    let fence = draft.fence();
    for key in 0..2_500 {
        draft
            .effects
            .context
            .push((format!("each[{key}]"), crate::suite::fixture::output(fence, json!(key))));
    }
    let mut state = applied(&store, draft).await;
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state);
    let keys: Vec<String> = (0..2_500).map(|key| format!("each[{key}]")).collect();
    assert_eq!(store.context(&run, &keys).await.unwrap().len(), 2_500);
    let tasks = store.claim(&noops("w", 1_000), AT_ONCE).await.unwrap();
    assert_eq!(tasks.len(), 300);
    let mut draft = next(&store, &state);
    draft.after.scopes.retain(|path, _| path.is_empty());
    for slot in 0..300 {
        draft = draft.settle(slot, json!(slot));
    }
    state = applied(&store, draft).await;
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state);
    assert_eq!(store.sweep(0, AT_ONCE, BEGIN).await.unwrap().0, 0, "every task is answered");
    let after = Arc::clone(&state);
    applied(&store, next(&store, &after).end(BEGIN)).await;
}
