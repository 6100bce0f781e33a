//! Encoded titles, one of each code, made once.

use crate::ColumnRead;
use bytes::Bytes;
use rain_codec::column::{CHECKSUM_BYTES, HEADER_BYTES};
use rain_codec::{Code, Geometry, StripeCodec, StripeEncoder, TitleVersion};
use std::sync::{Arc, OnceLock};

pub(super) const TITLE: &str = "film";
pub(super) const VERSION: TitleVersion = TitleVersion { counter: 5, node: 2, random: 99 };
const CELL_BYTES: u32 = 16 << 10;
const BLOCK_BYTES: u32 = 4 << 10;
const CODES: [&str; 4] = ["b-code:4", "b-code:6", "x-code:5", "rs:4+2"];

/// A title, and the records of its columns without their headers.
#[derive(Debug)]
pub(super) struct Title {
    pub(super) codec: Arc<StripeCodec>,
    pub(super) geometry: Geometry,
    pub(super) content: Vec<u8>,
    columns: Vec<Vec<u8>>,
}

/// The title of a code.
pub(super) fn title(choice: usize) -> &'static Title {
    static TITLES: [OnceLock<Title>; CODES.len()] = [const { OnceLock::new() }; CODES.len()];
    let choice = choice % CODES.len();
    TITLES[choice].get_or_init(|| Title::new(CODES[choice]))
}

impl Title {
    fn new(code: &str) -> Self {
        let codec = Arc::new(StripeCodec::new(Arc::new(Code::named(code).unwrap())));
        let mut encoder = StripeEncoder::new(Arc::clone(&codec), CELL_BYTES, BLOCK_BYTES, TITLE, VERSION);
        let length = (1 << 20) + 12_345;
        let content: Vec<u8> = (0..length).map(|at: u32| at.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect();
        let geometry = Geometry::new(codec.code(), CELL_BYTES, BLOCK_BYTES, length.into());
        let mut columns = vec![Vec::new(); codec.code().columns()];
        for (stripe, data) in (0..).zip(content.chunks(encoder.stripe_data_bytes())) {
            for (column, record) in columns.iter_mut().zip(encoder.encode_stripe(stripe, data)) {
                column.extend_from_slice(record);
            }
        }
        Self { codec, geometry, content, columns }
    }

    /// What a sound node answers.
    pub(super) fn answer(&self, column: u16, read: &ColumnRead) -> Bytes {
        let file = &self.columns[usize::from(column)];
        let mut bytes = Vec::new();
        for stripe in read.stripes.clone() {
            let shape = self.geometry.stripe(stripe);
            let record = usize::try_from(shape.record_offset).unwrap() - HEADER_BYTES;
            let (cell_bytes, span) = (shape.cell_bytes as usize, read.span(&shape));
            for row in read.rows.clone().map(usize::from) {
                bytes.extend_from_slice(&file[record + row * cell_bytes..][span.clone()]);
            }
            let checksums = record + usize::from(shape.rows) * cell_bytes;
            let blocks = read.blocks.start as usize * CHECKSUM_BYTES..read.blocks.end as usize * CHECKSUM_BYTES;
            for row in read.rows.clone().map(usize::from) {
                let of_row = checksums + row * shape.blocks_per_cell() as usize * CHECKSUM_BYTES;
                bytes.extend_from_slice(&file[of_row..][blocks.clone()]);
            }
        }
        bytes.into()
    }
}
