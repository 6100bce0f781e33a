//! A column header of any bytes is refused, or it is exactly what those bytes say.
//!
//! Oracle: what parses is written again to the same bytes, and it can be laid out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rain_codec::column::{CHECKSUM_BYTES, HEADER_BYTES, crc64};
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
});

fn check(bytes: &[u8]) {
    let Ok(header) = ColumnHeader::parse(bytes) else { return };
    assert_eq!(header.validate(), Ok(()));
    assert!(header.to_bytes()[..] == bytes[..HEADER_BYTES], "written again it differs: {header:?}");
    let code = Code::named(&header.code).expect("a header that parses names a code");
    let geometry = Geometry::of(&header, &code);
    let Some(last) = geometry.stripe_count().checked_sub(1) else {
        assert_eq!((header.title_bytes, geometry.file_bytes()), (0, HEADER_BYTES as u64));
        return;
    };
    let last = geometry.stripe(last);
    assert_eq!(last.title_offset + last.data_bytes, header.title_bytes, "{header:?}");
    assert_eq!(last.record_offset + last.record_bytes(), geometry.file_bytes(), "{header:?}");
    assert!(u64::from(last.cell_bytes) * u64::from(last.data_cells) >= last.data_bytes, "{header:?}");
}
