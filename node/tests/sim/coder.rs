//! From contents to columns and back, by the real codec.

use core::ops::Range;
use rain_cluster::manifest::EtagKind;
use rain_cluster::{Columns, Version};
use rain_codec::column::{
    CHECKSUM_BYTES, ColumnBuilder, ColumnTree, DEFAULT_BLOCK_BYTES, Geometry, HASH_BYTES, HEADER_BYTES, Seal,
    StripeEncoder, StripeShape, default_group_bytes,
};
use rain_codec::schedule::ErasurePattern;
use rain_codec::stripe::StripeCodec;
use rain_codec::{Cell, Code};
use rain_fetch::{Arrival, ColumnRead, ReadProof, Rope};
use rain_node::store::title_version;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub const CELL_BYTES: u32 = 4096;

/// The records of a column, one stripe after the other.
pub type Records = Arc<Vec<u8>>;

/// The codec of a code; made once for all seeds.
pub fn codec(code: &str) -> Arc<StripeCodec> {
    static CODECS: Mutex<BTreeMap<String, Arc<StripeCodec>>> = Mutex::new(BTreeMap::new());
    let mut codecs = CODECS.lock().unwrap();
    let codec = codecs.entry(code.to_owned());
    Arc::clone(codec.or_insert_with(|| Arc::new(StripeCodec::new(Arc::new(Code::named(code).unwrap())))))
}

pub fn geometry(columns: &Columns) -> Geometry {
    let codec = codec(&columns.code);
    Geometry::new(codec.code(), columns.cell_bytes, columns.block_bytes, columns.bytes)
        .with_group_bytes(columns.group_bytes)
}

/// A content's columns.
#[derive(Debug)]
pub struct Made {
    /// What the manifest says of them.
    pub columns: Columns,
    /// Each cut into its stripes' records.
    pub records: Vec<Vec<Records>>,
    trees: Vec<ColumnTree>,
}

/// Makes the columns of a content.
pub fn make(title: &str, version: Version, code: &str, bytes: &[u8]) -> Made {
    let codec = codec(code);
    let mut etag = [0; 16];
    etag.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    let count = |number: usize| u16::try_from(number).unwrap();
    let mut columns = Columns {
        bytes: bytes.len() as u64,
        etag_kind: EtagKind::Content,
        etag,
        code: code.to_owned(),
        columns: count(codec.code().columns()),
        data_columns: count(codec.code().data_columns()),
        layout: 0,
        cell_bytes: CELL_BYTES,
        block_bytes: DEFAULT_BLOCK_BYTES,
        group_bytes: default_group_bytes(CELL_BYTES),
        modified_ms: 0,
        roots: Vec::new(),
    };
    let geometry = geometry(&columns);
    let mut encoder =
        StripeEncoder::new(Arc::clone(&codec), CELL_BYTES, DEFAULT_BLOCK_BYTES, title, title_version(version));
    let mut records = vec![Vec::new(); codec.code().columns()];
    for index in 0..geometry.stripe_count() {
        let stripe = geometry.stripe(index);
        let start = usize::try_from(stripe.title_offset).unwrap();
        let end = start + usize::try_from(stripe.data_bytes).unwrap();
        for (column, record) in records.iter_mut().zip(encoder.encode_stripe(index, &bytes[start..end])) {
            column.push(Arc::new(record.clone()));
        }
    }
    let trees = encoder.finish();
    columns.roots = trees.iter().map(ColumnTree::root).collect();
    Made { columns, records, trees }
}

/// A whole stripe of a column.
pub fn whole(stripe: &StripeShape, proof: bool) -> ColumnRead {
    ColumnRead {
        stripes: stripe.index..stripe.index + 1,
        rows: 0..stripe.rows,
        blocks: 0..stripe.blocks_per_cell(),
        proof,
    }
}

/// What whoever holds a column answers to a read of stripes, each with what proves it.
pub fn answer(made: &Made, column: u16, stripes: &Range<u64>) -> Option<Vec<u8>> {
    let geometry = geometry(&made.columns);
    let records = &made.records[usize::from(column)];
    let to_usize = |number: u64| usize::try_from(number).unwrap();
    let length = |index: u64| {
        let stripe = geometry.stripe(index);
        to_usize(stripe.cell_offset(stripe.rows))
    };
    let cells: Vec<u8> =
        (0..).zip(records).flat_map(|(index, record)| record[..length(index)].iter().copied()).collect();
    let section = made.trees[usize::from(column)].to_bytes();
    let mut answer = Vec::new();
    for index in stripes.clone() {
        answer.extend_from_slice(records.get(to_usize(index))?);
        let proof = ReadProof::of(&whole(&geometry.stripe(index), true), &geometry);
        for fringe in proof.fringe() {
            answer.extend_from_slice(&cells[to_usize(fringe.start)..to_usize(fringe.end)]);
        }
        for place in proof.places() {
            answer.extend_from_slice(&section[to_usize(*place) * HASH_BYTES..][..HASH_BYTES]);
        }
    }
    Some(answer)
}

/// The records in an answer, if they are those of the column: by their checksums, and by its root.
pub fn proven(
    columns: &Columns,
    (title, version, column): (&str, Version, u16),
    stripes: &Range<u64>,
    mut answer: &[u8],
    by_root: bool,
) -> Option<Records> {
    let geometry = geometry(columns);
    let root = columns.roots.get(usize::from(column))?;
    let mut records = Vec::new();
    for index in stripes.clone() {
        let read = whole(&geometry.stripe(index), true);
        let (part, rest) = answer.split_at_checked(usize::try_from(read.answer_bytes(&geometry)).unwrap())?;
        let blocks = &part[..usize::try_from(read.blocks_bytes(&geometry)).unwrap()];
        let (read, part) = if by_root { (read, part) } else { (whole(&geometry.stripe(index), false), blocks) };
        let mut rope = Rope::default();
        rope.push(part.to_vec().into());
        Arrival::verified(read, rope, Seal::new(title, title_version(version), column), root, &geometry).ok()?;
        records.extend_from_slice(blocks);
        answer = rest;
    }
    answer.is_empty().then(|| Arc::new(records))
}

/// Whether every block of a record is what its checksum says.
pub fn is_sound(title: &str, version: Version, column: u16, stripe: &StripeShape, record: &[u8]) -> bool {
    if record.len() as u64 != stripe.record_bytes() {
        return false;
    }
    let seal = Seal::new(title, title_version(version), column);
    (0..stripe.rows).all(|row| {
        (0..stripe.blocks_per_cell()).all(|block| {
            let cell = usize::try_from(stripe.cell_offset(row)).unwrap();
            let range = stripe.block_range(block);
            let at = usize::try_from(stripe.checksum_offset(row, block)).unwrap();
            let stored = u64::from_le_bytes(record[at..at + CHECKSUM_BYTES].try_into().unwrap());
            seal.check(stripe.index, row, block, &record[cell + range.start..cell + range.end], stored)
        })
    })
}

/// The same record with other bytes and checksums that match them: what bad memory makes.
pub fn forged(title: &str, version: Version, column: u16, stripe: &StripeShape, record: &[u8]) -> Vec<u8> {
    let mut cells = record[..usize::try_from(stripe.cell_offset(stripe.rows)).unwrap()].to_vec();
    cells[0] ^= 1;
    ColumnBuilder::new(Seal::new(title, title_version(version), column), CELL_BYTES).record(stripe, [cells.as_slice()])
}

/// Cells of a stripe from the records of other columns.
fn cells(codec: &StripeCodec, stripe: &StripeShape, records: &BTreeMap<u16, &[u8]>, wanted: &[Cell]) -> Vec<Vec<u8>> {
    let lost: Vec<usize> =
        (0..codec.code().columns()).filter(|column| !records.contains_key(&u16::try_from(*column).unwrap())).collect();
    let length = usize::try_from(stripe.cell_bytes).unwrap();
    let present = |cell: Cell| {
        let base = usize::try_from(stripe.cell_offset(cell.row)).unwrap();
        &records[&cell.column][base..base + length]
    };
    let gone: Vec<Cell> = wanted.iter().copied().filter(|cell| !records.contains_key(&cell.column)).collect();
    let schedule = codec.recover_schedule(ErasurePattern::of(&lost), &gone).unwrap();
    let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|cell| present(*cell)).collect();
    let mut outputs = vec![vec![0; length]; schedule.targets().len()];
    let mut slices: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    codec.run(&schedule, &inputs, &mut slices);
    let cell = |cell: &Cell| match schedule.targets().iter().position(|target| target == cell) {
        Some(target) => outputs[target].clone(),
        None => present(*cell).to_vec(),
    };
    wanted.iter().map(cell).collect()
}

fn record_of<'a>(geometry: &Geometry, stripe: &StripeShape, records: &'a [u8]) -> &'a [u8] {
    let start = usize::try_from(stripe.record_offset - geometry.stripe(0).record_offset).unwrap();
    &records[start..start + usize::try_from(stripe.record_bytes()).unwrap()]
}

/// The content from any k whole columns.
pub fn decode(columns: &Columns, got: &BTreeMap<u16, Records>) -> Vec<u8> {
    let (codec, geometry) = (codec(&columns.code), geometry(columns));
    let data: Vec<Cell> = (0..codec.code().data_cell_count()).map(|index| codec.code().data_cell(index)).collect();
    let mut bytes = Vec::new();
    for index in 0..geometry.stripe_count() {
        let stripe = geometry.stripe(index);
        let records = got.iter().map(|(column, records)| (*column, record_of(&geometry, &stripe, records))).collect();
        bytes.extend(cells(&codec, &stripe, &records, &data).concat());
        bytes.truncate(usize::try_from(stripe.title_offset + stripe.data_bytes).unwrap());
    }
    bytes
}

/// The record of a column of one stripe, from those of any k others.
pub fn restore(
    title: &str,
    version: Version,
    columns: &Columns,
    column: u16,
    stripe: &StripeShape,
    got: &BTreeMap<u16, Records>,
) -> Vec<u8> {
    let codec = codec(&columns.code);
    let wanted: Vec<Cell> = (0..codec.code().rows()).map(|row| Cell::new(usize::from(column), row)).collect();
    let records = got.iter().map(|(column, record)| (*column, record.as_slice())).collect();
    let cells = cells(&codec, stripe, &records, &wanted);
    ColumnBuilder::new(Seal::new(title, title_version(version), column), columns.group_bytes)
        .record(stripe, cells.iter().map(Vec::as_slice))
}

/// The root of a column from its records.
pub fn root(columns: &Columns, records: &[u8]) -> [u8; 32] {
    let geometry = geometry(columns);
    let mut hasher = blake3::Hasher::new();
    for index in 0..geometry.stripe_count() {
        let stripe = geometry.stripe(index);
        let record = record_of(&geometry, &stripe, records);
        hasher.update(&record[..usize::try_from(stripe.cell_offset(stripe.rows)).unwrap()]);
    }
    *hasher.finalize().as_bytes()
}

/// Where a stripe's record begins behind the header.
pub fn offset_of(stripe: &StripeShape) -> u64 {
    stripe.record_offset - HEADER_BYTES as u64
}
