//! The mutation score: bugs planted one by one, each of which a test must find. In codec and kernels, or in what a node
//! stands on: cluster, desk, store and fetching.
//!
//! All bugs are compiled into one copy of the crates, each behind a question that an environment variable answers
//! (Untch, Offutt, Harrold, "Mutation Analysis Using Mutant Schemata", ISSTA 1993): one build serves them all, and a bug
//! costs what the tests take until one of them fails.

mod copy;
mod node_table;
mod page;
mod program;
mod suite;
mod table;

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::tools::{self, Workspace};
use program::Program;
pub(crate) use suite::Suite;
use table::Bug;

/// What the tests of all bugs together may cost.
const CPU_SECONDS_MAX: f64 = 600.0;

/// What is to be done.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Bugs, by their numbers; all of them when none is named, and then the page of the suite is written
    numbers: Vec<usize>,
    /// Which bugs: of codec and kernels, or of cluster, desk, store and fetching
    #[arg(long, value_enum, default_value_t)]
    suite: Suite,
    /// Only lists them
    #[arg(long)]
    list: bool,
    /// Writes what was found to this file, as JSON
    #[arg(long)]
    record: Option<PathBuf>,
}

impl Options {
    /// All bugs of a suite.
    pub(crate) fn of(suite: Suite) -> Self {
        Self { suite, ..Self::default() }
    }
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
    let suite = options.suite;
    let bugs = suite.bugs();
    if let Some(unknown) = options.numbers.iter().find(|number| !(1..=bugs.len()).contains(*number)) {
        bail!("there is no bug {unknown}; there are {}", bugs.len());
    }
    let is_wanted = |number: &usize| {
        bugs[number - 1].equivalent.is_none() && (options.numbers.is_empty() || options.numbers.contains(number))
    };
    let wanted: Vec<usize> = (1..=bugs.len()).filter(is_wanted).collect();
    if options.list {
        for number in wanted {
            println!("{number:3} {}", what(&bugs[number - 1]));
        }
        return Ok(());
    }
    let began = program::cpu_seconds()?;
    let folder = workspace.target.join(suite.folder());
    copy::plant(suite, workspace, &folder)?;
    let programs = program::build(suite, workspace, &folder)?;
    let built = program::cpu_seconds()? - began;
    println!("   compiled in {built:.0} s of processor time");
    for program in &programs {
        let ran = program.run(suite, program.tests.filter, 0, &folder)?;
        ensure!(ran.by.is_none(), "{} fails without any bug: {}", program.name, ran.by.unwrap_or_default());
        println!("   {} takes {:.1} s without any bug", program.name, ran.cpu_seconds);
    }
    let hunt = Hunt { suite, bugs: &bugs, programs, folder };
    let findings = hunt.all(&wanted)?;
    let hunted: f64 = findings.iter().map(|finding| finding.cpu_seconds).sum();
    let survivors = findings.iter().filter(|finding| finding.by.is_none()).count();
    println!("{} of {} bugs found, {hunted:.0} s of processor time", findings.len() - survivors, findings.len());
    if options.numbers.is_empty() {
        let page = page::page(suite, &bugs, &findings, built, &tools::cpu()?);
        fs::write(workspace.root.join(suite.page()), page).with_context(|| suite.page().to_owned())?;
    }
    if let Some(path) = &options.record {
        let record = page::record(&bugs, &findings, built, &tools::cpu()?);
        fs::write(path, record).with_context(|| path.display().to_string())?;
    }
    ensure!(survivors == 0, "{survivors} bugs that no test finds: tests are missing");
    ensure!(hunted <= CPU_SECONDS_MAX, "{hunted:.0} s of processor time, expected at most {CPU_SECONDS_MAX}");
    Ok(())
}

/// A bug in words: the file, what stands there, and what in its place.
fn what(bug: &Bug) -> String {
    let table::Mutant { file, text, instead, .. } = &bug.mutant;
    format!("{file}: {} -> {instead}", page::words(text))
}

/// The search for bugs.
struct Hunt<'a> {
    suite: Suite,
    bugs: &'a [Bug],
    programs: Vec<Program>,
    folder: PathBuf,
}

impl Hunt<'_> {
    /// Looks for all of these, as many at a time as the suite allows.
    fn all(&self, wanted: &[usize]) -> Result<Vec<Finding>> {
        let left = Mutex::new(wanted.iter().copied());
        let work = || -> Result<Vec<Finding>> {
            let mut findings = Vec::new();
            loop {
                let next = left.lock().map_or(None, |mut left| left.next());
                let Some(number) = next else { return Ok(findings) };
                let finding = self.one(number)?;
                let by = finding.by.as_deref().unwrap_or("NOTHING");
                println!("{number:3} {by} in {:.1} s: {}", finding.cpu_seconds, what(&self.bugs[number - 1]));
                findings.push(finding);
            }
        };
        let mut findings = thread::scope(|scope| {
            let workers: Vec<_> = (0..self.suite.workers()).map(|_| scope.spawn(work)).collect();
            let ends = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked")));
            ends.collect::<Result<Vec<_>>>().map(|found| found.into_iter().flatten().collect::<Vec<_>>())
        })?;
        findings.sort_by_key(|finding| finding.number);
        Ok(findings)
    }

    /// Runs the tests that should find a bug, then the others, until one fails.
    fn one(&self, number: usize) -> Result<Finding> {
        let bug = &self.bugs[number - 1];
        let (first, filter) = bug.mutant.first;
        let order = self.programs.iter().filter(|program| program.name == first).map(|program| (program, filter));
        let others = self.programs.iter().filter(|program| program.can_find(bug));
        // What was run whole is not run again.
        let others = others.filter(|program| program.name != first || program.tests.filter != filter);
        let mut finding = Finding { number, by: None, cpu_seconds: 0.0 };
        for (program, filter) in order.chain(others.map(|program| (program, program.tests.filter))) {
            let ran = program.run(self.suite, filter, number, &self.folder)?;
            finding.cpu_seconds += ran.cpu_seconds;
            finding.by = ran.by;
            if finding.by.is_some() {
                break;
            }
        }
        Ok(finding)
    }
}
