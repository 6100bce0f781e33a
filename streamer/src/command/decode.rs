//! `rain decode`: a title out of column files, those of `rain encode` or of the disks of some nodes.

use super::offline::{etag, object, refusal, with_progress};
use super::output::{print_line, say};
use anyhow::{Context, bail};
use clap::Args;
use rain_codec::TitleVersion;
use rain_codec::file::{FileError, Sink, Survey, decode};
use rain_node::store::CommittedVersions;
use rain_titles::title;
use std::fs::File;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct DecodeArguments {
    /// Folders with column files, or such files: of `rain encode`, or the data folders of some nodes
    #[arg(required = true)]
    columns: Vec<PathBuf>,
    /// The file, or `-` for standard output
    #[arg(short, long, required_unless_present = "all")]
    output: Option<PathBuf>,
    /// Decode all titles there are, each to a file of its name in this folder
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["output", "title", "title_version"])]
    all: Option<PathBuf>,
    /// Replace what has the file's name
    #[arg(long)]
    force: bool,
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

pub(super) fn run(arguments: &DecodeArguments) -> anyhow::Result<()> {
    let survey = Survey::of(&arguments.columns).map_err(|error| refuse(&error))?;
    let committed = CommittedVersions::of(&arguments.columns);
    match (&arguments.output, &arguments.all) {
        (Some(output), _) => decode_one(arguments, survey, &committed, arguments.title.as_deref(), output),
        (None, Some(folder)) => decode_all(arguments, survey, &committed, folder),
        (None, None) => bail!("`--output` or `--all` is missing"),
    }
}

fn refuse(error: &FileError) -> anyhow::Error {
    refusal(error).into()
}

fn decode_one(
    arguments: &DecodeArguments,
    survey: Survey,
    committed: &CommittedVersions,
    title: Option<&str>,
    output: &Path,
) -> anyhow::Result<()> {
    let DecodeArguments { title_version, ignore_etag, force, json, .. } = arguments;
    let version = match title_version {
        Some(version) => Some(rain_node::store::title_version(*version)),
        None => newest(&survey, committed, title)?,
    };
    let opened = survey.open(title, version).map_err(|error| refuse(&error))?;
    let header = opened.header().clone();
    let sink = sink(output, *force)?;
    let decoded =
        with_progress(Some(header.title_bytes), "decode", |progress| decode(&opened, sink, *ignore_etag, progress))?;
    for warning in &decoded.warnings {
        say(format_args!("rain: warning: {warning}"));
    }
    if output.as_os_str() == "-" {
        return Ok(());
    }
    if *json {
        return print_line(serde_json::json!({
            "title": header.title, "bytes": header.title_bytes, "etag": etag(&header),
            "version": header.version.to_string(), "code": header.code,
            "file": output.display().to_string(), "warnings": decoded.warnings,
        }));
    }
    print_line(format_args!(
        "{}: {} bytes in {}, etag {}",
        header.title,
        header.title_bytes,
        output.display(),
        etag(&header)
    ))
}

/// Decodes what can be decoded; one title that cannot is no reason to leave the others.
fn decode_all(
    arguments: &DecodeArguments,
    survey: Survey,
    committed: &CommittedVersions,
    folder: &Path,
) -> anyhow::Result<()> {
    if survey.titles().is_empty() {
        return survey.open(None, None).map(drop).map_err(|error| refuse(&error));
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let (mut failed, mut all) = (Vec::new(), 0_usize);
    // The versions of a title stand together.
    for of_title in survey.titles().chunk_by(|one, next| one.header.title == next.header.title) {
        all += 1;
        let name = of_title[0].header.title.as_str();
        let files = of_title.iter().flat_map(|found| found.files.iter().map(|(_, path)| path.as_path()));
        // A file without a header may be a column of any title.
        let files: Vec<PathBuf> = files.chain(survey.headless()).map(Path::to_owned).collect();
        let done = title::check(name).map_err(anyhow::Error::from).and_then(|()| {
            let survey = Survey::of(&files).map_err(|error| refuse(&error))?;
            let output = folder.join(name);
            // A title may have folders in its name.
            let parent = output.parent().unwrap_or(folder);
            std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
            decode_one(arguments, survey, committed, Some(name), &output)
        });
        match done {
            Ok(()) => {}
            Err(error) if error.is::<super::output::Unread>() => return Err(error),
            Err(error) => failed.push(format!("\"{name}\": {error:#}")),
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let decoded = all - failed.len();
    let message = format!("titles decoded: {decoded}, expected {all}; not {}", failed.join("; not "));
    Err(object("incomplete", &message, Some((decoded as u64, all as u64))).into())
}

/// Where the output goes: a name in a folder, or what takes bytes as they come. A device or pipe must not be replaced by
/// a file, nor a link to a file; a file only by `--force`.
fn sink(output: &Path, force: bool) -> anyhow::Result<Sink> {
    if output.as_os_str() == "-" {
        return Ok(Sink::Stream(Box::new(std::io::stdout())));
    }
    let path = std::fs::canonicalize(output).unwrap_or_else(|_| output.to_owned());
    let name = output.display();
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => bail!("{name} is a folder, expected a file"),
        Ok(metadata) if !metadata.is_file() => {
            let file = File::options().write(true).open(&path).with_context(|| name.to_string())?;
            Ok(Sink::Stream(Box::new(file)))
        }
        Ok(_) if !force => {
            Err(object("exists", &format!("{name} is there already; `--force` replaces it"), None).into())
        }
        _ => Ok(Sink::File(path)),
    }
}

/// The newest version that some node's data folder has marked as committed, of the title asked for or the only one.
/// Folders of `rain encode` have no marks: there every version is as good.
fn newest(survey: &Survey, committed: &CommittedVersions, title: Option<&str>) -> anyhow::Result<Option<TitleVersion>> {
    let mut names: Vec<&str> = survey.titles().iter().map(|found| found.header.title.as_str()).collect();
    names.dedup();
    let name = match (title, names.as_slice()) {
        (Some(title), _) => title,
        (None, [name]) => name,
        (None, _) => return Ok(None),
    };
    let Some(newest) = committed.of_title(name).next_back() else { return Ok(None) };
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
