//! The workspace, programs, and the tools that stages need.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// How a stage ended that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it held.
    Passed,
    /// It did not run, for this reason.
    Skipped(String),
}

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

/// Every package but the fuzz targets, as it is shipped: one choice for all calls of cargo, so that the packages have the
/// same features in all of them and nothing is built twice.
pub(crate) const EVERYTHING: [&str; 4] = ["--release", "--workspace", "--exclude", "rain-fuzz"];

impl Workspace {
    /// Builds all libraries, programs and tests; where the programs are.
    pub(crate) fn build(&self) -> Result<PathBuf> {
        run(self.cargo(&["build"]).args(EVERYTHING).args(["--lib", "--bins", "--tests"]))?;
        Ok(self.target.join("release"))
    }

    /// Prepares a call of `cargo test` for some of what was built.
    pub(crate) fn cargo_test<'a>(&self, targets: impl IntoIterator<Item = &'a str>) -> Command {
        let mut test = self.cargo(&["test"]);
        test.args(EVERYTHING).args(targets);
        test
    }

    /// Finds the workspace that this program belongs to, by what cargo says of it.
    pub(crate) fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
        let root = Path::new(&manifest).parent().context("xtask/ lies in the repository's root")?.to_path_buf();
        let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
        Ok(Self { target: root.join(target), root })
    }

    /// Prepares a call of cargo in the root.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        // What cargo tells a program it runs must not make it believe that sources changed.
        command
            .args(arguments)
            .current_dir(&self.root)
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("CARGO_MANIFEST_PATH");
        command
    }
}

/// Runs a program to its end, its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let words = words(command);
    println!("   {words}");
    let status = command.status().with_context(|| format!("starting `{words}`"))?;
    if !status.success() {
        bail!("`{words}`: {status}");
    }
    Ok(())
}

/// Runs a program to its end and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let words = words(command);
    let output = command.output().with_context(|| format!("starting `{words}`"))?;
    if !output.status.success() {
        bail!("`{words}`: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).with_context(|| format!("what `{words}` printed"))
}

fn words(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> = [program].into_iter().chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// Programs that a stage needs, and the Debian packages that bring them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// Names of programs.
    pub(crate) tools: &'static [&'static str],
    /// Names of packages.
    pub(crate) packages: &'static [&'static str],
}

/// Makes sure of tools, by installing them if need be. Gives what is missing, as the reason to skip a stage.
///
/// # Errors
/// Something is missing where `CI` is set: there nothing is skipped.
pub(crate) fn ensure(need: &Need) -> Result<Option<String>> {
    if missing(need).is_none() {
        return Ok(None);
    }
    let failed = if may_install() { install(need.packages).err() } else { None };
    let Some(missing) = missing(need) else { return Ok(None) };
    let packages = need.packages.join(" ");
    let mut reason = format!("{missing} is missing (Debian: apt-get install {packages})");
    if let Some(error) = failed {
        reason = format!("{reason}; installing it failed: {error:#}");
    }
    if env::var_os("CI").is_some() {
        bail!("{reason}");
    }
    Ok(Some(reason))
}

fn missing(need: &Need) -> Option<&'static str> {
    need.tools.iter().copied().find(|tool| find(tool).is_none())
}

/// Finds a program: where a variable of its name in capitals says, or else in `PATH`.
pub(crate) fn find(tool: &str) -> Option<PathBuf> {
    let named = env::var_os(tool.to_uppercase()).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates = named.into_iter().chain(env::split_paths(&path).map(|folder| folder.join(tool)));
    candidates.find(|candidate| candidate.is_file())
}

fn may_install() -> bool {
    let root = rustix::process::geteuid().is_root();
    root && find("apt-get").is_some() && env::var_os("RAIN_NO_INSTALL").is_none()
}

fn install(packages: &[&str]) -> Result<()> {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(&mut apt(&["update", "-q"]))?;
    run(apt(&["install", "-q", "-y", "--no-install-recommends"]).args(packages))
}

/// The processor, as it names itself.
pub(crate) fn cpu() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let names = info.lines().filter_map(|line| line.split_once(':'));
    let field = |wanted: &str| {
        let value = names.clone().find(|(name, _)| name.trim() == wanted);
        value.map_or("unknown", |(_, value)| value.trim())
    };
    Ok(format!("{} family {} model {}", field("model name"), field("cpu family"), field("model")))
}

/// A stage's outcome where something it needs is absent from the repository.
pub(crate) fn absent(what: &str) -> Outcome {
    Outcome::Skipped(format!("there is no {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_found_and_nonsense_is_not() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
    }

    #[test]
    fn a_program_that_fails_is_named() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(error.to_string().starts_with("`sh -c exit 3`: exit status: 3"), "{error}");
        assert_eq!(output(Command::new("sh").args(["-c", "echo yes"])).unwrap(), "yes\n");
    }
}
