//! Choosing, for each wanted cell, one of its ways so that all of them together read the cheapest set of cells.
//!
//! Ways share cells, and each shared one is read once; so the choices depend on each other. To choose best is as hard as
//! covering sets. Here a branch and bound search looks at as many choices as its effort allows; it begins with the best
//! that greedy choices and changes of one choice at a time have found, so it never ends worse.

use super::cells::CellSet;
use super::read_costs::ReadCosts;

/// Ways that a search looks at, each the work of some tens of nanoseconds: a millisecond or a few.
pub(super) const EFFORT: usize = 40_000;
/// Greedy choices to begin with.
const STARTS_MAX: usize = 24;

/// What it costs to read a set of cells. Less is better, in this order; and a larger set never costs less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Price {
    /// What the columns cost together.
    pub(super) total: u128,
    /// What the dearest one costs, where they are to be balanced; else 0.
    pub(super) peak: u128,
    /// Cells summed up, counted for every way: about the XORs.
    pub(super) sources: usize,
}

/// How prices are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pricing<'costs> {
    pub(super) costs: &'costs ReadCosts,
    pub(super) columns: usize,
    /// Whether, of the cheapest sets, the one is taken whose dearest column costs least.
    pub(super) balanced: bool,
}

/// Cells that are read, and what they cost.
#[derive(Clone, Debug)]
struct Reads {
    cells: CellSet,
    /// How many of each column.
    counts: Vec<u64>,
    price: Price,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// For each wanted cell the number of its way.
    pub(super) ways: Vec<usize>,
    pub(super) price: Price,
    /// Whether there is no better choice among the ways given.
    pub(super) complete: bool,
}

impl Pricing<'_> {
    /// Prices cells that are read in any case.
    fn begin(&self, cells: &CellSet) -> Reads {
        let mut none = cells.clone();
        none.remove(cells);
        let empty = Reads { cells: none, counts: vec![0; self.columns], price: Price::default() };
        let mut reads = self.with(&empty, cells);
        reads.price.sources = 0;
        reads
    }

    /// Prices cells that are read besides those that are given.
    pub(super) fn price_of_set(&self, given: &CellSet, cells: &CellSet) -> Price {
        self.with(&self.begin(given), cells).price
    }

    /// Adds the cells of a way.
    fn with(&self, reads: &Reads, way: &CellSet) -> Reads {
        let mut with = reads.clone();
        for column in way.columns_without(&reads.cells) {
            with.counts[column] += 1;
        }
        with.price = self.price(reads, way);
        with.cells.unite(way);
        with
    }

    /// What it would cost to read the cells of a way as well.
    fn price(&self, reads: &Reads, way: &CellSet) -> Price {
        let mut price = Price { sources: reads.price.sources + way.len(), ..reads.price };
        // Cells come column by column.
        let (mut last, mut more) = (usize::MAX, 0);
        for column in way.columns_without(&reads.cells) {
            let cost = self.costs.of(column).unwrap_or_default();
            more = if column == last { more + 1 } else { 1 };
            last = column;
            if reads.counts[column] == 0 && more == 1 {
                price.total += u128::from(cost.fixed);
            }
            price.total += u128::from(cost.per_cell);
            if self.balanced {
                let cells = u128::from(reads.counts[column] + more);
                price.peak = price.peak.max(u128::from(cost.fixed) + u128::from(cost.per_cell) * cells);
            }
        }
        price
    }

    /// Prices the ways of a choice together.
    fn price_of(&self, begin: &Reads, ways: &[Vec<CellSet>], choice: &[usize]) -> Reads {
        let chosen = ways.iter().zip(choice).map(|(ways, &number)| &ways[number]);
        chosen.fold(begin.clone(), |reads, way| self.with(&reads, way))
    }
}

/// The ways of a wanted cell by their prices, each with its number.
type PricedWays = Vec<(Price, usize)>;

/// Chooses for each wanted cell one of its ways.
///
/// Shape: `given` are cells that are read in any case, `ways` are for each wanted cell at least one. `enough` is a total
/// below which there is none.
pub(super) fn choose(
    pricing: Pricing<'_>,
    given: &CellSet,
    ways: &[Vec<CellSet>],
    enough: u128,
    effort: usize,
) -> Choice {
    let begin = pricing.begin(given);
    let mut search = Search { pricing, ways, enough, effort, best: vec![0; ways.len()], best_reads: begin.clone() };
    search.best_reads = pricing.price_of(&begin, ways, &search.best);
    if !search.is_enough() {
        search.start(&begin);
    }
    let mut open: Vec<usize> = (0..ways.len()).collect();
    let mut choice = vec![0; ways.len()];
    let complete = search.is_enough() || search.descend(&begin, &mut open, &mut choice);
    Choice { ways: search.best, price: search.best_reads.price, complete }
}

struct Search<'search> {
    pricing: Pricing<'search>,
    ways: &'search [Vec<CellSet>],
    enough: u128,
    /// Ways that may still be looked at.
    effort: usize,
    best: Vec<usize>,
    best_reads: Reads,
}

impl Search<'_> {
    /// Nothing is cheaper; where columns are balanced, there may be a more even one.
    fn is_enough(&self) -> bool {
        !self.pricing.balanced && self.best_reads.price.total <= self.enough
    }

    fn offer(&mut self, choice: &[usize], reads: Reads) {
        if reads.price < self.best_reads.price {
            self.best = choice.to_vec();
            self.best_reads = reads;
        }
    }

    /// Makes greedy choices, each with another way of the first wanted cell or with another number for all, and improves
    /// them.
    fn start(&mut self, begin: &Reads) {
        let Some(first) = self.ways.first() else { return };
        let most = self.ways.iter().map(Vec::len).max().unwrap_or(0);
        for number in 0..most.min(STARTS_MAX) {
            if self.is_enough() {
                return;
            }
            let same: Vec<usize> = self.ways.iter().map(|ways| number.min(ways.len() - 1)).collect();
            self.improve(begin, same);
            if number < first.len() {
                let mut choice = vec![number];
                let mut reads = self.pricing.with(begin, &first[number]);
                for ways in &self.ways[1..] {
                    let cheapest = self.cheapest(&reads, ways);
                    choice.push(cheapest);
                    reads = self.pricing.with(&reads, &ways[cheapest]);
                }
                self.improve(begin, choice);
            }
        }
    }

    fn cheapest(&self, reads: &Reads, ways: &[CellSet]) -> usize {
        (0..ways.len()).min_by_key(|&number| self.pricing.price(reads, &ways[number])).unwrap_or(0)
    }

    /// Changes one choice at a time until none is better.
    fn improve(&mut self, begin: &Reads, mut choice: Vec<usize>) {
        let mut reads = self.pricing.price_of(begin, self.ways, &choice);
        let mut unchanged = 0;
        for wanted in (0..self.ways.len()).cycle() {
            if unchanged >= self.ways.len() {
                break;
            }
            unchanged += 1;
            let others = choice.iter().enumerate().filter(|(other, _)| *other != wanted);
            let others = others
                .fold(begin.clone(), |reads, (other, &number)| self.pricing.with(&reads, &self.ways[other][number]));
            let cheapest = self.cheapest(&others, &self.ways[wanted]);
            let with_cheapest = self.pricing.with(&others, &self.ways[wanted][cheapest]);
            if with_cheapest.price < reads.price {
                choice[wanted] = cheapest;
                reads = with_cheapest;
                unchanged = 0;
            }
        }
        self.offer(&choice, reads);
    }

    /// Looks at all choices for the open wanted cells that may be better than the best so far; false when the effort
    /// does not allow it.
    fn descend(&mut self, reads: &Reads, open: &mut Vec<usize>, choice: &mut [usize]) -> bool {
        if open.is_empty() {
            self.offer(choice, reads.clone());
            return true;
        }
        // The wanted cell whose cheapest way costs most leaves the fewest ways: it comes first.
        let mut dearest: Option<(usize, PricedWays)> = None;
        for (place, &wanted) in open.iter().enumerate() {
            let ways = &self.ways[wanted];
            let Some(effort) = self.effort.checked_sub(ways.len()) else { return false };
            self.effort = effort;
            let mut prices: PricedWays =
                ways.iter().enumerate().map(|(number, way)| (self.pricing.price(reads, way), number)).collect();
            prices.sort_unstable();
            if dearest.as_ref().is_none_or(|(_, dearest)| prices[0] > dearest[0]) {
                dearest = Some((place, prices));
            }
        }
        let Some((place, prices)) = dearest else { return true };
        let wanted = open.swap_remove(place);
        let mut complete = true;
        for (price, number) in prices {
            if price >= self.best_reads.price || self.is_enough() {
                break;
            }
            choice[wanted] = number;
            let reads = self.pricing.with(reads, &self.ways[wanted][number]);
            complete = self.descend(&reads, open, choice);
            if !complete {
                break;
            }
        }
        open.push(wanted);
        let last = open.len() - 1;
        open.swap(place, last);
        complete
    }
}
