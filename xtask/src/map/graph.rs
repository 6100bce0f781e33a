//! Which packages are built with which, as cargo resolved them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

/// The packages of a build, by cargo's ids.
#[derive(Debug)]
pub(super) struct Graph {
    /// The name of each.
    names: BTreeMap<String, String>,
    /// With what each is built; tests and build scripts left out.
    built_with: BTreeMap<String, Vec<String>>,
}

impl Graph {
    /// Reads what `cargo metadata` says.
    ///
    /// # Errors
    /// It says nothing of how packages were resolved.
    pub(super) fn of(metadata: &Value) -> Result<Self> {
        let packages = metadata["packages"].as_array().context("cargo names no packages")?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let names = packages.iter().filter_map(|package| Some((text(&package["id"])?, text(&package["name"])?)));
        let nodes = metadata["resolve"]["nodes"].as_array().context("cargo resolved nothing")?;
        let built_with = nodes.iter().filter_map(|node| {
            let all = node["deps"].as_array().into_iter().flatten();
            let built = all.filter(|other| {
                let mut kinds = other["dep_kinds"].as_array().into_iter().flatten();
                kinds.any(|kind| kind["kind"].is_null())
            });
            Some((text(&node["id"])?, built.filter_map(|other| text(&other["pkg"])).collect()))
        });
        Ok(Self { names: names.collect(), built_with: built_with.collect() })
    }

    /// The names of all packages that a package is built with.
    pub(super) fn reached(&self, from: &str) -> BTreeSet<String> {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(id) = left.pop() {
            for next in self.built_with.get(id).into_iter().flatten() {
                if seen.insert(next.as_str()) {
                    left.push(next);
                }
            }
        }
        seen.into_iter().filter_map(|id| self.names.get(id).cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_built_with_a_package_is_reached_through_others() {
        let package = |name: &str| json!({ "id": format!("id of {name}"), "name": name });
        let node = |name: &str, deps: &[(&str, &[Option<&str>])]| {
            let deps = deps.iter().map(|(name, kinds)| {
                let kinds: Vec<Value> = kinds.iter().map(|kind| json!({ "kind": kind })).collect();
                json!({ "pkg": format!("id of {name}"), "dep_kinds": kinds })
            });
            json!({ "id": format!("id of {name}"), "deps": deps.collect::<Vec<_>>() })
        };
        let packages = ["fuzz", "node", "tokio", "criterion", "cc"].map(package);
        let metadata = json!({
            "packages": packages,
            "resolve": { "nodes": [
                node("fuzz", &[("node", &[None])]),
                node("node", &[("tokio", &[Some("dev"), None]), ("criterion", &[Some("dev")]), ("cc", &[Some("build")])]),
                node("tokio", &[("node", &[None])]),
            ] },
        });
        let reached = Graph::of(&metadata).unwrap().reached("id of fuzz");
        assert_eq!(reached, ["node", "tokio"].into_iter().map(str::to_owned).collect());
        assert!(Graph::of(&json!({ "packages": [] })).is_err());
    }
}
