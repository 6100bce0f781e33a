//! Encoded titles, one of each code, made once; and what a forger has in place of their columns.

use crate::{ColumnRead, ReadProof};
use bytes::Bytes;
use rain_codec::column::{CHECKSUM_BYTES, ColumnBuilder, HASH_BYTES, HEADER_BYTES, Seal};
use rain_codec::{Code, Geometry, StripeCodec, StripeEncoder, TitleVersion};
use std::sync::{Arc, OnceLock};

pub(super) const TITLE: &str = "film";
pub(super) const VERSION: TitleVersion = TitleVersion { counter: 5, node: 2, life: 0, random: 99 };
const CELL_BYTES: u32 = 16 << 10;
const BLOCK_BYTES: u32 = 4 << 10;
const CODES: [&str; 4] = ["b-code:4", "b-code:6", "x-code:5", "rs:4+2"];

/// A title, and its columns: records and hash tree, without their headers.
#[derive(Debug)]
pub(super) struct Title {
    pub(super) codec: Arc<StripeCodec>,
    pub(super) geometry: Geometry,
    pub(super) content: Vec<u8>,
    /// What its manifest says, by column.
    pub(super) roots: Vec<[u8; HASH_BYTES]>,
    columns: Vec<Vec<u8>>,
    /// Columns of which every cell byte is wrong, and every checksum and hash fits these bytes.
    forged: Vec<Vec<u8>>,
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
        let mut roots = Vec::new();
        for (column, tree) in columns.iter_mut().zip(encoder.finish()) {
            roots.push(tree.root());
            column.extend(tree.to_bytes());
        }
        let forged = (0..).zip(&columns).map(|(column, file)| forge(&geometry, column, file)).collect();
        Self { codec, geometry, content, roots, columns, forged }
    }

    /// What a sound node answers.
    pub(super) fn answer(&self, column: u16, read: &ColumnRead) -> Bytes {
        self.answer_from(&self.columns[usize::from(column)], read)
    }

    /// What a forger answers.
    pub(super) fn forged_answer(&self, column: u16, read: &ColumnRead) -> Bytes {
        self.answer_from(&self.forged[usize::from(column)], read)
    }

    fn answer_from(&self, file: &[u8], read: &ColumnRead) -> Bytes {
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
        if read.proof {
            let place = |offset: u64| usize::try_from(offset).unwrap() - HEADER_BYTES;
            let proof = ReadProof::of(read, &self.geometry);
            for piece in proof.fringe().iter().flat_map(|fringe| self.geometry.cell_pieces(fringe.clone())) {
                bytes.extend_from_slice(&file[place(piece.start)..place(piece.end)]);
            }
            for hash in proof.places() {
                bytes.extend_from_slice(
                    &file[place(self.geometry.tree_offset() + hash * HASH_BYTES as u64)..][..HASH_BYTES],
                );
            }
        }
        bytes.into()
    }
}

/// A column file like `file`, of other cells.
fn forge(geometry: &Geometry, column: u16, file: &[u8]) -> Vec<u8> {
    let mut builder = ColumnBuilder::new(Seal::new(TITLE, VERSION, column), geometry.tree().group_bytes());
    let mut forged = Vec::new();
    for stripe in (0..geometry.stripe_count()).map(|index| geometry.stripe(index)) {
        let record = &file[usize::try_from(stripe.record_offset).unwrap() - HEADER_BYTES..];
        let cells = record[..usize::try_from(stripe.cell_offset(stripe.rows)).unwrap()].iter();
        let wrong: Vec<u8> = cells.map(|byte| byte ^ 0x55).collect();
        forged.extend(builder.record(&stripe, [&wrong[..]]));
    }
    forged.extend(builder.finish().to_bytes());
    forged
}
