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
        version: TitleVersion { counter: 0x0102_0304_0506_0708, node: 0x1112_1314, random: u64::MAX },
        title_bytes: 123_456_789,
        etag: *b"0123456789abcdef",
        modified_ms: 946_684_800_000,
        media_type: "video/mp4".into(),
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
    longest.title = "t".repeat(255);
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
    assert_eq!(&bytes[..24], b"RAINCOL\0\x01\0\0\0\0\x04\0\0\x06\0\x03\0\x05\0\0\0");
    assert_eq!(&bytes[40..48], &123_456_789_u64.to_le_bytes());
    assert_eq!(&bytes[48..60], &[8, 7, 6, 5, 4, 3, 2, 1, 0x14, 0x13, 0x12, 0x11]);
    assert_eq!(&bytes[80..105], b"0123456789abcdef\x08b-code:6");
    assert_eq!(&bytes[128..138], b"\x09video/mp4");
    assert_eq!(&bytes[256..261], b"\x1bDer ");
}

#[test]
fn too_short() {
    for found in [0, 8, HEADER_BYTES - 1] {
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
    bytes[8] = 2;
    assert_eq!(ColumnHeader::parse(&bytes), Err(HeaderError::NewerFormat { found: 2, supported: 1 }));
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
    assert_eq!(refusal(8, &[0; 4]), fixed("format version", 1, 0));
    assert_eq!(refusal(12, &[0, 8, 0, 0]), fixed("header length", 1024, 2048));
    assert_eq!(refusal(28, &[64, 0, 0, 0]), fixed("interleave_bytes", 0, 64));
}

#[test]
fn bytes_that_must_be_zero() {
    for offset in [22, 36, 39, 60, 96 + 9, 127, 255, 511, 512, HEADER_BYTES - CHECKSUM_BYTES - 1] {
        assert_eq!(refusal(offset, &[7]), HeaderError::NotZero { offset, found: 7 });
    }
}

#[test]
fn texts() {
    assert_eq!(refusal(96, &[32]), HeaderError::TooLong { field: "code", found: 32, max: 31 });
    assert_eq!(refusal(128, &[128]), HeaderError::TooLong { field: "media type", found: 128, max: 127 });
    assert_eq!(refusal(257, &[b'D', 0xff]), HeaderError::NotUtf8 { field: "title", valid_bytes: 1 });
    assert!(matches!(refusal(97, b"c"), HeaderError::Code(CodeError::Family { .. })));
    let mut long = header();
    long.title = "t".repeat(256);
    assert_eq!(long.validate(), Err(HeaderError::TooLong { field: "title", found: 256, max: 255 }));
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
