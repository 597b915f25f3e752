//! The suite on a real, private Redis server with `appendfsync always`.

use std::sync::Arc;
use std::time::Duration;

use aob_store::Store;
use aob_store::redis::{Options, RedisStore};
use aob_store::testing::{RedisServer, ServerOptions};
use async_trait::async_trait;

use crate::suite::Launcher;

struct Redis {
    server: RedisServer,
}

fn launcher() -> Redis {
    Redis { server: RedisServer::start(ServerOptions::default()).unwrap() }
}

impl Redis {
    async fn store(&self) -> Arc<dyn Store> {
        let options = Options { takeover: self.takeover(), ..Options::default() };
        Arc::new(RedisStore::open_with(&self.server.url(), options).await.unwrap())
    }
}

#[async_trait]
impl Launcher for Redis {
    async fn open(&mut self) -> Arc<dyn Store> {
        self.store().await
    }

    async fn reopen(&mut self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        store.close().await.unwrap();
        self.server.stop().unwrap();
        self.server.restart().unwrap();
        self.store().await
    }

    async fn kill(&mut self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        drop(store);
        self.server.kill9();
        self.server.restart().unwrap();
        self.store().await
    }

    fn takeover(&self) -> Duration {
        Duration::from_millis(300)
    }
}

mod conformance {
    crate::suite::conformance!(crate::redis::launcher);
}

mod budget;
mod faults;
mod fitness;
mod large;
mod patches;
mod proxy;
mod tls;
