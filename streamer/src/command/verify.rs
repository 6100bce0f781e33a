//! `rain verify` and `rain repair`: the column files of a folder.

use super::offline::{object, title_json, with_progress};
use super::output::{print_line, say};
use clap::Args;
use rain_codec::file::{column_name, repair, verify};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// The folder of `rain encode`
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RepairArguments {
    /// The folder of `rain encode`
    folder: PathBuf,
    /// Repair although the content has not the hash that the headers say
    #[arg(long)]
    ignore_etag: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Says how every column is; an error unless all are there and intact.
pub(super) fn run_verify(arguments: &VerifyArguments) -> anyhow::Result<()> {
    let VerifyArguments { folder, json } = arguments;
    let report = with_progress(None, "verify", |progress| verify(folder, progress))?;
    warn(&report.warnings);
    if *json {
        print_line(title_json(&report.header, &report.columns, &report.problems))?;
    }
    let count = report.columns.len();
    if report.is_ok() {
        if !json {
            print_line(format_args!("{}: all {count} columns are intact", report.header.title))?;
        }
        return Ok(());
    }
    if !json {
        for fault in report.faults() {
            print_line(fault)?;
        }
    }
    let intact = report.intact();
    let needed = rain_codec::Code::named(&report.header.code)?.data_columns();
    let mut parts = Vec::new();
    if intact < count {
        parts.push(format!("intact columns: {intact}, expected {count}"));
    }
    parts.extend(report.problems.iter().cloned());
    if report.problems.is_empty() && intact >= needed {
        parts.push(format!("{needed} suffice to decode"));
    }
    let message = format!("{}: {}", report.header.title, parts.join("; "));
    Err(object("damaged", &message, Some((intact as u64, count as u64))).into())
}

/// Rebuilds what is missing or damaged.
pub(super) fn run_repair(arguments: &RepairArguments) -> anyhow::Result<()> {
    let RepairArguments { folder, ignore_etag, json } = arguments;
    let repaired = with_progress(None, "repair", |progress| repair(folder, *ignore_etag, progress))?;
    warn(&repaired.after.warnings);
    let names: Vec<String> = repaired.columns.iter().map(|column| column_name(*column)).collect();
    if *json {
        let mut object = title_json(&repaired.after.header, &repaired.after.columns, &repaired.after.problems);
        object["repaired"] = names.into();
        print_line(object)?;
        return Ok(());
    }
    for fault in repaired.before.faults() {
        print_line(fault)?;
    }
    let (title, count) = (&repaired.after.header.title, repaired.after.columns.len());
    if names.is_empty() {
        print_line(format_args!("{title}: all {count} columns are intact"))
    } else {
        print_line(format_args!("{title}: rebuilt {}; all {count} columns are intact", names.join(", ")))
    }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        say(format_args!("rain: warning: {warning}"));
    }
}
