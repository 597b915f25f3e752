//! What is found without knowing a run: lists, prefixes, versions; and how long runs stay.

use std::sync::Arc;

use super::Launcher;
use super::fixture::{BEGIN, applied, commit, next, run_id, start};
use aob_store::{Expired, Item, Outcome, Version};

/// Documents by digest, tags that move, versions by workflow.
pub(crate) async fn artifacts_and_tags(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    assert_eq!(store.artifact("sha256:aa").await.unwrap(), None);
    let document: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    store.put_artifact("sha256:aa", &document).await.unwrap();
    store.put_artifact("sha256:aa", &document).await.unwrap();
    assert_eq!(store.artifact("sha256:aa").await.unwrap(), Some(document));
    assert_eq!(store.tag("t", "flow", "main").await.unwrap(), None);
    for (tenant, workflow, tag, known, digest) in [
        ("t", "flow", "main", 0, "sha256:aa"),
        ("t", "flow", "main", 1, "sha256:bb"),
        ("t", "flow", "v1", 0, "sha256:aa"),
        ("t", "a-flow", "main", 0, "sha256:cc"),
        ("other", "flow", "main", 0, "sha256:dd"),
    ] {
        let to = super::tags::to(digest);
        assert!(store.move_tag(tenant, workflow, tag, known, &to).await.unwrap());
    }
    assert_eq!(store.tag("t", "flow", "main").await.unwrap().as_deref(), Some("sha256:bb"));
    let version = |workflow: &str, tag: &str, digest: &str| Version {
        workflow: workflow.into(),
        tag: tag.into(),
        digest: digest.into(),
    };
    let mut versions = store.workflows("t").await.unwrap();
    versions.sort_by(|a, b| (&a.workflow, &a.tag).cmp(&(&b.workflow, &b.tag)));
    let expected = [
        version("a-flow", "main", "sha256:cc"),
        version("flow", "main", "sha256:bb"),
        version("flow", "v1", "sha256:aa"),
    ];
    assert_eq!(versions, expected);
    assert!(store.workflows("nobody").await.unwrap().is_empty());
}

/// A tenant's runs, newest first, page by page, as they stand.
pub(crate) async fn runs_newest_first(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let mut expected = Vec::new();
    for n in 0..7_u64 {
        let run = run_id();
        let mut draft = start(&*store, &run, 3).publish(0);
        draft.after.head.started = BEGIN + 1_000 * n;
        applied(&*store, draft).await;
        expected.insert(0, run.to_string());
    }
    let mut other = start(&*store, &run_id(), 1);
    other.after.head.tenant = "other".into();
    applied(&*store, other).await;
    let (mut seen, mut cursor) = (Vec::new(), None);
    for _ in 0..10 {
        let (page, more) = store.runs("t", cursor.as_deref(), 3).await.unwrap();
        assert!(page.len() <= 3);
        seen.extend(page.into_iter().map(|summary| summary.run));
        cursor = more;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    let state = store.load(&expected[2]).await.unwrap().unwrap();
    applied(&*store, next(&*store, &state).settle(0, serde_json::json!(1)).end(BEGIN + 99_999))
        .await;
    let (page, _) = store.runs("t", None, 100).await.unwrap();
    let line = &page[2];
    assert_eq!(
        (&*line.workflow, &*line.status, line.started),
        ("flow", "succeeded", BEGIN + 4_000)
    );
    assert_eq!((line.ended, line.revision, line.progress), (Some(BEGIN + 99_999), 0, (1, 3)));
    assert_eq!((&*page[0].status, page[0].ended, page[0].progress), ("running", None, (0, 3)));
}

/// Open questions, oldest first; an answer closes one, the end of its run all.
pub(crate) async fn open_tickets(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (first, second) = (run_id(), run_id());
    let one =
        applied(&*store, start(&*store, &first, 2).ask(0, "ticket_b").ask(1, "ticket_c")).await;
    let since = store.tickets("t", 10).await.unwrap()[0].since;
    while super::fixture::now() <= since {
        tokio::task::yield_now().await;
    }
    let two = applied(&*store, start(&*store, &second, 1).ask(0, "ticket_a")).await;
    let open = async || {
        let tickets = store.tickets("t", 10).await.unwrap();
        tickets.into_iter().map(|ticket| ticket.ticket).collect::<Vec<_>>()
    };
    let tickets = store.tickets("t", 10).await.unwrap();
    assert_eq!(tickets.len(), 3);
    let last = &tickets[2];
    assert_eq!(
        (&*last.ticket, &*last.run, &*last.instance, &*last.asks),
        ("ticket_a", &*second, "n0", "gate")
    );
    assert!(last.since > since);
    assert_eq!(store.tickets("t", 1).await.unwrap().len(), 1);
    assert!(store.tickets("other", 10).await.unwrap().is_empty());
    let one = applied(&*store, next(&*store, &one).answer(0)).await;
    assert_eq!(open().await, ["ticket_c", "ticket_a"]);
    applied(&*store, next(&*store, &two).end(BEGIN)).await;
    assert_eq!(open().await, ["ticket_c"]);
    applied(&*store, next(&*store, &one).answer(1)).await;
    assert!(open().await.is_empty());
}

/// The beginning of an id is enough; at most 10 are named.
pub(crate) async fn find_by_prefix(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let runs: Vec<Arc<str>> = (0..12).map(|_| run_id()).collect();
    for run in &runs {
        applied(&*store, start(&*store, run, 1).ask(0, &format!("ticket_{}", &run[4..]))).await;
    }
    assert_eq!(store.find("t", &runs[3]).await.unwrap(), [&*runs[3]]);
    assert_eq!(store.find("t", "run_").await.unwrap().len(), 10);
    let ticket = format!("ticket_{}", &runs[5][4..]);
    assert_eq!(store.find("t", &ticket).await.unwrap(), [ticket.as_str()]);
    let short = &runs[0][..20];
    let found = store.find("t", short).await.unwrap();
    assert!(!found.is_empty() && found.iter().all(|id| id.starts_with(short)), "{found:?}");
    assert!(store.find("t", "run_zzzz").await.unwrap().is_empty());
    assert!(store.find("other", "run_").await.unwrap().is_empty());
}

/// Runs that ended longer ago than their retention go, with everything that was theirs; others stay.
pub(crate) async fn expired_runs_go(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (short, long, live) = (run_id(), run_id(), run_id());
    for (run, retention) in [(&short, 1_000), (&long, 1_000_000)] {
        let mut draft = start(&*store, run, 1);
        draft
            .effects
            .context
            .push(("input".into(), super::fixture::output(draft.fence(), serde_json::json!({}))));
        let state = applied(&*store, draft).await;
        let item = Item { retention, ..next(&*store, &state).end(BEGIN + 10).item() };
        assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    }
    applied(&*store, start(&*store, &live, 1)).await;
    assert_eq!(store.drop_expired(0, BEGIN + 500, 100).await.unwrap(), 0);
    // Whatever is named, only what has had its time goes.
    let expired = |run: &Arc<str>| Expired { run: run.clone(), tenant: "t".into() };
    let named = [expired(&long), expired(&live), expired(&run_id())];
    assert_eq!(store.remove(0, BEGIN + 2_000, &named).await.unwrap(), 0);
    assert_eq!(store.expired(0, BEGIN + 2_000, 100).await.unwrap(), [expired(&short)]);
    assert_eq!(store.context_keys(&short).await.unwrap(), ["input"]);
    assert_eq!(store.drop_expired(0, BEGIN + 2_000, 100).await.unwrap(), 1);
    assert!(store.load(&short).await.unwrap().is_none());
    assert!(store.events(&short, 0, 9).await.unwrap().is_empty());
    assert!(store.context(&short, &["input".into()]).await.unwrap().is_empty());
    let (page, _) = store.runs("t", None, 10).await.unwrap();
    assert_eq!(page.len(), 2);
    assert!(store.load(&long).await.unwrap().is_some());
    assert_eq!(store.drop_expired(0, BEGIN + 2_000_000, 100).await.unwrap(), 1);
    assert!(store.load(&live).await.unwrap().is_some());
}

/// With a retention of nothing the run goes in the commit that ends it.
pub(crate) async fn retention_of_nothing(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 2).publish(0).ask(1, "ticket_r")).await;
    store.log(&run, &[]).await.unwrap();
    let item = Item {
        retention: 0,
        ..next(&*store, &state).settle(0, serde_json::json!(1)).end(BEGIN + 9).item()
    };
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    assert!(store.load(&run).await.unwrap().is_none());
    assert!(store.events(&run, 0, 9).await.unwrap().is_empty());
    assert!(store.context(&run, &["n0".into()]).await.unwrap().is_empty());
    assert!(store.runs("t", None, 10).await.unwrap().0.is_empty());
    assert!(store.tickets("t", 10).await.unwrap().is_empty());
    assert!(store.find("t", &run).await.unwrap().is_empty());
    assert_eq!(store.watch(&run, 9, super::fixture::AT_ONCE).await.unwrap(), 0);
    let item = next(&*store, &state).item();
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Unknown]);
    // A run may end in the step that starts it.
    let run = run_id();
    let item = Item { retention: 0, ..start(&*store, &run, 1).end(BEGIN).item() };
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    assert!(store.load(&run).await.unwrap().is_none());
    assert!(store.events(&run, 0, 9).await.unwrap().is_empty());
    assert!(store.runs("t", None, 10).await.unwrap().0.is_empty());
}
