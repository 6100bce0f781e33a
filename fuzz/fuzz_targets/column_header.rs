//! A column header of any bytes is refused, or it is exactly what those bytes say; so is a hash tree behind it. Bytes and
//! hashes that are no proof are refused.
//!
//! Oracle: what parses is written again to the same bytes, and it can be laid out. What a tree proves is refused for
//! another root.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rain_codec::column::{CHECKSUM_BYTES, ColumnTree, HASH_BYTES, HEADER_BYTES, TreeShape, crc64, verify_groups};
use rain_codec::{Code, ColumnHeader, Geometry};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // The same once more with a checksum that holds, so that the fields behind it are reached.
    let mut header = [0; HEADER_BYTES];
    let end = bytes.len().min(HEADER_BYTES - CHECKSUM_BYTES);
    header[..end].copy_from_slice(&bytes[..end]);
    let checksum = crc64(&header[..HEADER_BYTES - CHECKSUM_BYTES]);
    header[HEADER_BYTES - CHECKSUM_BYTES..].copy_from_slice(&checksum.to_le_bytes());
    check(&header);
    check_tree(bytes);
});

/// Trees of columns of a few groups.
fn check_tree(bytes: &[u8]) {
    let Some((&[size, start, length, shift], hashes)) = bytes.split_first_chunk() else { return };
    let group_bytes = 1024_u32 << (shift % 5);
    let shape = TreeShape::new(u64::from(size) * 700, group_bytes);
    let _ = ColumnTree::parse(shape, hashes);
    let mut section = hashes.to_vec();
    section.resize(usize::try_from(shape.section_bytes()).expect("few"), 0x5a);
    if let Some((body, checksum)) = section.split_last_chunk_mut::<CHECKSUM_BYTES>() {
        *checksum = crc64(body).to_le_bytes();
    }
    if let Ok(tree) = ColumnTree::parse(shape, &section) {
        assert!(tree.to_bytes() == section, "written again it differs: {shape:?}");
    }
    let groups = u64::from(start)..u64::from(start) + u64::from(length);
    let (proof, _) = hashes.as_chunks::<HASH_BYTES>();
    let cells = &hashes[..hashes.len().min(usize::from(size) * 700)];
    let proven = verify_groups(&[0; HASH_BYTES], shape.column_bytes(), group_bytes, groups, cells, proof);
    assert!(proven.is_err(), "a root of zeros");
}

fn check(bytes: &[u8]) {
    let Ok(header) = ColumnHeader::parse(bytes) else { return };
    assert_eq!(header.validate(), Ok(()));
    assert!(header.to_bytes()[..] == bytes[..HEADER_BYTES], "written again it differs: {header:?}");
    let code = Code::named(&header.code).expect("a header that parses names a code");
    let geometry = Geometry::of(&header, &code);
    let Some(last) = geometry.stripe_count().checked_sub(1) else {
        assert_eq!((header.title_bytes, geometry.file_bytes()), (0, HEADER_BYTES as u64));
        assert_eq!(geometry.tree().hash_count(), 0);
        return;
    };
    let last = geometry.stripe(last);
    assert_eq!(last.title_offset + last.data_bytes, header.title_bytes, "{header:?}");
    assert_eq!(last.record_offset + last.record_bytes(), geometry.tree_offset(), "{header:?}");
    let tree = geometry.tree();
    assert_eq!(last.column_offset + last.cell_offset(last.rows), tree.column_bytes(), "{header:?}");
    assert_eq!(geometry.file_bytes() - geometry.tree_offset(), tree.hash_count() * 32 + 8, "{header:?}");
    let groups = tree.group_count();
    for place in tree.proof_places(groups / 2..groups / 2 + 1).expect("a group of the column") {
        assert!(place + 1 < tree.hash_count(), "the root proves nothing: {header:?}");
    }
    assert!(u64::from(last.cell_bytes) * u64::from(last.data_cells) >= last.data_bytes, "{header:?}");
}
