//! Partial sums along chains and trees.

use std::collections::BTreeMap;

use rain_codec::plan::{PartialSums, Peer, PlanError};
use rain_codec::{Cell, Code, ErasurePattern, Kernel};

use crate::families::{patterns, small};
use crate::oracle;
use crate::random::Random;
use crate::recovery::cells_of;

const CELL_BYTES: usize = 37;

/// Lets every peer work on what it holds and what was sent to it, and nothing else; counts the cells on each link.
fn run(code: &Code, stripe: &[Vec<u8>], sums: &PartialSums) -> (BTreeMap<Cell, Vec<u8>>, Vec<usize>) {
    let mut links: BTreeMap<Option<usize>, Vec<Vec<u8>>> = BTreeMap::new();
    let mut sizes = Vec::new();
    for hop in sums.hops() {
        let own: Vec<&[u8]> = hop
            .reads()
            .iter()
            .map(|cell| {
                assert_eq!(Some(usize::from(cell.column)), hop.peer().map(|peer| peer.column));
                stripe[usize::from(cell.column) * code.rows() + usize::from(cell.row)].as_slice()
            })
            .collect();
        let received: Vec<Vec<u8>> = links.remove(&hop.peer().map(|peer| peer.column)).unwrap_or_default();
        assert_eq!(received.len(), hop.receives().iter().map(|(_, cells)| cells.len()).sum::<usize>());
        let received: Vec<&[u8]> = received.iter().map(Vec::as_slice).collect();
        let mut sent = vec![vec![0xee; CELL_BYTES]; hop.sends().len()];
        let mut outputs: Vec<&mut [u8]> = sent.iter_mut().map(Vec::as_mut_slice).collect();
        hop.run(Kernel::detect(), &own, &received, &mut outputs);
        match hop.peer() {
            Some(peer) => {
                sizes.push(sent.len());
                links.entry(peer.to).or_default().extend(sent);
            }
            None => return (hop.sends().iter().copied().zip(sent).collect(), sizes),
        }
    }
    panic!("there is no end")
}

fn check(code: &Code, stripe: &[Vec<u8>], sums: &PartialSums, wanted: &[Cell]) {
    let (made, sizes) = run(code, stripe, sums);
    assert_eq!(made.keys().copied().collect::<Vec<Cell>>(), wanted, "{code}");
    for (cell, bytes) in made {
        let expected = &stripe[usize::from(cell.column) * code.rows() + usize::from(cell.row)];
        assert!(&bytes == expected, "{code} {cell}");
    }
    assert!(sizes.iter().all(|&size| size <= wanted.len()), "{code}: {sizes:?} cells on links for {}", wanted.len());
    assert_eq!(sizes.iter().sum::<usize>(), sums.cells_sent());
}

fn stripe_of(code: &Code, seed: u64) -> Vec<Vec<u8>> {
    let random = &mut Random::new(seed);
    let data: Vec<Vec<u8>> = (0..code.data_cell_count()).map(|_| random.bytes(CELL_BYTES)).collect();
    oracle::encode(code, &data)
}

/// Every column of every code: along all others, and along k of them. No link carries more than a column.
#[test]
fn a_chain_builds_a_column_with_a_column_of_traffic_per_link() {
    for code in small() {
        let stripe = stripe_of(&code, 3);
        for lost in 0..code.columns() {
            let wanted = cells_of(&code, ErasurePattern::of(&[lost]));
            let mut others: Vec<usize> = (0..code.columns()).filter(|&column| column != lost).collect();
            others.rotate_left(lost);
            let sums = PartialSums::chain(&code, &wanted, &others).unwrap();
            check(&code, &stripe, &sums, &wanted);
            let k = code.data_columns();
            let sums = PartialSums::chain(&code, &wanted, &others[..k]).unwrap();
            check(&code, &stripe, &sums, &wanted);
            assert_eq!(sums.hops().len(), k + 1, "{code}: fewer than k columns give nothing");
            // At the last peer every sum has begun: its link carries a whole column.
            assert_eq!(sums.hops()[k - 1].sends().len(), code.rows());
        }
    }
}

/// Two lost columns at once: twice as much per link.
#[test]
fn a_chain_decodes_every_pattern() {
    for name in ["b-code:4", "b-code:6", "b-code:9", "x-code:5", "x-code:7", "rs:4+2", "rs:4+3"] {
        let code = Code::named(name).unwrap();
        let stripe = stripe_of(&code, 5);
        for lost in patterns(&code) {
            let wanted = cells_of(&code, lost);
            let others: Vec<usize> = (0..code.columns()).filter(|&column| !lost.contains(column)).collect();
            check(&code, &stripe, &PartialSums::chain(&code, &wanted, &others).unwrap(), &wanted);
        }
    }
}

/// Trees of every shape, also several that end at the end.
#[test]
fn trees() {
    for name in ["b-code:6", "b-code:10", "x-code:7", "rs:6+3"] {
        let code = Code::named(name).unwrap();
        let stripe = stripe_of(&code, 9);
        for seed in 0..60 {
            let random = &mut Random::new(seed + 1);
            let lost = random.below(code.columns());
            let wanted = cells_of(&code, ErasurePattern::of(&[lost]));
            let mut columns: Vec<usize> = (0..code.columns()).filter(|&column| column != lost).collect();
            for place in (1..columns.len()).rev() {
                columns.swap(place, random.below(place + 1));
            }
            let mut peers: Vec<Peer> = Vec::new();
            for (place, &column) in columns.iter().enumerate() {
                let to = random.below(place + 1);
                peers.push(Peer { column, to: (to < place).then(|| columns[to]) });
            }
            peers.reverse();
            check(&code, &stripe, &PartialSums::new(&code, &wanted, &peers).unwrap(), &wanted);
        }
    }
}

/// What a peer holds itself may be wanted, and comes along the chain like the rest.
#[test]
fn a_cell_of_a_peer_is_passed_on() {
    let code = Code::named("b-code:4").unwrap();
    let wanted = [Cell::new(0, 0), Cell::new(1, 0)];
    let sums = PartialSums::chain(&code, &wanted, &[1, 2, 3]).unwrap();
    check(&code, &stripe_of(&code, 1), &sums, &wanted);
}

/// A star is a plain repair: everything goes to the end, k columns and more of it.
#[test]
fn a_star_carries_more_in_all_places_but_no_more_per_link() {
    let code = Code::named("b-code:10").unwrap();
    let wanted = cells_of(&code, ErasurePattern::of(&[0]));
    let star: Vec<Peer> = (1..10).map(|column| Peer { column, to: None }).collect();
    let sums = PartialSums::new(&code, &wanted, &star).unwrap();
    check(&code, &stripe_of(&code, 2), &sums, &wanted);
    let (end, peers) = sums.hops().split_last().unwrap();
    let into_the_end: usize = end.receives().iter().map(|(_, cells)| cells.len()).sum();
    assert_eq!(into_the_end, sums.cells_sent());
    assert!(into_the_end > 2 * code.rows() && peers.len() == 9, "{into_the_end}");
}

#[test]
fn peers_that_cannot_do_it_are_refused() {
    let code = Code::named("b-code:4").unwrap();
    let wanted = [Cell::new(0, 0)];
    let refuse = |peers: &[(usize, Option<usize>)]| {
        let peers: Vec<Peer> = peers.iter().map(|&(column, to)| Peer { column, to }).collect();
        PartialSums::new(&code, &wanted, &peers).unwrap_err()
    };
    assert_eq!(refuse(&[(4, None)]), PlanError::NoSuchColumn { code: "b-code:4".into(), columns: 4, found: 4 });
    let twice = refuse(&[(1, None), (2, Some(1)), (1, Some(2))]);
    assert_eq!(twice, PlanError::PeerTwice { column: 1 });
    assert_eq!(twice.to_string(), "column 1 comes twice among the peers");
    let circle = refuse(&[(1, Some(2)), (2, Some(1)), (3, None)]);
    assert_eq!(circle, PlanError::NoWay { column: 1, to: 2 });
    assert_eq!(circle.to_string(), "column 1 sends to column 2, which does not lead to the end");
    assert_eq!(refuse(&[(1, Some(3)), (2, None)]), PlanError::NoWay { column: 1, to: 3 });
    assert_eq!(refuse(&[(1, Some(1)), (2, None)]), PlanError::NoWay { column: 1, to: 1 });
    let lost = ErasurePattern::of(&[0, 2, 3]);
    let too_few = PlanError::Undetermined { code: "b-code:4".into(), cell: wanted[0], lost };
    assert_eq!(refuse(&[(1, None)]), too_few);
    assert_eq!(too_few.to_string(), "b-code:4: without columns 0, 2, 3, nothing determines cell (0, 0) (row, column)");
}
