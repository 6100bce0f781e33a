//! The map of the crates and their modules, drawn from the code: who stands on whom. `cargo xtask map` writes docs/map.md; the
//! lint stage compares it, and fails on an arrow that is not allowed and on a circle of modules that is not named here.

mod graph;
mod modules;
mod page;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::tools::{self, Workspace};
use graph::Graph;
use modules::Modules;

const PAGE: &str = "docs/map.md";

/// What a crate is for, and what it may stand on.
struct Rule {
    name: &'static str,
    /// Crates of this workspace.
    on: &'static [&'static str],
    /// Libraries of others that would bring in what it must not know.
    not: &'static [&'static str],
    /// Libraries that must not be built with it, through whatever crate.
    never: &'static [&'static str],
}

/// Sockets, clocks and disks, which pure crates must not know.
const WORLD: &[&str] = &["tokio", "hyper", "hyper-util", "mio", "socket2", "rustix", "nix", "clap"];

/// What serves and what reads a command line: a crate that only thinks is built, tested and fuzzed without.
const SERVERS: &[&str] = &["tokio", "hyper", "hyper-util", "clap"];

const RULES: [Rule; 20] = [
    Rule { name: "rain-kernels", on: &[], not: WORLD, never: SERVERS },
    Rule { name: "rain-codec", on: &["rain-kernels"], not: &[], never: SERVERS },
    Rule { name: "rain-cluster", on: &[], not: WORLD, never: SERVERS },
    Rule { name: "rain-media", on: &[], not: WORLD, never: SERVERS },
    Rule { name: "rain-titles", on: &[], not: WORLD, never: SERVERS },
    Rule { name: "rain-session", on: &["rain-cluster"], not: WORLD, never: SERVERS },
    Rule { name: "rain-config", on: &["rain-codec", "rain-cluster", "rain-session"], not: WORLD, never: SERVERS },
    Rule { name: "rain-wire", on: &["rain-cluster"], not: WORLD, never: SERVERS },
    Rule { name: "rain-fetch", on: &["rain-codec", "rain-cluster"], not: WORLD, never: SERVERS },
    Rule { name: "rain-desk", on: &["rain-codec", "rain-cluster"], not: WORLD, never: SERVERS },
    Rule {
        name: "rain-node",
        on: &[
            "rain-codec",
            "rain-cluster",
            "rain-titles",
            "rain-config",
            "rain-session",
            "rain-wire",
            "rain-fetch",
            "rain-desk",
        ],
        not: &["rust-embed", "indicatif", "metrics-exporter-prometheus"],
        never: &["clap"],
    },
    Rule {
        name: "rain-streamer",
        on: &[
            "rain-codec",
            "rain-cluster",
            "rain-media",
            "rain-titles",
            "rain-config",
            "rain-client",
            "rain-node",
            "rain-gauge",
            "rain-session",
        ],
        not: &[],
        never: &["rain-benches", "rain-harness", "signal-hook", "twox-hash"],
    },
    Rule { name: "rain-client", on: &["rain-titles"], not: &[], never: &["clap", "rain-node", "rain-codec"] },
    Rule { name: "rain-gauge", on: &["rain-kernels", "rain-codec"], not: WORLD, never: SERVERS },
    Rule {
        name: "rain-benches",
        on: &["rain-kernels", "rain-codec", "rain-gauge", "rain-harness"],
        not: &[],
        never: &["tokio", "hyper"],
    },
    Rule { name: "rain-codec-c", on: &["rain-codec"], not: WORLD, never: SERVERS },
    Rule {
        name: "rain-fuzz",
        on: &[
            "rain-kernels",
            "rain-codec",
            "rain-cluster",
            "rain-media",
            "rain-titles",
            "rain-config",
            "rain-session",
            "rain-wire",
            "rain-fetch",
        ],
        not: &[],
        never: SERVERS,
    },
    Rule { name: "xtask", on: &["rain-harness"], not: &[], never: &["tokio", "hyper", "rain-kernels", "rain-codec"] },
    // Only for what starts `rain`: no rule of a crate of the product has it in its list.
    Rule { name: "rain-harness", on: &["rain-session"], not: &[], never: SERVERS },
    Rule { name: "rain-prove", on: &["rain-kernels", "rain-codec"], not: &[], never: &["tokio", "hyper"] },
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
        modules: &["node::fetching", "node::read"],
        why: "A delivery fetches its pieces, and a fetch is of a delivery",
    },
];

/// A crate of the workspace.
struct Package {
    name: String,
    folder: PathBuf,
    /// What it is built with, tests left out.
    dependencies: BTreeSet<String>,
    /// All that is built with it, through whatever crate.
    reached: BTreeSet<String>,
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
    let metadata = tools::output(&mut workspace.cargo(&["metadata", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("what cargo says of the workspace")?;
    let graph = Graph::of(&metadata)?;
    let members = metadata["workspace_members"].as_array().context("cargo names no members")?;
    let all = metadata["packages"].as_array().context("cargo names no packages")?;
    let own = all.iter().filter(|package| members.contains(&package["id"]));
    own.map(|found| package(found, &graph)).collect()
}

fn package(package: &Value, graph: &Graph) -> Result<Package> {
    let name = package["name"].as_str().context("a package without a name")?.to_owned();
    let manifest = package["manifest_path"].as_str().context("a package without a manifest")?;
    let folder = PathBuf::from(manifest).parent().context("a manifest lies in a folder")?.to_path_buf();
    let all = package["dependencies"].as_array().into_iter().flatten();
    let built_with = all.filter(|dependency| dependency["kind"].is_null());
    let dependencies = built_with.filter_map(|dependency| Some(dependency["name"].as_str()?.to_owned())).collect();
    let reached = graph.reached(package["id"].as_str().context("a package without an id")?);
    let modules = Modules::read(&folder.join("src")).with_context(|| name.clone())?;
    Ok(Package { name, folder, dependencies, reached, modules })
}

/// What is wrong with who stands on whom.
fn arrows(packages: &[Package]) -> Result<Vec<String>> {
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for Package { name, dependencies, reached, .. } in packages {
        let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
            bail!("{name} has no rule in xtask/src/map/mod.rs: say what it may stand on");
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
        let never = rule.never.iter().filter(|found| reached.contains(**found));
        wrong.extend(never.map(|found| format!("{name} is built with {found}, which none of its crates may bring in")));
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
