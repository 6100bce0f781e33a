//! What is encoded, then loses columns, comes back as it was, or not at all.
//!
//! Oracle: the bytes that went in, and for parity the code's own equations, summed byte by byte. Columns up to the number
//! that a code tolerates must be recovered, whole or single cells of them; one column more must be refused.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_codec::{Cell, Code, ErasurePattern, ScheduleError, StripeCodec};
use rain_fuzz::Codecs;

static CODECS: LazyLock<Codecs<StripeCodec>> = LazyLock::new(|| Codecs::with_wide(StripeCodec::with_kernel));
/// Most bytes of a cell: a few registers of the widest instruction set, and a tail.
const CELL_BYTES_MAX: usize = 640;

#[derive(Debug, Arbitrary)]
struct Case {
    /// Which code, and which instruction set.
    codec: u16,
    /// How long a cell is, in units of 64 bytes.
    cell_units: u8,
    /// Bytes of a cell beyond those; mostly none, as in files.
    tail: Option<u8>,
    /// Columns lost, the first `lost_count` of them that differ.
    lost: [u8; 12],
    lost_count: u8,
    wanted: Wanted,
    /// The data, over and over, each time changed a little.
    data: Vec<u8>,
}

/// Which cells of the lost columns are wanted.
#[derive(Debug, Arbitrary)]
enum Wanted {
    All,
    /// A single one, as a read of a few bytes wants it.
    One(u8),
    /// Those whose bit is set, each bit for one cell in 64.
    Selected(u64),
}

fuzz_target!(|case: Case| {
    let codec = CODECS.choose(case.codec);
    let stripe = encode(codec, &case);
    let lost = lost(codec.code(), &case);
    recover(codec, &stripe, lost, &case.wanted);
});

/// A stripe's cells, by column, then row.
struct Stripe {
    rows: usize,
    cell_bytes: usize,
    cells: Vec<Vec<u8>>,
}

impl Stripe {
    fn place(&self, cell: Cell) -> usize {
        usize::from(cell.column) * self.rows + usize::from(cell.row)
    }

    fn cell(&self, cell: Cell) -> &[u8] {
        &self.cells[self.place(cell)]
    }
}

/// Encodes the case's data, and checks each parity cell against its equation.
fn encode(codec: &StripeCodec, case: &Case) -> Stripe {
    let code = codec.code();
    let cell_bytes =
        usize::from(case.cell_units) % (CELL_BYTES_MAX / 64) * 64 + usize::from(case.tail.unwrap_or(0) % 64);
    let cell_bytes = cell_bytes.max(1);
    let cells = vec![Vec::new(); code.columns() * code.rows()];
    let mut stripe = Stripe { rows: code.rows(), cell_bytes, cells };

    let mut salt = 0_u8;
    let mut source = case.data.iter().copied().chain([0x5a]).cycle();
    let data: Vec<Vec<u8>> = (0..code.data_cell_count())
        .map(|_| {
            salt = salt.wrapping_mul(5).wrapping_add(1);
            source.by_ref().take(cell_bytes).map(|byte| byte ^ salt).collect()
        })
        .collect();
    let mut parity = vec![vec![0xee; cell_bytes]; code.parity_cells().count()];
    let inputs: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    codec.encode(&inputs, &mut outputs);

    for (index, bytes) in data.into_iter().enumerate() {
        let place = stripe.place(code.data_cell(index));
        stripe.cells[place] = bytes;
    }
    for ((cell, of), bytes) in code.parity_cells().zip(parity) {
        let mut expected = vec![0; cell_bytes];
        for data in of {
            expected.iter_mut().zip(stripe.cell(*data)).for_each(|(sum, byte)| *sum ^= byte);
        }
        assert!(bytes == expected, "{code}: parity cell {cell} is not the XOR of its data cells");
        let place = stripe.place(cell);
        stripe.cells[place] = bytes;
    }
    stripe
}

fn lost(code: &Code, case: &Case) -> ErasurePattern {
    // Small codes have fewer columns than may be lost here.
    let count = (usize::from(case.lost_count) % (case.lost.len() + 1)).min(code.columns());
    case.lost[..count].iter().fold(ErasurePattern::none(), |pattern, &column| {
        // The next column that is not lost yet.
        let columns = (0..code.columns()).map(|step| (usize::from(column) + step) % code.columns());
        pattern.with(columns.into_iter().find(|&column| !pattern.contains(column)).expect("fewer lost than there are"))
    })
}

/// Recovers the wanted cells of lost columns from the others, and compares them with what they were.
fn recover(codec: &StripeCodec, stripe: &Stripe, lost: ErasurePattern, wanted: &Wanted) {
    let code = codec.code();
    let all: Vec<Cell> = code.cells().filter(|cell| lost.contains(usize::from(cell.column))).collect();
    let wanted: Vec<Cell> = match wanted {
        Wanted::All => all,
        Wanted::One(choice) => all.get(usize::from(*choice) % all.len().max(1)).copied().into_iter().collect(),
        Wanted::Selected(bits) => all
            .into_iter()
            .enumerate()
            .filter(|(place, _)| bits >> (place % 64) & 1 == 1)
            .map(|(_, cell)| cell)
            .collect(),
    };
    let schedule = match codec.recover_schedule(lost, &wanted) {
        Ok(schedule) => schedule,
        Err(error) => {
            let refused = matches!(error, ScheduleError::TooManyLost { .. }) && lost.len() > code.tolerates();
            assert!(refused, "{code} without {lost}: {error}");
            return;
        }
    };
    assert!(lost.len() <= code.tolerates(), "{code} says that it recovers {lost}");
    let of_lost = |cell: &Cell| lost.contains(usize::from(cell.column));
    assert!(!schedule.inputs().iter().any(of_lost), "{code} without {lost}: a lost cell is read");
    assert!(wanted.iter().all(|cell| schedule.targets().contains(cell)), "{code} without {lost}: a cell stays lost");

    let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|&cell| stripe.cell(cell)).collect();
    let mut made = vec![vec![0x77; stripe.cell_bytes]; schedule.targets().len()];
    let mut outputs: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
    codec.run(&schedule, &inputs, &mut outputs);
    for (&cell, bytes) in schedule.targets().iter().zip(&made) {
        assert!(bytes == stripe.cell(cell), "{code} without {lost}: cell {cell} comes back wrong");
    }
}
