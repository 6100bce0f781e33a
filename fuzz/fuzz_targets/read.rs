//! A title that is read from damaged columns comes as it was put, or not at all.
//!
//! Oracle: the bytes that were put. The columns are encoded, then spoilt, cut off and exchanged; what a read finds to be
//! damaged must be so, and it may fail only when more columns are damaged than the code makes up for. Where columns are
//! proven against their roots, one that was forged under right checksums is damaged too.
#![no_main]

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rain_codec::column::{CHECKSUM_BYTES, ColumnBuilder, HASH_BYTES, HEADER_BYTES};
use rain_codec::{Cell, Code, ErasurePattern, Geometry, Seal, StripeCodec, StripeEncoder, TitleVersion};
use rain_fetch::{Arrival, Arrivals, ColumnRead, Gather, Piece, ReadProof, Rope, assemble, pieces};

const CODES: [&str; 7] = ["b-code:4", "b-code:5", "b-code:8", "x-code:5", "x-code:7", "rs:4+2", "rs:3+3"];
const TITLE: &str = "film";
const VERSION: TitleVersion = TitleVersion { counter: 5, node: 2, life: 0, random: 99 };
const CELL_BYTES: u32 = 4096;
const TITLE_BYTES_MAX: u16 = 40_000;

#[derive(Debug, Arbitrary)]
struct Case {
    code: u8,
    block_shift: u8,
    title_bytes: u16,
    from: u16,
    length: u16,
    damage: Vec<Damage>,
    /// Where an answer is cut into buffers.
    cut: u16,
    late: Option<u8>,
    /// Whether what comes is proven.
    proof: bool,
    data: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Damage {
    /// The column cannot be read.
    Lost { column: u8 },
    /// Eight bytes in a row: within what a CRC of 64 bits always notices.
    Burst { column: u8, at: u16, change: u64 },
    /// The end is missing.
    Cut { column: u8, bytes: u16 },
    /// Another column's file under this column's name.
    Exchanged { column: u8, with: u8 },
    /// Two places of one file, each as long as a block.
    Misplaced { column: u8, from: u16, to: u16 },
    /// Other cells, under checksums and hashes that fit: only proofs tell.
    Forged { column: u8 },
}

/// What is stored of a title.
struct Stored {
    codec: Arc<StripeCodec>,
    geometry: Geometry,
    content: Vec<u8>,
    /// The root of each column.
    roots: Vec<[u8; HASH_BYTES]>,
    /// Of each column all that is behind the header: the records, and the hash tree.
    sound: Vec<Vec<u8>>,
    found: Vec<Vec<u8>>,
    lost: ErasurePattern,
}

fuzz_target!(|case: Case| {
    let mut stored = store(&case);
    let mut spoilt = BTreeSet::new();
    for damage in case.damage.iter().take(6) {
        if case.proof || !matches!(damage, Damage::Forged { .. }) {
            spoil(&mut stored, *damage, &mut spoilt);
        }
    }
    let length = stored.content.len() as u64;
    let start = u64::from(case.from) % length;
    let end = length.min(start + 1 + u64::from(case.length));
    for piece in pieces(&stored.geometry, start..end, 1 << 15) {
        if let Some(delivered) = read(&stored, &piece, &case) {
            let expected = &stored.content[index(piece.bytes.start)..index(piece.bytes.end)];
            assert!(delivered == expected, "{piece:?}: wrong bytes");
        }
    }
});

fn index(number: u64) -> usize {
    usize::try_from(number).expect("small")
}

fn codec(choice: usize) -> &'static Arc<StripeCodec> {
    static CODECS: OnceLock<Vec<Arc<StripeCodec>>> = OnceLock::new();
    let codecs = CODECS.get_or_init(|| {
        let code = |name: &&str| Arc::new(Code::named(name).expect("a code"));
        CODES.iter().map(|name| Arc::new(StripeCodec::new(code(name)))).collect()
    });
    &codecs[choice % codecs.len()]
}

fn store(case: &Case) -> Stored {
    let codec = Arc::clone(codec(usize::from(case.code)));
    let block_bytes = 512 << (case.block_shift % 4);
    let source = case.data.iter().copied().chain([0x5a]).cycle();
    let content: Vec<u8> = source
        .zip(0_u32..)
        .map(|(byte, at)| byte ^ at.wrapping_mul(0x9e37_79b9).to_be_bytes()[0])
        .take(usize::from(case.title_bytes % TITLE_BYTES_MAX) + 1)
        .collect();
    let geometry = Geometry::new(codec.code(), CELL_BYTES, block_bytes, content.len() as u64);
    let mut encoder = StripeEncoder::new(Arc::clone(&codec), CELL_BYTES, block_bytes, TITLE, VERSION);
    let mut sound = vec![Vec::new(); codec.code().columns()];
    for (stripe, data) in (0..).zip(content.chunks(encoder.stripe_data_bytes())) {
        for (column, record) in sound.iter_mut().zip(encoder.encode_stripe(stripe, data)) {
            column.extend_from_slice(record);
        }
    }
    let mut roots = Vec::new();
    for (column, tree) in sound.iter_mut().zip(encoder.finish()) {
        roots.push(tree.root());
        column.extend(tree.to_bytes());
    }
    Stored { codec, geometry, content, roots, found: sound.clone(), sound, lost: ErasurePattern::none() }
}

fn spoil(stored: &mut Stored, damage: Damage, spoilt: &mut BTreeSet<usize>) {
    let columns = stored.found.len();
    let of = |column: u8| usize::from(column) % columns;
    match damage {
        Damage::Lost { column } => stored.lost = stored.lost.with(of(column)),
        Damage::Burst { column, at, change } => {
            let file = &mut stored.found[of(column)];
            // A block spoilt twice could be spoilt into one that fits: one burst in each column.
            if file.len() < 8 || !spoilt.insert(of(column)) {
                return;
            }
            let at = usize::from(at) % (file.len() - 7);
            file[at..at + 8].iter_mut().zip(change.to_le_bytes()).for_each(|(byte, change)| *byte ^= change);
        }
        Damage::Cut { column, bytes } => {
            let file = &mut stored.found[of(column)];
            file.truncate(file.len().saturating_sub(usize::from(bytes)));
        }
        Damage::Exchanged { column, with } => stored.found[of(column)] = stored.sound[of(with)].clone(),
        Damage::Misplaced { column, from, to } => {
            let file = &mut stored.found[of(column)];
            let length = 512.min(file.len());
            let place = |at: u16| usize::from(at) % (file.len() - length + 1) / 64 * 64;
            let (from, to) = (place(from), place(to));
            file.copy_within(from..from + length, to);
        }
        Damage::Forged { column } => {
            let forged = forge(&stored.geometry, of(column), &stored.sound[of(column)]);
            stored.found[of(column)] = forged;
        }
    }
}

/// A column like a sound one, of other cells.
fn forge(geometry: &Geometry, column: usize, sound: &[u8]) -> Vec<u8> {
    let seal = Seal::new(TITLE, VERSION, u16::try_from(column).expect("few"));
    let mut builder = ColumnBuilder::new(seal, geometry.tree().group_bytes());
    let mut forged = Vec::new();
    for stripe in (0..geometry.stripe_count()).map(|stripe| geometry.stripe(stripe)) {
        let cells =
            sound[index(stripe.record_offset) - HEADER_BYTES..][..index(stripe.cell_offset(stripe.rows))].iter();
        let wrong: Vec<u8> = cells.map(|byte| byte ^ 0x55).collect();
        forged.extend(builder.record(&stripe, [&wrong[..]]));
    }
    forged.extend(builder.finish().to_bytes());
    forged
}

/// Reads a piece as a node does; nothing when too few columns are left.
fn read(stored: &Stored, piece: &Piece, case: &Case) -> Option<Vec<u8>> {
    let code: &Code = stored.codec.code();
    let wanted: Vec<Cell> = piece.cells.clone().map(|index| code.data_cell(index)).collect();
    let (mut gone, mut arrivals) = (ErasurePattern::none(), Arrivals::default());
    let mut gather = Gather::new(&stored.codec, &wanted, gone).expect("nothing is lost yet");
    if let Some(alternative) = case.late.and_then(|late| gather.without_late(u16::from(late) % columns(code))) {
        gather.adopt(alternative);
    }
    while let Some((column, rows)) = gather.poll_request() {
        let (stripes, blocks, proof) = (piece.stripes.clone(), piece.blocks.clone(), case.proof);
        let read = ColumnRead { stripes, rows: rows.clone(), blocks, proof };
        if let Some(arrival) = answer(stored, column, &read, usize::from(case.cut)) {
            gather.handle_arrival(column, rows);
            arrivals.push(column, arrival);
            continue;
        }
        gone = gone.with(usize::from(column));
        arrivals.remove(column);
        if gather.handle_loss(column).is_err() {
            assert!(gone.len() > code.tolerates(), "{code} gives up without {gone}");
            return None;
        }
    }
    let plan = gather.ready().expect("all that was asked for has come");
    let parts = assemble(&stored.geometry, piece, plan, &arrivals).expect("sound blocks give sound ones");
    Some(parts.concat())
}

fn columns(code: &Code) -> u16 {
    u16::try_from(code.columns()).expect("few")
}

/// What a node answers from its file; nothing when that is lost or is found to be damaged.
fn answer(stored: &Stored, column: u16, read: &ColumnRead, cut: usize) -> Option<Arrival> {
    if stored.lost.contains(usize::from(column)) {
        return None;
    }
    let found = excerpt(stored, &stored.found[usize::from(column)], read);
    let sound = excerpt(stored, &stored.sound[usize::from(column)], read).expect("files are whole before");
    let is_sound = found.as_ref() == Some(&sound);
    let mut rope = Rope::default();
    let found = Bytes::from(found.unwrap_or_default());
    let cut = cut.min(found.len());
    rope.push(found.slice(..cut));
    rope.push(found.slice(cut..));
    let seal = Seal::new(TITLE, VERSION, column);
    let verified = Arrival::verified(read.clone(), rope, seal, &stored.roots[usize::from(column)], &stored.geometry);
    assert_eq!(verified.is_ok(), is_sound, "column {column}, {read:?}: {:?}", verified.err());
    verified.ok()
}

/// The blocks of a read, stripe by stripe, and behind those of a stripe their checksums; behind all that what proves them.
/// Nothing where the file is too short.
fn excerpt(stored: &Stored, file: &[u8], read: &ColumnRead) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for stripe in read.stripes.clone() {
        let shape = stored.geometry.stripe(stripe);
        let record = index(shape.record_offset) - HEADER_BYTES;
        let cell_bytes = shape.cell_bytes as usize;
        let blocks = cell_bytes.div_ceil(shape.block_bytes as usize);
        for row in read.rows.clone().map(usize::from) {
            let start = read.blocks.start as usize * shape.block_bytes as usize;
            let end = cell_bytes.min(read.blocks.end as usize * shape.block_bytes as usize);
            bytes.extend_from_slice(file.get(record + row * cell_bytes..)?.get(start..end)?);
        }
        for row in read.rows.clone().map(usize::from) {
            let checksums = record + usize::from(shape.rows) * cell_bytes + row * blocks * CHECKSUM_BYTES;
            let of_blocks = read.blocks.start as usize * CHECKSUM_BYTES..read.blocks.end as usize * CHECKSUM_BYTES;
            bytes.extend_from_slice(file.get(checksums..)?.get(of_blocks)?);
        }
    }
    if read.proof {
        let (geometry, proof) = (&stored.geometry, ReadProof::of(read, &stored.geometry));
        let fringe = proof.fringe().iter().flat_map(|fringe| geometry.cell_pieces(fringe.clone()));
        let hashes = proof.places().iter().map(|place| geometry.tree_offset() + place * HASH_BYTES as u64);
        for piece in fringe.chain(hashes.map(|offset| offset..offset + HASH_BYTES as u64)) {
            bytes.extend_from_slice(file.get(index(piece.start) - HEADER_BYTES..index(piece.end) - HEADER_BYTES)?);
        }
    }
    Some(bytes)
}
