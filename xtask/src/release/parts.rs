//! What a program is made of, as a bill of materials in CycloneDX 1.6: <https://cyclonedx.org/docs/1.6/json/>.
//!
//! Crates are those that cargo resolves for it and its build, those of tests left out; their digests are what Cargo.lock
//! pins. The same commit is the same bytes: neither a time nor a random number is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use serde_json::{Value, json};

use crate::shell::root;

type Made<T> = Result<T, Box<dyn std::error::Error>>;

/// What the workspace consists of.
pub(super) struct Parts {
    metadata: Metadata,
    digests: BTreeMap<(String, String), String>,
}

impl Parts {
    /// Of a machine's architecture, as `rustc -vV` calls it.
    pub(super) fn of(target: &str) -> Made<Self> {
        let metadata = MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .other_options(
                ["--locked", "--offline", "--filter-platform", target].map(str::to_owned),
            )
            .exec()?;
        Ok(Self { metadata, digests: digests(&fs::read_to_string(root().join("Cargo.lock"))?) })
    }

    /// The bill of a crate's programs.
    pub(super) fn bill(&self, name: &str) -> Made<Value> {
        let known = |id: &PackageId| self.metadata.packages.iter().find(|one| one.id == *id);
        let own = self.metadata.workspace_packages().into_iter().find(|one| *one.name == name);
        let own = own.ok_or_else(|| format!("{name} is no crate of the workspace"))?;
        let uses = self.uses()?;
        let (mut seen, mut next) = (BTreeSet::from([&own.id]), vec![&own.id]);
        while let Some(id) = next.pop() {
            for used in uses.get(id).into_iter().flatten() {
                if seen.insert(used) {
                    next.push(used);
                }
            }
        }
        let mut found: Vec<&Package> = seen.iter().filter_map(|id| known(id)).collect();
        found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        let links: Vec<Value> = found
            .iter()
            .map(|package| {
                let of = uses.get(&package.id).into_iter().flatten().filter_map(|id| known(id));
                let on: BTreeSet<String> = of.map(reference).collect();
                json!({"ref": reference(package), "dependsOn": on})
            })
            .collect();
        let parts = found.iter().filter(|package| package.id != own.id);
        Ok(json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {"component": self.component(own, "application")},
            "components": parts.map(|one| self.component(one, "library")).collect::<Vec<_>>(),
            "dependencies": links,
        }))
    }

    /// Which package uses which, those of tests left out.
    fn uses(&self) -> Made<BTreeMap<&PackageId, Vec<&PackageId>>> {
        let resolved = self.metadata.resolve.as_ref().ok_or("cargo has resolved nothing")?;
        let is_part = |kinds: &[cargo_metadata::DepKindInfo]| {
            kinds.iter().any(|one| one.kind != DependencyKind::Development)
        };
        let of = resolved.nodes.iter().map(|node| {
            let used = node.deps.iter().filter(|one| is_part(&one.dep_kinds));
            (&node.id, used.map(|one| &one.pkg).collect())
        });
        Ok(of.collect())
    }

    fn component(&self, package: &Package, kind: &str) -> Value {
        let mut made = json!({
            "type": kind,
            "bom-ref": reference(package),
            "name": *package.name,
            "version": package.version.to_string(),
            "purl": reference(package),
        });
        if let Some(license) = &package.license {
            // Cargo still takes a slash for what SPDX writes as a word.
            made["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
        }
        let key = (package.name.to_string(), package.version.to_string());
        if let Some(digest) = self.digests.get(&key) {
            made["hashes"] = json!([{"alg": "SHA-256", "content": digest}]);
        }
        made
    }
}

/// A package's name for everybody: <https://github.com/package-url/purl-spec>.
fn reference(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version.to_string().replace('+', "%2B"))
}

/// Digests of crates by name and version, from a lock file.
fn digests(lock: &str) -> BTreeMap<(String, String), String> {
    let of = |block: &str| {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")))?;
            Some(line.strip_suffix('"')?.to_owned())
        };
        Some(((field("name")?, field("version")?), field("checksum")?))
    };
    lock.split("[[package]]\n").filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::release::{GIVEN, target};

    #[test]
    fn everything_that_is_named_is_there_with_its_digest() {
        let parts = Parts::of(&target().unwrap()).unwrap();
        for name in GIVEN {
            let bill = parts.bill(name).unwrap();
            let all = bill["components"].as_array().unwrap();
            let mut known: BTreeSet<&str> =
                all.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect();
            assert_eq!(known.len(), all.len(), "{name}: one is named twice");
            assert!(known.len() > 50, "{name}: {}", known.len());
            known.insert(bill["metadata"]["component"]["bom-ref"].as_str().unwrap());
            for link in bill["dependencies"].as_array().unwrap() {
                let mut named = vec![&link["ref"]];
                named.extend(link["dependsOn"].as_array().unwrap());
                assert!(named.iter().all(|one| known.contains(one.as_str().unwrap())), "{link}");
            }
            for one in all {
                let own = one["name"].as_str().unwrap().starts_with("aob-");
                assert_eq!(own, one.get("hashes").is_none(), "{one}");
                assert!(one.get("licenses").is_some(), "{one}");
            }
            // What only tests use.
            assert!(all.iter().all(|one| one["name"] != "proptest"), "{name}");
        }
        assert!(parts.bill("nothing").is_err());
    }

    #[test]
    fn a_lock_is_read_as_cargo_writes_it() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"x\"\nchecksum = \"00ff\"\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        let read = digests(lock);
        assert_eq!(read.len(), 1);
        assert_eq!(read[&("a".to_owned(), "1.0.0".to_owned())], "00ff");
    }
}
