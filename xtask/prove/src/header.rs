//! Writes the header of the C interface out of `capi/src`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

const HEADER: &str = "capi/include/rain.h";

/// Writes the header, or with `check` only says whether it is as it would be written.
pub(crate) fn run(root: &Path, check: bool) -> Result<()> {
    let path = root.join(HEADER);
    let written = generated(&root.join("capi"))?;
    if check {
        let found = fs::read_to_string(&path).with_context(|| format!("cannot read {HEADER}"))?;
        ensure!(found == written, "{HEADER} is not what `cargo xtask generate` writes");
        return Ok(());
    }
    fs::write(&path, written).with_context(|| format!("cannot write {HEADER}"))
}

fn generated(crate_folder: &Path) -> Result<String> {
    let config = cbindgen::Config::from_file(crate_folder.join("cbindgen.toml")).map_err(anyhow::Error::msg)?;
    let mut builder = cbindgen::Builder::new().with_config(config);
    // The files by name: a crate would be looked up by running cargo, which may want a network.
    for module in ["boundary", "codec", "status", "tables"] {
        builder = builder.with_src(crate_folder.join("src").join(module).with_extension("rs"));
    }
    let mut text = Vec::new();
    builder.generate().context("the C header")?.write(&mut text);
    String::from_utf8(text).context("the C header")
}
