//! Whole column files in memory: layout, order of bytes, checksums.

use std::sync::Arc;

use crate::families::small;
use rain_codec::column::{
    ColumnBuilder, ColumnHasher, ColumnLayout, ColumnTree, DEFAULT_BLOCK_BYTES, EtagKind, HEADER_BYTES, StoreTag,
    crc64, crc64_of_xor, default_cell_bytes, default_group_bytes, verify_groups,
};
use rain_codec::{Cell, CellKind, Code, ColumnHeader, Geometry, Seal, StripeCodec, StripeEncoder, TitleVersion};

use crate::oracle;

const VERSION: TitleVersion = TitleVersion { counter: 3, node: 1, life: 0x11fe, random: 0x5eed };

pub(super) fn title_bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(at) / 7 + at / 256).to_le_bytes()[0]).collect()
}

pub(super) fn header(code: &Code, cell_bytes: u32, block_bytes: u32, title: &str, content: &[u8]) -> ColumnHeader {
    ColumnHeader {
        code: code.name().into(),
        columns: Cell::new(code.columns(), 0).column,
        rows: Cell::new(0, code.rows()).row,
        column: 0,
        cell_bytes,
        interleave_bytes: 0,
        block_bytes,
        layout: ColumnLayout::Striped,
        group_bytes: default_group_bytes(cell_bytes),
        title: title.into(),
        version: VERSION,
        title_bytes: content.len() as u64,
        etag_kind: EtagKind::Content,
        etag: [0xe7; 16],
        modified_ms: 1_000_000_000_000,
        media_type: "application/octet-stream".into(),
        store: StoreTag { node: 2, store: 1 },
        root: [0; 32],
    }
}

/// An offset or length of something in memory.
fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).expect("it is in memory")
}

fn checksum_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// A codec, as whoever encodes several titles keeps it.
pub(super) fn codec(code: &Arc<Code>) -> Arc<StripeCodec> {
    Arc::new(StripeCodec::new(Arc::clone(code)))
}

/// All column files of a title.
pub(super) fn column_files(codec: &Arc<StripeCodec>, header: &ColumnHeader, content: &[u8]) -> Vec<Vec<u8>> {
    let mut encoder =
        StripeEncoder::new(Arc::clone(codec), header.cell_bytes, header.block_bytes, &header.title, header.version);
    let mut files = vec![vec![0; HEADER_BYTES]; header.columns.into()];
    for (stripe, data) in (0..).zip(content.chunks(encoder.stripe_data_bytes())) {
        for (file, record) in files.iter_mut().zip(encoder.encode_stripe(stripe, data)) {
            file.extend_from_slice(record);
        }
    }
    for ((column, file), tree) in (0..).zip(&mut files).zip(encoder.finish()) {
        file[..HEADER_BYTES].copy_from_slice(&ColumnHeader { column, root: tree.root(), ..header.clone() }.to_bytes());
        file.extend(tree.to_bytes());
    }
    files
}

/// The cells of a column file, without checksums.
fn cells_of(geometry: &Geometry, file: &[u8]) -> Vec<u8> {
    let of_stripe = |index: u64| {
        let shape = geometry.stripe(index);
        let start = in_memory(shape.record_offset);
        file[start..start + in_memory(shape.cell_offset(shape.rows))].to_vec()
    };
    (0..geometry.stripe_count()).flat_map(of_stripe).collect()
}

/// The hash tree of a column file.
fn tree_of(geometry: &Geometry, file: &[u8]) -> ColumnTree {
    ColumnTree::parse(geometry.tree(), &file[in_memory(geometry.tree_offset())..]).expect("a hash tree")
}

/// Reads column files back with nothing but the layout: all blocks under their seals, all cells what the oracle says.
fn check_files(code: &Code, header: &ColumnHeader, content: &[u8], files: &[Vec<u8>]) {
    let geometry = Geometry::of(header, code);
    let mut read = Vec::new();
    for index in 0..geometry.stripe_count() {
        let shape = geometry.stripe(index);
        assert_eq!(shape.title_offset, read.len() as u64);
        let cell_bytes = shape.cell_bytes as usize;
        let mut stripe: Vec<Vec<u8>> = Vec::new();
        for (column, file) in (0..header.columns).zip(files) {
            let seal = Seal::new(&header.title, header.version, column);
            let record = &file[in_memory(shape.record_offset)..];
            for row in 0..shape.rows {
                let cell = &record[in_memory(shape.cell_offset(row))..][..cell_bytes];
                for block in 0..shape.blocks_per_cell() {
                    let at = in_memory(shape.checksum_offset(row, block));
                    let stored = checksum_at(record, at);
                    let bytes = &cell[shape.block_range(block)];
                    assert!(seal.check(index, row, block, bytes, stored), "{code} stripe {index} column {column}");
                }
                stripe.push(cell.to_vec());
            }
        }
        let cell_at = |cell: Cell| &stripe[usize::from(cell.column) * code.rows() + usize::from(cell.row)];
        let data: Vec<Vec<u8>> =
            (0..code.data_cell_count()).map(|index| cell_at(code.data_cell(index)).clone()).collect();
        assert!(oracle::encode(code, &data) == stripe, "{code} stripe {index}");
        let data = data.concat();
        let (used, padding) = data.split_at(in_memory(shape.data_bytes));
        read.extend_from_slice(used);
        assert!(padding.iter().all(|byte| *byte == 0));
    }
    assert!(read == content, "{code}");
    for file in files {
        assert_eq!(file.len() as u64, geometry.file_bytes());
        let root = *blake3::hash(&cells_of(&geometry, file)).as_bytes();
        assert_eq!(ColumnHeader::parse(file).expect("a header").root, root, "{code}");
        assert_eq!(tree_of(&geometry, file).root(), root, "{code}");
    }
}

#[test]
fn every_code_lays_out_every_kind_of_length() {
    for code in small() {
        let codec = codec(&code);
        let full = code.data_cell_count() * 4096;
        for len in [0, 1, 64, 65, full - 1, full, full + 1, 2 * full, 2 * full + full / 3] {
            let content = title_bytes(len);
            let header = header(&code, 4096, 1024, "some title", &content);
            check_files(&code, &header, &content, &column_files(&codec, &header, &content));
        }
    }
}

#[test]
fn default_sizes() {
    for name in ["b-code:4", "b-code:6", "x-code:13"] {
        let code = Arc::new(Code::named(name).unwrap());
        let content = title_bytes(1_500_000);
        let header = header(&code, default_cell_bytes(&code), DEFAULT_BLOCK_BYTES, "defaults", &content);
        check_files(&code, &header, &content, &column_files(&codec(&code), &header, &content));
    }
}

/// Buffers are used again: nothing of a stripe may show in the next.
#[test]
fn a_stripe_is_encoded_the_same_after_any_other() {
    let codec = Arc::new(StripeCodec::new(Arc::new(Code::named("b-code:7").unwrap())));
    let new_encoder = || StripeEncoder::new(Arc::clone(&codec), 4096, 512, "again", VERSION);
    let mut used = new_encoder();
    let full = vec![0xff; used.stripe_data_bytes()];
    for len in [full.len(), 1, full.len() - 1, 100, full.len()] {
        let data = title_bytes(len);
        used.encode_stripe(1, &full);
        assert!(used.encode_stripe(9, &data) == new_encoder().encode_stripe(9, &data), "{len} bytes");
    }
}

/// The checksum of a parity cell follows from those of its data cells, through the seals.
#[test]
fn parity_checksums_follow_from_data_checksums() {
    let code = Arc::new(Code::named("b-code:5").unwrap());
    let content = title_bytes(6 * 4096);
    let header = header(&code, 4096, 1024, "linear", &content);
    let files = column_files(&codec(&code), &header, &content);
    let shape = Geometry::of(&header, &code).stripe(0);
    let crc_of = |cell: Cell, block: u32| {
        let at = HEADER_BYTES + in_memory(shape.checksum_offset(cell.row, block));
        let stored = checksum_at(&files[usize::from(cell.column)], at);
        Seal::new(&header.title, VERSION, cell.column).crc(0, cell.row, block, stored)
    };
    for (parity, of) in code.parity_cells() {
        for block in 0..4 {
            let crcs: Vec<u64> = of.iter().map(|&cell| crc_of(cell, block)).collect();
            assert_eq!(crc_of(parity, block), crc64_of_xor(&crcs, 1024));
        }
    }
}

/// Blocks and cells that a reader or a repair takes are proven by few hashes out of the file.
#[test]
fn parts_of_a_column_are_proven_by_the_tree_in_its_file() {
    for name in ["b-code:4", "x-code:5", "rs:4+2"] {
        let code = Arc::new(Code::named(name).unwrap());
        let content = title_bytes(code.data_cell_count() * 8192 * 5 + 3000);
        let mut header = header(&code, 8192, 1024, "proven", &content);
        header.group_bytes = 4096;
        let geometry = Geometry::of(&header, &code);
        for file in encode_by_builders(&code, &header, &content) {
            let header = ColumnHeader::parse(&file).unwrap();
            let cells = cells_of(&geometry, &file);
            assert_eq!(header.root, *blake3::hash(&cells).as_bytes());
            for index in 0..geometry.stripe_count() {
                let shape = geometry.stripe(index);
                for row in 0..shape.rows {
                    for block in 0..shape.blocks_per_cell() {
                        let wanted = shape.column_range(row, shape.block_range(block));
                        let groups = geometry.tree().groups_over(wanted);
                        let read = geometry.tree().bytes_of(groups.clone());
                        let own = &cells[in_memory(read.start)..in_memory(read.end)];
                        // Only the hashes of the proof are read out of the file.
                        let places = geometry.tree().proof_places(groups.clone()).unwrap();
                        assert!(places.len() <= 12, "{name}: {places:?}");
                        let hash = |place: &u64| {
                            let at = in_memory(geometry.tree_offset() + place * 32);
                            <[u8; 32]>::try_from(&file[at..at + 32]).unwrap()
                        };
                        let proof: Vec<[u8; 32]> = places.iter().map(hash).collect();
                        let bytes = geometry.tree().column_bytes();
                        let proven = verify_groups(&header.root, bytes, 4096, groups, own, &proof);
                        assert_eq!(proven, Ok(()), "{name} stripe {index} row {row} block {block}");
                    }
                }
            }
        }
    }
}

/// Column files whose records are made column by column, as a rebuild makes them.
fn encode_by_builders(code: &Arc<Code>, header: &ColumnHeader, content: &[u8]) -> Vec<Vec<u8>> {
    let geometry = Geometry::of(header, code);
    let files = column_files(&codec(code), &ColumnHeader { group_bytes: 8192, ..header.clone() }, content);
    let rebuild = |(column, file): (u16, &Vec<u8>)| {
        let seal = Seal::new(&header.title, header.version, column);
        let mut builder = ColumnBuilder::new(seal, header.group_bytes);
        let cells = cells_of(&geometry, file);
        let mut records = Vec::new();
        for index in 0..geometry.stripe_count() {
            let shape = geometry.stripe(index);
            let start = in_memory(shape.column_offset);
            let own = &cells[start..start + in_memory(shape.cell_offset(shape.rows))];
            records.extend(builder.record(&shape, own.chunks(1000)));
        }
        let start = HEADER_BYTES;
        assert!(file[start..start + records.len()] == records, "column {column} is rebuilt otherwise");
        let tree = builder.finish();
        let header = ColumnHeader { column, root: tree.root(), ..header.clone() };
        [&header.to_bytes()[..], &records, &tree.to_bytes()].concat()
    };
    (0..).zip(&files).map(rebuild).collect()
}

#[test]
fn encoders_of_some_stripes_each_make_the_trees_together() {
    let code = Arc::new(Code::named("b-code:5").unwrap());
    let codec = codec(&code);
    let new = || StripeEncoder::new(Arc::clone(&codec), 4096, 512, "shared", VERSION);
    let content = title_bytes(7 * new().stripe_data_bytes() + 100);
    let stripes: Vec<&[u8]> = content.chunks(new().stripe_data_bytes()).collect();
    let encode = |encoder: &mut StripeEncoder, indices: &[usize]| {
        for &index in indices {
            encoder.encode_stripe(index as u64, stripes[index]);
        }
    };
    let mut alone = new();
    encode(&mut alone, &[0, 1, 2, 3, 4, 5, 6, 7]);
    let (mut first, mut second) = (new(), new());
    encode(&mut first, &[7, 2, 3, 0]);
    encode(&mut second, &[1, 6, 4, 5]);
    first.join(second);
    assert_eq!(first.finish(), alone.finish());
    let mut unhashed = new().without_hashing();
    assert!(unhashed.encode_stripe(0, stripes[0]) == new().encode_stripe(0, stripes[0]));
    assert_eq!(unhashed.finish(), []);
    assert_eq!(ColumnHasher::new(1024).finish().root(), *blake3::hash(b"").as_bytes());
}

#[test]
fn an_encoder_takes_one_byte_to_a_full_stripe() {
    let encode = |len: usize| {
        let codec = Arc::new(StripeCodec::new(Arc::new(Code::named("b-code:4").unwrap())));
        let mut encoder = StripeEncoder::new(codec, 4096, 512, "limits", VERSION);
        encoder.encode_stripe(0, &vec![0; len]).len()
    };
    assert_eq!(encode(1), 4);
    assert_eq!(encode(4 * 4096), 4);
    for len in [0, 4 * 4096 + 1] {
        assert!(std::panic::catch_unwind(|| encode(len)).is_err(), "{len} bytes");
    }
}

#[test]
fn a_damaged_block_is_seen() {
    let code = Arc::new(Code::named("b-code:4").unwrap());
    let content = title_bytes(300);
    let header = header(&code, 4096, 512, "damage", &content);
    let file = &column_files(&codec(&code), &header, &content)[2];
    let shape = Geometry::of(&header, &code).stripe(0);
    let seal = Seal::new(&header.title, VERSION, 2);
    let cell = &file[HEADER_BYTES..][..shape.cell_bytes as usize];
    let stored = seal.tag(0, 0, 0) ^ crc64(cell);
    for at in 0..cell.len() {
        let mut damaged = cell.to_vec();
        damaged[at] ^= 1;
        assert!(seal.check(0, 0, 0, cell, stored) && !seal.check(0, 0, 0, &damaged, stored), "byte {at}");
    }
}

#[test]
fn kinds_and_layout_agree() {
    let code = Code::named("b-code:9").unwrap();
    assert_eq!(code.data_rows(8), code.rows());
    assert!(matches!(code.cell(Cell::new(8, 3)), CellKind::Data { .. }));
    assert!(matches!(code.cell(Cell::new(7, 3)), CellKind::Parity { .. }));
}
