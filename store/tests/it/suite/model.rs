//! Random histories against a plain model of what the trait promises.
//!
//! The model does not say which of several unclaimed tasks is given out, nor when a pending signal is taken
//! over; everything else it says exactly.

mod run;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::Launcher;
use world::World;

const NODES: u32 = 6;
const RUNS: usize = 4;

type Checked<T> = Result<T, TestCaseError>;

/// Follows the model as long as the store is open.
pub(crate) async fn follows_the_model(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    runner(60, |ops| {
        let store = store.clone();
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async move {
                let mut world = World::new(store);
                for op in ops {
                    world.play(op).await?;
                }
                world.end().await
            })
        })
    });
}

/// And through restarts and kills at any place.
pub(crate) async fn follows_the_model_through_restarts(launcher: &mut dyn Launcher) {
    let mut current = Some(launcher.open().await);
    runner(12, |ops| {
        let (store, launcher) = (current.take().unwrap(), &mut *launcher);
        let result = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async move {
                let mut world = World::new(store);
                for (at, op) in ops.into_iter().enumerate() {
                    if at % 9 == 8 {
                        world = world.restart(&mut *launcher, at % 2 == 0).await?;
                    }
                    world.play(op).await?;
                }
                world.end().await?;
                Ok(world.store)
            })
        });
        result.map(|store| current = Some(store))
    });
}

fn runner(cases: u32, mut test: impl FnMut(Vec<Op>) -> Result<(), TestCaseError>) {
    // A store outlives its cases: shrinking would go on with a store that has failed.
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let test = std::cell::RefCell::new(&mut test);
    let ops = proptest::collection::vec(op(), 1..60);
    TestRunner::new(config).run(&ops, |ops| (test.borrow_mut())(ops)).unwrap();
}

#[derive(Debug, Clone)]
enum Op {
    Start {
        run: usize,
        key: Option<u8>,
        publish: u32,
    },
    Hop {
        run: usize,
        stale: bool,
        settle: u32,
        publish: u32,
        recall: bool,
        arm: bool,
        disarm: bool,
        ack: bool,
        claim: usize,
        /// Whether it is accepted, and a number for its id, which may come again.
        patch: Option<(bool, u8)>,
    },
    Compact {
        run: usize,
        revision: u32,
    },
    End {
        run: usize,
        keep: bool,
    },
    Claim {
        consumer: u8,
        max: usize,
    },
    Beat {
        consumer: u8,
        leave_out: usize,
        begin: bool,
    },
    Report {
        consumer: u8,
    },
    Sweep {
        expire: bool,
        ahead: u64,
    },
    Signals {
        max: usize,
    },
    AckSignals,
    DropExpired,
}

fn op() -> impl Strategy<Value = Op> {
    let run = 0..RUNS;
    let claim = prop_oneof![3 => Just(0_usize), 2 => 1..4_usize];
    let flags = any::<[bool; 4]>();
    let patch = proptest::option::weighted(0.4, (prop::bool::weighted(0.7), 0..30_u8));
    prop_oneof![
        4 => (run.clone(), proptest::option::weighted(0.3, 0..2_u8), 0..4_u32)
            .prop_map(|(run, key, publish)| Op::Start { run, key, publish }),
        8 => (run.clone(), prop::bool::weighted(0.15), 0..NODES, 0..4_u32, prop::bool::weighted(0.2), flags, claim, patch).prop_map(
            |(run, stale, settle, publish, recall, [arm, disarm, ack, _], claim, patch)| Op::Hop {
                run, stale, settle, publish, recall, arm, disarm, ack, claim, patch
            }
        ),
        1 => (run.clone(), 0..8_u32).prop_map(|(run, revision)| Op::Compact { run, revision }),
        1 => (run, any::<bool>()).prop_map(|(run, keep)| Op::End { run, keep }),
        4 => (0..3_u8, 1..4_usize).prop_map(|(consumer, max)| Op::Claim { consumer, max }),
        2 => (0..3_u8, 0..3_usize, any::<bool>())
            .prop_map(|(consumer, leave_out, begin)| Op::Beat { consumer, leave_out, begin }),
        2 => (0..3_u8).prop_map(|consumer| Op::Report { consumer }),
        2 => (prop::bool::weighted(0.3), 0..40_u64).prop_map(|(expire, ahead)| Op::Sweep { expire, ahead }),
        2 => (1..5_usize).prop_map(|max| Op::Signals { max }),
        1 => Just(Op::AckSignals),
        1 => Just(Op::DropExpired),
    ]
}
