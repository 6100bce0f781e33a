//! The modules of one crate, and which of them name which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree};

/// A module, by the names from the crate's root to it.
type Module = Vec<String>;

/// The modules of a crate, a file each, tests left out.
#[derive(Debug, Default)]
pub(super) struct Modules {
    /// Of each, the modules that it names, but for those that it lies in and those that lie in it.
    named: BTreeMap<Module, BTreeSet<Module>>,
}

impl Modules {
    /// Reads the sources in a folder.
    pub(super) fn read(source: &Path) -> Result<Self> {
        let mut files = Vec::new();
        collect(source, &mut Vec::new(), &mut files)?;
        let all: BTreeSet<Module> = files.iter().map(|(module, _)| module.clone()).collect();
        let mut modules = Self::default();
        for (module, text) in files {
            let file = syn::parse_file(&text).with_context(|| module.join("::"))?;
            let mut names = Names { module: &module, found: Vec::new() };
            names.visit_file(&file);
            let found = names.found.into_iter().filter_map(|path| longest(&path, &all));
            let found = found.filter(|other| !other.starts_with(&module) && !module.starts_with(other)).collect();
            modules.named.insert(module, found);
        }
        Ok(modules)
    }

    /// The rooms of the crate, its outermost modules, and which rooms each of them names.
    pub(super) fn rooms(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, named) in &self.named {
            let Some(room) = module.first() else { continue };
            let others = named.iter().filter_map(|other| other.first()).filter(|other| *other != room);
            rooms.entry(room.clone()).or_default().extend(others.cloned());
        }
        rooms
    }

    /// Sets of modules of which each needs each other, files and rooms.
    pub(super) fn circles(&self) -> BTreeSet<Vec<String>> {
        let files = self.named.iter().map(|(module, named)| {
            (module.join("::"), named.iter().map(|other| other.join("::")).collect::<BTreeSet<_>>())
        });
        circles(&files.collect()).into_iter().chain(circles(&self.rooms())).collect()
    }
}

/// Sets of more than one name that reach each other.
fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<Vec<String>> {
    let reached = |from: &String| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(name) = left.pop() {
            for next in arrows.get(name).into_iter().flatten() {
                if seen.insert(next) {
                    left.push(next);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&String, BTreeSet<&String>> = arrows.keys().map(|name| (name, reached(name))).collect();
    let circle = |name: &String| {
        let back = |other: &&&String| reach.get(**other).is_some_and(|there| there.contains(name));
        let mut members: Vec<String> = reach[name].iter().filter(back).map(|other| (*other).clone()).collect();
        members.sort_unstable();
        members
    };
    arrows.keys().map(circle).filter(|members| members.len() > 1).collect()
}

/// The files of modules in a folder and in those below; programs and tests are not modules.
fn collect(folder: &Path, at: &mut Module, files: &mut Vec<(Module, String)>) -> Result<()> {
    let mut entries: Vec<_> =
        folder.read_dir().with_context(|| folder.display().to_string())?.collect::<Result<_, _>>()?;
    entries.sort_unstable_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if ["tests", "bin", "table"].contains(&stem) {
            continue;
        }
        if path.is_dir() {
            at.push(stem.to_owned());
            collect(&path, at, files)?;
            at.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut module = at.clone();
            if !["mod", "lib", "main"].contains(&stem) {
                module.push(stem.to_owned());
            }
            files.push((module, fs::read_to_string(&path).with_context(|| path.display().to_string())?));
        }
    }
    Ok(())
}

/// The module that a path leads to: what is behind it are items.
fn longest(path: &[String], all: &BTreeSet<Module>) -> Option<Module> {
    (1..=path.len()).rev().map(|length| path[..length].to_vec()).find(|module| all.contains(module))
}

/// The paths of a file that begin at the crate or above the module, from the crate's root.
struct Names<'a> {
    module: &'a Module,
    found: Vec<Vec<String>>,
}

impl Names<'_> {
    fn note(&mut self, path: &[String]) {
        let mut rest = path;
        let mut from = match rest.first().map(String::as_str) {
            Some("crate") => {
                rest = &rest[1..];
                Vec::new()
            }
            Some("super") => self.module.clone(),
            _ => return,
        };
        while rest.first().is_some_and(|name| name == "super") {
            from.pop();
            rest = &rest[1..];
        }
        from.extend(rest.iter().cloned());
        self.found.push(from);
    }

    fn note_tree(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.note_tree(&path.tree, before);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_tree(tree, before)),
            UseTree::Name(name) => self.note(&[before.as_slice(), &[name.ident.to_string()]].concat()),
            UseTree::Rename(name) => self.note(&[before.as_slice(), &[name.ident.to_string()]].concat()),
            UseTree::Glob(_) => self.note(before),
        }
    }
}

fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let test = |list: &syn::MetaList| list.tokens.to_string() == "test";
        attribute.path().is_ident("cfg") && attribute.meta.require_list().is_ok_and(test)
    })
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Mod(ItemMod { attrs, .. }) | Item::Use(ItemUse { attrs, .. }) = item
            && is_of_tests(attrs)
        {
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.note_tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.note(&names);
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str) -> Module {
        path.split("::").map(str::to_owned).collect()
    }

    #[test]
    fn paths_are_followed_from_where_they_stand() {
        let source = "use crate::{peer::Peers, store::{self, disk as other}};\n\
                      use super::super::title;\n\
                      use rain_codec::Code;\n\
                      fn f() -> super::names::Name { crate::config::read() }\n\
                      #[cfg(test)]\nmod tests { use crate::never; }";
        let at = module("store::index");
        let mut names = Names { module: &at, found: Vec::new() };
        names.visit_file(&syn::parse_file(source).unwrap());
        let found: BTreeSet<String> = names.found.iter().map(|path| path.join("::")).collect();
        let expected = ["peer::Peers", "store::self", "store::disk", "title", "store::names::Name", "config::read"];
        assert_eq!(found, expected.into_iter().map(str::to_owned).collect());
        let all = ["store", "store::names", "peer"].into_iter().map(module).collect();
        assert_eq!(longest(&module("store::names::Name"), &all), Some(module("store::names")));
        assert_eq!(longest(&module("store::self"), &all), Some(module("store")));
        assert_eq!(longest(&module("config::read"), &all), None);
    }

    #[test]
    fn circles_are_found_whole() {
        let arrows = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d"), ("f", "a")];
        let mut map: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in arrows {
            map.entry(from.to_owned()).or_default().insert(to.to_owned());
        }
        let found: Vec<String> = circles(&map).into_iter().map(|members| members.concat()).collect();
        assert_eq!(found, ["abc", "de"]);
    }
}
