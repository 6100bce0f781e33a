//! What is asked for gives the range: every byte once, no row twice, and never more columns than are there.
//!
//! Oracle: the byte's stripe, cell and block by plain division, byte after byte; the set of rows that have arrived.
#![no_main]

use core::ops::Range;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_codec::{Cell, Code, ErasurePattern, Geometry, StripeCodec};
use rain_fetch::{Gather, Piece, pieces};

/// Codes with more rows are left out: one case would take seconds.
const CODES: [&str; 8] = ["b-code:4", "b-code:5", "b-code:6", "b-code:13", "x-code:5", "x-code:7", "rs:4+2", "rs:6+3"];
const TITLE_BYTES_MAX: u32 = 1 << 20;
/// Bytes looked at in one case, each end of each piece among them.
const BYTES_LOOKED_AT: u64 = 300;

#[derive(Debug, Arbitrary)]
struct Case {
    code: u8,
    block_shift: u8,
    cell_shift: u8,
    title_bytes: u32,
    from: u32,
    length: u32,
    piece_bytes: u32,
    /// Which of the pieces is gathered.
    piece: u8,
    lost: Vec<u8>,
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    /// One of the answers that are awaited comes.
    Arrives(u8),
    /// One of the columns asked fails.
    Fails(u8),
    /// One of the columns asked is late.
    IsLate(u8),
}

fuzz_target!(|case: Case| {
    let codec = codec(usize::from(case.code));
    let code = codec.code();
    let (cell_bytes, block_bytes) = (4096 << (case.cell_shift % 4), 512 << (case.block_shift % 7));
    let title_bytes = u64::from(case.title_bytes % TITLE_BYTES_MAX) + 1;
    let start = u64::from(case.from) % title_bytes;
    let end = title_bytes.min(start + 1 + u64::from(case.length));
    let geometry = Geometry::new(code, cell_bytes, block_bytes, title_bytes);
    let pieces: Vec<Piece> = pieces(&geometry, start..end, u64::from(case.piece_bytes)).collect();
    check_pieces(&geometry, code, start..end, &pieces);

    let piece = &pieces[usize::from(case.piece) % pieces.len()];
    let wanted: Vec<Cell> = piece.cells.clone().map(|index| code.data_cell(index)).collect();
    let lost = case.lost.iter().take(4).map(|column| usize::from(*column) % code.columns());
    let lost = lost.fold(ErasurePattern::none(), ErasurePattern::with);
    gather(codec, &wanted, lost, &case.steps);
});

fn codec(choice: usize) -> &'static Arc<StripeCodec> {
    static CODECS: OnceLock<Vec<Arc<StripeCodec>>> = OnceLock::new();
    let codecs = CODECS.get_or_init(|| {
        let code = |name: &&str| Arc::new(Code::named(name).expect("a code"));
        CODES.iter().map(|name| Arc::new(StripeCodec::new(code(name)))).collect()
    });
    &codecs[choice % codecs.len()]
}

/// Every byte of the range is in the cells and blocks of exactly one piece, and no cell or end block is fetched in vain.
fn check_pieces(geometry: &Geometry, code: &Code, range: Range<u64>, pieces: &[Piece]) {
    let mut at = range.start;
    for piece in pieces {
        assert_eq!(piece.bytes.start, at, "{range:?}: {piece:?}");
        assert!(!piece.is_empty() && !piece.cells.is_empty() && !piece.blocks.is_empty(), "{piece:?}");
        at = piece.bytes.end;
        let step = (piece.len() / BYTES_LOOKED_AT).max(1);
        let looked_at = piece.bytes.clone().step_by(usize::try_from(step).expect("small")).chain([piece.bytes.end - 1]);
        let mut touched = BTreeSet::new();
        for byte in looked_at {
            let (stripe, cell, block) = place(geometry, code, byte);
            assert!(piece.stripes.contains(&stripe) && piece.cells.contains(&cell), "byte {byte}: {piece:?}");
            assert!(piece.blocks.contains(&block), "byte {byte}: {piece:?}");
            touched.insert((stripe, cell, block));
        }
        let first = place(geometry, code, piece.bytes.start);
        let last = place(geometry, code, piece.bytes.end - 1);
        assert_eq!((first.0, last.0 + 1), (piece.stripes.start, piece.stripes.end), "{piece:?}");
        assert_eq!(first.1, piece.cells.start, "{piece:?}");
        if piece.stripes.end - piece.stripes.start == 1 {
            let in_vain = last.1 + 1 != piece.cells.end && !is_tail(geometry, code, last.0, last.1);
            assert!(!in_vain, "{piece:?}: cells in vain");
        }
        if piece.cells.len() == 1 && piece.blocks.len() > 1 {
            assert_eq!(first.2, piece.blocks.start, "{piece:?}: a block in vain");
        }
    }
    assert_eq!(at, range.end);
}

/// Stripe, data cell and block of a byte of the title.
fn place(geometry: &Geometry, code: &Code, byte: u64) -> (u64, usize, u32) {
    let full = geometry.stripe(0);
    let data_cells = code.data_cell_count() as u64;
    let stripe_bytes = if geometry.stripe_count() == 1 { u64::MAX } else { data_cells * u64::from(full.cell_bytes) };
    let stripe = byte / stripe_bytes;
    let shape = geometry.stripe(stripe);
    let within = byte - stripe * stripe_bytes.min(byte + 1);
    let (cell, offset) = (within / u64::from(shape.cell_bytes), within % u64::from(shape.cell_bytes));
    let block = offset / u64::from(shape.block_bytes);
    (stripe, usize::try_from(cell).expect("few"), u32::try_from(block).expect("few"))
}

/// Whether the data of a stripe end in this cell: those behind it hold zeros.
fn is_tail(geometry: &Geometry, code: &Code, stripe: u64, cell: usize) -> bool {
    let shape = geometry.stripe(stripe);
    let used = shape.data_bytes.div_ceil(u64::from(shape.cell_bytes));
    cell as u64 + 1 == used && used < code.data_cell_count() as u64
}

/// A row of a column.
type Row = (u16, u16);

fn gather(codec: &Arc<StripeCodec>, wanted: &[Cell], mut lost: ErasurePattern, steps: &[Step]) {
    let code = codec.code();
    let is_wanted = |lost: ErasurePattern| wanted.iter().any(|cell| lost.contains(usize::from(cell.column)));
    let is_too_much = |lost: ErasurePattern| lost.len() > code.tolerates() && is_wanted(lost);
    let gathering = Gather::new(codec, wanted, lost);
    assert_eq!(gathering.is_err(), is_too_much(lost), "{code} without {lost}: {wanted:?}");
    let Ok(mut gather) = gathering else { return };
    let (mut asked, mut open) = (BTreeSet::<Row>::new(), Vec::<(u16, Range<u16>)>::new());
    let mut arrived = BTreeSet::<Row>::new();
    let mut steps = steps.iter();
    let mut late = ErasurePattern::none();
    loop {
        while let Some((column, rows)) = gather.poll_request() {
            assert!(!lost.contains(usize::from(column)), "{code} without {lost}: column {column} is asked");
            assert!(!rows.is_empty() && usize::from(rows.end) <= code.rows(), "{code}: rows {rows:?}");
            for row in rows.clone() {
                assert!(asked.insert((column, row)), "{code}: row {row} of column {column} is asked for twice");
            }
            open.push((column, rows));
        }
        check_ready(&gather, wanted, &arrived);
        if open.is_empty() {
            break;
        }
        // When the steps are over, everything comes.
        let (choice, step) = match steps.next() {
            Some(step @ (Step::Arrives(choice) | Step::Fails(choice) | Step::IsLate(choice))) => (*choice, step),
            None => (0, &Step::Arrives(0)),
        };
        let choice = usize::from(choice) % open.len();
        let column = open[choice].0;
        match step {
            Step::Arrives(_) => {
                let (column, rows) = open.swap_remove(choice);
                arrived.extend(rows.clone().map(|row| (column, row)));
                gather.handle_arrival(column, rows);
            }
            Step::Fails(_) => {
                lost = lost.with(usize::from(column));
                open.retain(|(other, _)| *other != column);
                asked.retain(|(other, _)| *other != column);
                arrived.retain(|(other, _)| *other != column);
                let handled = gather.handle_loss(column);
                assert_eq!(handled.is_err(), is_too_much(lost), "{code} without {lost}: {wanted:?}");
                if handled.is_err() {
                    return;
                }
            }
            Step::IsLate(_) => {
                let without = (0..code.columns()).filter(|&other| lost.contains(other) || late.contains(other));
                let without = without.fold(ErasurePattern::none(), ErasurePattern::with).with(usize::from(column));
                let alternative = gather.without_late(column);
                assert_eq!(alternative.is_none(), is_too_much(without), "{code} without {without}");
                if let Some(alternative) = alternative {
                    late = late.with(usize::from(column));
                    gather.adopt(alternative);
                }
            }
        }
    }
    assert!(gather.ready().is_some(), "{code} without {lost}: all has come, and it is not enough for {wanted:?}");
}

/// A plan is ready only when all that it takes is there.
fn check_ready(gather: &Gather, wanted: &[Cell], arrived: &BTreeSet<Row>) {
    let Some(plan) = gather.ready() else { return };
    let is_there = |cell: &Cell| arrived.contains(&(cell.column, cell.row));
    let (mut made, mut sources) = (BTreeSet::new(), Vec::new());
    if let Some(recovery) = plan.recovery() {
        made.extend(recovery.targets().iter().copied());
        sources.extend_from_slice(recovery.inputs());
    }
    assert!(sources.iter().all(is_there), "a source that is not there: {sources:?}");
    assert!(wanted.iter().all(|cell| made.contains(cell) || is_there(cell)), "a cell from nowhere: {wanted:?}");
    assert_eq!(plan.wanted(), wanted);
}
