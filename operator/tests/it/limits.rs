//! Annotations of a Namespace limit its tenant, for whoever decides: operator, gateway or runner.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_runner::runs::{Runs, TenantLimits};
use aob_store::redis::RedisStore;
use serde_json::Value;

use crate::world::{Space, condition, world};

const WORKFLOW: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: quick}
spec: {nodes: [{id: only, type: noop}]}
";

fn annotate(space: &Space<'_>, annotation: &str) {
    let annotated = ["annotate", "--overwrite", "namespace", &space.name, annotation];
    space.kubectl(&annotated).unwrap();
}

async fn until_limited(runs: &Runs, tenant: &str, wanted: TenantLimits) {
    let begun = Instant::now();
    loop {
        let limits = runs.limits(tenant).await.unwrap();
        if limits == wanted {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{limits:?}, not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_of_a_namespace_are_limits_of_its_tenant() {
    let space = world().namespace("annotated");
    let store = Arc::new(RedisStore::open(&world().redis).await.unwrap());
    let runs = Runs::new(store, Registry::builtin(), Ceiling::default());
    let two = TenantLimits { runs_per_minute: Some(2), ..TenantLimits::default() };
    annotate(&space, "limits.aob.dev/runs-per-minute=2");
    until_limited(&runs, &space.name, two).await;
    // Three of one kind: the third is put off, and says why.
    space.apply(WORKFLOW);
    space.condition("workflow/quick", "Ready", "True");
    for number in 0..3 {
        space.apply(&format!(
            "apiVersion: aob.dev/v1alpha1\nkind: Run\nmetadata: {{name: r{number}}}\nspec: {{workflowRef: {{name: quick}}}}\n"
        ));
    }
    let all = space.until("runs", "two begin and one is put off", |all| {
        let items = all["items"].as_array().cloned().unwrap_or_default();
        let admitted = |status: &str| {
            let of = items.iter().filter_map(|one| condition(one, "Admitted"));
            of.filter(|one| one["status"] == status).count()
        };
        (admitted("True"), admitted("False")) == (2, 1)
    });
    let items = all["items"].as_array().unwrap();
    let put_off = items.iter().filter_map(|one| condition(one, "Admitted"));
    let put_off = put_off.filter(|one| one["status"] == "False").collect::<Vec<&Value>>();
    let message = put_off[0]["message"].as_str().unwrap();
    assert!(message.contains("annotated may start 2 runs in 60 s and has; one more"), "{message}");
    // What cannot be read is told of, and what held before holds on; the rest is taken.
    annotate(&space, "limits.aob.dev/runs-per-minute=many");
    annotate(&space, "limits.aob.dev/usd-per-day=2.50");
    until_limited(&runs, &space.name, TenantLimits { usd_per_day: Some(2_500_000), ..two }).await;
    let begun = Instant::now();
    loop {
        let events = world().plane.kubectl(&["get", "events.events.k8s.io", "-A", "-o", "json"]);
        let all: Value = serde_json::from_str(&events.unwrap()).unwrap();
        let told = all["items"].as_array().unwrap().iter().find(|event| {
            event["reason"] == "LimitUnreadable" && event["regarding"]["name"] == "annotated"
        });
        if let Some(told) = told {
            let note = told["note"].as_str().unwrap();
            assert!(note.contains("runs-per-minute is \"many\" and not a whole number"), "{note}");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no event tells of it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Without them there are none.
    annotate(&space, "limits.aob.dev/runs-per-minute-");
    annotate(&space, "limits.aob.dev/usd-per-day-");
    until_limited(&runs, &space.name, TenantLimits::default()).await;
}
