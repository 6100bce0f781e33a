//! What nodes ask and answer survives the wire, and bytes that are no message are refused.
//!
//! Oracle: a message that was made comes back equal; what parses out of any bytes is written to a text that parses to
//! the same.
#![no_main]

use core::fmt::Debug;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use rain_cluster::message::{Base, Outcome};
use rain_cluster::{ColumnStatus, Content, Entry, Manifest, NodeId, Reply, Request, TitleState, Version};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = serde_json::from_slice::<Request>(bytes) {
        check(&request);
    }
    if let Ok(reply) = serde_json::from_slice::<Reply>(bytes) {
        check(&reply);
    }
    let mut source = Unstructured::new(bytes);
    if let Ok(request) = request(&mut source) {
        check(&request);
    }
    if let Ok(reply) = reply(&mut source) {
        check(&reply);
    }
});

fn check<T: Debug + PartialEq + serde::Serialize + serde::de::DeserializeOwned>(message: &T) {
    let bytes = serde_json::to_vec(message).expect("messages are plain data");
    let parsed = serde_json::from_slice::<T>(&bytes);
    assert!(parsed.as_ref().is_ok_and(|parsed| parsed == message), "{message:?}: {parsed:?}");
    // One byte less is no message: JSON's objects and strings are closed at the end.
    assert!(serde_json::from_slice::<T>(&bytes[..bytes.len() - 1]).is_err(), "{message:?}");
}

fn version(source: &mut Unstructured<'_>) -> Result<Version> {
    let (counter, node, life, random) = source.arbitrary()?;
    Ok(Version { counter, node: NodeId(node), life, random })
}

fn content(source: &mut Unstructured<'_>) -> Result<Content> {
    let (bytes, etag, cell_bytes, block_bytes, modified_ms) = source.arbitrary()?;
    let (code, media_type) = source.arbitrary()?;
    Ok(Content { bytes, etag, code, cell_bytes, block_bytes, modified_ms, media_type })
}

fn manifest(source: &mut Unstructured<'_>) -> Result<Manifest> {
    let content = if source.arbitrary()? { Some(content(source)?) } else { None };
    Ok(Manifest { title: source.arbitrary()?, version: version(source)?, content })
}

fn many<T>(source: &mut Unstructured<'_>, one: fn(&mut Unstructured<'_>) -> Result<T>) -> Result<Vec<T>> {
    let count = source.int_in_range(0..=3)?;
    (0..count).map(|_| one(source)).collect()
}

fn entry(source: &mut Unstructured<'_>) -> Result<Entry> {
    let column = match source.int_in_range(0..=2)? {
        0 => ColumnStatus::Ok { column: source.arbitrary()? },
        1 => ColumnStatus::Damaged { column: source.arbitrary()?, reason: source.arbitrary()? },
        _ => ColumnStatus::Missing,
    };
    Ok(Entry { manifest: manifest(source)?, marked: source.arbitrary()?, column })
}

fn request(source: &mut Unstructured<'_>) -> Result<Request> {
    let title = String::arbitrary(source)?;
    Ok(match source.int_in_range(0..=6)? {
        0 => Request::Lookup { title },
        1 => {
            let base = match source.int_in_range(0..=2)? {
                0 => Base::Any,
                1 => Base::Nothing,
                _ => Base::Version(version(source)?),
            };
            Request::Prepare { manifest: manifest(source)?, base }
        }
        2 => Request::Mark { manifest: manifest(source)?, spread: source.arbitrary()? },
        3 => Request::Drop { title, version: version(source)? },
        4 => Request::Outcome { title, version: version(source)? },
        5 => Request::Purge { title, version: version(source)? },
        _ => Request::Committed,
    })
}

fn reply(source: &mut Unstructured<'_>) -> Result<Reply> {
    Ok(match source.int_in_range(0..=7)? {
        0 => {
            let (entries, uploads) = (many(source, entry)?, many(source, version)?);
            Reply::State(TitleState { blank: source.arbitrary()?, entries, uploads, floor: source.arbitrary()? })
        }
        1 => Reply::Prepared,
        2 => Reply::Refused { no_space: source.arbitrary()?, condition_failed: source.arbitrary()? },
        3 => Reply::Marked,
        4 => Reply::Absent,
        5 => Reply::Dropped,
        6 => {
            let outcomes = [Outcome::Committed, Outcome::Aborted, Outcome::Undecided, Outcome::Unknown];
            Reply::Outcome(*source.choose(&outcomes)?)
        }
        _ => {
            let manifests = many(source, manifest)?;
            Reply::Committed { blank: source.arbitrary()?, manifests, floor: source.arbitrary()? }
        }
    })
}
