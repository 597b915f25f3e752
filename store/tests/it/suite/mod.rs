//! What a store promises, as cases that know nothing of the store they run on. A case's name and its
//! comment are the contract; a launcher says how the store is started, restarted and killed.

pub(crate) mod admission;
pub(crate) mod answered;
pub(crate) mod archive;
pub(crate) mod commit;
pub(crate) mod fixture;
pub(crate) mod leases;
pub(crate) mod lists;
pub(crate) mod model;
pub(crate) mod patches;
pub(crate) mod reads;
pub(crate) mod restart;
pub(crate) mod signals;
pub(crate) mod spend;
pub(crate) mod start;
pub(crate) mod tags;
pub(crate) mod tasks;
pub(crate) mod timers;
pub(crate) mod types;

use std::sync::Arc;
use std::time::Duration;

use aob_store::Store;
use async_trait::async_trait;

/// How a store is brought up. One launcher owns one set of data and removes it when it is dropped.
#[async_trait]
pub(crate) trait Launcher: Send {
    /// Opens it on empty data; called once, first.
    async fn open(&mut self) -> Arc<dyn Store>;

    /// Stops it in order and starts it again on the same data. The old handle is closed.
    async fn reopen(&mut self, store: Arc<dyn Store>) -> Arc<dyn Store>;

    /// Ends it as `kill -9` does and starts it again on what is on disk.
    async fn kill(&mut self, store: Arc<dyn Store>) -> Arc<dyn Store>;

    /// After how long a pending signal is taken over: short, so that a case can wait for it.
    fn takeover(&self) -> Duration;
}

/// Makes a test of every case: `conformance!(crate::embedded::launcher)`, where the path names a function
/// without arguments that answers a launcher.
macro_rules! conformance {
    ($launcher:path) => {
        $crate::suite::conformance! { @list $launcher;
            archive { kept_as_it_was, not_gone_before_it_is_kept, a_broken_object_is_told }
            start { twice, state_comes_back, dedupe_key, dedupe_key_outlives_the_run }
            commit {
                conflict_of_seq, conflict_of_revision, linked_items, unknown_and_ended, other_epoch_is_refused,
                limits, hold_lets_its_holder_go_first, a_patch_holds_before_others,
            }
            tasks {
                carries_what_was_published, claimed_once_among_rivals, claim_is_woken, claim_by_type, no_more_than_wanted,
                claim_in_commit,
                no_claim_for_a_refused_item, ack_by_cell, cell_used_again, recall_unclaimed, recall_claimed,
                recall_of_reported_and_lost, claimed_instances, end_removes_tasks, backlog,
            }
            leases {
                beat_keeps, beat_of_a_stranger, unnamed_claims, expiry_is_one_signal, lost_and_published_again,
                reported_is_left_alone, once_that_began, once_that_did_not_begin,
            }
            timers { due_once, disarmed, gone_with_the_run, many_in_order }
            signals {
                given_to_one, sent_with_an_item, acked_by_a_commit, acked_alone, ack_of_refused_items, taken_over, wakes_and_bounded,
                every_input_comes_back,
            }
            reads { events_in_pages, watch_wakes, watch_without_news, watch_for_the_end, context_small_and_large, logs, logs_are_bounded }
            lists {
                artifacts_and_tags, runs_newest_first, open_tickets, find_by_prefix, expired_runs_go, retention_of_nothing,
            }
            patches {
                kept_with_the_event, begun_with_a_record, same_id_twice, recall_and_publish_again, recall_of_a_claimed_task,
                a_held_run, chains_and_bases, a_base_must_fit, found_by_prefix, gone_with_the_run, records_must_fit,
            }
            admission {
                as_many_as_the_limit, counted_by_id, given_back, apart_by_tenant_and_tier, a_lowered_limit,
                a_clock_that_is_set, any_window_of_real_time, kept_over_a_restart, debits_out_of_bounds,
            }
            spend {
                reserved_and_booked, the_same_call_again, rivals_for_the_last_money, midnight, sums_of_any_calls,
                kept_over_a_restart, limits, out_of_bounds,
            }
            tags { moves_in_order, one_of_two_moves, bounded, sets_of_patches, names_that_would_clash }
            types {
                put_on_a_version, dropped_on_a_version, one_of_rivals_changes_it, so_many_types, queues_of_tenants, bell,
            }
            answered { first_is_remembered, one_is_the_first, keys_are_bounded }
            restart {
                keeps_everything_acknowledged, kill_keeps_everything_acknowledged, epoch_changes, epoch_is_continued, unclaimed_after_it,
                once_that_began_is_lost, reported_stays_reported,
            }
            model { follows_the_model, follows_the_model_through_restarts }
        }
    };
    (@list $launcher:path; $($module:ident { $($case:ident),* $(,)? })*) => {
        $(mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let mut launcher = $launcher();
                    $crate::suite::$module::$case(&mut launcher).await;
                }
            )*
        })*
    };
}
pub(crate) use conformance;
