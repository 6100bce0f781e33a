//! Tables in docs/playback.md, between their marks.

use std::path::{Path, PathBuf};
use std::{fs, io};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/playback.md")
}

/// Writes a table to its place in the document.
///
/// # Errors
/// Those of the disk; the place is not there.
pub(crate) fn replace(name: &str, table: &str) -> io::Result<()> {
    let text = fs::read_to_string(path())?;
    let replaced = replaced(&text, name, table);
    let replaced = replaced.ok_or_else(|| io::Error::other(format!("docs/playback.md has no place for `{name}`")))?;
    fs::write(path(), replaced)
}

fn replaced(text: &str, name: &str, table: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = "a\n<!-- t: begin -->\nold\n<!-- t: end -->\nb\n<!-- u: begin -->\nkept\n<!-- u: end -->\n";
        let new = replaced(text, "t", "| x |\n").unwrap();
        assert_eq!(
            new,
            "a\n<!-- t: begin -->\n\n| x |\n\n<!-- t: end -->\nb\n<!-- u: begin -->\nkept\n<!-- u: end -->\n"
        );
        assert_eq!(replaced(&new, "t", "| x |"), Some(new.clone()), "the same again");
        assert_eq!(replaced(text, "v", ""), None);
        let document = fs::read_to_string(path()).unwrap();
        assert!(["playback", "rebuffer", "players", "lab"].iter().all(|name| replaced(&document, name, "").is_some()));
    }
}
