//! `rain decode`: a title out of column files, those of `rain encode` or of the disks of some nodes.

use super::offline::{etag, refusal, with_progress};
use anyhow::{Context, bail};
use clap::Args;
use rain_codec::TitleVersion;
use rain_codec::file::{FileError, Sink, Survey, decode};
use rain_node::store::marked_versions;
use std::fs::File;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct DecodeArguments {
    /// Folders with column files, or such files: of `rain encode`, or the data folders of some nodes
    #[arg(required = true)]
    columns: Vec<PathBuf>,
    /// The file, or `-` for standard output
    #[arg(short, long)]
    output: String,
    /// Which title, where there are columns of several
    #[arg(long)]
    title: Option<String>,
    /// Which version of it, as `COUNTER-NODE-LIFE-RANDOM` [default: the newest that is committed]
    #[arg(long)]
    title_version: Option<rain_cluster::Version>,
    /// Take a content whose hash is not that of the headers, when every block is as its checksum says
    #[arg(long)]
    ignore_etag: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(arguments: DecodeArguments) -> anyhow::Result<()> {
    let DecodeArguments { columns, output, title, title_version, ignore_etag, json } = arguments;
    let refuse = |error: FileError| anyhow::Error::from(refusal(&error));
    let survey = Survey::of(&columns).map_err(refuse)?;
    let version = match title_version {
        Some(version) => Some(rain_node::store::title_version(version)),
        None => committed(&survey, &columns, title.as_deref())?,
    };
    let opened = survey.open(title.as_deref(), version).map_err(refuse)?;
    let header = opened.header().clone();
    let to_stdout = output == "-";
    let sink = sink(&output)?;
    let decoded =
        with_progress(Some(header.title_bytes), "decode", |progress| decode(&opened, sink, ignore_etag, progress))?;
    for warning in &decoded.warnings {
        eprintln!("rain: warning: {warning}");
    }
    if json && !to_stdout {
        println!(
            "{}",
            serde_json::json!({
                "title": header.title, "bytes": header.title_bytes, "etag": etag(&header),
                "version": header.version.to_string(), "code": header.code,
                "file": output, "warnings": decoded.warnings,
            })
        );
    }
    Ok(())
}

/// Where the output goes: a name in a folder, or what takes bytes as they come. A device or pipe must not be replaced by
/// a file, nor a link to a file.
fn sink(output: &str) -> anyhow::Result<Sink> {
    if output == "-" {
        return Ok(Sink::Stream(Box::new(std::io::stdout())));
    }
    let path = std::fs::canonicalize(output).unwrap_or_else(|_| PathBuf::from(output));
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => bail!("{output} is a folder, expected a file"),
        Ok(metadata) if !metadata.is_file() => {
            let file = File::options().write(true).open(&path).with_context(|| output.to_owned())?;
            Ok(Sink::Stream(Box::new(file)))
        }
        _ => Ok(Sink::File(path)),
    }
}

/// The newest version that some node's data folder has marked as committed, of the title asked for or the only one.
/// Folders of `rain encode` have no marks: there every version is as good.
fn committed(survey: &Survey, folders: &[PathBuf], title: Option<&str>) -> anyhow::Result<Option<TitleVersion>> {
    let mut names: Vec<&str> = survey.titles().iter().map(|found| found.header.title.as_str()).collect();
    names.dedup();
    let name = match (title, names.as_slice()) {
        (Some(title), _) => title,
        (None, [name]) => name,
        (None, _) => return Ok(None),
    };
    let Some(newest) = marked_versions(folders, name).into_iter().max() else { return Ok(None) };
    let found: Vec<TitleVersion> =
        survey.titles().iter().filter(|found| found.header.title == name).map(|found| found.header.version).collect();
    let wanted = rain_node::store::title_version(newest);
    if found.is_empty() || found.contains(&wanted) {
        return Ok(Some(wanted));
    }
    let found: Vec<String> = found.iter().map(TitleVersion::to_string).collect();
    bail!(
        "the newest committed version of \"{name}\" is {newest}, and there is no column of it: it was deleted, or its columns are lost; `--title-version` takes an older one: {}",
        found.join(", ")
    )
}
