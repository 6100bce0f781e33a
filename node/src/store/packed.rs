//! Records as the index keeps them: in few bytes, and whole again when they are asked for. What many of them have in
//! common, the shapes of columns and the seats, stands in tables once; the version stands in the index's key.

use rain_cluster::{Attributes, Columns, Content, Manifest, NodeId, Placement, Record, Seat, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A record, but for its version and what stands in the tables of its [`Packer`].
///
/// Shape: numbers in groups of 7 bits, lowest first; texts and lists behind their lengths. Generation, seats, title, epoch,
/// whether it is conditional, kind and fields of the content, attributes.
#[derive(Debug)]
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// What packed records have in common. It grows with the seats and the shapes of columns that were ever met: few, for both
/// are those of configurations.
#[derive(Debug, Default)]
pub(super) struct Packer {
    seats: Table<Seat>,
    /// Columns without what is their title's own.
    shapes: Table<Columns>,
}

/// Values, each once.
#[derive(Debug)]
struct Table<T> {
    values: Vec<T>,
    places: BTreeMap<T, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { values: Vec::new(), places: BTreeMap::new() }
    }
}

impl<T: Ord + Clone> Table<T> {
    fn place_of(&mut self, value: T) -> usize {
        if let Some(place) = self.places.get(&value) {
            return *place;
        }
        let place = self.values.len();
        self.values.push(value.clone());
        self.places.insert(value, place);
        place
    }
}

impl Packer {
    pub(super) fn pack(&mut self, record: &Record) -> Packed {
        let Manifest { title, version: _, epoch, conditional, content, attributes } = &*record.manifest;
        let mut bytes = Vec::with_capacity(256);
        put(&mut bytes, record.placement.generation);
        put_length(&mut bytes, record.placement.seats.len());
        for seat in &record.placement.seats {
            put_length(&mut bytes, self.seats.place_of(*seat));
        }
        put_text(&mut bytes, title.as_bytes());
        put(&mut bytes, *epoch);
        bytes.push((*conditional).into());
        bytes.push(content.kind());
        match content {
            Content::None => {}
            Content::Columns(columns) => self.pack_columns(&mut bytes, columns),
            Content::Unknown { bytes: content, .. } => put_text(&mut bytes, content),
        }
        put_length(&mut bytes, attributes.iter().len());
        for (key, value) in attributes.iter() {
            put(&mut bytes, key);
            put_text(&mut bytes, value);
        }
        Packed(bytes.into())
    }

    fn pack_columns(&mut self, bytes: &mut Vec<u8>, columns: &Columns) {
        let shape = Columns { bytes: 0, etag: [0; 16], modified_ms: 0, roots: Vec::new(), ..columns.clone() };
        put_length(bytes, self.shapes.place_of(shape));
        put(bytes, columns.bytes);
        bytes.extend_from_slice(&columns.etag);
        put(bytes, columns.modified_ms);
        put_length(bytes, columns.roots.len());
        bytes.extend(columns.roots.iter().flatten());
    }

    /// The record.
    ///
    /// # Panics
    /// When another packer has packed it.
    pub(super) fn unpack(&self, version: Version, packed: &Packed) -> Record {
        let mut rest = Rest(&packed.0);
        let placement = self.take_placement(&mut rest);
        let title = String::from_utf8_lossy(rest.text()).into_owned();
        let epoch = rest.number();
        let conditional = rest.number::<u8>() != 0;
        let content = match rest.take(1)[0] {
            0 => Content::None,
            1 => Content::Columns(self.take_columns(&mut rest)),
            kind => Content::Unknown { kind, bytes: rest.text().to_vec() },
        };
        let mut attributes = Attributes::default();
        for _ in 0..rest.number() {
            let key = rest.number();
            attributes.insert(key, rest.text());
        }
        let manifest = Manifest { title, version, epoch, conditional, content, attributes };
        Record { manifest: Arc::new(manifest), placement: Arc::new(placement) }
    }

    /// Where the columns of a record lie.
    pub(super) fn placement(&self, packed: &Packed) -> Placement {
        self.take_placement(&mut Rest(&packed.0))
    }

    /// Which column of a record `node` holds, if any; the first of several.
    pub(super) fn column_of(&self, packed: &Packed, node: NodeId) -> Option<u16> {
        self.placement(packed).column_of(node)
    }

    /// The title of a record.
    pub(super) fn title(&self, packed: &Packed) -> String {
        let mut rest = Rest(&packed.0);
        let _ = self.take_placement(&mut rest);
        String::from_utf8_lossy(rest.text()).into_owned()
    }

    fn take_placement(&self, rest: &mut Rest<'_>) -> Placement {
        let generation = rest.number();
        let count: usize = rest.number();
        Placement { generation, seats: (0..count).map(|_| self.seats.values[rest.number::<usize>()]).collect() }
    }

    fn take_columns(&self, rest: &mut Rest<'_>) -> Columns {
        let shape = &self.shapes.values[rest.number::<usize>()];
        let bytes = rest.number();
        let etag = rest.array();
        let modified_ms = rest.number();
        let roots: usize = rest.number();
        Columns { bytes, etag, modified_ms, roots: (0..roots).map(|_| rest.array()).collect(), ..shape.clone() }
    }
}

fn put(bytes: &mut Vec<u8>, number: impl Into<u64>) {
    let mut number = number.into();
    while number >= 0x80 {
        bytes.push(0x80 | number.to_le_bytes()[0]);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    put(bytes, length as u64);
}

fn put_text(bytes: &mut Vec<u8>, text: &[u8]) {
    put_length(bytes, text.len());
    bytes.extend_from_slice(text);
}

/// What of a packed record is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N));
        array
    }

    fn number<T: TryFrom<u64>>(&mut self) -> T {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break T::try_from(number).unwrap_or_else(|_| unreachable!("it was packed from such a number"));
            }
        }
    }

    fn text(&mut self) -> &'a [u8] {
        let length = self.number();
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_cluster::manifest::MEDIA_TYPE;
    use rain_cluster::{EtagKind, Life};

    fn record(content: Content, number: u32) -> Record {
        let seats = (0..number % 7).map(|seat| Seat { node: NodeId(seat * number), store: seat % 2 }).collect();
        let version = Version { counter: 1 << 40, node: NodeId(number), life: Life(3), random: u32::MAX };
        let mut attributes = Attributes::default();
        for key in 0..u16::try_from(number % 3).unwrap() {
            attributes.insert(MEDIA_TYPE << (7 * key), &[0xff; 200][..usize::from(key) * 150]);
        }
        let title = format!("title {number} \u{e9}").repeat(1 + usize::try_from(number).unwrap() % 20);
        let conditional = number % 2 == 1;
        let manifest = Manifest { title, version, epoch: 127 + u64::from(number), conditional, content, attributes };
        let placement = Placement { generation: 128 * number, seats };
        Record { manifest: Arc::new(manifest), placement: Arc::new(placement) }
    }

    fn columns(number: u16) -> Columns {
        Columns {
            bytes: u64::MAX >> (number % 64),
            etag_kind: if number.is_multiple_of(3) { EtagKind::List } else { EtagKind::Content },
            etag: [7; 16],
            code: format!("b-code:{}", number % 5),
            columns: number,
            data_columns: number / 2,
            layout: 0,
            cell_bytes: 1 << (number % 20),
            block_bytes: 512,
            group_bytes: 1024,
            modified_ms: 1_790_000_000_000,
            roots: (0..number).map(|root| [root.to_le_bytes()[0]; 32]).collect(),
        }
    }

    #[test]
    fn records_and_back() {
        let mut packer = Packer::default();
        let contents = (0..300_u16).map(|number| match number % 4 {
            0 => Content::None,
            1 => Content::Unknown { kind: 9, bytes: vec![5; usize::from(number)] },
            _ => Content::Columns(columns(number)),
        });
        let records: Vec<Record> = contents.zip(0..).map(|(content, number)| record(content, number)).collect();
        let kept: Vec<Packed> = records.iter().map(|record| packer.pack(record)).collect();
        for (record, kept) in records.iter().zip(&kept) {
            assert_eq!(&packer.unpack(record.version(), kept), record);
            assert_eq!(packer.title(kept), record.title());
            assert_eq!(packer.placement(kept), *record.placement);
            for node in record.placement.nodes().chain([NodeId(1)]) {
                assert_eq!(packer.column_of(kept, node), record.placement.column_of(node));
            }
        }
    }

    #[test]
    fn shapes_and_seats_are_kept_once() {
        let mut packer = Packer::default();
        for number in 0..100 {
            let mut record = record(Content::Columns(columns(4)), 6);
            Arc::make_mut(&mut record.manifest).title = format!("title {number}");
            packer.pack(&record);
        }
        assert_eq!((packer.shapes.values.len(), packer.seats.values.len()), (1, 6));
    }
}
