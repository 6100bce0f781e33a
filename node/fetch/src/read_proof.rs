//! What a peer puts behind the blocks of an answer, so that they can be proven against the root of its column.

use super::ColumnRead;
use core::ops::Range;
use rain_codec::column::{Geometry, GroupSet, HASH_BYTES, TreeShape};

/// What proves the blocks of a [`ColumnRead`], all at once: the groups of the column's hash tree that hold them.
///
/// Shape in the answer: the *fringe*, which are the bytes of these groups that were not asked for, from left to right;
/// then the hashes beside the groups, 32 bytes each, in the order of [`TreeShape::set_places`]. Both ends compute from the
/// read and the geometry which these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadProof {
    tree: TreeShape,
    groups: GroupSet,
    fringe: Vec<Range<u64>>,
    places: Vec<u64>,
}

impl ReadProof {
    /// Computes what proves a read.
    ///
    /// # Panics
    /// When a column of this geometry does not have all of it: see [`ColumnRead::fits`].
    pub fn of(read: &ColumnRead, geometry: &Geometry) -> Self {
        let tree = geometry.tree();
        let (mut groups, mut fringe) = (GroupSet::default(), Vec::new());
        // Up to where bytes were asked for, and up to where the groups that hold them go.
        let (mut asked, mut held) = (0, 0);
        for (bytes, _) in read.runs(geometry) {
            let around = tree.groups_over(bytes.clone());
            let start = tree.bytes_of(around.clone()).start;
            if start >= held {
                push(&mut fringe, asked..held);
                asked = start;
            }
            push(&mut fringe, asked..bytes.start);
            (asked, held) = (bytes.end, tree.bytes_of(around.clone()).end);
            groups.add(around);
        }
        push(&mut fringe, asked..held);
        let places = tree.set_places(&groups).expect("blocks that the column has");
        Self { tree, groups, fringe, places }
    }

    /// Bytes of it in the answer.
    pub fn bytes(&self) -> u64 {
        self.fringe_bytes() + (self.places.len() * HASH_BYTES) as u64
    }

    /// Bytes of the fringe.
    pub fn fringe_bytes(&self) -> u64 {
        self.fringe.iter().map(|bytes| bytes.end - bytes.start).sum()
    }

    /// The hash tree of the column.
    pub fn tree(&self) -> &TreeShape {
        &self.tree
    }

    /// The groups that hold the blocks.
    pub fn groups(&self) -> &GroupSet {
        &self.groups
    }

    /// Which cell bytes of the column the fringe is, as the hash tree counts them.
    pub fn fringe(&self) -> &[Range<u64>] {
        &self.fringe
    }

    /// Which hashes of the tree stand behind the fringe, by number.
    pub fn places(&self) -> &[u64] {
        &self.places
    }
}

fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arrival, ReadDamage, Rope};
    use bytes::Bytes;
    use rain_codec::Code;
    use rain_codec::column::{ColumnBuilder, ColumnTree, ProofError, Seal, TitleVersion};

    const SEAL: (&str, TitleVersion) = ("film", TitleVersion { counter: 1, node: 2, life: 3, random: 4 });

    /// A column of any bytes.
    struct Column {
        geometry: Geometry,
        cells: Vec<u8>,
        records: Vec<Vec<u8>>,
        tree: ColumnTree,
    }

    fn seal() -> Seal {
        Seal::new(SEAL.0, SEAL.1, 0)
    }

    impl Column {
        fn new(code: &str, (cell_bytes, block_bytes, group_bytes): (u32, u32, u32), title_bytes: u64) -> Self {
            let code = Code::named(code).unwrap();
            let geometry = Geometry::new(&code, cell_bytes, block_bytes, title_bytes).with_group_bytes(group_bytes);
            let mut builder = ColumnBuilder::new(seal(), group_bytes);
            let (mut cells, mut records) = (Vec::new(), Vec::new());
            for index in 0..geometry.stripe_count() {
                let stripe = geometry.stripe(index);
                let length = to_usize(stripe.cell_offset(stripe.rows));
                let own: Vec<u8> =
                    (0..length).map(|at| (at * 31 + at / 251).to_le_bytes()[0] ^ index.to_le_bytes()[0]).collect();
                records.push(builder.record(&stripe, [&own[..]]));
                cells.extend(own);
            }
            Self { geometry, cells, records, tree: builder.finish() }
        }

        /// As a peer with the column would.
        fn answer(&self, read: &ColumnRead) -> Vec<u8> {
            let mut bytes = Vec::new();
            for stripe in read.stripes.clone() {
                let (shape, record) = (self.geometry.stripe(stripe), &self.records[to_usize(stripe)]);
                for row in read.rows.clone() {
                    bytes.extend_from_slice(&record[to_usize(shape.cell_offset(row))..][read.span(&shape)]);
                }
                for row in read.rows.clone() {
                    let at = |block| to_usize(shape.checksum_offset(row, block));
                    bytes.extend_from_slice(&record[at(read.blocks.start)..at(read.blocks.end)]);
                }
            }
            if read.proof {
                let proof = ReadProof::of(read, &self.geometry);
                for fringe in proof.fringe() {
                    bytes.extend_from_slice(&self.cells[to_usize(fringe.start)..to_usize(fringe.end)]);
                }
                let section = self.tree.to_bytes();
                for place in proof.places() {
                    bytes.extend_from_slice(&section[to_usize(place * HASH_BYTES as u64)..][..HASH_BYTES]);
                }
            }
            bytes
        }

        fn check(&self, read: &ColumnRead, answer: &[u8], cut: usize) -> Result<(), ReadDamage> {
            let (mut rope, bytes) = (Rope::default(), Bytes::copy_from_slice(answer));
            rope.push(bytes.slice(..cut.min(bytes.len())));
            rope.push(bytes.slice(cut.min(bytes.len())..));
            Arrival::verified(read.clone(), rope, seal(), &self.tree.root(), &self.geometry).map(|_| ())
        }

        /// Every read that the column has, each proven.
        fn reads(&self) -> Vec<ColumnRead> {
            let mut reads = Vec::new();
            let ranges = |count: u64| (0..count).flat_map(move |start| (start + 1..=count).map(move |end| start..end));
            for stripes in ranges(self.geometry.stripe_count()) {
                let shape = self.geometry.stripe(stripes.start);
                for rows in ranges(shape.rows.into()) {
                    for blocks in ranges(shape.blocks_per_cell().into()) {
                        let rows = u16::try_from(rows.start).unwrap()..u16::try_from(rows.end).unwrap();
                        let blocks = u32::try_from(blocks.start).unwrap()..u32::try_from(blocks.end).unwrap();
                        reads.push(ColumnRead { stripes: stripes.clone(), rows: rows.clone(), blocks, proof: true });
                    }
                }
            }
            reads.retain(|read| read.fits(&self.geometry, usize::MAX));
            reads
        }
    }

    fn to_usize(number: u64) -> usize {
        usize::try_from(number).unwrap()
    }

    /// Groups as long as blocks, longer, and shorter; last stripes that are full, shrunk a little and to a few bytes.
    fn columns() -> Vec<Column> {
        let mut columns = Vec::new();
        for (code, data) in [("b-code:4", 16384), ("x-code:5", 15 * 4096)] {
            for sizes in
                [(4096, 1024, 1024), (4096, 1024, 4096), (4096, 2048, 1024), (4096, 4096, 4096), (4096, 512, 2048)]
            {
                for left in [0, 100, 1300, data - 5000, data] {
                    for full in [0, 1, 2] {
                        if full + left > 0 {
                            columns.push(Column::new(code, sizes, full * data + left));
                        }
                    }
                }
            }
        }
        columns
    }

    /// What is asked for, and the fringe beside it, are the groups, each byte once; an answer is as long as both ends
    /// compute, and is proven wherever it is cut.
    #[test]
    fn every_read_of_small_columns_is_proven() {
        for column in columns() {
            for read in column.reads() {
                let proof = ReadProof::of(&read, &column.geometry);
                let asked = read.runs(&column.geometry).map(|(run, _)| run);
                let mut bytes: Vec<u64> = asked.chain(proof.fringe().iter().cloned()).flatten().collect();
                bytes.sort_unstable();
                let groups = proof.groups().ranges().iter();
                let expected: Vec<u64> = groups.flat_map(|groups| proof.tree().bytes_of(groups.clone())).collect();
                assert!(bytes == expected, "{read:?}");
                // At most a group less than whole at each end of each run.
                let runs = read.runs(&column.geometry).count() as u64;
                assert!(proof.fringe_bytes() < 2 * runs * u64::from(proof.tree().group_bytes()), "{read:?}");
                let answer = column.answer(&read);
                assert_eq!(answer.len() as u64, read.answer_bytes(&column.geometry), "{read:?}");
                for cut in [0, 1, 1000, answer.len() / 2, answer.len() - 40] {
                    assert_eq!(column.check(&read, &answer, cut), Ok(()), "{read:?}");
                }
                let plain = ColumnRead { proof: false, ..read };
                let blocks = column.answer(&plain);
                assert_eq!(blocks.len() as u64, plain.answer_bytes(&column.geometry));
                assert!(blocks == answer[..blocks.len()]);
                assert_eq!(column.check(&plain, &blocks, 0), Ok(()));
            }
        }
    }

    /// Where cells are whole groups, as in every stripe but the last, rows have no fringe.
    #[test]
    fn whole_rows_of_full_stripes_have_no_fringe() {
        for column in columns() {
            for read in column.reads() {
                let shape = column.geometry.stripe(read.stripes.start);
                if shape.cell_bytes == 4096 && read.blocks.len() == shape.blocks_per_cell() as usize {
                    assert_eq!(ReadProof::of(&read, &column.geometry).fringe(), [], "{read:?}");
                }
            }
        }
    }

    /// Cells, checksums, fringe, hashes: whichever byte is wrong, and wherever the answer ends.
    #[test]
    fn every_flipped_byte_is_noticed() {
        let sizes = (4096, 512, 2048);
        for (column, every) in
            [(Column::new("b-code:4", sizes, 1300), 1), (Column::new("b-code:4", sizes, 2 * 16384 + 5000), 29)]
        {
            for read in column.reads() {
                let answer = column.answer(&read);
                let cells = to_usize(read.blocks_bytes(&column.geometry));
                let mut wrong = answer.clone();
                for at in (0..cells).step_by(every).chain(cells..answer.len()) {
                    wrong[at] ^= 0x40;
                    let noticed = column.check(&read, &wrong, 600);
                    let by_proof = matches!(noticed, Err(ReadDamage::Proof(ProofError::Root { .. })));
                    assert!(by_proof == (at >= cells) && noticed.is_err(), "{read:?}, byte {at}: {noticed:?}");
                    wrong[at] ^= 0x40;
                }
                for found in [0, cells, answer.len() - 1, answer.len() + 1] {
                    wrong.clone_from(&answer);
                    wrong.resize(found, 0);
                    let expected = answer.len() as u64;
                    let noticed = column.check(&read, &wrong, 600);
                    assert_eq!(noticed.is_ok(), found as u64 == expected, "{read:?}");
                    assert!(noticed.is_ok() || noticed == Err(ReadDamage::Length { found, expected }), "{read:?}");
                }
            }
        }
    }

    /// Right checksums over wrong cells: without a proof they are taken for sound.
    #[test]
    fn what_was_forged_is_noticed_by_the_root_alone() {
        let sound = Column::new("b-code:4", (4096, 1024, 4096), 2 * 16384 + 5000);
        let geometry = sound.geometry;
        let mut builder = ColumnBuilder::new(seal(), 4096);
        let mut forged = Column { tree: sound.tree.clone(), cells: sound.cells.clone(), records: Vec::new(), geometry };
        forged.cells.iter_mut().step_by(512).for_each(|byte| *byte ^= 1);
        for index in 0..geometry.stripe_count() {
            let shape = geometry.stripe(index);
            let cells = to_usize(shape.column_offset)..to_usize(shape.column_offset + shape.cell_offset(shape.rows));
            forged.records.push(builder.record(&shape, [&forged.cells[cells]]));
        }
        let own_tree = builder.finish();
        for read in sound.reads() {
            // With the hashes of the true tree, and with those that fit.
            for tree in [sound.tree.clone(), own_tree.clone()] {
                forged.tree = tree;
                let answer = forged.answer(&read);
                let noticed = sound.check(&read, &answer, 0);
                assert!(matches!(noticed, Err(ReadDamage::Proof(ProofError::Root { .. }))), "{read:?}: {noticed:?}");
                let plain = ColumnRead { proof: false, ..read.clone() };
                assert_eq!(sound.check(&plain, &forged.answer(&plain), 0), Ok(()), "{read:?}");
            }
        }
    }
}
