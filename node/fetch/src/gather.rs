//! The gathering of a piece: what is asked for, what has come, and what is done about columns that fail or are late.

use super::piece_plan::{PiecePlan, Rows, TooFewColumns};
use core::ops::Range;
use rain_codec::{Cell, ErasurePattern, StripeCodec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The gathering of one piece. Beside its plan it may have an alternative that does without the columns that are late:
/// whichever has all it needs first is used.
#[derive(Debug)]
pub struct Gather {
    codec: Arc<StripeCodec>,
    wanted: Vec<Cell>,
    lost: ErasurePattern,
    late: ErasurePattern,
    plan: PiecePlan,
    alternative: Option<PiecePlan>,
    asked: BTreeMap<u16, Rows>,
    arrived: BTreeMap<u16, Rows>,
}

/// A way to do without columns that are late.
#[derive(Debug)]
pub struct Alternative {
    plan: PiecePlan,
    late: ErasurePattern,
    /// Rows, over all columns, that would have to be asked for besides.
    pub rows: usize,
}

impl Gather {
    /// Gathers what the cells `wanted` need, without the columns of `lost`.
    ///
    /// # Errors
    /// [`TooFewColumns`].
    pub fn new(codec: &Arc<StripeCodec>, wanted: &[Cell], lost: ErasurePattern) -> Result<Self, TooFewColumns> {
        Ok(Self {
            codec: Arc::clone(codec),
            wanted: wanted.to_vec(),
            lost,
            late: ErasurePattern::none(),
            plan: PiecePlan::new(codec, wanted, lost)?,
            alternative: None,
            asked: BTreeMap::new(),
            arrived: BTreeMap::new(),
        })
    }

    /// The next rows to ask for, and of which column. Rows between those that are needed are asked for with them: one
    /// request is better than two.
    pub fn poll_request(&mut self) -> Option<(u16, Range<u16>)> {
        let plans = [Some(&self.plan), self.alternative.as_ref()].into_iter().flatten();
        let (column, run) = plans.flat_map(PiecePlan::needed).find_map(|(column, rows)| {
            let asked = self.asked.get(&column).copied().unwrap_or_default();
            Some((column, rows.without(asked).first_run(asked)?))
        })?;
        let asked = self.asked.entry(column).or_default();
        *asked = asked.union(Rows::of(run.clone()));
        Some((column, run))
    }

    /// Notes that rows of a column are asked for already.
    pub fn handle_request(&mut self, column: u16, rows: Range<u16>) {
        let asked = self.asked.entry(column).or_default();
        *asked = asked.union(Rows::of(rows));
    }

    /// Notes that rows of a column have arrived and are sound.
    pub fn handle_arrival(&mut self, column: u16, rows: Range<u16>) {
        let rows = Rows::of(rows);
        let asked = self.asked.entry(column).or_default();
        *asked = asked.union(rows);
        let arrived = self.arrived.entry(column).or_default();
        *arrived = arrived.union(rows);
    }

    /// Notes that a column does not come, or is damaged: others are asked for more. An alternative that needs it is over;
    /// what it did without is to be done without again.
    ///
    /// # Errors
    /// [`TooFewColumns`].
    pub fn handle_loss(&mut self, column: u16) -> Result<(), TooFewColumns> {
        self.lost = self.lost.with(column.into());
        self.asked.remove(&column);
        self.arrived.remove(&column);
        self.alternative = self.alternative.take().filter(|plan| plan.needed().all(|(needed, _)| needed != column));
        self.plan = PiecePlan::new(&self.codec, &self.wanted, self.lost)?;
        Ok(())
    }

    /// How to do without a column that is late, and without those that were late before; `None` when too few would be
    /// left.
    pub fn without_late(&self, column: u16) -> Option<Alternative> {
        let late = self.late.with(column.into());
        let plan = PiecePlan::new(&self.codec, &self.wanted, union(self.lost, late)).ok()?;
        let rows = plan
            .needed()
            .map(|(column, rows)| rows.without(self.asked.get(&column).copied().unwrap_or_default()).len())
            .sum();
        Some(Alternative { plan, late, rows })
    }

    /// Begins to do without the columns that are late; they may still come first.
    pub fn adopt(&mut self, alternative: Alternative) {
        self.late = alternative.late;
        self.alternative = Some(alternative.plan);
    }

    /// The plan for which everything has arrived.
    pub fn ready(&self) -> Option<&PiecePlan> {
        let complete = |plan: &&PiecePlan| {
            plan.needed()
                .all(|(column, rows)| rows.without(self.arrived.get(&column).copied().unwrap_or_default()).is_empty())
        };
        [Some(&self.plan), self.alternative.as_ref()].into_iter().flatten().find(complete)
    }
}

fn union(left: ErasurePattern, right: ErasurePattern) -> ErasurePattern {
    right.iter().fold(left, ErasurePattern::with)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_codec::Code;

    fn gather(code: &str, cells: Range<usize>, lost: &[usize]) -> Result<Gather, TooFewColumns> {
        let codec = Arc::new(StripeCodec::new(Arc::new(Code::named(code).unwrap())));
        let wanted: Vec<Cell> = cells.map(|index| codec.code().data_cell(index)).collect();
        Gather::new(&codec, &wanted, ErasurePattern::of(lost))
    }

    fn requests(gather: &mut Gather) -> Vec<(u16, Range<u16>)> {
        core::iter::from_fn(|| gather.poll_request()).collect()
    }

    #[test]
    fn data_cells_only_while_all_is_well() {
        let mut gather = gather("b-code:4", 0..4, &[]).unwrap();
        assert_eq!(requests(&mut gather), [(0, 0..1), (1, 0..1), (2, 0..1), (3, 0..1)]);
        (0..4).for_each(|column| gather.handle_arrival(column, 0..1));
        assert!(gather.ready().unwrap().recovery().is_none());
    }

    /// d = (a | d+c) of column 0 with c, or (b | d+a) of column 1 with a: one parity cell more, and nothing twice.
    #[test]
    fn a_column_that_does_not_come_is_replaced() {
        let mut gather = gather("b-code:4", 0..4, &[]).unwrap();
        requests(&mut gather);
        (0..3).for_each(|column| gather.handle_arrival(column, 0..1));
        assert!(gather.ready().is_none());
        gather.handle_loss(3).unwrap();
        let more = requests(&mut gather);
        assert!(matches!(more[..], [(_, Range { start: 1, end: 2 })]), "{more:?}");
        gather.handle_arrival(more[0].0, 1..2);
        assert!(gather.ready().is_some());
    }

    #[test]
    fn a_late_column_is_hedged_and_the_first_to_be_complete_wins() {
        for late_one_comes in [false, true] {
            let mut gather = gather("b-code:4", 0..4, &[]).unwrap();
            requests(&mut gather);
            (0..3).for_each(|column| gather.handle_arrival(column, 0..1));
            let alternative = gather.without_late(3).unwrap();
            assert_eq!(alternative.rows, 1);
            gather.adopt(alternative);
            let more = requests(&mut gather);
            assert_eq!(more.len(), 1);
            if late_one_comes {
                gather.handle_arrival(3, 0..1);
            } else {
                gather.handle_arrival(more[0].0, more[0].1.clone());
            }
            assert_eq!(gather.ready().unwrap().recovery().is_none(), late_one_comes);
        }
    }

    #[test]
    fn two_late_columns_are_done_without_and_three_are_not() {
        let mut gather = gather("b-code:4", 0..4, &[]).unwrap();
        requests(&mut gather);
        gather.handle_arrival(0, 0..1);
        for column in [1, 2] {
            let alternative = gather.without_late(column).unwrap();
            gather.adopt(alternative);
        }
        assert!(gather.without_late(3).is_none());
        for (column, rows) in requests(&mut gather) {
            assert!(column == 0 || column == 3);
            gather.handle_arrival(column, rows);
        }
        gather.handle_arrival(3, 0..1);
        assert!(gather.ready().is_some());
        // A column that the alternative needs is lost: what was late must come after all.
        gather.handle_loss(3).unwrap();
        assert!(gather.ready().is_none());
        gather.handle_arrival(1, 0..1);
        gather.handle_arrival(2, 0..1);
        for (column, rows) in requests(&mut gather) {
            gather.handle_arrival(column, rows);
        }
        assert!(gather.ready().is_some());
    }

    /// Neither by the way around late columns that needed it, nor by one that is found later.
    #[test]
    fn nothing_is_asked_of_a_column_that_failed() {
        let mut gathering = gather("b-code:4", 0..4, &[]).unwrap();
        requests(&mut gathering);
        for column in [1, 2] {
            let alternative = gathering.without_late(column).unwrap();
            gathering.adopt(alternative);
        }
        requests(&mut gathering);
        gathering.handle_loss(3).unwrap();
        let more = requests(&mut gathering);
        assert!(more.iter().all(|(column, _)| *column != 3), "{more:?}");
        for (failed, late) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
            let mut gathering = gather("b-code:4", 0..4, &[]).unwrap();
            requests(&mut gathering);
            gathering.handle_loss(failed).unwrap();
            let alternative = gathering.without_late(late).unwrap();
            gathering.adopt(alternative);
            let more = requests(&mut gathering);
            assert!(more.iter().all(|(column, _)| *column != failed), "{failed} and {late}: {more:?}");
        }
    }

    #[test]
    fn any_two_columns_are_enough_and_one_is_not() {
        for lost in [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]] {
            let mut gather = gather("b-code:4", 0..4, &lost).unwrap();
            let asked = requests(&mut gather);
            assert!(asked.iter().all(|(column, _)| !lost.contains(&usize::from(*column))));
            let other = (0..4).find(|column| !lost.contains(&usize::from(*column))).unwrap();
            assert_eq!(gather.handle_loss(other), Err(TooFewColumns { found: 1, expected: 2 }));
        }
    }

    #[test]
    fn a_lost_column_that_is_not_wanted_costs_nothing() {
        let mut gather = gather("b-code:4", 1..2, &[0, 2, 3]).unwrap();
        assert_eq!(requests(&mut gather), [(1, 0..1)]);
    }

    /// Whatever comes, fails and is late in whatever order: no row is asked for twice of a column that did not fail,
    /// and once everything asked for of two or more columns less than lost has come, a plan is ready.
    #[test]
    fn nothing_is_asked_for_twice() {
        for code in ["b-code:6", "x-code:5"] {
            for seed in 0..200_u64 {
                let mut state = seed;
                let mut random = |below: usize| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    usize::try_from(state >> 33).unwrap() % below
                };
                let cells = Code::named(code).unwrap().data_cell_count();
                let mut gather = gather(code, 0..cells, &[]).unwrap();
                let columns = Code::named(code).unwrap().columns();
                let (mut open, mut seen, mut gone) = (Vec::new(), Vec::new(), Vec::new());
                for _ in 0..1000 {
                    for (column, rows) in requests(&mut gather) {
                        for row in rows.clone() {
                            assert!(!seen.contains(&(column, row)), "{code} {seed}: {column} {row}");
                            seen.push((column, row));
                        }
                        open.push((column, rows));
                    }
                    if gather.ready().is_some() || open.is_empty() {
                        break;
                    }
                    let index = random(open.len());
                    let column = open[index].0;
                    match random(4) {
                        0 if gone.len() < 2 => {
                            gone.push(column);
                            open.retain(|(other, _)| *other != column);
                            seen.retain(|(other, _)| *other != column);
                            gather.handle_loss(column).unwrap();
                        }
                        1 => {
                            if let Some(alternative) = gather.without_late(column) {
                                gather.adopt(alternative);
                            }
                        }
                        _ => {
                            let (column, rows) = open.swap_remove(index);
                            gather.handle_arrival(column, rows);
                        }
                    }
                }
                assert!(gather.ready().is_some(), "{code} {seed}: {columns} columns, {gone:?} gone");
            }
        }
    }
}
