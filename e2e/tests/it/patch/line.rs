//! A hundred patches behind one another: every revision can be had, and any patch be taken out.

use std::sync::Arc;

use aob_store::Store;
use aob_store::embedded::Embedded;
use serde_json::json;

use super::{ask, codes, patch, take_out};
use crate::documents::workflow;
use crate::local::{publish, redis, runs, server, start};
use crate::turn::Turn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_revisions_resolve() {
    let _turn = Turn::take("a hundred revisions").await;
    let server = server();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(Embedded::volatile()), redis(&server, 4).await];
    for store in stores {
        let first = runs(store.clone());
        let gate = json!({"id": "gate", "type": "approval", "config": {"title": "Go on?"}});
        let last = json!({"id": "last", "type": "noop"});
        let edge = json!({"from": "gate", "to": "last"});
        let mut document = workflow("line", &[gate, last], &[edge]);
        document["spec"]["limits"] = json!({"patches": 200});
        let digest = publish(&first, &document).await;
        let run = start(&first, &digest, json!({})).await;
        let mut graphs = vec![digest];
        let mut patches = Vec::new();
        for number in 1..=100 {
            let id = format!("n{number}");
            let request = json!({"operations": [
                {"op": "add", "path": "/nodes/-", "value": {"id": id, "type": "noop"}},
                {"op": "add", "path": "/edges/-", "value": {"from": "last", "to": id}},
            ]});
            let answer = patch(&first, &run, &ask(request)).await;
            let accepted = answer.record.accepted().unwrap_or_else(|| panic!("{answer:?}"));
            graphs.push(accepted.graph.clone());
            patches.push(answer.record.id.clone());
        }
        // Another process, which has seen nothing of it.
        let other = runs(store.clone());
        let state = store.load(&run).await.unwrap().unwrap();
        for (revision, digest) in graphs.iter().enumerate() {
            let document = other.document(&state, u32::try_from(revision).unwrap()).await.unwrap();
            let spec = aob_engine::compile::compile(
                &document,
                &aob_engine::registry::Registry::builtin(),
                &Default::default(),
            );
            assert_eq!(spec.unwrap().digest, *digest, "revision {revision}");
        }
        let chain = store.chain(&run, 100).await.unwrap();
        assert!(chain.overlays.len() <= 20, "patches were packed: {}", chain.overlays.len());
        assert_eq!(store.patches(&run).await.unwrap().len(), 100);
        // Past several bases.
        let undone = patch(&other, &run, &take_out(&patches[2])).await;
        assert_eq!(codes(&undone.record), [""; 0], "{undone:?}");
        assert_eq!(undone.difference.nodes_removed, ["n3"]);
        let twice = patch(&other, &run, &take_out(&patches[2])).await;
        assert_eq!(codes(&twice.record).len(), 1, "it is out already: {twice:?}");
        let back = patch(&first, &run, &take_out(&undone.record.id)).await;
        assert_eq!(back.record.accepted().unwrap().graph, graphs[100], "undone and done again");
        assert!(other.verify(&run).await.unwrap().is_ok());
    }
}
