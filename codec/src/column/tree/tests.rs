use super::*;

fn cells(len: u64) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(at) / 7 + at / 1024).to_le_bytes()[0]).collect()
}

fn tree(cells: &[u8], group_bytes: u32) -> ColumnTree {
    let mut hasher = ColumnHasher::new(group_bytes);
    hasher.update(cells);
    hasher.finish()
}

/// Lengths around powers of two of groups, with last ones of any length.
fn lengths() -> impl Iterator<Item = u64> {
    let groups = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33];
    let with = |groups: u64| [0, 64, 1023, 1024].map(|more| groups * 1024 + more);
    groups.into_iter().flat_map(with).chain([1])
}

#[test]
fn the_root_is_the_hash_of_the_cells() {
    for len in lengths() {
        let cells = cells(len);
        for group_bytes in [1024, 2048, 16384] {
            for piece in [1, 700, 1024, 5000, 1 << 20] {
                let mut hasher = ColumnHasher::new(group_bytes);
                cells.chunks(piece).for_each(|piece| hasher.update(piece));
                let tree = hasher.finish();
                assert_eq!(tree.root(), *blake3::hash(&cells).as_bytes(), "{len} {group_bytes} {piece}");
                let shape = TreeShape::new(len, group_bytes);
                assert_eq!(*tree.shape(), shape);
                assert_eq!(tree.hashes.len() as u64, shape.hash_count());
                assert_eq!(tree.wrong_groups(0, &cells).count(), 0, "{len} {group_bytes}");
            }
        }
    }
}

#[test]
fn stripes_may_come_in_any_order_to_several_hashers() {
    for stripe in [1024, 3072, 4096] {
        for len in [1, 1024, 3072, 3073, 4096, 10_000, 40_960, 41_000] {
            let cells = cells(len);
            let mut hashers = [ColumnHasher::new(1024), ColumnHasher::new(1024), ColumnHasher::new(1024)];
            for (index, bytes) in cells.chunks(stripe).enumerate().rev() {
                let hasher = &mut hashers[index % 3];
                hasher.seek((index * stripe) as u64);
                hasher.update(bytes);
            }
            let [mut all, second, third] = hashers;
            all.join(third);
            all.join(second);
            assert_eq!(all.finish(), tree(&cells, 1024), "{stripe} {len}");
        }
    }
}

#[test]
#[should_panic(expected = "groups that were hashed before group 2")]
fn a_stripe_that_was_left_out_is_noticed() {
    let mut hasher = ColumnHasher::new(1024);
    hasher.update(&[1; 1024]);
    hasher.seek(2048);
    hasher.update(&[1; 1024]);
    let _ = hasher.finish();
}

#[test]
fn a_tree_is_read_again_and_every_flipped_bit_noticed() {
    for len in lengths().filter(|len| *len <= 9 * 1024) {
        let tree = tree(&cells(len), 1024);
        let bytes = tree.to_bytes();
        assert_eq!(bytes.len() as u64, tree.shape().section_bytes(), "{len}");
        assert_eq!(ColumnTree::parse(*tree.shape(), &bytes), Ok(tree.clone()), "{len}");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let refused = ColumnTree::parse(*tree.shape(), &damaged);
                assert!(matches!(refused, Err(TreeError::Checksum { .. })), "{len}, bit {bit} of byte {at}");
            }
        }
        let found = bytes.len() + 1;
        let expected = bytes.len() as u64;
        let longer = ColumnTree::parse(*tree.shape(), &[&bytes[..], &[0]].concat());
        assert_eq!(longer, Err(TreeError::Length { found, expected }));
    }
}

/// Under a checksum that fits: hashes that contradict each other.
#[test]
fn a_hash_that_two_others_do_not_make_is_noticed() {
    let tree = tree(&cells(5 * 1024), 1024);
    let bytes = tree.to_bytes();
    for place in 0..9 {
        let mut damaged = bytes.clone();
        damaged[place * HASH_BYTES] ^= 1;
        let body = damaged.len() - CHECKSUM_BYTES;
        let checksum = crc64(&damaged[..body]);
        damaged[body..].copy_from_slice(&checksum.to_le_bytes());
        let refused = ColumnTree::parse(*tree.shape(), &damaged).unwrap_err();
        let TreeError::Hash { place: found } = refused else { panic!("{refused}") };
        // Of groups it is noticed in what is made of them. Groups 0 to 4, then 0-1, 2-3, 0-3, all.
        let expected = [5, 5, 6, 6, 8, 5, 6, 7, 8][place];
        assert_eq!(found, expected, "hash {place}");
    }
}

/// Every range of small columns is proven, by few hashes; with any byte or hash altered it is not.
#[test]
fn every_range_is_proven_and_nothing_else() {
    for len in lengths().filter(|len| (1..=9 * 1024).contains(len)) {
        let cells = cells(len);
        let tree = tree(&cells, 1024);
        let (root, count) = (tree.root(), tree.shape().group_count());
        for start in 0..count {
            for end in start + 1..=count {
                let bytes = tree.shape().bytes_of(start..end);
                let own = &cells[in_memory(bytes.start)..in_memory(bytes.end)];
                let proof = tree.proof(start..end).unwrap();
                assert!(proof.len() <= 2 * in_memory(u64::from(tree.shape().top().level)), "{len} {start}..{end}");
                let check = |own: &[u8], proof: &[[u8; 32]]| verify_groups(&root, len, 1024, start..end, own, proof);
                assert_eq!(check(own, &proof), Ok(()), "{len} {start}..{end}");
                let mut altered = own.to_vec();
                for at in 0..own.len() {
                    altered[at] ^= 0x10;
                    assert!(
                        matches!(check(&altered, &proof), Err(ProofError::Root { .. })),
                        "{len} {start}..{end} {at}"
                    );
                    altered[at] ^= 0x10;
                }
                let mut altered = proof.clone();
                for at in 0..proof.len() {
                    altered[at][at % 32] ^= 1;
                    assert!(matches!(check(own, &altered), Err(ProofError::Root { .. })), "{len} {start}..{end} {at}");
                    altered[at][at % 32] ^= 1;
                }
                // As a proof of other groups it is none.
                for other in [start + 1..end + 1, start..end + 1, start.wrapping_sub(1)..end] {
                    assert!(verify_groups(&root, len, 1024, other, own, &proof).is_err(), "{len} {start}..{end}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_proof_is_refused_with_numbers() {
    let cells = cells(5 * 1024 + 64);
    let tree = tree(&cells, 1024);
    let (root, len) = (tree.root(), 5 * 1024 + 64);
    let proof = tree.proof(1..2).unwrap();
    let own = &cells[1024..2048];
    for found in [0, 512, 1025, 3072] {
        let error = verify_groups(&root, len, found, 1..2, own, &proof);
        assert_eq!(error, Err(ProofError::GroupBytes { found, min: 1024 }));
    }
    for (start, end) in [(1, 1), (2, 1), (5, 7), (u64::MAX, u64::MAX), (0, u64::MAX)] {
        let error = ProofError::Groups { start, end, count: 6 };
        assert_eq!(verify_groups(&root, len, 1024, start..end, own, &proof), Err(error));
        assert_eq!(tree.proof(start..end), Err(error));
    }
    let error = verify_groups(&root, len, 1024, 1..2, &own[1..], &proof);
    assert_eq!(error, Err(ProofError::CellBytes { found: 1023, expected: 1024 }));
    let error = verify_groups(&root, len, 1024, 1..2, own, &proof[1..]);
    assert_eq!(error, Err(ProofError::Hashes { found: 2, expected: 3 }));
    assert!(matches!(
        verify_groups(&[0; 32], len, 1024, 1..2, own, &proof),
        Err(ProofError::Root { found, expected }) if found == root && expected == [0; 32]
    ));
    // A column of no bytes has no groups.
    assert_eq!(verify_groups(&root, 0, 1024, 0..1, &[], &[]), Err(ProofError::Groups { start: 0, end: 1, count: 0 }));
    // The longest there could be.
    assert!(verify_groups(&root, u64::MAX, 1024, 7..8, own, &proof).is_err());
}

#[test]
fn a_wrong_group_is_found() {
    let cells = cells(20_000);
    let tree = tree(&cells, 4096);
    for at in [0, 4095, 4096, 19_999] {
        let mut wrong = cells.clone();
        wrong[at] ^= 1;
        assert_eq!(tree.wrong_groups(0, &wrong).collect::<Vec<_>>(), [at as u64 / 4096]);
        assert_eq!(tree.wrong_groups(1, &wrong[4096..]).count(), usize::from(at >= 4096));
    }
}

/// Any groups of small columns are proven at once, from slices of any length; with any byte or hash altered they are not.
#[test]
fn every_set_of_groups_is_proven_at_once() {
    for len in [1, 1024, 2048, 2100, 3072, 4500, 5120, 5 * 1024 + 64] {
        let cells = cells(len);
        let tree = tree(&cells, 1024);
        let (root, shape) = (tree.root(), *tree.shape());
        for chosen in 1..1_u64 << shape.group_count() {
            let mut set = GroupSet::default();
            let mut own = Vec::new();
            for group in (0..shape.group_count()).filter(|group| chosen >> group & 1 == 1) {
                set.add(group..group + 1);
                let bytes = shape.bytes_of(group..group + 1);
                own.extend_from_slice(&cells[in_memory(bytes.start)..in_memory(bytes.end)]);
            }
            assert!(set.ranges().windows(2).all(|pair| pair[0].end < pair[1].start), "{set:?}");
            let places = shape.set_places(&set).unwrap();
            let mut proof: Vec<_> = places.iter().map(|place| tree.hashes[in_memory(*place)]).collect();
            let single: usize = set.ranges().iter().map(|range| shape.proof_places(range.clone()).unwrap().len()).sum();
            assert!(proof.len() <= single, "{set:?}");
            let check = |own: &[u8], proof: &[[u8; 32]], piece: usize| {
                verify_group_set(&root, &shape, &set, own.chunks(piece), proof)
            };
            for piece in [1, 700, 1024, 1 << 20] {
                assert_eq!(check(&own, &proof, piece), Ok(()), "{len} {set:?} {piece}");
            }
            for at in (0..own.len()).step_by(61).chain([own.len() - 1]) {
                own[at] ^= 1;
                assert!(matches!(check(&own, &proof, 1500), Err(ProofError::Root { .. })), "{len} {set:?} {at}");
                own[at] ^= 1;
            }
            for at in 0..proof.len() {
                proof[at][at % 32] ^= 1;
                assert!(matches!(check(&own, &proof, 1500), Err(ProofError::Root { .. })), "{len} {set:?} {at}");
                proof[at][at % 32] ^= 1;
            }
            let expected = own.len() as u64;
            for found in [0, own.len() - 1, own.len() + 1] {
                own.resize(found, 0);
                assert_eq!(check(&own, &proof, 700), Err(ProofError::CellBytes { found, expected }));
                own.truncate(in_memory(expected) - 1);
            }
            let (found, expected) = (proof.len() + 1, proof.len());
            proof.push([0; 32]);
            assert_eq!(check(&own, &proof, 700), Err(ProofError::Hashes { found, expected }));
        }
        let count = shape.group_count();
        let mut beyond = GroupSet::default();
        beyond.add(0..count + 1);
        let error = ProofError::Groups { start: 0, end: count + 1, count };
        assert_eq!(verify_group_set(&root, &shape, &beyond, [&cells[..]], &[]), Err(error));
        let none = ProofError::Groups { start: 0, end: 0, count };
        assert_eq!(shape.set_places(&GroupSet::default()), Err(none));
    }
}

#[test]
fn groups_that_touch_become_one_range() {
    let mut set = GroupSet::default();
    for (groups, end) in [(2..4, 4), (3..5, 5), (3..4, 5), (5..6, 6)] {
        set.add(groups);
        assert_eq!(set.ranges(), core::slice::from_ref(&(2..end)));
    }
    set.add(7..9);
    assert_eq!(set.ranges(), [2..6, 7..9]);
}
