//! Machines whose clocks can be set while programs run on them: a small library, loaded before that of the system, adds
//! what a file says to the time since 1970.

use super::Folder;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/harness/clock.c");

/// A clock for each name.
pub(crate) struct Clocks {
    folder: PathBuf,
    library: PathBuf,
}

impl Clocks {
    /// Builds the library, by the compiler that links every test.
    pub(crate) fn build(folder: &Folder) -> Self {
        let library = folder.join("clock.so");
        let flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"];
        let built = Command::new("cc").args(flags).args([&library, Path::new(SOURCE)]).status();
        assert!(built.as_ref().is_ok_and(ExitStatus::success), "cc: {built:?}");
        Self { folder: folder.join(""), library }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.clock"))
    }

    /// Has a program see a clock.
    pub(crate) fn show_to(&self, command: &mut Command, name: &str) {
        command.env("LD_PRELOAD", &self.library).env("CLOCK_FILE", self.file(name));
    }

    /// Sets a clock as many seconds ahead of the right time.
    pub(crate) fn set(&self, name: &str, ahead_seconds: i64) {
        // Whoever sees it has the file in its memory: it must not become shorter.
        let file = File::options().create(true).truncate(false).write(true).open(self.file(name)).expect("a clock");
        file.write_all_at(&ahead_seconds.to_le_bytes(), 0).expect("a clock");
    }
}
