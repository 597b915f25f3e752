//! Servers that cannot be used, and when no run may start.

use std::time::{Duration, Instant};

use ::redis::cmd;
use aob_store::redis::{Options, RedisStore};
use aob_store::testing::{RedisServer, ServerOptions};
use aob_store::{Commit, Error, Outcome};
use serde_json::json;

use crate::suite::fixture::{applied, next, run_id, start};

async fn refusal(url: &str, options: Options) -> String {
    match RedisStore::open_with(url, options).await {
        Err(Error::Unfit(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test]
async fn a_server_that_forgets_keys_is_refused() {
    let options = ServerOptions { maxmemory_policy: "allkeys-lru", ..ServerOptions::default() };
    let server = RedisServer::start(options).unwrap();
    let why = refusal(&server.url(), Options::default()).await;
    assert!(
        why.contains("allkeys-lru") && why.contains("CONFIG SET maxmemory-policy noeviction"),
        "{why}"
    );
}

#[tokio::test]
async fn a_cluster_is_refused() {
    let options = ServerOptions {
        // Cluster mode needs a port; nobody asks for it.
        arguments: ["--cluster-enabled", "yes"].map(str::to_owned).into(),
        ..ServerOptions::default()
    };
    let server = RedisServer::start(options).unwrap();
    let why = refusal(&server.url(), Options::default()).await;
    assert!(why.contains("cluster-enabled no"), "{why}");
}

#[tokio::test]
async fn a_replica_is_refused() {
    let server = RedisServer::start(ServerOptions {
        arguments: ["--replicaof", "127.0.0.1 1"].map(str::to_owned).into(),
        ..ServerOptions::default()
    });
    let why = refusal(&server.unwrap().url(), Options::default()).await;
    assert!(why.contains("primary"), "{why}");
}

#[tokio::test]
async fn the_number_of_shards_is_fixed_once() {
    let server = RedisServer::start(ServerOptions::default()).unwrap();
    let of = |shards| Options { shards, ..Options::default() };
    let first = RedisStore::open_with(&server.url(), of(Some(3))).await.unwrap();
    assert_eq!(aob_store::Store::shards(&first), 3);
    let second = RedisStore::open(&server.url()).await.unwrap();
    assert_eq!(aob_store::Store::shards(&second), 3);
    assert_eq!(aob_store::Store::epoch(&second), aob_store::Store::epoch(&first));
    let why = refusal(&server.url(), of(Some(4))).await;
    assert!(why.contains('3') && why.contains('4'), "{why}");
    assert!(matches!(
        RedisStore::open_with(&server.url(), of(Some(33))).await,
        Err(Error::Limit(_))
    ));
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_told_at_once() {
    let since = Instant::now();
    let refused = RedisStore::open("unix:///nonexistent/redis.sock").await;
    assert!(matches!(refused, Err(Error::Unreachable(_))), "{:?}", refused.err());
    let refused = RedisStore::open("nonsense://x").await;
    assert!(matches!(refused, Err(Error::Unfit(_))), "{:?}", refused.err());
    assert!(since.elapsed() < Duration::from_secs(5));
}

/// Above 80 percent of maxmemory starts are refused; runs under way go on.
#[tokio::test]
async fn admission_stops_before_the_memory_is_full() {
    let server =
        RedisServer::start(ServerOptions { maxmemory: 64 << 20, ..ServerOptions::default() })
            .unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let state = applied(&store, start(&store, &run_id(), 3).publish(0)).await;
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    cmd("SETRANGE").arg("ballast").arg(54 << 20).arg("x").exec(&mut connection).unwrap();
    let commit = async |item| {
        aob_store::Store::commit(&store, Commit { items: vec![item], ..Commit::default() }).await
    };
    let since = Instant::now();
    let why = loop {
        match commit(start(&store, &run_id(), 1).item()).await {
            Err(Error::Full(why)) => break why,
            other => assert_eq!(other.unwrap().outcomes, [Outcome::Applied]),
        }
        assert!(since.elapsed() < Duration::from_secs(10), "starts go on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(why.contains("maxmemory"), "{why}");
    applied(&store, next(&store, &state).settle(0, json!(1)).publish(1)).await;
    cmd("DEL").arg("ballast").exec(&mut connection).unwrap();
    while commit(start(&store, &run_id(), 1).item()).await.is_err() {
        assert!(since.elapsed() < Duration::from_secs(20), "starts are taken again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
