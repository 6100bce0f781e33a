//! What is measured.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use rain_benches::Results;
use rain_codec::{Cell, Code, ErasurePattern, InterleavedCodec, Kernel, Layout, Stores, StripeCodec};
use rain_gauge::{Arena, Bench, Contender, Figure, Operation, Regime, Row, codec, compare, median, recovery, rounded};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::{Value, json};

/// Codes that are measured where none is named.
pub(crate) const CODES: [&str; 12] = [
    "b-code:4",
    "b-code:6",
    "b-code:10",
    "b-code:11",
    "b-code:12",
    "b-code:18",
    "b-code:22",
    "x-code:7",
    "x-code:11",
    "rs:6+3",
    "rs:8+3",
    "rs:10+4",
];

/// Bytes of an object that is much smaller than a stripe.
const SMALL_OBJECT_BYTES: u16 = 4000;
/// Bytes that each of two threads works on in a sample.
const TWO_THREADS_BYTES: usize = 1 << 30;

/// A figure of another library, or of ours that is not in the table of codes.
pub(crate) struct Other {
    pub(crate) code: String,
    pub(crate) regime: Regime,
    pub(crate) operation: &'static str,
    pub(crate) name: String,
    pub(crate) figure: Figure,
}

/// Two figures of one run, and what they are of.
pub(crate) struct Pair {
    pub(crate) what: String,
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
}

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) rows: Vec<Row>,
    pub(crate) others: Vec<Other>,
    /// Slowest pattern of two lost columns beside the median one.
    pub(crate) patterns: Vec<Pair>,
    /// Two threads beside one.
    pub(crate) threads: Vec<Pair>,
    /// Verify, decode and write out, beside verify and copy.
    pub(crate) server: Vec<Pair>,
    /// AVX2 beside ISA-L's AVX2 with GFNI.
    pub(crate) avx2: Vec<Pair>,
    /// Small, odd and unaligned stripes beside a cached one of whole lines.
    pub(crate) small: Vec<Pair>,
}

impl Tables {
    pub(crate) fn to_json(&self) -> Results {
        let other = |other: &Other| {
            json!({
                "code": other.code,
                "regime": other.regime.name(),
                "operation": other.operation,
                "name": other.name,
                "gb_per_s": rounded(other.figure.gb_per_s),
                "spread": rounded(other.figure.spread),
            })
        };
        let pairs = |pairs: &[Pair]| -> Vec<Value> {
            let pair = |pair: &Pair| json!({ "what": pair.what, "gb_per_s": rounded(pair.ours), "beside": rounded(pair.theirs) });
            pairs.iter().map(pair).collect()
        };
        vec![
            ("rows".to_owned(), self.rows.iter().map(Row::to_json).collect()),
            ("peers".to_owned(), self.others.iter().map(other).collect()),
            ("patterns".to_owned(), pairs(&self.patterns)),
            ("threads".to_owned(), pairs(&self.threads)),
            ("server".to_owned(), pairs(&self.server)),
            ("avx2".to_owned(), pairs(&self.avx2)),
            ("small".to_owned(), pairs(&self.small)),
        ]
    }
}

/// Names the libraries beside ours.
pub(crate) fn peers() -> Vec<String> {
    if cfg!(feature = "peers") {
        let isal = "ISA-L 2.32.0 (erasure-isa-l-sys 1.1.0)";
        [isal, "reed-solomon-erasure 6.0.0, simd-accel", "reed-solomon-simd 3.1.0"].map(str::to_owned).to_vec()
    } else {
        Vec::new()
    }
}

pub(crate) fn measure(names: &[String], rounds: usize) -> io::Result<Tables> {
    let kernel = Kernel::detect();
    let mut tables = Tables::default();
    for name in names {
        let code = Arc::new(Code::named(name).map_err(io::Error::other)?);
        for regime in Regime::ALL {
            eprintln!("{name} {}", regime.name());
            let (labels, contenders) = peers_of(&code).into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
            let outcome = Bench::new(&code, regime, kernel)?.run(rounds, contenders);
            tables.rows.extend(outcome.rows);
            for (operation, (name, figure)) in labels.into_iter().zip(outcome.others) {
                tables.others.push(Other { code: code.name().to_owned(), regime, operation, name, figure });
            }
        }
        eprintln!("{name} patterns, threads, server, small");
        tables.patterns.push(patterns(&code, rounds)?);
        for regime in [Regime::L1, Regime::L2Quarter, Regime::L2Half] {
            tables.threads.extend(two_threads(&code, regime, rounds)?);
        }
        tables.server.push(server(&code, rounds)?);
        tables.avx2.extend(avx2(&code, rounds)?);
        tables.small.extend(small(&code, rounds)?);
    }
    Ok(tables)
}

/// The other libraries, each with the operation that it is measured at. RAID functions write parity only.
#[cfg(feature = "peers")]
fn peers_of(code: &Code) -> Vec<(&'static str, Contender)> {
    use rain_benches::peers::{Isal, ec_encode_data, raid, reed_solomon_erasure, reed_solomon_simd};
    use rain_gauge::operations;

    let (n, k) = (code.columns(), code.data_columns());
    let mut peers: Vec<(&'static str, Contender)> = operations(code)
        .into_iter()
        .map(|(name, operation)| (name, ec_encode_data(n, k, &operation, Isal::Best)))
        .collect();
    if code.tolerates() == 2 {
        peers.push(("encode", raid(k, 2)));
    }
    peers.push(("decode1", raid(k, 1)));
    peers.push(("encode", reed_solomon_erasure(n, k)));
    peers.push(("encode", reed_solomon_simd(n, k)));
    peers
}

#[cfg(not(feature = "peers"))]
fn peers_of(_code: &Code) -> Vec<(&'static str, Contender)> {
    Vec::new()
}

/// Every pattern of two lost columns at 256 KiB, in turns: the slowest, and the one in the middle.
fn patterns(code: &Arc<Code>, rounds: usize) -> io::Result<Pair> {
    let codec_of = Arc::new(InterleavedCodec::new(Arc::clone(code)));
    let mut arena = arena(code, Regime::L2Quarter)?;
    let pairs =
        (0..code.columns()).flat_map(|first| (first + 1..code.columns()).map(move |second| vec![first, second]));
    // Where patterns have no bodies, cells in one piece are what the interpreter is fastest at.
    let layout_of = |lost: &[usize]| -> io::Result<Layout> {
        let recovery = recovery(&codec_of, lost).map_err(io::Error::other)?;
        Ok(if recovery.body_name().is_some() { Layout::Interleaved } else { Layout::Cells })
    };
    let contender = |lost: Vec<usize>| -> io::Result<Contender> {
        let layout = layout_of(&lost)?;
        Ok(codec(&codec_of, &Operation::Decode(lost), layout, Stores::Normal))
    };
    let mut contenders = pairs.map(contender).collect::<io::Result<Vec<Contender>>>()?;
    let figures = compare(&mut arena, &mut contenders, rounds.min(5));
    let mut speeds: Vec<f64> = figures.iter().map(|figure| figure.gb_per_s).collect();
    let middle = median(&mut speeds);
    Ok(Pair { what: format!("{code}, {} patterns", speeds.len()), ours: speeds[0], theirs: middle })
}

fn arena(code: &Code, regime: Regime) -> io::Result<Arena> {
    let (n, k) = (code.columns(), code.data_columns());
    let column_bytes = regime.column_bytes(n, k, Layout::Interleaved.grain(code.rows()));
    Arena::new(code, column_bytes, regime.stripe_count(n * column_bytes))
}

/// Encoding on two threads, each with stripes and a processor of its own, beside one thread; in turns.
fn two_threads(code: &Arc<Code>, regime: Regime, rounds: usize) -> io::Result<Option<Pair>> {
    let Some(processors) = processors()? else { return Ok(None) };
    let once = |threads: usize| -> io::Result<f64> {
        let barrier = Arc::new(Barrier::new(threads));
        let mut handles = Vec::new();
        for processor in &processors[..threads] {
            let processor = *processor;
            let (code, barrier) = (Arc::clone(code), Arc::clone(&barrier));
            let mut arena = arena(&code, regime)?;
            handles.push(thread::spawn(move || {
                stay_on(processor).expect("a processor that this process may use");
                let codec_of = Arc::new(InterleavedCodec::new(code));
                let mut contender = codec(&codec_of, &Operation::Encode, Layout::Interleaved, Stores::Normal);
                let times = TWO_THREADS_BYTES / arena.stripe_bytes();
                contender.run(&mut arena, times / 4);
                barrier.wait();
                let began = Instant::now();
                let bytes = contender.run(&mut arena, times);
                (began, Instant::now(), bytes)
            }));
        }
        // All bytes over the time from the first beginning to the last end.
        let runs: Vec<_> = handles.into_iter().map(|handle| handle.join().expect("a thread that measures")).collect();
        let bytes: f64 = runs.iter().map(|(.., bytes)| bytes).sum();
        let began = runs.iter().map(|(began, ..)| *began).min().expect("at least one thread");
        let ended = runs.iter().map(|(_, ended, _)| *ended).max().expect("at least one thread");
        Ok(bytes / (ended - began).as_secs_f64() / 1e9)
    };
    let mut single = Vec::new();
    let mut two = Vec::new();
    for _ in 0..rounds {
        single.push(once(1)?);
        two.push(once(2)?);
    }
    let (ours, theirs) = (median(&mut two), median(&mut single));
    Ok(Some(Pair { what: format!("{code}, {}", regime.name()), ours, theirs }))
}

/// Two processors, when this process may use two.
fn processors() -> io::Result<Option<[usize; 2]>> {
    let allowed = sched_getaffinity(None)?;
    let mut each = (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor));
    Ok(each.next().zip(each.next()).map(Into::into))
}

/// Keeps this thread on a processor: within the milliseconds of a sample the system does not part two threads that began
/// on one.
fn stay_on(processor: usize) -> io::Result<()> {
    let mut one = CpuSet::new();
    one.set(processor);
    Ok(sched_setaffinity(None, &one)?)
}

/// What a server does with cold stripes: it verifies the columns it read, decodes what one lost column held, and writes
/// the data out; beside it the same with no column lost, so that the data are copied only. Columns as in files.
fn server(code: &Arc<Code>, rounds: usize) -> io::Result<Pair> {
    let codec_of = StripeCodec::new(Arc::clone(code));
    let lost = 0;
    let wanted: Vec<Cell> = (0..code.data_rows(lost)).map(|row| Cell::new(lost, row)).collect();
    let schedule = codec_of.recover_schedule(ErasurePattern::of(&[lost]), &wanted).map_err(io::Error::other)?;
    let mut arena = arena(code, Regime::Dram)?;
    let mut out = vec![0_u8; 2 * arena.stripe_data_bytes()];
    let rows = code.rows();
    let (k, n) = (code.data_columns(), code.columns());
    let data_cells: Vec<Cell> = (0..code.data_cell_count()).map(|index| code.data_cell(index)).collect();
    let mut copied = out.clone();
    let copy = Contender::new("copy", move |columns, times| {
        let cell_bytes = columns[0].len() / rows;
        for _ in 0..times {
            let sums = columns[n - k..].iter().fold(0, |sum, column| sum ^ checksum(column));
            [copied[0], ..] = sums.to_le_bytes();
            for (cell, place) in data_cells.iter().zip(copied.chunks_exact_mut(cell_bytes)) {
                place.copy_from_slice(
                    &columns[usize::from(cell.column)][usize::from(cell.row) * cell_bytes..][..cell_bytes],
                );
            }
        }
    });
    let data_cells: Vec<Cell> = (0..code.data_cell_count()).map(|index| code.data_cell(index)).collect();
    let place_of: HashMap<Cell, usize> = data_cells.iter().copied().zip(0..).collect();
    let recovered: Vec<usize> = schedule.targets().iter().map(|target| place_of[target]).collect();
    let decode = Contender::new("decode", move |columns, times| {
        let cell_bytes = columns[0].len() / rows;
        let of = |cell: &Cell| &columns[usize::from(cell.column)][usize::from(cell.row) * cell_bytes..][..cell_bytes];
        for _ in 0..times {
            // Of the columns that are left, k are read and verified where the schedule needs no more cells than those.
            let sums = columns[n - k..].iter().fold(0, |sum, column| sum ^ checksum(column));
            [out[0], ..] = sums.to_le_bytes();
            let mut places: Vec<Option<&mut [u8]>> = out.chunks_exact_mut(cell_bytes).map(Some).collect();
            let mut take = |place: usize| places[place].take().expect("each is written once");
            let mut outputs: Vec<&mut [u8]> = recovered.iter().map(|&place| take(place)).collect();
            let inputs: Vec<&[u8]> = schedule.inputs().iter().map(of).collect();
            codec_of.run(&schedule, &inputs, &mut outputs);
            for (place, cell) in data_cells.iter().enumerate().filter(|(_, cell)| usize::from(cell.column) != lost) {
                take(place).copy_from_slice(of(cell));
            }
        }
    });
    let figures = compare(&mut arena, &mut [decode, copy], rounds);
    Ok(Pair { what: format!("{code}"), ours: figures[0].gb_per_s, theirs: figures[1].gb_per_s })
}

fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}

/// Encoding at 256 KiB with AVX2, beside ISA-L's AVX2 with GFNI.
fn avx2(code: &Arc<Code>, rounds: usize) -> io::Result<Option<Pair>> {
    let Some(kernel) = Kernel::available().into_iter().find(|kernel| kernel.name() == "avx2") else { return Ok(None) };
    let codec_of = Arc::new(InterleavedCodec::with_kernel(Arc::clone(code), kernel));
    let mut contenders = vec![codec(&codec_of, &Operation::Encode, Layout::Interleaved, Stores::Normal)];
    contenders.extend(isal_avx2(code));
    let figures = compare(&mut arena(code, Regime::L2Quarter)?, &mut contenders, rounds);
    let theirs = figures.get(1).map_or(f64::NAN, |figure| figure.gb_per_s);
    Ok(Some(Pair { what: format!("{code}"), ours: figures[0].gb_per_s, theirs }))
}

#[cfg(feature = "peers")]
fn isal_avx2(code: &Code) -> Vec<Contender> {
    use rain_benches::peers::{Isal, ec_encode_data};

    vec![ec_encode_data(code.columns(), code.data_columns(), &Operation::Encode, Isal::Avx2Gfni)]
}

#[cfg(not(feature = "peers"))]
fn isal_avx2(_code: &Code) -> Vec<Contender> {
    Vec::new()
}

/// Cells of odd lengths, at odd addresses, and objects below 4 KiB, as column files have them, beside 64 KiB of whole
/// lines.
fn small(code: &Arc<Code>, rounds: usize) -> io::Result<Vec<Pair>> {
    let codec_of = Arc::new(InterleavedCodec::new(Arc::clone(code)));
    let speed = |cell_bytes: usize, offset: usize| -> io::Result<f64> {
        let rows = code.rows();
        let mut arena = Arena::new(code, cell_bytes * rows + offset, 1)?;
        let codec_of = Arc::clone(&codec_of);
        let contender = Contender::new("small", move |columns, times| {
            let mut columns: Vec<&mut [u8]> = columns.iter_mut().map(|column| &mut column[offset..]).collect();
            for _ in 0..times {
                codec_of.encode(Layout::Cells, Stores::Normal, &mut columns);
            }
        });
        Ok(compare(&mut arena, &mut [contender], rounds.min(5))[0].gb_per_s)
    };
    let cells = code.data_cell_count();
    let whole = ((64 << 10) / cells).next_multiple_of(64);
    let tiny = usize::from(SMALL_OBJECT_BYTES).div_ceil(cells).next_multiple_of(64);
    let plain = speed(whole, 0)?;
    // What column files pad cells with is no data.
    let padded = u32::try_from(tiny * cells).map_err(io::Error::other)?;
    let filled = f64::from(SMALL_OBJECT_BYTES) / f64::from(padded);
    let kinds = [
        ("cells of an odd length", whole - 29, 0, 1.0),
        ("columns at odd addresses", whole, 1, 1.0),
        ("4000 bytes", tiny, 0, filled),
    ];
    kinds
        .into_iter()
        .map(|(what, cell_bytes, offset, filled)| {
            Ok(Pair { what: format!("{code}, {what}"), ours: filled * speed(cell_bytes, offset)?, theirs: plain })
        })
        .collect()
}
