use proptest::prelude::*;

use super::*;
use crate::code::CodeError;

fn header() -> ColumnHeader {
    ColumnHeader {
        code: "b-code:6".into(),
        columns: 6,
        rows: 3,
        column: 5,
        cell_bytes: 65536,
        interleave_bytes: 0,
        block_bytes: 16384,
        title: "Der Himmel über Berlin.mp4".into(),
        layout: ColumnLayout::Striped,
        group_bytes: 8192,
        version: TitleVersion {
            counter: 0x0102_0304_0506_0708,
            node: 0x1112_1314,
            life: 0x2122_2324,
            random: 0x3132_3334,
        },
        title_bytes: 123_456_789,
        etag_kind: EtagKind::Content,
        etag: *b"0123456789abcdef",
        modified_ms: 946_684_800_000,
        media_type: "video/mp4".into(),
        store: StoreTag { node: 0x4142_4344, store: 0x5152_5354 },
        root: *b"the root of all the cells' bytes",
    }
}

/// Changes bytes of a good header and makes its checksum right again.
fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut header = header().to_bytes().to_vec();
    header[at..at + bytes.len()].copy_from_slice(bytes);
    let body = HEADER_BYTES - CHECKSUM_BYTES;
    let checksum = crc64(&header[..body]);
    header[body..].copy_from_slice(&checksum.to_le_bytes());
    header
}

fn refusal(at: usize, bytes: &[u8]) -> HeaderError {
    ColumnHeader::parse(&changed(at, bytes)).unwrap_err()
}

#[test]
fn written_and_read_again() {
    let mut longest = header();
    longest.title = "ä".repeat(512);
    longest.media_type = "m".repeat(127);
    let mut shortest = header();
    shortest.title.clear();
    shortest.media_type.clear();
    shortest.title_bytes = 0;
    for header in [header(), longest, shortest] {
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(b"the first record");
        assert_eq!(ColumnHeader::parse(&bytes), Ok(header));
    }
}

#[test]
fn fields_lie_where_the_diagram_says() {
    let bytes = header().to_bytes();
    assert_eq!(&bytes[..24], b"RAINCOL\0\x02\0\0\0\0\x08\0\0\x06\0\x03\0\x05\0\0\0");
    assert_eq!(&bytes[36..40], &8192_u32.to_le_bytes());
    assert_eq!(&bytes[40..48], &123_456_789_u64.to_le_bytes());
    assert_eq!(&bytes[48..60], &[8, 7, 6, 5, 4, 3, 2, 1, 0x14, 0x13, 0x12, 0x11]);
    assert_eq!(&bytes[60..68], &[0x24, 0x23, 0x22, 0x21, 0x34, 0x33, 0x32, 0x31]);
    assert_eq!(&bytes[68..77], &[0x44, 0x43, 0x42, 0x41, 0x54, 0x53, 0x52, 0x51, 0]);
    assert_eq!(&bytes[80..96], b"0123456789abcdef");
    assert_eq!(&bytes[96..104], &946_684_800_000_u64.to_le_bytes());
    assert_eq!(&bytes[128..169], b"the root of all the cells' bytes\x08b-code:6");
    assert_eq!(&bytes[192..202], b"\x09video/mp4");
    assert_eq!(&bytes[320..326], b"\x1b\0Der ");
}

#[test]
fn too_short() {
    for found in [0, 8, 11, 12, HEADER_BYTES - 1] {
        let error = HeaderError::TooShort { expected: HEADER_BYTES, found };
        assert_eq!(ColumnHeader::parse(&header().to_bytes()[..found]), Err(error));
    }
}

#[test]
fn wrong_magic() {
    assert_eq!(refusal(0, b"RAINROW\0"), HeaderError::Magic { found: *b"RAINROW\0" });
}

#[test]
fn newer_format_is_told_from_damage() {
    let mut bytes = header().to_bytes();
    bytes[8] = 3;
    assert_eq!(ColumnHeader::parse(&bytes), Err(HeaderError::NewerFormat { found: 3, supported: 2 }));
}

#[test]
fn the_format_of_before_the_first_release_is_refused_by_name() {
    let mut bytes = header().to_bytes();
    bytes[8] = 1;
    let error = HeaderError::UnreleasedFormat { found: 1, expected: 2 };
    assert_eq!(error.to_string(), "column file of format 1, expected 2; format 1 was of before the first release");
    // However short it is, and whatever its checksum says.
    for length in [12, 1024, HEADER_BYTES] {
        assert_eq!(ColumnHeader::parse(&bytes[..length]), Err(error.clone()));
    }
}

#[test]
fn what_later_releases_may_know_is_refused_by_name() {
    let layout = HeaderError::Layout { found: 1, expected: 0 };
    assert_eq!(layout.to_string(), "layout 1 (column by column) is not known to this release, expected 0 (striped)");
    assert_eq!(refusal(22, &[1, 0]), layout);
    assert_eq!(refusal(22, &[0, 2]), HeaderError::Layout { found: 512, expected: 0 });
    let kind = HeaderError::EtagKind { found: 1, expected: 0 };
    assert_eq!(kind.to_string(), "an etag of kind 1 (list) is not known to this release, expected 0 (of the content)");
    assert_eq!(refusal(76, &[1]), kind);
    assert_eq!(refusal(76, &[200]), HeaderError::EtagKind { found: 200, expected: 0 });
}

#[test]
fn every_single_bit_is_under_the_checksum() {
    let good = header().to_bytes();
    for at in 0..HEADER_BYTES {
        for bit in 0..8 {
            let mut bytes = good;
            bytes[at] ^= 1 << bit;
            let refused = ColumnHeader::parse(&bytes).unwrap_err();
            let expected = match at {
                0..8 => matches!(refused, HeaderError::Magic { .. }),
                8..12 => matches!(refused, HeaderError::NewerFormat { .. } | HeaderError::Checksum { .. }),
                _ => matches!(refused, HeaderError::Checksum { .. }),
            };
            assert!(expected, "bit {bit} of byte {at}: {refused}");
        }
    }
}

#[test]
fn fixed_numbers() {
    let fixed = |field, expected, found| HeaderError::Fixed { field, expected, found };
    assert_eq!(refusal(8, &[0; 4]), fixed("format version", 2, 0));
    assert_eq!(refusal(12, &[0, 4, 0, 0]), fixed("header length", 2048, 1024));
    assert_eq!(refusal(28, &[64, 0, 0, 0]), fixed("interleave_bytes", 0, 64));
}

#[test]
fn bytes_that_must_be_zero() {
    for offset in [77, 79, 104, 127, 160 + 9, 191, 319, 1345, 1346, HEADER_BYTES - CHECKSUM_BYTES - 1] {
        assert_eq!(refusal(offset, &[7]), HeaderError::NotZero { offset, found: 7 });
    }
}

#[test]
fn texts() {
    assert_eq!(refusal(160, &[32]), HeaderError::TooLong { field: "code", found: 32, max: 31 });
    assert_eq!(refusal(192, &[128]), HeaderError::TooLong { field: "media type", found: 128, max: 127 });
    assert_eq!(refusal(322, &[b'D', 0xff]), HeaderError::NotUtf8 { field: "title", valid_bytes: 1 });
    assert!(matches!(refusal(161, b"c"), HeaderError::Code(CodeError::Family { .. })));
    let mut long = header();
    long.title = "t".repeat(1025);
    let error = HeaderError::TooLong { field: "title", found: 1025, max: 1024 };
    assert_eq!(long.validate(), Err(error.clone()));
    assert_eq!(refusal(320, &[1, 4]), error);
}

#[test]
fn sizes_of_the_code() {
    let error =
        HeaderError::CodeSize { code: "b-code:6".into(), expected_columns: 6, expected_rows: 3, columns: 6, rows: 4 };
    assert_eq!(refusal(18, &[4, 0]), error);
    assert!(matches!(refusal(16, &[7, 0]), HeaderError::CodeSize { columns: 7, .. }));
    assert_eq!(refusal(20, &[6, 0]), HeaderError::Column { found: 6, columns: 6 });
}

#[test]
fn sizes_of_cells_blocks_and_title() {
    for found in [0_u32, 64, 2048, 4097, 12288, 32 << 20] {
        let error = HeaderError::Size { field: "cell_bytes", found, min: 4096, max: 16 << 20 };
        assert_eq!(refusal(24, &found.to_le_bytes()), error);
    }
    for found in [0_u32, 256, 1000, 32 << 20] {
        let error = HeaderError::Size { field: "block_bytes", found, min: 512, max: 16 << 20 };
        assert_eq!(refusal(32, &found.to_le_bytes()), error);
    }
    for found in [0_u32, 512, 1025, 131_072] {
        let error = HeaderError::Size { field: "group_bytes", found, min: 1024, max: 65536 };
        assert_eq!(refusal(36, &found.to_le_bytes()), error);
    }
    let found = (1_u64 << 60) + 1;
    assert_eq!(refusal(40, &found.to_le_bytes()), HeaderError::TitleBytes { found, max: 1 << 60 });
}

#[test]
#[should_panic(expected = "a header that cannot be written: column 6 of a code of 6 columns")]
fn an_invalid_header_is_not_written() {
    let _ = ColumnHeader { column: 6, ..header() }.to_bytes();
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2 * HEADER_BYTES)) {
        prop_assert!(ColumnHeader::parse(&bytes).is_err());
    }

    /// Past the checksum: what is accepted is written back as it was, and can be laid out.
    #[test]
    fn damage_under_a_right_checksum(at in 8..HEADER_BYTES - 16, bytes in prop::collection::vec(any::<u8>(), 1..16)) {
        let bytes = changed(at.min(HEADER_BYTES - 8 - bytes.len()), &bytes);
        if let Ok(header) = ColumnHeader::parse(&bytes) {
            prop_assert_eq!(&header.to_bytes()[..], &bytes[..]);
            let code = Code::named(&header.code).unwrap();
            prop_assert!(crate::Geometry::of(&header, &code).file_bytes() >= HEADER_BYTES as u64);
        }
    }
}
