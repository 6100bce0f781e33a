//! Stripes whose columns are encoded and recovered in place, in every layout, come back as they were.
//!
//! Oracle: the bytes before. Parity is compared with the code's own equations, byte by byte; every byte beside the
//! columns must stay what it was.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_codec::{Cell, Code, ErasurePattern, InterleavedCodec, Layout, Stores};
use rain_fuzz::Codecs;

static CODECS: LazyLock<Codecs<InterleavedCodec>> = LazyLock::new(|| Codecs::new(InterleavedCodec::with_kernel));
/// Most lines of a cell: more than a tile has.
const LINES_MAX: usize = 9;
const MARGIN: usize = 64;

#[derive(Debug, Arbitrary)]
struct Case {
    /// Which code, and which instruction set.
    codec: u16,
    layout: u8,
    streaming: bool,
    lines: u8,
    /// Bytes of a cell beyond those, where the layout has them.
    tail: u8,
    /// Where in a line columns begin; with the highest bit, only the data is recovered, and parity made of it again.
    offset: u8,
    lost: [u8; 2],
    data: Vec<u8>,
}

fuzz_target!(|case: Case| {
    let codec = CODECS.choose(case.codec);
    let code = codec.code();
    let layout = Layout::ALL[usize::from(case.layout) % Layout::ALL.len()];
    let stores = if case.streaming { Stores::Streaming } else { Stores::Normal };
    let tail = if layout == Layout::Cells { usize::from(case.tail) % 64 } else { 0 };
    let cell_len = usize::from(case.lines) % (LINES_MAX + 1) * 64 + tail;
    let mut stripe = Stripe::new(code.columns(), code.rows() * cell_len, usize::from(case.offset) % 64, &case.data);

    codec.encode(layout, stores, &mut stripe.columns());
    stripe.check_margins();
    check_parity(code, layout, cell_len, &mut stripe);

    let encoded = stripe.clone();
    let lost = case.lost.map(|column| usize::from(column) % code.columns());
    let lost = &lost[..lost.len().min(code.tolerates())];
    for &column in lost {
        stripe.columns()[column].fill(0xa5);
    }
    let pattern = ErasurePattern::of(lost);
    if case.offset & 0x80 == 0 {
        let recovery = codec.recovery(pattern).expect("so many columns may be lost");
        codec.recover(&recovery, layout, stores, &mut stripe.columns());
    } else {
        let rows_of = |column: usize| (0..code.data_rows(column)).map(move |row| Cell::new(column, row));
        let data: Vec<Cell> = pattern.iter().flat_map(rows_of).collect();
        let recovery = codec.recovery_of(pattern, &data).expect("so many columns may be lost");
        codec.recover(&recovery, layout, stores, &mut stripe.columns());
        codec.encode(layout, stores, &mut stripe.columns());
    }
    assert!(stripe.buffers == encoded.buffers, "{code} without {lost:?}, {layout:?}, cells of {cell_len}");
});

/// Columns, each between margins.
#[derive(Clone)]
struct Stripe {
    buffers: Vec<Vec<u8>>,
    starts: Vec<usize>,
    column_len: usize,
}

impl Stripe {
    fn new(columns: usize, column_len: usize, offset: usize, data: &[u8]) -> Self {
        let fill = |column: usize| {
            let byte = |at: usize| {
                data.get(at % data.len().max(1)).copied().unwrap_or(7) ^ (at * 31 + column).to_le_bytes()[0]
            };
            (0..column_len + 3 * MARGIN).map(byte).collect::<Vec<u8>>()
        };
        let buffers: Vec<Vec<u8>> = (0..columns).map(fill).collect();
        let starts = buffers.iter().map(|buffer| buffer.as_ptr().align_offset(64) + offset).collect();
        let mut stripe = Self { buffers, starts, column_len };
        for (buffer, &start) in stripe.buffers.iter_mut().zip(&stripe.starts) {
            buffer[..start].fill(0x5a);
            buffer[start + column_len..].fill(0x5a);
        }
        stripe
    }

    fn columns(&mut self) -> Vec<&mut [u8]> {
        let starts = self.starts.iter();
        self.buffers.iter_mut().zip(starts).map(|(buffer, &start)| &mut buffer[start..][..self.column_len]).collect()
    }

    fn check_margins(&self) {
        for (buffer, &start) in self.buffers.iter().zip(&self.starts) {
            let outside = buffer[..start].iter().chain(&buffer[start + self.column_len..]);
            assert!(outside.into_iter().all(|&byte| byte == 0x5a), "a byte beside a column");
        }
    }
}

fn check_parity(code: &Code, layout: Layout, cell_len: usize, stripe: &mut Stripe) {
    let columns = stripe.columns();
    let byte = |column: u16, row: u16, at: usize| {
        let (column, row) = (usize::from(column), usize::from(row));
        let upper = if layout == Layout::Divided { code.data_rows(column) } else { code.rows() };
        let place = match layout {
            Layout::Cells => row * cell_len + at,
            Layout::Interleaved | Layout::Divided if row < upper => (at / 64 * upper + row) * 64 + at % 64,
            Layout::Interleaved | Layout::Divided => {
                upper * cell_len + (at / 64 * (code.rows() - upper) + row - upper) * 64 + at % 64
            }
        };
        columns[column][place]
    };
    for (parity, of) in code.parity_cells() {
        for at in 0..cell_len {
            let sum = of.iter().fold(0, |sum, cell| sum ^ byte(cell.column, cell.row, at));
            assert_eq!(
                byte(parity.column, parity.row, at),
                sum,
                "{code} {parity}, {layout:?}, byte {at} of {cell_len}"
            );
        }
    }
}
