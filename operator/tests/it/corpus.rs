//! Every document of `schema/testdata` put to the real API server, by a dry run: the verdict that it claims.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::webhook::reviewed;
use crate::world::Space;

struct Case {
    document: Value,
    /// Who must refuse it; nobody refuses what is valid.
    layers: Vec<String>,
}

/// What an API server takes though a document by itself is refused, and why. It is listed so that it is seen.
const FORGIVEN: &[(&str, &str)] = &[
    ("invalid/shape-kind-other.json", "the path says the kind"),
    ("invalid/shape-label-null.json", "null is taken as absent"),
    ("invalid/shape-labels-null.json", "null is taken as absent"),
    ("invalid/shape-timeout-null.json", "null is taken as absent"),
    ("invalid/shape-within-null.json", "null is taken as absent"),
    ("invalid/shape-unknown-field-top.json", "the object's own members are the API server's"),
];

/// Without a place in a RunPatch: null is taken as absent, so such a patch goes through the gateway. A dry run is
/// kubectl's own, and its documents are left out too.
const ELSEWHERE: &str = "patch/valid/null-value.json";

/// Workflows: what any layer refuses is refused, by the structural schema or by the webhook; what is valid is kept as it
/// was sent.
#[test]
fn workflows_are_judged_as_everywhere() {
    let space = reviewed("corpus-workflows");
    judge(&space, "workflows", &["valid", "invalid"], |document| document, |_| true);
}

/// Requests to patch, as the spec of a RunPatch. There is no run to judge the graph by: what the schema says, counts.
#[test]
fn patches_are_judged_as_everywhere() {
    let space = reviewed("corpus-patches");
    let wrap = |document: Value| {
        let mut spec = json!({"runRef": {"name": "some"}});
        if let (Some(spec), Value::Object(mut members)) = (spec.as_object_mut(), document) {
            if let Some(base) = members.remove("base") {
                members.insert("baseRevision".to_owned(), base);
            }
            spec.extend(members);
        }
        json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "RunPatch", "metadata": {"name": "some"},
            "spec": spec,
        })
    };
    let by_schema = |layers: &[String]| layers.iter().any(|layer| layer == "schema");
    judge(&space, "runpatches", &["patch/valid", "patch/invalid"], wrap, by_schema);
}

fn judge(
    space: &Space<'_>,
    kind: &str,
    folders: &[&str],
    wrap: impl Fn(Value) -> Value,
    counts: impl Fn(&[String]) -> bool,
) {
    let path = format!(
        "/apis/aob.dev/v1alpha1/namespaces/{}/{kind}?dryRun=All&fieldValidation=Strict",
        space.name
    );
    let (mut faults, mut refused, mut accepted) = (Vec::new(), 0, 0);
    for (name, case) in cases(folders) {
        if !case.layers.is_empty() && !counts(&case.layers) {
            continue;
        }
        if name == ELSEWHERE || case.document.get("dryRun").is_some() {
            continue;
        }
        let forgiven = FORGIVEN.iter().find(|(other, _)| *other == name);
        let mut object = wrap(case.document);
        if let Some(namespace) = object.pointer_mut("/metadata/namespace") {
            *namespace = json!(space.name);
        }
        let file = space.world.plane.folder.join(format!("{}.json", space.name));
        fs::write(&file, object.to_string()).unwrap();
        let answer = space.kubectl(&["create", "--raw", &path, "-f", &file.display().to_string()]);
        let verdict = match (&answer, case.layers.is_empty()) {
            (Ok(kept), true) => {
                accepted += 1;
                let kept: Value = serde_json::from_str(kept).unwrap();
                if kept["spec"] != object["spec"] {
                    faults.push(format!("{name}: not kept as sent: {}", kept["spec"]));
                }
                "accepted"
            }
            (Err(_), false) => {
                if forgiven.is_some() {
                    faults.push(format!("{name}: refused, so it need not be forgiven"));
                }
                refused += 1;
                "refused"
            }
            (Ok(_), false) if forgiven.is_some() => "accepted",
            (Ok(_), false) => {
                faults.push(format!("{name}: accepted, though {:?} must refuse it", case.layers));
                "ACCEPTED"
            }
            (Err(why), true) => {
                faults.push(format!("{name}: {why}"));
                "REFUSED"
            }
        };
        let why = forgiven.map_or("", |(_, why)| why);
        println!("| {name} | {} | {verdict} | {why} |", case.layers.join(" "));
    }
    println!("{kind}: {accepted} accepted, {refused} refused");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(accepted > 1 && refused > 5, "{accepted} and {refused}");
}

fn cases(folders: &[&str]) -> BTreeMap<String, Case> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/testdata");
    let mut cases = BTreeMap::new();
    for folder in folders {
        for entry in fs::read_dir(testdata.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let read: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let case = if folder.ends_with("invalid") {
                let layers = read["layers"].as_array().unwrap().iter();
                let layers = layers.map(|layer| layer.as_str().unwrap().to_owned()).collect();
                Case { document: read["document"].clone(), layers }
            } else {
                Case { document: read, layers: Vec::new() }
            };
            cases.insert(format!("{folder}/{}", path.file_name().unwrap().display()), case);
        }
    }
    cases
}
