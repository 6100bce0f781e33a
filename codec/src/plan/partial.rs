//! Partial sums: peers that each XOR what they hold onto what they get, so that no link carries more than what is wanted.

use rain_kernels::{Kernel, Program};

use super::{PlanError, ReadCosts, ReadPlan};
use crate::code::{Cell, Code};
use crate::schedule::{self, ErasurePattern};

/// A peer that holds a column, and to which one it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The column it holds.
    pub column: usize,
    /// The column of the peer to which it sends; `None`: to the end, where the wanted cells are put together.
    pub to: Option<usize>,
}

/// What one peer does.
///
/// Shape: its XORs read cells of its own column and the partial sums that it gets, and make those that it sends, each as
/// long as a cell or as a piece of one: pieces can be passed on before the rest is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    peer: Option<Peer>,
    reads: Vec<Cell>,
    receives: Vec<(usize, Vec<Cell>)>,
    sends: Vec<Cell>,
    program: Program,
}

/// How peers along a chain or a tree make wanted cells together.
///
/// Every peer sends for each wanted cell one partial sum at most: a link carries no more than what is wanted, for a lost
/// column one column, where a plain repair carries k columns into the node that rebuilds.
///
/// Source: R. Li and others, "Repair Pipelining for Erasure-Coded Storage", USENIX ATC 2017; S. Mitra and others,
/// "Partial-Parallel-Repair (PPR)", 11th European Conference on Computer Systems, 2016.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialSums {
    wanted: Vec<Cell>,
    /// Each after those that send to it; the end comes last.
    hops: Vec<Hop>,
}

impl PartialSums {
    /// Plans wanted cells out of the columns that the peers hold, along a tree of peers. Peers that have nothing to add
    /// and nothing to pass on are left out.
    ///
    /// Cost: as [`ReadPlan::new`].
    ///
    /// # Errors
    /// Columns or cells that the code does not have, a peer that comes twice or whose way does not lead to the end, and
    /// peers that do not determine what is wanted.
    pub fn new(code: &Code, wanted: &[Cell], peers: &[Peer]) -> Result<Self, PlanError> {
        let order = order(code, peers)?;
        let held = peers.iter().fold(ErasurePattern::none(), |held, peer| held.with(peer.column));
        let absent = (0..code.columns()).filter(|&column| !held.contains(column));
        let absent = absent.fold(ErasurePattern::none(), ErasurePattern::with);
        let plan = ReadPlan::new(code, wanted, &ReadCosts::equal(code).without(absent))?;
        let made = plan.schedule().sums();
        let sum_of = |cell: &Cell| {
            let found = made.iter().find(|(target, _)| target == cell);
            found.map_or_else(|| vec![*cell], |(_, sources)| sources.clone())
        };
        let sums: Vec<(Cell, Vec<Cell>)> = plan.wanted().iter().map(|cell| (*cell, sum_of(cell))).collect();
        let mut hops: Vec<Hop> = Vec::new();
        for peer in order {
            let hop = Hop::new(Some(peer), &sums, &hops)?;
            if !hop.sends.is_empty() {
                hops.push(hop);
            }
        }
        let end = Hop::new(None, &sums, &hops)?;
        hops.push(end);
        let sums = Self { wanted: plan.wanted().to_vec(), hops };
        sums.verify(code)?;
        Ok(sums)
    }

    /// Plans wanted cells along a chain: the peer of each column sends to that of the next, the last one to the end.
    ///
    /// # Errors
    /// As [`PartialSums::new`].
    pub fn chain(code: &Code, wanted: &[Cell], columns: &[usize]) -> Result<Self, PlanError> {
        Self::new(code, wanted, &chained(columns))
    }

    /// Gives the wanted cells, by column, then row.
    pub fn wanted(&self) -> &[Cell] {
        &self.wanted
    }

    /// Gives what each peer does, each after those that send to it. The end comes last: it reads no cells of its own,
    /// and what it "sends" are the wanted cells.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// Counts the cells that all links together carry.
    pub fn cells_sent(&self) -> usize {
        self.hops.iter().filter(|hop| hop.peer.is_some()).map(|hop| hop.sends.len()).sum()
    }

    /// Counts the cells that its hops and their steps name: how much memory it takes.
    pub(super) fn cell_count(&self) -> usize {
        let of_hop = |hop: &Hop| {
            let received: usize = hop.receives.iter().map(|(_, cells)| cells.len()).sum();
            hop.reads.len() + received + hop.sends.len() + hop.program.xor_count()
        };
        self.wanted.len() + self.hops.iter().map(of_hop).sum::<usize>()
    }

    /// Runs all hops symbolically over GF(2).
    fn verify(&self, code: &Code) -> Result<(), PlanError> {
        let mut sent: Vec<(usize, Vec<Vec<u64>>)> = Vec::new();
        for hop in &self.hops {
            let mut values = Vec::new();
            for &cell in &hop.reads {
                values.push(schedule::definition(code, cell)?);
            }
            for (from, _) in &hop.receives {
                values.extend(sent.iter().filter(|(column, _)| column == from).flat_map(|(_, sums)| sums.clone()));
            }
            let mut sums = Vec::new();
            for sources in hop.program.steps() {
                let mut sum = vec![0; code.data_cell_count().div_ceil(64)];
                for &source in sources {
                    sum.iter_mut().zip(&values[usize::from(source)]).for_each(|(word, other)| *word ^= other);
                }
                sums.push(sum);
            }
            match hop.peer {
                Some(peer) => sent.push((peer.column, sums)),
                None => {
                    for (&cell, sum) in self.wanted.iter().zip(&sums) {
                        if *sum != schedule::definition(code, cell)? {
                            return Err(PlanError::WrongCell { code: code.name().to_owned(), cell });
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl Hop {
    /// Plans a peer, or the end, behind the hops that are planned.
    fn new(peer: Option<Peer>, sums: &[(Cell, Vec<Cell>)], before: &[Self]) -> Result<Self, PlanError> {
        let column = peer.map(|peer| peer.column);
        let is_own = |cell: &&Cell| column == Some(usize::from(cell.column));
        let mut reads: Vec<Cell> = sums.iter().flat_map(|(_, sources)| sources).filter(is_own).copied().collect();
        reads.sort_unstable();
        reads.dedup();
        let receives: Vec<(usize, Vec<Cell>)> = before
            .iter()
            .filter_map(|hop| hop.peer.filter(|peer| peer.to == column).map(|peer| (peer.column, hop.sends.clone())))
            .collect();
        let sums_received: Vec<Cell> = receives.iter().flat_map(|(_, cells)| cells).copied().collect();
        let mut sends = Vec::new();
        let mut steps: Vec<Vec<usize>> = Vec::new();
        for (cell, sources) in sums {
            let own = sources.iter().filter(is_own).filter_map(|source| reads.binary_search(source).ok());
            let others = sums_received.iter().enumerate().filter(|(_, sent)| *sent == cell);
            let step: Vec<usize> = own.chain(others.map(|(place, _)| reads.len() + place)).collect();
            if !step.is_empty() {
                sends.push(*cell);
                steps.push(step);
            }
        }
        let program = Program::new(reads.len() + sums_received.len(), steps).map_err(schedule::ScheduleError::from)?;
        Ok(Self { peer, reads, receives, sends, program })
    }

    /// Gives the peer; `None` for the end.
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// Gives the cells of its own column that it reads, by row.
    pub fn reads(&self) -> &[Cell] {
        &self.reads
    }

    /// Gives of which wanted cells it gets partial sums, and from the peer of which column.
    pub fn receives(&self) -> &[(usize, Vec<Cell>)] {
        &self.receives
    }

    /// Gives of which wanted cells it sends partial sums: to the next peer, or from the end the cells themselves.
    pub fn sends(&self) -> &[Cell] {
        &self.sends
    }

    /// Makes what it sends.
    ///
    /// Shape: `own` are the cells that it [`reads`](Self::reads), `received` the partial sums that it
    /// [`receives`](Self::receives), one peer's after the other's, `sent` those that it [`sends`](Self::sends): all of one
    /// length, any.
    ///
    /// # Panics
    /// When there are more or fewer, or their lengths differ.
    pub fn run(&self, kernel: Kernel, own: &[&[u8]], received: &[&[u8]], sent: &mut [&mut [u8]]) {
        assert_eq!(own.len(), self.reads.len(), "number of own cells");
        let inputs: Vec<&[u8]> = own.iter().chain(received).copied().collect();
        kernel.run(&self.program, &inputs, sent);
    }
}

/// Peers each of which sends to the next.
pub(super) fn chained(columns: &[usize]) -> Vec<Peer> {
    let next = columns.iter().copied().skip(1).map(Some).chain([None]);
    columns.iter().zip(next).map(|(&column, to)| Peer { column, to }).collect()
}

/// Puts the peers in an order in which each comes after those that send to it.
fn order(code: &Code, peers: &[Peer]) -> Result<Vec<Peer>, PlanError> {
    let columns = code.columns();
    for (place, peer) in peers.iter().enumerate() {
        if peer.column >= columns {
            return Err(PlanError::NoSuchColumn { code: code.name().to_owned(), columns, found: peer.column });
        }
        if peers[..place].iter().any(|other| other.column == peer.column) {
            return Err(PlanError::PeerTwice { column: peer.column });
        }
    }
    // From the end outwards: whoever is not reached sends nowhere.
    let mut ordered: Vec<Peer> = peers.iter().copied().filter(|peer| peer.to.is_none()).collect();
    let mut place = 0;
    while let Some(&receiver) = ordered.get(place) {
        ordered.extend(peers.iter().filter(|peer| peer.to == Some(receiver.column)));
        place += 1;
    }
    let astray = peers.iter().find(|peer| !ordered.contains(peer));
    if let Some(&Peer { column, to: Some(to) }) = astray {
        return Err(PlanError::NoWay { column, to });
    }
    ordered.reverse();
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that adds another of its cells is found out before anything is sent.
    #[test]
    fn a_wrong_hop_is_found_out() {
        let code = Code::named("b-code:6").unwrap();
        let wanted = [Cell::new(0, 0), Cell::new(0, 1)];
        let right = PartialSums::chain(&code, &wanted, &[1, 2, 3, 4, 5]).unwrap();
        assert_eq!(right.verify(&code), Ok(()));
        let peers = right.hops.len() - 1;
        for (hop, place) in (0..peers).flat_map(|hop| (0..right.hops[hop].reads.len()).map(move |place| (hop, place))) {
            let mut wrong = right.clone();
            let read = &mut wrong.hops[hop].reads[place];
            *read = Cell::new(read.column.into(), (usize::from(read.row) + 1) % code.rows());
            assert!(matches!(wrong.verify(&code), Err(PlanError::WrongCell { .. })), "hop {hop}, cell {place}");
        }
    }
}
