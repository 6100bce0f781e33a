//! The example of the C interface, compiled and run.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::tools::{self, Need, Workspace};

const COMPILER: Need = Need { tools: &["cc"], packages: &["gcc", "libc6-dev"] };
/// What the library of Rust calls.
const SYSTEM_LIBRARIES: [&str; 3] = ["-lpthread", "-ldl", "-lm"];

/// Compiles the example against the library and runs it, once more under the address sanitizer where the compiler has
/// one.
///
/// # Errors
/// The example fails, or there is no C compiler and `CI` is set.
pub(crate) fn example(workspace: &Workspace) -> Result<()> {
    if let Some(missing) = tools::ensure(&COMPILER)? {
        println!("   the C example is left out: {missing}");
        return Ok(());
    }
    let folder = workspace.build()?;
    let library = folder.join("libraincodec.a");
    ensure!(library.is_file(), "there is no {}", library.display());
    for (name, flags) in [("stripe-c", &[][..]), ("stripe-c-sanitized", &["-fsanitize=address,undefined"][..])] {
        if !flags.is_empty() && !can_link(&folder, flags)? {
            println!("   the C compiler has no sanitizers");
            continue;
        }
        let program = folder.join(name);
        let mut compile = compiler();
        compile.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-g"]).args(flags);
        compile.arg("-I").arg(workspace.root.join("capi/include")).arg("-o").arg(&program);
        compile.arg(workspace.root.join("capi/examples/stripe.c")).arg(&library).args(SYSTEM_LIBRARIES);
        tools::run(&mut compile)?;
        tools::run(&mut Command::new(&program))?;
    }
    Ok(())
}

fn compiler() -> Command {
    Command::new(tools::find("cc").unwrap_or_else(|| "cc".into()))
}

fn can_link(folder: &Path, flags: &[&str]) -> Result<bool> {
    let source = folder.join("empty.c");
    fs::write(&source, "int main(void) { return 0; }\n").with_context(|| source.display().to_string())?;
    let ended = compiler().args(flags).arg("-o").arg(folder.join("empty-c")).arg(&source).output();
    match ended {
        Ok(ended) => Ok(ended.status.success()),
        Err(error) => bail!("cc: {error}"),
    }
}
