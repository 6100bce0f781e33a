//! What nodes ask and answer survives the wire, and bytes that are no message are refused.
//!
//! Oracle: a message that was made comes back equal; what parses out of any bytes is written to a text that parses to
//! the same. A manifest out of its bounds does not come back at all.
#![no_main]

use core::fmt::Debug;
use std::sync::Arc;

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rain_cluster::message::{Base, Outcome};
use rain_cluster::{
    Attributes, ColumnStatus, Columns, Content, Digests, Entry, EtagKind, Life, Manifest, Memory, NodeId, Placement,
    Record, Refusal, Reply, Request, Seat, Sender, Share, Signet, Testimony, Ticket, TitleState, Version,
};
use rain_wire::{Answer, Question};

fuzz_target!(|bytes: &[u8]| {
    let body = Bytes::copy_from_slice(bytes);
    if let Ok(questions) = Question::parse_all(body.clone()) {
        check(&questions, true, Question::push, Question::parse_all);
    }
    if let Ok(answers) = Answer::parse_all(body) {
        check(&answers, true, Answer::push, Answer::parse_all);
    }
    if let Ok(record) = Record::parse(bytes) {
        assert_eq!(record.to_bytes(), bytes, "a record has one spelling");
    }
    let mut source = Unstructured::new(bytes);
    let mut fit = true;
    if let Ok(questions) = many(&mut source, |source| question(source, &mut fit)) {
        check(&questions, fit, Question::push, Question::parse_all);
    }
    let mut fit = true;
    if let Ok(answers) = many(&mut source, |source| answer(source, &mut fit)) {
        check(&answers, fit, Answer::push, Answer::parse_all);
    }
});

fn check<T: Debug + PartialEq, E: Debug>(
    messages: &[T],
    fit: bool,
    push: impl Fn(&T, &mut Vec<u8>),
    parse_all: impl Fn(Bytes) -> core::result::Result<Vec<T>, E>,
) {
    let (mut body, mut before) = (Vec::new(), 0);
    for message in messages {
        before = body.len();
        push(message, &mut body);
    }
    let parsed = parse_all(body.clone().into());
    if !fit {
        return assert!(parsed.is_err(), "{messages:?} is out of bounds");
    }
    assert!(parsed.as_ref().is_ok_and(|parsed| parsed == messages), "{messages:?}: {parsed:?}");
    // Bytes less are no messages, but where the last one began.
    for cut in [before + 1, body.len().saturating_sub(1)] {
        if (before + 1..body.len()).contains(&cut) {
            assert!(parse_all(body[..cut].to_vec().into()).is_err(), "{messages:?}");
        }
    }
}

fn sender(source: &mut Unstructured<'_>) -> Result<Sender> {
    let (node, life, serial, epoch, signet) = source.arbitrary()?;
    Ok(Sender { node: NodeId(node), life: Life(life), serial, epoch, signet: Signet(signet) })
}

fn version(source: &mut Unstructured<'_>) -> Result<Version> {
    let (node, life, random) = source.arbitrary()?;
    let counter = source.int_in_range(1..=1 << 62)?;
    Ok(Version { counter, node: NodeId(node), life: Life(life), random })
}

fn columns(source: &mut Unstructured<'_>) -> Result<Columns> {
    let columns = source.int_in_range(1..=6)?;
    let (etag, modified_ms, code, bytes): (_, u64, String, u64) = source.arbitrary()?;
    let roots = (0..columns).map(|_| source.arbitrary()).collect::<Result<_>>()?;
    Ok(Columns {
        bytes,
        etag_kind: *source.choose(&[EtagKind::Content, EtagKind::List])?,
        etag,
        code,
        columns,
        data_columns: source.int_in_range(0..=columns)?,
        layout: 0,
        cell_bytes: 4096 << source.int_in_range(0..=12)?,
        block_bytes: 512 << source.int_in_range(0..=15)?,
        group_bytes: 1024 << source.int_in_range(0..=2)?,
        // Most of what is left is before the end of the year 9999.
        modified_ms: modified_ms >> 16,
        roots,
    })
}

/// A record; `fit` becomes false when it is one that nobody takes.
fn record(source: &mut Unstructured<'_>, fit: &mut bool) -> Result<Record> {
    let (content, seats) = match source.int_in_range(0..=2)? {
        0 => (Content::None, 0),
        1 => {
            let columns = columns(source)?;
            let seats = usize::from(columns.columns);
            (Content::Columns(columns), seats)
        }
        _ => (Content::Unknown { kind: source.int_in_range(2..=255)?, bytes: source.arbitrary()? }, 2),
    };
    let seats = (0..seats).map(|_| {
        let (node, store) = source.arbitrary()?;
        Ok(Seat { node: NodeId(node), store })
    });
    let seats = seats.collect::<Result<_>>()?;
    let mut attributes = Attributes::default();
    for (key, value) in source.arbitrary::<Vec<(u16, Vec<u8>)>>()? {
        attributes.insert(key, &value);
    }
    let manifest = Manifest {
        title: source.arbitrary()?,
        version: version(source)?,
        epoch: source.arbitrary()?,
        conditional: source.arbitrary()?,
        content,
        attributes,
    };
    let placement = Placement { generation: source.arbitrary()?, seats };
    let record = Record { manifest: Arc::new(manifest), placement: Arc::new(placement) };
    *fit &= record.check().is_ok();
    Ok(record)
}

fn many<T>(source: &mut Unstructured<'_>, mut one: impl FnMut(&mut Unstructured<'_>) -> Result<T>) -> Result<Vec<T>> {
    let count = source.int_in_range(0..=3)?;
    (0..count).map(|_| one(source)).collect()
}

fn entry(source: &mut Unstructured<'_>, fit: &mut bool) -> Result<Entry> {
    let column = match source.int_in_range(0..=2)? {
        0 => ColumnStatus::Ok { column: source.arbitrary()? },
        1 => ColumnStatus::Damaged { column: source.arbitrary()?, reason: source.arbitrary()? },
        _ => ColumnStatus::Missing,
    };
    Ok(Entry { record: record(source, fit)?, marked: source.arbitrary()?, column })
}

fn share(source: &mut Unstructured<'_>) -> Result<Option<Share>> {
    let Some((column, records)) = source.arbitrary::<Option<(u16, Vec<u8>)>>()? else { return Ok(None) };
    // That none come, and that they are uploaded before, are told alike.
    let records = Some(records).filter(|records| !records.is_empty());
    Ok(Some(Share { column, records: records.map(Into::into) }))
}

fn question(source: &mut Unstructured<'_>, fit: &mut bool) -> Result<Question> {
    let title = String::arbitrary(source)?;
    let request = match source.int_in_range(0..=11)? {
        0 => Request::Lookup { title },
        1 => {
            let base = match source.int_in_range(0..=2)? {
                0 => Base::Any,
                1 => Base::Nothing,
                _ => Base::Version(version(source)?),
            };
            let ticket = Ticket(source.arbitrary()?);
            Request::Prepare { record: record(source, fit)?, base, share: share(source)?, ticket }
        }
        2 => {
            let spread = source.arbitrary::<Option<u64>>()?.map(Ticket);
            Request::Mark { record: record(source, fit)?, spread }
        }
        3 => Request::Drop { title, version: version(source)? },
        4 => Request::Outcome { title, version: version(source)? },
        5 => Request::Retire { title, node: NodeId(source.arbitrary()?), life: Life(source.arbitrary()?) },
        6 => Request::Close { title },
        7 => Request::Purge { title, version: version(source)? },
        8 => {
            let mut known = source.arbitrary::<bool>()?.then(Digests::none);
            if let Some(digests) = &mut known {
                digests.add(Digests::bucket_of(source.arbitrary()?), source.arbitrary()?);
            }
            Request::Committed { known, from: source.arbitrary()? }
        }
        9 => Request::Digest,
        10 => Request::Look { title, version: version(source)? },
        _ => Request::Remembered,
    };
    Ok(Question { from: sender(source)?, request })
}

fn answer(source: &mut Unstructured<'_>, fit: &mut bool) -> Result<Answer> {
    if source.ratio(1, 12)? {
        return Ok(Answer { from: sender(source)?, reply: None });
    }
    let reply = match source.int_in_range(0..=10)? {
        0 => {
            let (entries, uploads) = (many(source, |source| entry(source, fit))?, many(source, version)?);
            let (blank, store, floor, ticket) = source.arbitrary()?;
            Reply::State(TitleState { blank, store, entries, uploads, floor, ticket: Ticket(ticket) })
        }
        1 => Reply::Prepared,
        2 => {
            let refusals = [
                Refusal::NoSpace,
                Refusal::Condition,
                Refusal::Superseded,
                Refusal::Column,
                Refusal::Blank,
                Refusal::Epoch,
            ];
            Reply::Refused(*source.choose(&refusals)?)
        }
        3 => Reply::Marked,
        4 => Reply::Absent,
        5 => Reply::Dropped,
        6 => {
            let outcomes = [Outcome::Committed, Outcome::Aborted, Outcome::Undecided, Outcome::Unknown];
            Reply::Outcome(*source.choose(&outcomes)?)
        }
        7 => {
            let marked = many(source, |source| record(source, fit))?;
            let pending = many(source, |source| record(source, fit))?;
            let (blank, from, next, floor) = source.arbitrary()?;
            Reply::Committed { blank, from, next, marked, pending, floor }
        }
        8 => {
            let lives = many(source, |source| {
                let (life, serial, signet) = source.arbitrary()?;
                Ok(Testimony { life: Life(life), serial, signet: Signet(signet) })
            })?;
            Reply::Remembered(Memory { lives, retired: source.arbitrary()? })
        }
        9 => Reply::Digest(source.arbitrary()?),
        _ => Reply::Retired,
    };
    let reply = Some(reply);
    Ok(Answer { from: sender(source)?, reply })
}
