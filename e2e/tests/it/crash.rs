//! Processes and servers that are killed while runs are under way: nothing is lost, nothing is stuck, nothing is
//! recorded twice, and what is executed twice had been lost.

mod command;
mod embedded;
mod fleet;
mod runs;
mod zombie;

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use tokio::time::Instant;

use crate::local::{redis, server};
use crate::turn::{Turn, number};
pub(crate) use fleet::Fleet;
use runs::Crowd;

/// How long processes are killed.
fn seconds() -> Duration {
    Duration::from_secs(number("AOB_CRASH_SECONDS").unwrap_or(12))
}

/// How many runs are live meanwhile.
fn live() -> usize {
    number("AOB_CRASH_RUNS").map_or(200, |runs| usize::try_from(runs).unwrap())
}

/// kill -9 of one of three runners every 0.2 to 0.5 s; each comes back at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runners_are_killed() {
    let turn = Turn::take("crash of runners").await;
    let mut random = turn.random();
    let server = server();
    let mut fleet = Fleet::start(&server, 3);
    let mut crowd = Crowd::new(redis(&server, 4).await, &server).await;
    let until = Instant::now() + seconds();
    let killer = tokio::spawn(async move {
        let mut kills = 0;
        // However slow the machine is, until enough were killed.
        while Instant::now() < until || kills <= 10 {
            tokio::time::sleep(Duration::from_millis(random.random_range(200..=500))).await;
            fleet.replace(random.random_range(0..fleet.len()));
            kills += 1;
        }
        (fleet, kills)
    });
    crowd.keep(live(), until).await;
    let (fleet, kills) = killer.await.unwrap();
    crowd.finish(&fleet.said()).await;
    drop(fleet);
    println!("{kills} kills of runners");
    crowd.check(&server.dir().join("witness")).await;
}

/// kill -9 of the server about every 1.5 s; it comes back on the same data at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_killed() {
    let turn = Turn::take("crash of Redis").await;
    let mut random = turn.random();
    let mut server = server();
    let fleet = Fleet::start(&server, 3);
    let folder = server.dir().to_owned();
    let mut crowd = Crowd::new(redis(&server, 4).await, &server).await;
    let until = Instant::now() + seconds();
    let killer = tokio::spawn(async move {
        let mut kills = 0;
        while Instant::now() < until || kills <= 4 {
            tokio::time::sleep(Duration::from_millis(random.random_range(1_000..=2_000))).await;
            server = tokio::task::spawn_blocking(move || {
                server.kill9();
                server.restart().unwrap();
                server
            })
            .await
            .unwrap();
            kills += 1;
        }
        (server, kills)
    });
    crowd.keep(live(), until).await;
    let (server, kills) = killer.await.unwrap();
    crowd.finish(&fleet.said()).await;
    drop(fleet);
    println!("{kills} kills of the server");
    crowd.check(&folder.join("witness")).await;
    drop(server);
}

/// The crowd's own handle lives through everything.
type Shared = Arc<aob_store::redis::RedisStore>;
