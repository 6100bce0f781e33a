//! The map as a page.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{CIRCLES, Package};
use crate::tools::Workspace;

/// Writes the page.
pub(super) fn page(workspace: &Workspace, packages: &[Package]) -> String {
    let mut page =
        "# The map\n\nDrawn from the code by `cargo xtask map`; do not edit. What each crate is for, and what it must \
                    not know: [ARCHITECTURE.md](../ARCHITECTURE.md); the rules: `xtask/src/map`.\n\n\
                    ## Crates\n\nWho is built with whom, tests left out.\n\n```mermaid\ngraph BT\n"
            .to_owned();
    let folder = |package: &Package| {
        let folder = package.folder.strip_prefix(&workspace.root).unwrap_or(&package.folder);
        folder.display().to_string()
    };
    let find = |name: &str| packages.iter().find(|package| package.name == name);
    for package in packages {
        for on in package.dependencies.iter().filter_map(|name| find(name)) {
            let [from, to] = [package, on].map(folder);
            line(&mut page, &format!("  {}[{from}] --> {}[{to}]", package.name, on.name));
        }
    }
    page.push_str("```\n\n## Rooms\n\nThe outermost modules of each crate, and which of the others they name.\n");
    for package in packages {
        let rooms = package.modules.rooms();
        if rooms.len() < 2 {
            continue;
        }
        line(&mut page, &format!("\n### {}\n\n| room | names |\n|---|---|", folder(package)));
        for (room, named) in rooms {
            line(&mut page, &format!("| {room} | {} |", list(&named)));
        }
    }
    page.push_str("\n## Circles\n\nModules that need each other.\n\n");
    if CIRCLES.is_empty() {
        page.push_str("There are none.\n");
    }
    for circle in CIRCLES {
        line(&mut page, &format!("- {}: {}. {}", circle.package, circle.modules.join(", "), circle.why));
    }
    page
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("a string takes all");
}
