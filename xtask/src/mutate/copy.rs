//! The copy with the bugs, and the programs of tests that it is built into.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::suite::Suite;
use super::table::BODIES;
use crate::tools::Workspace;

/// The module that says which bug is awake.
const MODULE: &str = r#"
/// Which planted bug is awake.
pub mod mutant {
    /// Whether it is this one.
    pub fn is(number: u32) -> bool {
        static AWAKE: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {
            std::env::var("RAIN_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
        });
        *AWAKE == number
    }
}
"#;

/// Copies the crates of a suite, with all bugs in them. A file that is there already as it should be is not touched, so
/// that cargo builds only what changed.
pub(super) fn plant(suite: Suite, workspace: &Workspace, folder: &Path) -> Result<()> {
    let manifest = fs::read_to_string(workspace.root.join("Cargo.toml"))?;
    let manifest: String = manifest.lines().map(|line| manifest_line(suite, line)).collect();
    write_changed(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    for name in suite.crates() {
        copy(suite, &workspace.root.join(name), &folder.join(name), &workspace.root)?;
    }
    Ok(())
}

/// A line of the workspace's manifest in the copy.
fn manifest_line(suite: Suite, line: &str) -> String {
    match line.split_once(" = ") {
        Some(("members", _)) => {
            let members: Vec<String> = suite.crates().iter().map(|name| format!("\"{name}\"")).collect();
            format!("members = [{}]\n", members.join(", "))
        }
        Some(("default-members", _)) => String::new(),
        _ => format!("{line}\n"),
    }
}

fn copy(suite: Suite, from: &Path, to: &Path, root: &Path) -> Result<()> {
    for entry in from.read_dir().with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().context("an entry has a name")?;
        if path.is_dir() {
            copy(suite, &path, &to.join(name), root)?;
            continue;
        }
        let file = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let mut bytes = fs::read(&path)?;
        if path.extension().is_some_and(|extension| extension == "rs") {
            bytes = planted(suite, &file, String::from_utf8(bytes)?)?.into_bytes();
        }
        write_changed(&to.join(name), &bytes)?;
    }
    // What was moved away since the last copy would be a second file of its module.
    for entry in to.read_dir().with_context(|| to.display().to_string())? {
        let path = entry?.path();
        let is_gone = path.file_name().is_some_and(|name| !from.join(name).exists());
        if is_gone && path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if is_gone {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn write_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// A source file with its bugs.
pub(super) fn planted(suite: Suite, file: &str, mut source: String) -> Result<String> {
    let (home, name) = suite.home();
    for (number, bug) in (1..).zip(suite.bugs()).filter(|(_, bug)| bug.mutant.file == file) {
        let (before, rest) = bug.mutant.text.split_once('«').context("a bug has a beginning")?;
        let (right, after) = rest.split_once('»').context("a bug has an end")?;
        let text = [before, right, after].concat();
        let places = source.matches(&text).count();
        ensure!(places == 1, "bug {number}: `{text}` stands in {file} {places} times, expected once");
        let root = if file.starts_with(&format!("{home}/")) { "crate" } else { name };
        let either = format!("(if {root}::mutant::is({number}) {{ {} }} else {{ {right} }})", bug.mutant.instead);
        source = source.replace(&text, &[before, &either, after].concat());
    }
    if file == format!("{home}/src/lib.rs") {
        source.push_str(MODULE);
    }
    if file == "kernels/src/straight/table/mod.rs" {
        let is_kept = |line: &&str| match line.trim().strip_prefix("mod ").or(line.trim().strip_suffix("::TABLE,")) {
            Some(name) => BODIES.contains(&name.trim_end_matches(';')),
            None => true,
        };
        source = source.lines().filter(is_kept).fold(String::new(), |source, line| source + line + "\n");
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    /// The tables follow the sources: a text that is gone would leave its bug out.
    #[test]
    fn every_bug_has_its_place() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for suite in Suite::value_variants() {
            assert!(suite.bugs().len() >= 30);
            for bug in suite.bugs() {
                let source = fs::read_to_string(root.join(bug.mutant.file)).unwrap();
                let planted = planted(*suite, bug.mutant.file, source.clone()).unwrap();
                assert!(planted.contains("::mutant::is(") && planted.len() > source.len(), "{}", bug.mutant.file);
            }
        }
    }

    #[test]
    fn the_copy_is_a_workspace_of_its_own() {
        assert_eq!(manifest_line(Suite::Codec, "members = [\"a\"]"), "members = [\"kernels\", \"codec\"]\n");
        assert_eq!(manifest_line(Suite::Codec, "default-members = [\"a\"]"), "");
        assert_eq!(manifest_line(Suite::Codec, "edition = \"2024\""), "edition = \"2024\"\n");
    }
}
