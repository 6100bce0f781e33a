//! `rain encode` and `decode` beside `cp` of the same bytes, and what reading through a mapping is worth: the figures of
//! docs/offline.md.
//!
//! All rates are bytes read and written per second: encoding writes n / k times what it reads. `cp` copies the input as
//! often as it takes to write as much, and what it reads again from the page cache of a disk does not count; `plain` reads
//! and writes the same bytes in the same pieces with two threads and does nothing with them. Whatever is written is made
//! durable, also by `cp` and `plain`.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes of files are far below 2^52"
)]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use rain_benches::{Results, write_record};
use rain_codec::column::{DEFAULT_BLOCK_BYTES, crc64, default_cell_bytes};
use rain_codec::file::{EncodeOptions, FileError, Sink, Source, Survey, decode, encode};
use rain_codec::{Code, TitleVersion};
use rain_gauge::{Machine, median, noise};
use serde_json::{Value, json};

/// Pieces of the plain copy, and of the comparison of reads.
const PIECE_BYTES: usize = 1 << 20;
const THREADS: usize = 2;
/// The medium of which nothing is in the page cache when it is read.
const COLD: &str = "disk";

#[derive(Debug, Parser)]
struct Arguments {
    /// Folders to measure in, as NAME=FOLDER, such as memory=/dev/shm; with the name `disk` nothing that is read is in the
    /// page cache
    #[arg(required = true, value_parser = medium)]
    media: Vec<(String, PathBuf)>,
    /// Size of the input
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// Codes
    #[arg(long = "code", value_delimiter = ',', default_value = "b-code:4,b-code:6")]
    codes: Vec<String>,
    /// Rounds, of which the medians are taken
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Write a record
    #[arg(long)]
    record: bool,
}

fn seconds_of(round: &[(Work, f64)], wanted: Work) -> f64 {
    round.iter().find(|(work, _)| *work == wanted).map_or(f64::NAN, |(_, seconds)| *seconds)
}

fn medium(text: &str) -> Result<(String, PathBuf), String> {
    let (name, folder) = text.split_once('=').ok_or("expected NAME=FOLDER")?;
    Ok((name.to_owned(), PathBuf::from(folder)))
}

/// What is measured, in one folder with one code.
struct Bench<'a> {
    medium: &'a str,
    folder: PathBuf,
    code: Arc<Code>,
    input: PathBuf,
    bytes: u64,
    rounds: usize,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut rows = Vec::new();
    for (medium, parent) in &arguments.media {
        let folder = parent.join(format!("rain-offline-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let measured = measure(&arguments, medium, &folder, &mut rows);
        fs::remove_dir_all(&folder)?;
        measured?;
    }
    if arguments.record {
        let results: Results = vec![("offline".to_owned(), rows)];
        let written = write_record(&Machine::detect(), "offline", &results)?;
        println!("recorded as {}", written.display());
    }
    Ok(())
}

fn measure(arguments: &Arguments, medium: &str, folder: &Path, rows: &mut Vec<Value>) -> io::Result<()> {
    let input = folder.join("input");
    let bytes = arguments.mib << 20;
    let mut file = File::create(&input)?;
    let mut word = noise(1);
    for _ in 0..arguments.mib {
        let piece: Vec<u8> = (0..PIECE_BYTES / 8).flat_map(|_| word().to_le_bytes()).collect();
        file.write_all(&piece)?;
    }
    file.sync_all()?;
    for name in &arguments.codes {
        let code = Arc::new(Code::named(name).map_err(io::Error::other)?);
        let folder = folder.to_owned();
        let bench = Bench { medium, folder, code, input: input.clone(), bytes, rounds: arguments.rounds };
        bench.run(rows)?;
    }
    rows.extend(reads(medium, &input, bytes, arguments.rounds)?);
    Ok(())
}

/// What is timed in a round, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    CpToColumns,
    PlainToColumns,
    Encode,
    Decode,
    DecodeLost,
    PlainBack,
    CpBack,
}

impl Bench<'_> {
    fn run(&self, rows: &mut Vec<Value>) -> io::Result<()> {
        let rounds = (0..self.rounds).map(|_| self.round()).collect::<io::Result<Vec<_>>>()?;
        for (operation, work, plain, cp) in [
            ("encode", Work::Encode, Work::PlainToColumns, Work::CpToColumns),
            ("decode", Work::Decode, Work::PlainBack, Work::CpBack),
            ("decode, columns lost", Work::DecodeLost, Work::PlainBack, Work::CpBack),
        ] {
            let rates = |work: Work| rounds.iter().map(move |round| self.bytes_of(work) / seconds_of(round, work));
            // Each is compared with what was measured in its own round: a disk that others use is never twice the same.
            let ratio = |peer: Work| {
                median(&mut rates(work).zip(rates(peer)).map(|(one, other)| one / other).collect::<Vec<_>>())
            };
            let middle = |work: Work| median(&mut rates(work).collect::<Vec<_>>()) / 1e9;
            let range = |work: Work| {
                let (least, most) =
                    rates(work).fold((f64::MAX, 0_f64), |(least, most), rate| (least.min(rate), most.max(rate)));
                [least / 1e9, most / 1e9]
            };
            let (of_cp, of_plain) = (ratio(cp), ratio(plain));
            println!(
                "{} {} {operation}: {:.2} GB/s read and written; cp {:.2} ({:.0} %), plain {:.2} ({:.0} %)",
                self.medium,
                self.code,
                middle(work),
                middle(cp),
                100.0 * of_cp,
                middle(plain),
                100.0 * of_plain
            );
            rows.push(json!({
                "medium": self.medium, "code": self.code.name(), "operation": operation, "input_bytes": self.bytes,
                "rounds": self.rounds, "gb_per_s": middle(work), "cp_gb_per_s": middle(cp), "plain_gb_per_s": middle(plain),
                "range_gb_per_s": range(work), "cp_range_gb_per_s": range(cp), "of_cp": of_cp, "of_plain": of_plain,
            }));
        }
        Ok(())
    }

    /// Does everything once, and gives the seconds.
    fn round(&self) -> io::Result<Vec<(Work, f64)>> {
        let (columns, copy) = (self.folder.join("columns"), self.folder.join("copy"));
        let mut seconds = Vec::new();
        let mut time = |what: Work, work: &dyn Fn() -> io::Result<()>| -> io::Result<()> {
            self.settle()?;
            let began = Instant::now();
            work()?;
            seconds.push((what, began.elapsed().as_secs_f64()));
            Ok(())
        };
        time(Work::CpToColumns, &|| self.cp(self.written()))?;
        self.clean()?;
        time(Work::PlainToColumns, &|| self.plain(self.code.columns() as u64, self.written()))?;
        self.clean()?;
        time(Work::Encode, &|| self.encode(&columns))?;
        time(Work::Decode, &|| Self::decode(&columns, &copy))?;
        fs::remove_file(&copy)?;
        for column in 0..self.code.tolerates() {
            fs::remove_file(columns.join(rain_codec::file::column_name(column)))?;
        }
        time(Work::DecodeLost, &|| Self::decode(&columns, &copy))?;
        self.clean()?;
        time(Work::PlainBack, &|| self.plain(1, self.bytes))?;
        self.clean()?;
        time(Work::CpBack, &|| self.cp(self.bytes))?;
        self.clean()?;
        Ok(seconds)
    }

    /// What all columns have together, but for headers and checksums.
    fn written(&self) -> u64 {
        (self.bytes as f64 * self.code.columns() as f64 / self.code.data_columns() as f64) as u64
    }

    /// Bytes that are read from the medium and written to it. What `cp` reads again, to write more than it reads, comes
    /// from the page cache: it counts where that is the medium.
    fn bytes_of(&self, work: Work) -> f64 {
        let written = match work {
            Work::CpToColumns | Work::PlainToColumns | Work::Encode => self.written(),
            Work::Decode | Work::DecodeLost | Work::PlainBack | Work::CpBack => self.bytes,
        };
        let read = if work == Work::CpToColumns && self.medium != COLD { written } else { self.bytes };
        (read + written) as f64
    }

    /// Lets the medium come to rest, and drops what is durable from the page cache where the disk is to be measured.
    fn settle(&self) -> io::Result<()> {
        rustix::fs::syncfs(File::open(&self.folder)?)?;
        self.evict()
    }

    fn evict(&self) -> io::Result<()> {
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop().filter(|_| self.medium == COLD) {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    rustix::fs::fadvise(File::open(path)?, 0, None, rustix::fs::Advice::DontNeed)?;
                }
            }
        }
        Ok(())
    }

    /// Removes everything but the input.
    fn clean(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else if path != self.input {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Copies the input until as much is written, or more.
    fn cp(&self, written: u64) -> io::Result<()> {
        for turn in 0..written.div_ceil(self.bytes) {
            let copy = self.folder.join(format!("cp-{turn}"));
            if !Command::new("cp").arg(&self.input).arg(&copy).status()?.success() {
                return Err(io::Error::other("cp failed"));
            }
            let most = (written - turn * self.bytes).min(self.bytes);
            let copy = File::options().write(true).open(&copy)?;
            copy.set_len(most)?;
            copy.sync_all()?;
        }
        Ok(())
    }

    /// Reads the input in pieces, and writes as much as the columns have to as many files.
    fn plain(&self, files: u64, written: u64) -> io::Result<()> {
        let input = File::open(&self.input)?;
        let outputs: Vec<File> = (0..files)
            .map(|file| File::create(self.folder.join(format!("plain-{file}"))))
            .collect::<io::Result<_>>()?;
        let pieces = self.bytes / PIECE_BYTES as u64;
        let each = usize::try_from(written / files / pieces).map_err(io::Error::other)?;
        let next = AtomicU64::new(0);
        let work = || -> io::Result<()> {
            let mut buffer = vec![0; PIECE_BYTES.max(each)];
            loop {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= pieces {
                    return Ok(());
                }
                input.read_exact_at(&mut buffer[..PIECE_BYTES], piece * PIECE_BYTES as u64)?;
                for output in &outputs {
                    output.write_all_at(&buffer[..each], piece * each as u64)?;
                }
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("panic"))))
        })?;
        outputs.iter().try_for_each(File::sync_all)
    }

    fn encode(&self, columns: &Path) -> io::Result<()> {
        let options = EncodeOptions {
            code: Arc::clone(&self.code),
            cell_bytes: default_cell_bytes(&self.code),
            block_bytes: DEFAULT_BLOCK_BYTES,
            title: "measured".to_owned(),
            version: TitleVersion { counter: 1, node: 0, life: 0, random: 1 },
            media_type: String::new(),
            modified_ms: 0,
        };
        let source = Source::File { file: File::open(&self.input)?, path: self.input.clone() };
        encode(source, columns, &options, &|_| ()).map(drop).map_err(io::Error::other)
    }

    fn decode(columns: &Path, copy: &Path) -> io::Result<()> {
        let decode = || -> Result<(), FileError> {
            let title = Survey::of(&[columns.to_owned()])?.open(None, None)?;
            decode(&title, Sink::File(copy.to_owned()), false, &|_| ()).map(drop)
        };
        decode().map_err(io::Error::other)
    }
}

/// Reads the input and checks it as columns are checked: by `pread` into a buffer, and through a mapping.
fn reads(medium: &str, input: &Path, bytes: u64, rounds: usize) -> io::Result<Vec<Value>> {
    let file = File::open(input)?;
    let block = DEFAULT_BLOCK_BYTES as usize;
    let mut seconds = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let began = Instant::now();
        share_out(bytes, |piece, buffer| {
            file.read_exact_at(buffer, piece * PIECE_BYTES as u64)?;
            Ok(buffer.chunks(block).fold(0, |sum, block| sum ^ crc64(block)))
        })?;
        seconds[0].push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let map = mapping::of(&file)?;
        share_out(bytes, |piece, _| {
            let start = usize::try_from(piece).map_err(io::Error::other)? * PIECE_BYTES;
            Ok(map[start..start + PIECE_BYTES].chunks(block).fold(0, |sum, block| sum ^ crc64(block)))
        })?;
        drop(map);
        seconds[1].push(began.elapsed().as_secs_f64());
    }
    let row = |(operation, seconds): (&str, &mut Vec<f64>)| {
        let rate = bytes as f64 / median(seconds) / 1e9;
        println!("{medium} {operation}: {rate:.2} GB/s");
        json!({ "medium": medium, "operation": operation, "input_bytes": bytes, "gb_per_s": rate })
    };
    Ok(["read and check, pread", "read and check, mmap"].into_iter().zip(&mut seconds).map(row).collect())
}

fn share_out(bytes: u64, work: impl Fn(u64, &mut [u8]) -> io::Result<u64> + Sync) -> io::Result<()> {
    let next = AtomicU64::new(0);
    let run = || -> io::Result<u64> {
        let mut buffer = vec![0; PIECE_BYTES];
        let mut sum = 0;
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= bytes / PIECE_BYTES as u64 {
                return Ok(sum);
            }
            sum ^= work(piece, &mut buffer)?;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        for thread in threads {
            std::hint::black_box(thread.join().unwrap_or_else(|_| Err(io::Error::other("panic")))?);
        }
        Ok(())
    })
}

mod mapping {
    //! A file as memory.
    #![expect(unsafe_code, reason = "a mapping of a file that may change")]

    use std::fs::File;
    use std::io;

    /// Maps a file that this program wrote and nobody else knows.
    pub(super) fn of(file: &File) -> io::Result<memmap2::Mmap> {
        // SAFETY: the file is in a fresh folder of this process, which does not write to it while it is mapped.
        unsafe { memmap2::Mmap::map(file) }
    }
}
