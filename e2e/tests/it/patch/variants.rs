//! Two sets of patches on many runs, and replays that execute only what comes after.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_e2e::answer::TENANT;
use aob_e2e::serve;
use aob_e2e::witness::{self, QUICK};
use aob_engine::check::Ceiling;
use aob_engine::state::{RunOutcome, encode};
use aob_runner::node::Policy;
use aob_runner::runs::{ReplayAsk, Runs, StartOptions};
use aob_store::Store;
use aob_store::embedded::Embedded;
use serde_json::{Value, json};

use crate::documents::{in_a_row, workflow};
use crate::local::{ended, finish, one_at_a_time, publish, redis, request, runs, server, start};
use crate::turn::Turn;

fn greeting() -> Value {
    let node = json!({"id": "greet", "type": "transform", "config": {"value": "hello"}});
    let mut document = workflow("greeting", &[node], &[]);
    document["spec"]["output"] = json!("${ nodes.greet.output }");
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_told_apart_by_their_set_of_patches() {
    let _turn = Turn::take("two sets of patches").await;
    let server = server();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(Embedded::volatile()), redis(&server, 4).await];
    for store in stores {
        let runs = runs(store);
        let digest = publish(&runs, &greeting()).await;
        let mut all = Vec::new();
        let mut expected = BTreeMap::new();
        for word in ["ahoy", "servus"] {
            let change = json!({"operations": [
                {"op": "replace", "path": "/nodes/greet/config/value", "value": word},
            ]});
            let set = runs.keep_patch_set(&digest, &change).await.unwrap();
            runs.store().name_patch_set(TENANT, "greeting", word, &set).await.unwrap();
            expected.insert(set.clone(), word);
            for _ in 0..200 {
                let options = StartOptions {
                    patch_set: Some(set.clone()),
                    ..request(&digest, json!({}), None)
                };
                all.push(runs.start(&options).await.unwrap().run);
            }
        }
        finish(&one_at_a_time(&runs), &all).await;
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let (page, next) = runs.store().runs(TENANT, cursor.as_deref(), 1_000).await.unwrap();
            listed.extend(page);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        let mut groups = BTreeMap::<String, usize>::new();
        for summary in listed {
            let set = summary.patch_set.expect("every run began on a set");
            let output = runs.output(&summary.run, None).await.unwrap().unwrap();
            assert_eq!(*output, json!(expected[&set]));
            assert_eq!(summary.revision, 1);
            *groups.entry(set).or_default() += 1;
        }
        assert_eq!(groups.into_values().collect::<Vec<_>>(), [200, 200]);
        assert!(runs.verify(&all[0]).await.unwrap().is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_executes_only_what_comes_after() {
    let _turn = Turn::take("replay").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("witness");
    let server = server();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(Embedded::volatile()), redis(&server, 4).await];
    for store in stores {
        let runs = Runs::new(store, witness::registry().unwrap(), Ceiling::default());
        let ids = ["a", "b", "c", "d"];
        let nodes: Vec<Value> = ids.iter().map(|id| json!({"id": id, "type": QUICK})).collect();
        let digest = publish(&runs, &workflow("four", &nodes, &in_a_row(&nodes))).await;
        let run = start(&runs, &digest, json!({})).await;
        let policy = Policy::default();
        let options = serve::options(&runs, witness::nodes(&policy, &file).unwrap(), policy);
        finish(&options, std::slice::from_ref(&run)).await;
        let before = encode(&runs.store().load(&run).await.unwrap().unwrap());
        let old = runs.output(&run, Some("b")).await.unwrap().unwrap();
        let asked = ReplayAsk {
            run: run.to_string(),
            from: vec!["c".to_owned()],
            input: None,
            digest: None,
            by: "user:ada".into(),
            key: None,
            keep: 0,
        };
        let replayed = runs.replay(&asked).await.unwrap().run;
        finish(&options, std::slice::from_ref(&replayed)).await;
        let state = ended(&runs, &replayed).await;
        assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded));
        let executed = witness::read(&file).unwrap();
        let mut again: Vec<&str> = executed
            .iter()
            .filter(|one| *one.run == *replayed)
            .map(|one| one.instance.as_str())
            .collect();
        again.sort_unstable();
        assert_eq!(again, ["c", "d"], "nothing upstream ran");
        assert_eq!(runs.output(&replayed, Some("b")).await.unwrap().unwrap(), old);
        let after = encode(&runs.store().load(&run).await.unwrap().unwrap());
        assert_eq!(before, after, "the old run is as it was");
        assert!(runs.verify(&replayed).await.unwrap().is_ok());
        let nothing = ReplayAsk { from: Vec::new(), ..asked };
        assert!(runs.replay(&nothing).await.is_err(), "nothing failed in it");
    }
}
