//! Patches from outside: the JSON Patch test suite, the schema of requests, and laws over random graphs.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aob_engine::compile::spec_digest;
use aob_engine::patch::{
    EdgeName, Op, Operation, PatchLimits, PlainOperation, apply_plain, canonical, difference,
    footprint, materialize, operations_between, read, read_plain,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

const SUITE: [(&str, &str, usize); 2] = [
    ("tests.json", include_str!("../data/json-patch/tests.json"), 75),
    ("spec_tests.json", include_str!("../data/json-patch/spec_tests.json"), 16),
];

fn records(text: &str) -> Vec<Value> {
    let records: Vec<Value> = serde_json::from_str(text).unwrap();
    let enabled = |record: &Value| record.get("disabled") != Some(&Value::Bool(true));
    records.into_iter().filter(enabled).collect()
}

/// Reads and applies; what was refused, in words.
fn patched(document: &Value, patch: &Value) -> Result<Value, String> {
    let operations = read_plain(patch, &PatchLimits::default())
        .map_err(|issues| issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    apply_plain(document, &operations).map_err(|error| error.to_string())
}

#[test]
fn every_enabled_record_of_the_suite_passes() {
    for (name, text, wanted) in SUITE {
        let (mut run, mut passed, mut refused) = (0, 0, 0);
        for record in records(text) {
            run += 1;
            let comment = record.get("comment").cloned().unwrap_or_default();
            let result = patched(&record["doc"], &record["patch"]);
            match (&result, record.get("expected"), record.get("error")) {
                (Err(_), None, Some(_)) => {
                    refused += 1;
                    passed += 1;
                }
                (Ok(found), Some(expected), None) if found == expected => passed += 1,
                (Ok(_), None, None) => passed += 1,
                _ => println!("{name}: {comment}: {record} gave {result:?}"),
            }
        }
        println!("{name}: {run} run, {passed} passed, {refused} of them refused as they must be");
        assert_eq!((run, passed), (wanted, wanted), "{name}");
    }
}

#[test]
fn moves_and_copies_of_the_suite_are_refused_to_a_run() {
    let mut refused = 0;
    for record in SUITE.iter().flat_map(|(_, text, _)| records(text)) {
        let words: Vec<&str> = record["patch"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|operation| operation["op"].as_str())
            .collect();
        let request = json!({"operations": record["patch"]});
        let codes: Vec<&str> = match read(&request, &PatchLimits::default()) {
            Ok(_) => Vec::new(),
            Err(issues) => issues.iter().map(|issue| issue.entry.name).collect(),
        };
        for (word, name) in [("move", "PATCH_MOVE"), ("copy", "PATCH_COPY")] {
            let found = words.iter().filter(|found| **found == word).count();
            assert_eq!(codes.iter().filter(|code| **code == name).count(), found, "{record}");
            refused += found;
        }
    }
    println!("{refused} moves and copies refused");
    assert!(refused > 10);
}

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(aob_schema::PATCH).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

/// Ids that graphs and patches share, so that they meet.
const IDS: [&str; 7] = ["a", "b", "c", "d", "e1", "f_x", "g"];

fn any_value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        select(vec![0.5, 1.0, -0.0]).prop_map(Value::from),
        select(vec!["", "x", "${ 1 }", "a/b~c", "é"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(select(vec!["x", "y", "a/b", "~", "0"]), inner, 0..3)
                .prop_map(|map| map
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()),
        ]
    })
    .boxed()
}

fn any_fields(names: Vec<&'static str>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(select(names), any_value(), 0..3)
        .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn any_node(id: &'static str) -> impl Strategy<Value = Value> {
    (
        select(vec!["noop", "transform"]),
        any_fields(vec!["config", "join", "ui", "labels", "retry", "onError"]),
    )
        .prop_map(move |(kind, mut node)| {
            node.insert("id".to_owned(), id.into());
            node.insert("type".to_owned(), kind.into());
            Value::Object(node)
        })
}

fn any_edge() -> impl Strategy<Value = Value> {
    let after = prop::option::of(select(vec!["success", "failure", "always"]));
    (select(IDS.to_vec()), select(IDS.to_vec()), after, any_fields(vec!["when", "otherwise"]))
        .prop_map(|(from, to, after, mut edge)| {
            edge.insert("from".to_owned(), from.into());
            edge.insert("to".to_owned(), to.into());
            edge.extend(after.map(|after| ("after".to_owned(), after.into())));
            Value::Object(edge)
        })
}

fn edge_name(edge: &Value) -> String {
    EdgeName::of(edge).unwrap().to_string()
}

/// A document with named nodes and edges, in any order. What they mean is none of this module's business.
fn any_workflow() -> impl Strategy<Value = Value> {
    let nodes = prop::sample::subsequence(IDS.to_vec(), 0..=IDS.len())
        .prop_flat_map(|ids| ids.into_iter().map(|id| any_node(id).boxed()).collect::<Vec<_>>())
        .prop_shuffle();
    (nodes, prop::collection::vec(any_edge(), 0..6)).prop_map(|(nodes, edges)| {
        let mut seen = BTreeSet::new();
        let edges: Vec<Value> =
            edges.into_iter().filter(|edge| seen.insert(edge_name(edge))).collect();
        json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "x"},
            "spec": {"output": "${ 1 }", "nodes": nodes, "edges": edges}
        })
    })
}

/// How an operation says which node or edge it means.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Where {
    Position,
    Name,
    Anything,
}

/// A name, and a value that mostly fits it.
fn any_operation(place: Where) -> impl Strategy<Value = Operation> {
    let op = select(vec![Op::Add, Op::Add, Op::Remove, Op::Replace, Op::Test]);
    let node = select(IDS.to_vec()).prop_flat_map(any_node);
    let item = prop_oneof![
        (
            node,
            select(vec![
                "",
                "",
                "",
                "/config",
                "/config/x",
                "/config/0",
                "/id",
                "/ui/a~1b",
                "/ui/y/-",
                "/join"
            ])
        )
            .prop_map(|(node, below)| (
                "nodes",
                node["id"].as_str().unwrap().to_owned(),
                node,
                below
            )),
        (any_edge(), select(vec!["", "", "", "/when", "/to", "/after", "/otherwise"]))
            .prop_map(|(edge, below)| ("edges", edge_name(&edge), edge, below)),
    ];
    let position = select(vec!["0", "1", "2", "3", "-"]);
    let anything = select(vec!["0", "9", "-", "", "~1", "A", "00", "a->", "~", "a->b:on"]);
    (op, item, position, anything, any_value(), 0..12).prop_map(
        move |(op, item, position, anything, value, wild)| {
            let (list, name, whole, below) = item;
            let name = match place {
                Where::Position => position,
                Where::Name if wild == 0 => "-",
                Where::Anything if wild < 6 => anything,
                _ => &name,
            };
            let path = match wild {
                11 if place == Where::Anything => format!("/{name}{below}"),
                _ => format!("/{list}/{name}{below}"),
            };
            let value = if below.is_empty() { whole } else { value };
            Operation { op, path, value: (op != Op::Remove).then_some(value) }
        },
    )
}

/// A graph and operations on it: those of several that can be applied, one after the other, or in one
/// case of four all of them.
fn any_patch(place: Where) -> impl Strategy<Value = (Value, Vec<Operation>)> {
    let all = prop::collection::vec(any_operation(place), 6..24);
    (any_workflow(), all, 0..4).prop_map(|(base, all, way)| {
        if way == 0 {
            return (base, all.into_iter().take(3).collect());
        }
        let operations = all.into_iter().fold(Vec::new(), |mut kept, operation| {
            kept.push(operation);
            if !applies(&base, &kept) {
                kept.pop();
            }
            kept
        });
        (base, operations)
    })
}

fn applies(base: &Value, operations: &[Operation]) -> bool {
    canonical(operations, Some(base)).and_then(|named| materialize(base, &[&named])).is_ok()
}

/// A graph and one that it was patched into, or two that have nothing to do with each other.
fn two_workflows() -> impl Strategy<Value = (Value, Value)> {
    let near = any_patch(Where::Name).prop_map(|(before, operations)| {
        let named = canonical(&operations, None).unwrap_or_default();
        let after = materialize(&before, &[&named]).unwrap_or_else(|_| before.clone());
        (before, after)
    });
    prop_oneof![near, (any_workflow(), any_workflow())]
}

#[test]
fn most_patches_of_these_tests_apply() {
    let mut runner = TestRunner::deterministic();
    for place in [Where::Name, Where::Position] {
        let (mut accepted, mut operations) = (0, 0);
        for _ in 0..500 {
            let (base, patch) = any_patch(place).new_tree(&mut runner).unwrap().current();
            if applies(&base, &patch) {
                accepted += 1;
                operations += patch.len();
            }
        }
        println!("{place:?}: {accepted} of 500 patches apply, {operations} operations in them");
        assert!(accepted > 300 && operations > 500);
    }
}

fn shuffled(document: &Value, by: &[Index]) -> Value {
    let mut document = document.clone();
    for list in ["nodes", "edges"] {
        let items = document["spec"][list].as_array_mut().unwrap();
        for (at, index) in by.iter().enumerate() {
            if !items.is_empty() {
                let other = index.index(items.len());
                let length = items.len();
                items.swap(at % length, other);
            }
        }
    }
    document
}

/// Ids of everything that differs, ends of edges included.
fn touched(before: &Value, after: &Value) -> BTreeSet<String> {
    let found = difference(before, after);
    let mut ids: BTreeSet<String> =
        [found.nodes_added, found.nodes_removed].concat().into_iter().collect();
    ids.extend(found.nodes_changed.into_keys().chain(found.cosmetic_nodes.into_keys()));
    let edges = [found.edges_added, found.edges_removed].concat();
    let changed = found.edges_changed.into_keys().chain(found.cosmetic_edges.into_keys());
    ids.extend(edges.into_iter().chain(changed).flat_map(|name| [name.from, name.to]));
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn operations_between_lead_there_and_back((before, after) in two_workflows()) {
        let (old, new) = (materialize(&before, &[]).unwrap(), materialize(&after, &[]).unwrap());
        prop_assert_eq!(spec_digest(&old), spec_digest(&before));
        let there = operations_between(&before, &after);
        prop_assert_eq!(there.is_empty(), difference_of_anything(&before, &after).is_empty());
        let patched = materialize(&before, &[&there]).unwrap();
        // 1 and 1.0 are the same, and no operation is made for them.
        prop_assert_eq!(spec_digest(&patched), spec_digest(&new));
        prop_assert!(difference_of_anything(&patched, &new).is_empty());
        let back = operations_between(&patched, &before);
        let undone = materialize(&before, &[&there, &back]).unwrap();
        prop_assert_eq!(spec_digest(&undone), spec_digest(&before));
        prop_assert!(difference_of_anything(&undone, &before).is_empty());
        prop_assert_eq!(canonical(&there, None).unwrap(), there);
    }

    #[test]
    fn the_order_of_nodes_and_edges_means_nothing(
        (before, after) in two_workflows(), by in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let operations = operations_between(&before, &after);
        let other = shuffled(&before, &by);
        prop_assert!(difference(&before, &other).is_empty());
        prop_assert_eq!(operations_between(&other, &after), operations.clone());
        prop_assert_eq!(materialize(&other, &[&operations]).unwrap(), materialize(&before, &[&operations]).unwrap());
        let position = [Operation { op: Op::Remove, path: "/nodes/0/type".to_owned(), value: None }];
        prop_assert_eq!(
            canonical(&position, Some(&other)).map_err(|error| error.to_string()),
            canonical(&position, Some(&before)).map_err(|error| error.to_string())
        );
    }

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else((before, operations) in any_patch(Where::Name)) {
        let Ok(operations) = canonical(&operations, None) else { return Ok(()) };
        let Ok(after) = materialize(&before, &[&operations]) else { return Ok(()) };
        let (touched, named) = (touched(&before, &after), footprint(&operations));
        prop_assert!(touched.is_subset(&named), "{touched:?} {named:?}");
        let rest = |document: &Value| {
            let mut rest = document.clone();
            rest["spec"]["nodes"] = Value::Null;
            rest["spec"]["edges"] = Value::Null;
            rest
        };
        prop_assert_eq!(rest(&after), rest(&before));
    }

    #[test]
    fn overlays_one_by_one_or_together_are_the_same(
        (before, operations) in any_patch(Where::Name), cut in any::<Index>(),
    ) {
        let Ok(operations) = canonical(&operations, None) else { return Ok(()) };
        let (first, second) = operations.split_at(cut.index(operations.len() + 1));
        let together = materialize(&before, &[first, second]).map_err(|error| error.message);
        let halfway = materialize(&before, &[first]).map_err(|error| error.message);
        let one_by_one = halfway.and_then(|halfway| materialize(&halfway, &[second]).map_err(|error| error.message));
        prop_assert_eq!(&together, &one_by_one);
        if footprint(first).is_disjoint(&footprint(second)) {
            let swapped = materialize(&before, &[second, first]).ok();
            prop_assert_eq!(swapped, together.ok());
        }
    }

    /// Paths that count positions mean what RFC 6902 makes of the printed graph.
    #[test]
    fn positions_mean_what_rfc_6902_says((base, operations) in any_patch(Where::Position)) {
        let printed = materialize(&base, &[]).unwrap();
        let graph = json!({"nodes": printed["spec"]["nodes"], "edges": printed["spec"]["edges"]});
        let plain: Vec<PlainOperation> = operations.iter().cloned().map(PlainOperation::Change).collect();
        let plain = apply_plain(&graph, &plain);
        match canonical(&operations, Some(&base)).and_then(|named| materialize(&base, &[&named])) {
            Ok(found) => {
                let plain = plain.unwrap();
                let mut wanted = base;
                wanted["spec"]["nodes"] = plain["nodes"].clone();
                wanted["spec"]["edges"] = plain["edges"].clone();
                prop_assert_eq!(found, materialize(&wanted, &[]).unwrap());
            }
            // What is stricter than RFC 6902, by name.
            Err(error) if plain.is_ok() => {
                let stricter = ["PATCH_EXISTS", "PATCH_IDENTITY", "PATCH_VALUE", "PATCH_ADDRESS"];
                prop_assert!(stricter.contains(&error.entry.name), "{error}");
            }
            Err(_) => {}
        }
    }

    #[test]
    fn nothing_panics(
        (before, mut operations) in any_patch(Where::Anything), extra in any_operation(Where::Anything),
        request in any_request(), junk in any_value(),
    ) {
        operations.push(extra);
        let given = json!({"operations": operations, "base": 0});
        for request in [&given, &request, &junk] {
            if let Ok(request) = read(request, &PatchLimits::default()) {
                for base in [None, Some(&before), Some(&junk)] {
                    let named = canonical(&request.operations, base).unwrap_or_default();
                    let _ = (footprint(&named), materialize(&before, &[&named]), materialize(&junk, &[&named]));
                }
            }
            let _ = (read_plain(request, &PatchLimits::default()), difference(request, &before), operations_between(request, &before));
        }
        // What is applied need not have been read.
        let _ = (materialize(&before, &[&operations]), footprint(&operations));
        for document in [&before, &junk] {
            let plain: Vec<PlainOperation> = operations.iter().cloned().map(PlainOperation::Change).collect();
            let _ = apply_plain(document, &plain);
            let moved = PlainOperation::Move { from: operations[0].path.clone(), path: operations.last().unwrap().path.clone() };
            let copied = PlainOperation::Copy { from: operations[0].path.clone(), path: operations.last().unwrap().path.clone() };
            let _ = (apply_plain(document, &[moved]), apply_plain(document, &[copied]));
        }
    }

    /// The reader is stricter than the schema (addresses, sizes), never laxer.
    #[test]
    fn what_the_schema_refuses_is_refused(request in any_request()) {
        if read(&request, &PatchLimits::default()).is_ok() {
            prop_assert!(SCHEMA.is_valid(&request), "{request}");
            prop_assert!(serde_json::from_value::<aob_schema::PatchRequest>(request.clone()).is_ok() || request["base"].is_f64());
        }
    }
}

/// Everything that an operation could be made for, what is cosmetic included.
fn difference_of_anything(before: &Value, after: &Value) -> BTreeSet<String> {
    touched(before, after)
}

/// Requests with a member wrong now and then.
fn any_request() -> impl Strategy<Value = Value> {
    let members = vec![
        ("operations", json!([{"op": "remove", "path": "/nodes/a"}])),
        (
            "operations",
            json!([{"op": "add", "path": "/nodes/-", "value": {"id": "n", "type": "noop"}}, {"op": "test", "path": "/nodes/0", "value": null}]),
        ),
        ("operations", json!([{"op": "remove", "path": "/nodes/a", "from": "/x"}])),
        ("operations", json!([{"op": "copy", "path": "/nodes/a", "from": "/x"}])),
        ("operations", json!([{"op": "remove", "path": "/nodes/a~2"}])),
        ("operations", json!([{"op": "remove", "path": format!("/nodes/a/{}", "x".repeat(1016))}])),
        ("operations", json!([{"op": "remove", "path": format!("/nodes/a/{}", "é".repeat(1015))}])),
        ("operations", json!([{"op": "remove", "path": "nodes"}, 5])),
        ("operations", json!([])),
        ("operations", json!({})),
        ("operations", Value::from(vec![json!({"op": "remove", "path": "/nodes/a"}); 257])),
        ("base", json!(0)),
        ("base", json!(3.0)),
        ("base", json!(-1)),
        ("base", json!(0.5)),
        ("base", json!(null)),
        ("onConflict", json!("Rebase")),
        ("onConflict", json!("rebase")),
        ("cancel", json!(["a", "each[3]/a", "a[0]/b[1]/c[2]/d[3]/e"])),
        ("cancel", json!(["a[0]/b[1]/c[2]/d[3]/e[4]/f"])),
        ("cancel", json!(["each[]/a"])),
        ("cancel", json!(["each[1234567890]/a"])),
        ("cancel", json!(["a/b"])),
        ("cancel", json!(["each[3]"])),
        ("cancel", json!([""])),
        ("cancel", json!(["a\n"])),
        ("cancel", Value::from(vec!["a"; 257])),
        ("cancel", json!("a")),
        ("reason", json!("x")),
        ("reason", json!("é".repeat(1024))),
        ("reason", json!("é".repeat(1025))),
        ("reason", json!(1)),
        ("dryRun", json!(true)),
        ("dryRun", json!("true")),
        ("colour", json!(1)),
    ];
    let required = json!([{"op": "replace", "path": "/edges/a->b/when", "value": "true"}]);
    (prop::collection::vec(select(members), 0..4), any::<bool>()).prop_map(
        move |(members, whole)| {
            let mut request = Map::new();
            if whole {
                request.insert("operations".to_owned(), required.clone());
            }
            request.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
            Value::Object(request)
        },
    )
}
