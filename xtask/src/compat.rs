//! `cargo xtask compat`: whoever wrote documents for the last release can keep them.
//!
//! `schema/released.json` holds the schemas as they were released. A schema may add optional
//! fields, values and types and widen bounds; it may not take away, require or narrow.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Outcome;
use crate::shell::{root, say};

mod compare;

/// Flags of `cargo xtask compat`.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// Take the present schemas for the released ones: part of making a release.
    #[arg(long)]
    accept: bool,
}

/// What `schema/released.json` holds.
#[derive(Default, Deserialize, Serialize)]
struct Released {
    /// Version of the release that these schemas belong to.
    version: String,
    /// Breaks that were decided on, by place, each with its reason.
    allowed: BTreeMap<String, String>,
    /// Each schema by its name: `workflow`, `node-types/http`.
    schemas: BTreeMap<String, Value>,
}

const FILE: &str = "schema/released.json";

/// Compares, or with `--accept` writes what is compared with from now on.
pub(crate) fn run(flags: &Flags) -> Outcome {
    let present = present(&root())?;
    if flags.accept {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let schemas = present.len();
        let released = Released { version, allowed: BTreeMap::new(), schemas: present };
        fs::write(root().join(FILE), serde_json::to_string_pretty(&released)? + "\n")?;
        say(&format!("compat: {schemas} schemas are the released ones now"));
        return Ok(());
    }
    check()
}

/// Fails with every break of compatibility that nobody has decided on.
pub(crate) fn check() -> Outcome {
    let text = fs::read_to_string(root().join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
    let released: Released =
        serde_json::from_str(&text).map_err(|error| format!("{FILE}: {error}"))?;
    let faults = faults(&released, &present(&root())?);
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!(
        "documents written for {} would be refused or mean something else:\n  {}\nhelp: keep what was released and add \
         beside it. Before {0} is out, `cargo xtask compat --accept`; a break that was decided on goes into `allowed` of \
         {FILE} with its reason",
        released.version,
        faults.join("\n  ")
    )
    .into())
}

fn faults(released: &Released, present: &BTreeMap<String, Value>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, old) in &released.schemas {
        match present.get(name) {
            Some(new) => compare::schemas(name, old, new, &mut faults),
            None => faults.push(compare::Fault {
                place: name.clone(),
                what: "the schema was removed".to_owned(),
            }),
        }
    }
    let open = faults.iter().filter(|fault| !released.allowed.contains_key(&fault.place));
    open.map(ToString::to_string).collect()
}

/// Every schema of today by its name.
fn present(root: &Path) -> Result<BTreeMap<String, Value>, Box<dyn std::error::Error>> {
    let mut all = BTreeMap::new();
    for (prefix, folder) in [("", "schema"), ("node-types/", "schema/node-types")] {
        for entry in fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(stem) = name.strip_suffix(".schema.json") {
                let schema = serde_json::from_str(&fs::read_to_string(&path)?)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                all.insert(format!("{prefix}{stem}"), schema);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_removed_node_type_is_named_and_an_allowed_break_is_not() {
        let schemas = BTreeMap::from([("node-types/http".to_owned(), json!({}))]);
        let mut released = Released { schemas, ..Released::default() };
        let found = faults(&released, &BTreeMap::new());
        assert_eq!(found, ["node-types/http: the schema was removed"]);
        released.allowed.insert("node-types/http".to_owned(), "never used".to_owned());
        assert_eq!(faults(&released, &BTreeMap::new()), [""; 0]);
    }

    #[test]
    fn the_present_schemas_keep_what_was_released() {
        if let Err(error) = check() {
            panic!("{error}");
        }
    }

    /// Every change of the kinds that break, made to the schema of workflows.
    #[test]
    fn every_kind_of_break_is_seen_in_the_real_schema() {
        let present = present(&root()).unwrap();
        let old = &present["workflow"];
        let broken = |change: fn(&mut Value)| {
            let mut new = old.clone();
            change(&mut new["$defs"]);
            let released = Released {
                schemas: BTreeMap::from([("workflow".to_owned(), old.clone())]),
                ..Released::default()
            };
            faults(&released, &BTreeMap::from([("workflow".to_owned(), new)])).join("; ")
        };
        let removed = |defs: &mut Value| {
            defs["Node"]["properties"].as_object_mut().unwrap().remove("timeout");
        };
        assert!(broken(removed).contains("workflow: spec.nodes[].timeout: the field was removed"));
        let required = |defs: &mut Value| defs["Edge"]["required"] = json!(["from", "to", "after"]);
        assert!(broken(required).contains("spec.edges[].after: the field is required now"));
        let value = |defs: &mut Value| defs["OnError"]["enum"] = json!(["fail", "pause"]);
        assert!(broken(value).contains("spec.nodes[].onError: \"continue\" is no value any more"));
        let bound = |defs: &mut Value| {
            defs["Retry"]["properties"]["attempts"]["maximum"] = json!(100);
        };
        assert!(broken(bound).contains("spec.nodes[].retry.attempts: maximum 1000 became 100"));
        let pattern = |defs: &mut Value| defs["Duration"]["pattern"] = json!("^[0-9]+s$");
        assert!(broken(pattern).contains("spec.limits.duration: another pattern"));
        let closed = |defs: &mut Value| {
            defs["Node"]["properties"]["ui"] =
                json!({ "type": "object", "additionalProperties": false, "properties": {} })
        };
        assert!(broken(closed).contains("spec.nodes[].ui: takes no further fields any more"));
        assert_eq!(broken(|_| {}), "");
    }
}
