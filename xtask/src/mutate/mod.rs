//! The mutation score: bugs planted one by one in codec and kernels, each of which a test must find.
//!
//! All bugs are compiled into one copy of the two crates, each behind a question that an environment variable answers
//! (Untch, Offutt, Harrold, "Mutation Analysis Using Mutant Schemata", ISSTA 1993): one build serves them all, and a bug
//! costs what the tests take until one of them fails.

mod table;

use core::fmt::Write as _;
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::tools::Workspace;
use table::{ALL, BODIES, LEFT_OUT, Mutant};

/// The crates that are copied.
const CRATES: [&str; 2] = ["kernels", "codec"];
/// Which bug is awake.
const VARIABLE: &str = "RAIN_MUTANT";
/// A bug may make a test run for ever: what one program may take of the processor, in seconds; and of time, for one that
/// only waits. Much, for the machine may be busy with other things.
const PATIENCE_CPU_SECONDS: f64 = 120.0;
const PATIENCE: Duration = Duration::from_mins(20);
/// What the tests of all bugs together may cost.
const CPU_SECONDS_MAX: f64 = 600.0;
/// Ticks of a second in /proc/self/stat.
const TICKS: f64 = 100.0;
const PAGE: &str = "docs/mutation.md";

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

/// What is to be done.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Bugs, by their numbers; all of them when none is named, and then docs/mutation.md is written
    numbers: Vec<usize>,
    /// Only lists them
    #[arg(long)]
    list: bool,
    /// Writes what was found to this file, as JSON
    #[arg(long)]
    record: Option<PathBuf>,
}

/// What found a bug, and what that cost.
struct Finding {
    number: usize,
    by: Option<String>,
    cpu_seconds: f64,
}

/// Plants the bugs and reports what found each.
///
/// # Errors
/// A bug that no test finds, or all of them together cost more than ten minutes of processor time.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if let Some(unknown) = options.numbers.iter().find(|number| !(1..=ALL.len()).contains(*number)) {
        bail!("there is no bug {unknown}; there are {}", ALL.len());
    }
    let is_wanted = |number: &usize| options.numbers.is_empty() || options.numbers.contains(number);
    let wanted: Vec<usize> = (1..=ALL.len()).filter(is_wanted).collect();
    if options.list {
        for number in wanted {
            println!("{number:3} {}", what(&ALL[number - 1]));
        }
        return Ok(());
    }
    let began = cpu_seconds()?;
    let folder = workspace.target.join("mutants");
    plant(workspace, &folder)?;
    let programs = build(workspace, &folder)?;
    let built = cpu_seconds()? - began;
    println!("   compiled in {built:.0} s of processor time");
    for program in &programs {
        let found = program.run("", 0, &folder)?;
        ensure!(found.is_none(), "{} fails without any bug: {}", program.name, found.unwrap_or_default());
    }
    let mut findings = Vec::new();
    for number in wanted {
        let finding = hunt(number, &programs, &folder)?;
        let by = finding.by.as_deref().unwrap_or("NOTHING");
        println!("{number:3} {} in {:.1} s: {}", by, finding.cpu_seconds, what(&ALL[number - 1]));
        findings.push(finding);
    }
    let hunted: f64 = findings.iter().map(|finding| finding.cpu_seconds).sum();
    let survivors = findings.iter().filter(|finding| finding.by.is_none()).count();
    println!("{} of {} bugs found, {hunted:.0} s of processor time", findings.len() - survivors, findings.len());
    if options.numbers.is_empty() {
        fs::write(workspace.root.join(PAGE), page(&findings, built, &cpu()?)).with_context(|| PAGE.to_owned())?;
    }
    if let Some(path) = &options.record {
        fs::write(path, record(&findings, built, &cpu()?)).with_context(|| path.display().to_string())?;
    }
    ensure!(survivors == 0, "{survivors} bugs that no test finds: tests are missing");
    ensure!(hunted <= CPU_SECONDS_MAX, "{hunted:.0} s of processor time, expected at most {CPU_SECONDS_MAX}");
    Ok(())
}

/// A bug in words: the file, what stands there, and what in its place.
fn what(mutant: &Mutant) -> String {
    let Mutant { file, text, instead, .. } = mutant;
    format!("{file}: {text} -> {instead}")
}

/// Copies the crates, with all bugs in them. A file that is there already as it should be is not touched, so that cargo
/// builds only what changed.
fn plant(workspace: &Workspace, folder: &Path) -> Result<()> {
    let manifest = fs::read_to_string(workspace.root.join("Cargo.toml"))?;
    let members = CRATES.map(|name| format!("\"{name}\"")).join(", ");
    let line = |line: &str| match line.split_once(" = ") {
        Some(("members", _)) => format!("members = [{members}]\n"),
        Some(("default-members", _)) => String::new(),
        _ => format!("{line}\n"),
    };
    write_changed(&folder.join("Cargo.toml"), manifest.lines().map(line).collect::<String>().as_bytes())?;
    fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    for name in CRATES {
        copy(&workspace.root.join(name), &folder.join(name), &workspace.root)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, root: &Path) -> Result<()> {
    for entry in from.read_dir().with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().context("an entry has a name")?;
        if path.is_dir() {
            copy(&path, &to.join(name), root)?;
            continue;
        }
        let file = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let mut bytes = fs::read(&path)?;
        if path.extension().is_some_and(|extension| extension == "rs") {
            bytes = planted(&file, String::from_utf8(bytes)?)?.into_bytes();
        }
        write_changed(&to.join(name), &bytes)?;
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
fn planted(file: &str, mut source: String) -> Result<String> {
    for (number, mutant) in (1..).zip(ALL).filter(|(_, mutant)| mutant.file == file) {
        let (before, rest) = mutant.text.split_once('«').context("a bug has a beginning")?;
        let (right, after) = rest.split_once('»').context("a bug has an end")?;
        let text = [before, right, after].concat();
        let places = source.matches(&text).count();
        ensure!(places == 1, "bug {number}: `{text}` stands in {file} {places} times, expected once");
        let root = if file.starts_with("kernels/") { "crate" } else { "rain_kernels" };
        let either = format!("(if {root}::mutant::is({number}) {{ {} }} else {{ {right} }})", mutant.instead);
        source = source.replace(&text, &[before, &either, after].concat());
    }
    if file == "kernels/src/lib.rs" {
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

/// A program of tests.
struct Program {
    name: String,
    path: PathBuf,
}

/// Builds the tests of the copy.
fn build(workspace: &Workspace, folder: &Path) -> Result<Vec<Program>> {
    let mut cargo = workspace.cargo(&["test", "--no-run", "--lib", "--tests"]);
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
    let done = cargo.output().context("starting cargo")?;
    let words = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "the copy with the bugs does not compile:\n{words}");
    let programs: Vec<Program> = words.lines().filter_map(|line| program(line, folder)).collect();
    ensure!(programs.len() >= CRATES.len(), "cargo names {} programs of tests:\n{words}", programs.len());
    Ok(programs)
}

/// A program out of a line like `Executable tests/columns.rs (target/debug/deps/columns-0123456789abcdef)`.
fn program(line: &str, folder: &Path) -> Option<Program> {
    let (_, path) = line.trim().strip_prefix("Executable ")?.strip_suffix(')')?.rsplit_once('(')?;
    let path = folder.join(path);
    let name = path.file_name()?.to_str()?.rsplit_once('-')?.0.to_owned();
    Some(Program { name, path })
}

impl Program {
    /// Runs tests with one bug awake; gives the one that failed.
    fn run(&self, filter: &str, number: usize, folder: &Path) -> Result<Option<String>> {
        let crate_folder = folder.join(if self.name.starts_with("rain_kernels") { CRATES[0] } else { CRATES[1] });
        let output = folder.join("output");
        let mut tests = Command::new(&self.path);
        tests.arg(filter).args(LEFT_OUT.iter().flat_map(|test| ["--skip", test]));
        tests.current_dir(crate_folder).env(VARIABLE, number.to_string()).env("PROPTEST_CASES", "64");
        tests.stdout(fs::File::create(&output)?).stderr(Stdio::null());
        let mut child = tests.spawn().with_context(|| self.path.display().to_string())?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            // Of a program that has just ended there may be nothing to read.
            let spent = ticks(&format!("/proc/{}/stat", child.id()), 11).unwrap_or(0.0);
            if spent > PATIENCE_CPU_SECONDS || began.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                return Ok(Some(format!("{} (does not end)", self.name)));
            }
            thread::sleep(Duration::from_millis(10));
        };
        if status.success() {
            return Ok(None);
        }
        let words = String::from_utf8_lossy(&fs::read(&output)?).into_owned();
        let failed = words.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
        Ok(Some(failed.map_or(format!("{} ({status})", self.name), |test| format!("{} {test}", self.name))))
    }
}

/// Runs the tests that should find a bug, then the others, until one fails.
fn hunt(number: usize, programs: &[Program], folder: &Path) -> Result<Finding> {
    let began = cpu_seconds()?;
    let (first, filter) = ALL[number - 1].first;
    let order = programs.iter().filter(|program| program.name == first).map(|program| (program, filter));
    let others = programs.iter().map(|program| (program, ""));
    let mut by = None;
    for (program, filter) in order.chain(others) {
        by = program.run(filter, number, folder)?;
        if by.is_some() {
            break;
        }
    }
    Ok(Finding { number, by, cpu_seconds: cpu_seconds()? - began })
}

/// Processor time of the programs that this one started and that ended, in seconds.
fn cpu_seconds() -> Result<f64> {
    ticks("/proc/self/stat", 13)
}

/// Two neighbouring counts of ticks in a file such as /proc/self/stat, in seconds: the processor time of the process is 11
/// fields behind its name, that of its children 13.
fn ticks(path: &str, first: usize) -> Result<f64> {
    let stat = fs::read_to_string(path).context("processor times are those of Linux")?;
    // The name, in parentheses, may hold spaces.
    let (_, fields) = stat.rsplit_once(')').with_context(|| format!("{path} names the program"))?;
    let ticks = fields.split_whitespace().skip(first).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>().with_context(|| format!("{path} has times"))? / TICKS)
}

/// The processor, as it names itself.
fn cpu() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let names = info.lines().filter_map(|line| line.split_once(':'));
    let field = |wanted: &str| {
        let value = names.clone().find(|(name, _)| name.trim() == wanted);
        value.map_or("unknown", |(_, value)| value.trim())
    };
    Ok(format!("{} family {} model {}", field("model name"), field("cpu family"), field("model")))
}

/// The findings as JSON. All texts are of ASCII letters and signs, which Rust escapes as JSON does.
fn record(findings: &[Finding], built: f64, cpu: &str) -> String {
    let row = |finding: &Finding| {
        let Mutant { file, text, instead, .. } = &ALL[finding.number - 1];
        let by = finding.by.as_ref().map_or("null".to_owned(), |by| format!("{by:?}"));
        let (number, seconds) = (finding.number, finding.cpu_seconds);
        let text: String = text.chars().filter(char::is_ascii).collect();
        format!(
            "{{\"bug\": {number}, \"file\": {file:?}, \"text\": {text:?}, \"instead\": {instead:?}, \"found_by\": {by}, \
             \"cpu_seconds\": {seconds:.2}}}"
        )
    };
    let rows: Vec<String> = findings.iter().map(row).collect();
    let rows = rows.join(",\n");
    format!(
        "{{\n\"what\": \"mutation\",\n\"cpu\": {cpu:?},\n\"build_cpu_seconds\": {built:.0},\n\"bugs\": [\n{rows}\n]\n}}\n"
    )
}

fn page(findings: &[Finding], built: f64, cpu: &str) -> String {
    let found = findings.iter().filter(|finding| finding.by.is_some()).count();
    let spent: f64 = findings.iter().map(|finding| finding.cpu_seconds).sum();
    let mut slowest: Vec<&Finding> = findings.iter().collect();
    slowest.sort_by(|left, right| right.cpu_seconds.total_cmp(&left.cpu_seconds));
    let slowest = slowest.iter().take(5).map(|finding| format!("{} ({:.1} s)", finding.number, finding.cpu_seconds));
    let mut page = format!(
        "# Mutation score\n\nWritten by `cargo xtask mutate`; do not edit. The bugs are in `xtask/src/mutate/table.rs`, \
         planted one by one in a copy\nof codec and kernels. A bug that no test finds fails the command, and so do tests \
         that take more than {CPU_SECONDS_MAX:.0} s of\nprocessor time for all of them.\n\nAll bugs are compiled into one \
         copy, each behind a question that an environment variable answers (Untch, Offutt, Harrold,\n\"Mutation Analysis \
         Using Mutant Schemata\", ISSTA 1993): one build serves them all. Of the kernels' straight-line bodies,\n{} are in \
         the copy; the machine code of all is proven ([proof.md](proof.md)).\n\n**{found} of {} bugs are found**, in \
         {spent:.0} s of processor time of an {cpu}; the build takes {built:.0} s more.\nThe slowest: {}.\n\n",
        BODIES.join(", "),
        findings.len(),
        slowest.collect::<Vec<_>>().join(", "),
    );
    let mut line = |text: String| writeln!(page, "{text}").expect("a string takes all");
    line("| bug | where | what stands there | instead | found by | s |\n|---|---|---|---|---|---|".to_owned());
    // A bar within code would end the cell of the table.
    let code = |text: &str| format!("`` {} ``", text.replace('|', "\\|"));
    for finding in findings {
        let Mutant { file, text, instead, .. } = &ALL[finding.number - 1];
        let by = finding.by.as_deref().unwrap_or("nothing");
        let (number, seconds) = (finding.number, finding.cpu_seconds);
        line(format!("| {number} | {file} | {} | {} | {by} | {seconds:.1} |", code(text), code(instead)));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table follows the sources: a text that is gone would leave its bug out.
    #[test]
    fn every_bug_has_its_place() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(ALL.len() >= 30);
        for mutant in ALL {
            let source = fs::read_to_string(root.join(mutant.file)).unwrap();
            let planted = planted(mutant.file, source.clone()).unwrap();
            assert!(planted.contains("::mutant::is(") && planted.len() > source.len(), "{}", mutant.file);
        }
    }

    #[test]
    fn programs_are_read() {
        let line = "  Executable tests/codec/main.rs (target/debug/deps/codec-0123456789abcdef)";
        let program = program(line, Path::new("/copy")).unwrap();
        assert_eq!(program.name, "codec");
        assert_eq!(program.path, Path::new("/copy/target/debug/deps/codec-0123456789abcdef"));
    }

    #[test]
    fn a_bug_in_a_table_is_one_row() {
        let finding = Finding { number: 1, by: Some("codec x".to_owned()), cpu_seconds: 1.25 };
        let record = record(core::slice::from_ref(&finding), 60.0, "some CPU");
        assert!(record.contains("\"found_by\": \"codec x\", \"cpu_seconds\": 1.25}"), "{record}");
        let page = page(&[finding], 60.0, "some CPU");
        assert!(page.contains("1 of 1 bugs are found"), "{page}");
        assert!(page.lines().last().unwrap().ends_with("| codec x | 1.2 |"), "{page}");
    }
}
