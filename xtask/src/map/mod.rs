//! The map of the crates and their modules, drawn from the code: who stands on whom. `cargo xtask map` writes docs/map.md; the
//! lint stage compares it, and fails on an arrow that is not allowed and on a circle of modules that is not named here.

mod modules;
mod page;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::tools::{self, Workspace};
use modules::Modules;

const PAGE: &str = "docs/map.md";

/// What a crate is for, and what it may stand on.
struct Rule {
    name: &'static str,
    /// Crates of this workspace.
    on: &'static [&'static str],
    /// Libraries of others that would bring in what it must not know.
    not: &'static [&'static str],
}

/// Sockets, clocks and disks, which pure crates must not know.
const WORLD: &[&str] = &["tokio", "hyper", "hyper-util", "mio", "socket2", "rustix", "nix", "clap"];

const RULES: [Rule; 12] = [
    Rule { name: "rain-kernels", on: &[], not: WORLD },
    Rule { name: "rain-codec", on: &["rain-kernels"], not: &["tokio", "hyper", "hyper-util", "clap"] },
    Rule { name: "rain-cluster", on: &[], not: WORLD },
    Rule { name: "rain-fetch", on: &["rain-codec", "rain-cluster"], not: WORLD },
    Rule { name: "rain-desk", on: &["rain-codec", "rain-cluster"], not: WORLD },
    Rule {
        name: "rain-node",
        on: &["rain-codec", "rain-cluster", "rain-fetch", "rain-desk"],
        not: &["clap", "rust-embed", "indicatif", "metrics-exporter-prometheus"],
    },
    Rule { name: "rain-streamer", on: &["rain-codec", "rain-cluster", "rain-node", "rain-benches"], not: &[] },
    Rule { name: "rain-benches", on: &["rain-kernels", "rain-codec"], not: &["tokio", "hyper"] },
    Rule { name: "rain-codec-c", on: &["rain-codec"], not: WORLD },
    Rule {
        name: "rain-fuzz",
        on: &["rain-kernels", "rain-codec", "rain-cluster", "rain-fetch", "rain-node", "rain-streamer"],
        not: &["tokio"],
    },
    Rule { name: "xtask", on: &[], not: &["tokio", "hyper"] },
    Rule { name: "rain-prove", on: &["rain-kernels", "rain-codec"], not: &["tokio", "hyper"] },
];

/// Modules of a crate that need each other, and why that is so.
struct Circle {
    package: &'static str,
    modules: &'static [&'static str],
    why: &'static str,
}

/// The circles that are known, each with its reason.
const CIRCLES: &[Circle] = &[
    Circle {
        package: "rain-codec",
        modules: &[
            "file::encode",
            "file::staging",
            "file::stripe_reader",
            "file::survey",
            "file::title",
            "file::trees",
        ],
        why: "A title's files are staged, surveyed and read by the same few types, which `title` brings together",
    },
    Circle {
        package: "rain-codec",
        modules: &["plan", "stripe"],
        why: "A stripe's codec asks the planner, and a plan is run by the codec",
    },
    Circle {
        package: "rain-kernels",
        modules: &["columns", "straight"],
        why: "A program over columns picks its straight-line body, and a body says what it does in terms of columns",
    },
    Circle {
        package: "rain-node",
        modules: &["node", "peer"],
        why: "What a peer asks, `peer::server` hands to the node; the node asks by `peer::client`",
    },
    Circle {
        package: "rain-node",
        modules: &["node::fetching", "node::read"],
        why: "An open title fetches its pieces, and a fetch is of an open title",
    },
    Circle {
        package: "rain-node",
        modules: &["peer::paths", "peer::ports"],
        why: "What is under way over a port is counted by path, and a path's port says when it is full",
    },
];

/// A crate of the workspace.
struct Package {
    name: String,
    folder: PathBuf,
    /// What it is built with, tests left out.
    dependencies: BTreeSet<String>,
    modules: Modules,
}

/// Writes the map, or with `check` only says whether it is as it would be written.
///
/// # Errors
/// An arrow that is not allowed; a circle that is not named, or is named and gone.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let packages = packages(workspace)?;
    let mut wrong = arrows(&packages)?;
    wrong.extend(circles(&packages));
    ensure!(wrong.is_empty(), "the map does not hold:\n  {}", wrong.join("\n  "));
    let page = page::page(workspace, &packages);
    let path = workspace.root.join(PAGE);
    if check {
        let found = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
        ensure!(found == page, "{PAGE} is not what `cargo xtask map` writes");
        return Ok(());
    }
    fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))
}

fn packages(workspace: &Workspace) -> Result<Vec<Package>> {
    let metadata = tools::output(&mut workspace.cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("what cargo says of the workspace")?;
    let packages = metadata["packages"].as_array().context("cargo names no packages")?;
    packages.iter().map(package).collect()
}

fn package(package: &Value) -> Result<Package> {
    let name = package["name"].as_str().context("a package without a name")?.to_owned();
    let manifest = package["manifest_path"].as_str().context("a package without a manifest")?;
    let folder = PathBuf::from(manifest).parent().context("a manifest lies in a folder")?.to_path_buf();
    let all = package["dependencies"].as_array().into_iter().flatten();
    let built_with = all.filter(|dependency| dependency["kind"].is_null());
    let dependencies = built_with.filter_map(|dependency| Some(dependency["name"].as_str()?.to_owned())).collect();
    let modules = Modules::read(&folder.join("src")).with_context(|| name.clone())?;
    Ok(Package { name, folder, dependencies, modules })
}

/// What is wrong with who stands on whom.
fn arrows(packages: &[Package]) -> Result<Vec<String>> {
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for Package { name, dependencies, .. } in packages {
        let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
            bail!("{name} has no rule in xtask/src/map.rs: say what it may stand on");
        };
        for found in dependencies {
            let is_ours = names.contains(found.as_str());
            if is_ours && !rule.on.contains(&found.as_str()) {
                wrong.push(format!("{name} stands on {found}, expected only {}", rule.on.join(", ")));
            }
            if rule.not.contains(&found.as_str()) {
                wrong.push(format!("{name} stands on {found}, which it must not know"));
            }
        }
    }
    Ok(wrong)
}

/// What is wrong with the circles of modules.
fn circles(packages: &[Package]) -> Vec<String> {
    let named: BTreeSet<(&str, Vec<&str>)> =
        CIRCLES.iter().map(|circle| (circle.package, circle.modules.to_vec())).collect();
    let found: Vec<(&str, Vec<String>)> = packages
        .iter()
        .flat_map(|package| package.modules.circles().into_iter().map(|found| (package.name.as_str(), found)))
        .collect();
    let found: BTreeSet<(&str, Vec<&str>)> =
        found.iter().map(|(package, found)| (*package, found.iter().map(String::as_str).collect())).collect();
    let new = found.difference(&named);
    let new = new.map(|(package, modules)| format!("{package}: {} need each other", modules.join(", ")));
    let gone = named.difference(&found);
    let gone = gone.map(|(package, modules)| format!("{package}: {} are no circle any more", modules.join(", ")));
    new.chain(gone).collect()
}
