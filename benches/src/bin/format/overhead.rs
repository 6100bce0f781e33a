//! Bytes on all disks together per byte of a title.

use std::sync::Arc;

use rain_codec::column::{HEADER_BYTES, TreeShape, default_cell_bytes};
use rain_codec::{Geometry, StripeCodec};
use serde_json::{Value, json};

use crate::prototype::Checksum;
use crate::{BLOCK_BYTES, CELL_BYTES, FIXED_BLOCK_BYTES};

const TITLES: [(&str, u64); 4] = [("1 B", 1), ("4 KiB", 4096), ("300 KB", 300_000), ("1 GiB", 1 << 30)];

/// Computes the overhead of titles: what all column files hold beyond the title's bytes.
pub(crate) fn overhead(codec: &Arc<StripeCodec>) -> Vec<Value> {
    let default = u64::from(default_cell_bytes(codec.code()));
    let cells = CELL_BYTES.map(|cell_bytes| (cell_bytes as u64, FIXED_BLOCK_BYTES as u64, Checksum::Crc64));
    let blocks = BLOCK_BYTES
        .into_iter()
        .flat_map(|block_bytes| Checksum::ALL.map(|checksum| (default, block_bytes as u64, checksum)));
    let mut combinations: Vec<(u64, u64, Checksum)> = Vec::new();
    for combination in cells.into_iter().chain(blocks) {
        if !combinations.contains(&combination) {
            combinations.push(combination);
        }
    }
    let rows = combinations.into_iter().flat_map(|(cell_bytes, block_bytes, checksum)| {
        TITLES.map(|(title, title_bytes)| {
            let (stored, unshrunk) = stored(codec, cell_bytes, block_bytes, checksum, title_bytes);
            json!({
                "code": codec.code().name(),
                "cell_bytes": cell_bytes,
                "block_bytes": block_bytes,
                "checksum": checksum.name(),
                "title": title,
                "stored_bytes": stored,
                "ratio": stored as f64 / title_bytes as f64,
                "stored_bytes_if_the_last_stripe_did_not_shrink": unshrunk,
            })
        })
    });
    rows.collect()
}

/// Bytes of all column files, with the last stripe shrunk as the format has it, and with all stripes full.
fn stored(codec: &StripeCodec, cell_bytes: u64, block_bytes: u64, checksum: Checksum, title_bytes: u64) -> (u64, u64) {
    let code = codec.code();
    let fit = |bytes: u64| u32::try_from(bytes).expect("cells and blocks are below 4 GiB");
    let geometry = Geometry::new(code, fit(cell_bytes), fit(block_bytes), title_bytes);
    let record = |cell_bytes: u64| {
        let blocks = cell_bytes.div_ceil(block_bytes);
        code.rows() as u64 * (cell_bytes + blocks * checksum.bytes() as u64)
    };
    let last = u64::from(geometry.stripe(geometry.stripe_count() - 1).cell_bytes);
    let before = HEADER_BYTES as u64 + (geometry.stripe_count() - 1) * record(cell_bytes);
    let tree = |last: u64| {
        let column_bytes = code.rows() as u64 * ((geometry.stripe_count() - 1) * cell_bytes + last);
        TreeShape::new(column_bytes, geometry.tree().group_bytes()).section_bytes()
    };
    let stored = |last: u64| code.columns() as u64 * (before + record(last) + tree(last));
    (stored(last), stored(cell_bytes))
}
