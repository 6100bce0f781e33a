//! A stripe of which some bytes are overwritten is the stripe that is encoded anew.
//!
//! Oracle: the parity equations, summed cell by cell over the data as they must be now.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_codec::plan::{PlanError, update_stripe};
use rain_codec::{Cell, Code, StripeCodec};
use rain_fuzz::Codecs;

const CELL_BYTES_MAX: usize = 5000;
/// Most bytes of a stripe's data: encoding them anew by the equations is slow.
const STRIPE_BYTES_MAX: usize = 60_000;
const WRITES_MAX: usize = 4;

static CODECS: LazyLock<Codecs<StripeCodec>> = LazyLock::new(|| Codecs::new(StripeCodec::with_kernel));

#[derive(Debug, Arbitrary)]
struct Case {
    codec: u16,
    cell_bytes: u16,
    writes: Vec<Write>,
    data: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
struct Write {
    at: u32,
    length: u32,
    salt: u8,
    /// By a planner, which keeps its plans.
    planned: bool,
}

fuzz_target!(|case: Case| {
    let codec = CODECS.choose(case.codec);
    let code: &Code = codec.code();
    let cells = code.data_cell_count();
    let cell_bytes = 1 + usize::from(case.cell_bytes) % CELL_BYTES_MAX.min(STRIPE_BYTES_MAX / cells);
    let bytes = |salt: u8, length: usize| -> Vec<u8> {
        let source = case.data.iter().copied().chain([0x5a]).cycle().zip(0_u32..).take(length);
        source.map(|(byte, at)| byte ^ salt ^ (at.wrapping_mul(at) >> 7).to_le_bytes()[0]).collect()
    };
    let mut data = bytes(0, cells * cell_bytes);
    let mut stripe = encode(code, &data, cell_bytes);
    for write in case.writes.iter().take(WRITES_MAX) {
        // Sometimes beyond the end.
        let at = usize::try_from(write.at).expect("32 bits") % (data.len() + 2);
        let length = usize::try_from(write.length).expect("32 bits") % (data.len() + 2);
        let length = if write.salt % 16 == 0 { length } else { length.min(data.len().saturating_sub(at)) };
        let new = bytes(write.salt, length);
        let mut columns: Vec<&mut [u8]> = stripe.iter_mut().map(Vec::as_mut_slice).collect();
        let updated = if write.planned {
            codec.planner().update_stripe(&mut columns, at, &new)
        } else {
            update_stripe(code, &mut columns, at, &new)
        };
        match data.get_mut(at..at + length) {
            Some(place) => {
                assert_eq!(updated, Ok(()), "{code}: {length} bytes at {at} of cells of {cell_bytes}");
                place.copy_from_slice(&new);
            }
            None => assert!(matches!(updated, Err(PlanError::OutOfRange { .. })), "{code}: {updated:?}"),
        }
        let is_anew = stripe == encode(code, &data, cell_bytes);
        assert!(is_anew, "{code}: {length} bytes at {at} of cells of {cell_bytes}");
    }
});

/// The columns of a stripe, by definition.
fn encode(code: &Code, data: &[u8], cell_bytes: usize) -> Vec<Vec<u8>> {
    let mut columns = vec![vec![0; code.rows() * cell_bytes]; code.columns()];
    let bytes_of = |cell: Cell| usize::from(cell.row) * cell_bytes..(usize::from(cell.row) + 1) * cell_bytes;
    for (index, bytes) in data.chunks_exact(cell_bytes).enumerate() {
        let cell = code.data_cell(index);
        columns[usize::from(cell.column)][bytes_of(cell)].copy_from_slice(bytes);
    }
    for (parity, of) in code.parity_cells() {
        let mut sum = vec![0; cell_bytes];
        for cell in of {
            let cell_bytes = &columns[usize::from(cell.column)][bytes_of(*cell)];
            sum.iter_mut().zip(cell_bytes).for_each(|(sum, byte)| *sum ^= byte);
        }
        columns[usize::from(parity.column)][bytes_of(parity)].copy_from_slice(&sum);
    }
    columns
}
