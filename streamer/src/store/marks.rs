//! Which versions are committed, told by the data folders of nodes that do not run.

use super::names::{DECISIONS, FileKind, FileName, TITLES, TitleHash};
use rain_cluster::Version;
use std::path::PathBuf;

/// The versions of a title that some of the folders, data folders or the `titles` in them, have a mark or a decision of:
/// those that are committed, also a DELETE. Paths that are no such folders have none.
pub fn marked_versions(folders: &[PathBuf], title: &str) -> Vec<Version> {
    let hash = TitleHash::of(title);
    let of_title = |name: String| {
        let name = FileName::parse(&name)?;
        let commits = matches!(name.kind, FileKind::Mark | FileKind::Decision);
        (name.title == hash && commits).then_some(name.version)
    };
    let lists = folders.iter().flat_map(|folder| [folder.clone(), folder.join(TITLES), folder.join(DECISIONS)]);
    lists
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(Iterator::flatten)
        .filter_map(|entry| entry.file_name().into_string().ok().and_then(of_title))
        .collect()
}
