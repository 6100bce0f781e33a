//! `rain encode`: a file or standard input to a folder of column files.

use super::offline::{etag, refusal, title_json, with_progress};
use super::output::{print_line, say};
use super::put::title_of_file;
use anyhow::bail;
use clap::Args;
use rain_codec::column::{CELL_BYTES_MAX, CELL_BYTES_MIN, DEFAULT_BLOCK_BYTES, default_cell_bytes};
use rain_codec::file::{ColumnFinding, EncodeOptions, FileError, Source, encode};
use rain_codec::{Code, TitleVersion};
use rain_titles::title;
use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Args)]
pub(super) struct EncodeArguments {
    /// The file, or `-` for standard input
    file: PathBuf,
    /// The folder that gets the column files: an empty one, or none yet
    #[arg(short, long)]
    output: PathBuf,
    /// The array code
    #[arg(long, default_value = "b-code:4", value_parser = code)]
    code: Arc<Code>,
    /// Bytes of a cell, a power of two from 4096 [default: about 1 MiB of data in a stripe]
    #[arg(long, value_parser = cell_bytes)]
    cell_bytes: Option<u32>,
    /// The title [default: the file's name, or `stdin`]
    #[arg(long)]
    title: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn code(name: &str) -> Result<Arc<Code>, String> {
    Code::named(name).map(Arc::new).map_err(|error| error.to_string())
}

fn cell_bytes(text: &str) -> Result<u32, String> {
    let fits = |bytes: &u32| bytes.is_power_of_two() && (CELL_BYTES_MIN..=CELL_BYTES_MAX).contains(bytes);
    let expected = || format!("expected a power of two from {CELL_BYTES_MIN} to {CELL_BYTES_MAX}");
    text.parse().ok().filter(fits).ok_or_else(expected)
}

pub(super) fn run(arguments: EncodeArguments) -> anyhow::Result<()> {
    let EncodeArguments { file, output, code, cell_bytes, title, json } = arguments;
    let from_stdin = file.as_os_str() == "-";
    let title = match title {
        Some(title) => title,
        None if from_stdin => "stdin".to_owned(),
        None => title_of_file(&file, "`--title NAME`")?,
    };
    title::check(&title)?;
    let media_type = mime_guess::from_path(&title).first_or_octet_stream().to_string();
    let options = EncodeOptions {
        cell_bytes: cell_bytes.unwrap_or_else(|| default_cell_bytes(&code)),
        block_bytes: DEFAULT_BLOCK_BYTES,
        version: TitleVersion { counter: 1, node: 0, life: random()?, random: random()? },
        media_type,
        modified_ms: now_ms(),
        title: title.clone(),
        code,
    };
    let (source, length) = if from_stdin { (Source::Stream(Box::new(std::io::stdin())), None) } else { open(&file)? };
    let encoded = with_progress(length, "encode", |progress| encode(source, &output, &options, progress))?;
    let header = &encoded.header;
    if json {
        let columns = vec![ColumnFinding::Ok; usize::from(header.columns)];
        let mut object = title_json(header, &columns, &[]);
        object["reused_bytes"] = encoded.reused_bytes.into();
        print_line(object)
    } else {
        let (columns, tolerates) = (header.columns, options.code.tolerates());
        if encoded.reused_bytes > 0 {
            say(format_args!("{} bytes were there from an interrupted run, and right", encoded.reused_bytes));
        }
        print_line(format_args!(
            "{title}: {} bytes in {columns} columns of {}, {tolerates} can be lost, etag {}",
            header.title_bytes,
            header.code,
            etag(header)
        ))
    }
}

/// Opens the input: a plain file is read by several threads, a pipe or device as it comes.
fn open(path: &Path) -> anyhow::Result<(Source, Option<u64>)> {
    let looked = std::fs::metadata(path).and_then(|metadata| Ok((metadata, File::open(path)?)));
    let (metadata, file) =
        looked.map_err(|error| refusal(&FileError::Io { what: "opening", path: path.to_owned(), error }))?;
    if metadata.is_dir() {
        bail!("{} is a folder, expected a file", path.display());
    }
    let kind = metadata.file_type();
    if kind.is_fifo() || kind.is_char_device() || kind.is_block_device() {
        return Ok((Source::Stream(Box::new(file)), None));
    }
    Ok((Source::File { file, path: path.to_owned() }, Some(metadata.len())))
}

fn random() -> anyhow::Result<u32> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random number: {error}"))?;
    Ok(u32::from_le_bytes(bytes))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
