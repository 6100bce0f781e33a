//! Manifests and records, written and read.

use super::error::bounds;
use super::*;
use crate::placement::{Placement, Seat};
use std::sync::Arc;

fn record() -> Record {
    let columns = Columns {
        bytes: 7,
        etag_kind: EtagKind::Content,
        etag: [9; 16],
        code: "b-code:4".to_owned(),
        columns: 4,
        data_columns: 2,
        layout: 0,
        cell_bytes: 4096,
        block_bytes: 4096,
        group_bytes: 4096,
        modified_ms: 5,
        roots: vec![[1; 32], [2; 32], [3; 32], [4; 32]],
    };
    let mut attributes = Attributes::default();
    attributes.insert(MEDIA_TYPE, b"video/mp4");
    let manifest = Manifest {
        title: "a film".to_owned(),
        version: Version { counter: 3, node: NodeId(1), life: Life(2), random: 4 },
        epoch: 0,
        conditional: true,
        content: Content::Columns(columns),
        attributes,
    };
    let seats = (1..=4).map(|node| Seat { node: NodeId(node), store: node + 10 }).collect();
    Record { manifest: Arc::new(manifest), placement: Arc::new(Placement { generation: 6, seats }) }
}

fn with(change: impl FnOnce(&mut Manifest)) -> Record {
    let mut record = record();
    change(Arc::make_mut(&mut record.manifest));
    record
}

fn columns_of(manifest: &mut Manifest) -> &mut Columns {
    let Content::Columns(columns) = &mut manifest.content else { panic!("it has columns") };
    columns
}

#[test]
fn bytes_and_text_and_back() {
    let record = record();
    assert_eq!(Record::parse(&record.to_bytes()), Ok(record.clone()));
    assert_eq!(Record::try_from(String::from(record.clone())), Ok(record.clone()));
    assert_eq!(record.manifest.media_type(), "video/mp4");
    for length in 0..record.to_bytes().len() {
        assert!(Record::parse(&record.to_bytes()[..length]).is_err(), "cut to {length}");
    }
    let mut longer = record.to_bytes();
    longer.push(0);
    assert_eq!(Record::parse(&longer), Err(ManifestError::Length { left: 1 }));
    for wrong in ["0", "0g", "AB"] {
        assert_eq!(Record::try_from(wrong.to_owned()), Err(ManifestError::NotHexadecimal));
    }
}

/// Two of one key would be read as one of them, and the manifest would have another hash than what was read.
#[test]
fn an_attribute_that_is_there_twice_is_refused() {
    let mut twice = record();
    Arc::make_mut(&mut twice.manifest).attributes = Attributes::of_sorted(
        [(MEDIA_TYPE, b"a"), (MEDIA_TYPE, b"b")].map(|(key, value)| (key, value.as_slice().into())).into(),
    );
    let bytes = twice.manifest.to_bytes();
    assert_eq!(Manifest::parse(&bytes), Err(bounds("attribute", MEDIA_TYPE.into(), "keys in order, each once")));
}

/// Whatever is parsed is written as it was: there is one spelling of each manifest.
#[test]
fn every_flipped_bit_is_refused_or_another_record() {
    let record = record();
    let bytes = record.to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(parsed) = Record::parse(&flipped) {
            assert_ne!(parsed, record, "bit {bit}");
            assert_eq!(parsed.to_bytes(), flipped, "bit {bit}");
        }
    }
}

#[test]
fn what_is_out_of_bounds_is_refused_by_name() {
    let refused = |record: Record| Record::parse(&record.to_bytes()).unwrap_err().to_string();
    for (change, named) in [
        (with(|manifest| columns_of(manifest).cell_bytes = 0), "cell bytes: found 0"),
        (with(|manifest| columns_of(manifest).cell_bytes = 4095), "cell bytes: found 4095"),
        (with(|manifest| columns_of(manifest).block_bytes = 1 << 25), "block bytes: found 33554432"),
        (with(|manifest| columns_of(manifest).group_bytes = 0), "group bytes: found 0"),
        (with(|manifest| columns_of(manifest).data_columns = 5), "data columns: found 5, expected 1 to 4"),
        (with(|manifest| columns_of(manifest).data_columns = 0), "data columns: found 0, expected 1 to 4"),
        (with(|manifest| columns_of(manifest).layout = 1), "layout: found 1"),
        (with(|manifest| columns_of(manifest).bytes = u64::MAX), "bytes: found 18446744073709551615"),
        (with(|manifest| columns_of(manifest).code = String::new()), "bytes of code: found 0"),
        (with(|manifest| columns_of(manifest).modified_ms = 253_402_300_800_000), "modified ms: found 253402300800000"),
        (with(|manifest| manifest.version.counter = u64::MAX), "counter: found 18446744073709551615"),
        (with(|manifest| manifest.version.counter = 0), "counter: found 0"),
        (with(|manifest| manifest.title = String::new()), "bytes of title: found 0"),
        (with(|manifest| manifest.title = "a\nb".to_owned()), "character of title: found 10"),
        (with(|manifest| manifest.title = "x".repeat(1025)), "bytes of title: found 1025"),
        (with(|manifest| manifest.attributes.insert(9, &[0; ATTRIBUTES_BYTES_MAX])), "bytes of attributes: found 8209"),
        (with(|manifest| manifest.content = Content::None), "seats: found 4, expected 0"),
    ] {
        let message = refused(change);
        assert!(message.contains(named), "{named}: {message}");
    }
}

#[test]
fn kinds_that_are_not_known_are_kept() {
    let unknown = with(|manifest| manifest.content = Content::Unknown { kind: 3, bytes: vec![1, 2, 3] });
    assert_eq!(Record::parse(&unknown.to_bytes()), Ok(unknown.clone()));
    assert_eq!(content_kind_name(unknown.manifest.content.kind()), "open");
}

#[test]
fn one_hash_covers_all_but_the_placement() {
    let first = record();
    let mut moved = first.clone();
    Arc::make_mut(&mut moved.placement).generation += 1;
    assert_eq!(first.manifest.hash(), moved.manifest.hash());
    for other in [
        with(|manifest| columns_of(manifest).roots[2][31] ^= 1),
        with(|manifest| columns_of(manifest).etag[0] ^= 1),
        with(|manifest| manifest.conditional = false),
        with(|manifest| manifest.attributes.insert(ORIGINAL_DATE, &[0; 8])),
    ] {
        assert_ne!(first.manifest.hash(), other.manifest.hash());
    }
}
