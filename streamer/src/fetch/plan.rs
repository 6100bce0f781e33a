//! What to ask of which column for a piece, and again when a column does not come.

use core::ops::Range;
use rain_codec::{Cell, ErasurePattern, Schedule, StripeCodec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// More columns are lost than the code makes up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{found} columns can be read, expected at least {expected}")]
pub struct TooFewColumns {
    /// Columns that can be read.
    pub found: usize,
    /// Columns that must be.
    pub expected: usize,
}

/// The plan for one piece: made with the columns that are known to be lost, changed when more are.
#[derive(Debug)]
pub struct Plan {
    codec: Arc<StripeCodec>,
    wanted: Vec<Cell>,
    lost: ErasurePattern,
    /// How the wanted cells of lost columns are recovered; `None` while none is wanted.
    recovery: Option<Arc<Schedule>>,
    /// Rows of each column that are needed.
    needed: BTreeMap<u16, Range<u16>>,
    /// Rows of each column that were asked for.
    asked: BTreeMap<u16, Range<u16>>,
    arrived: BTreeMap<u16, Range<u16>>,
}

impl Plan {
    /// Plans the cells `wanted`, in the order in which they are delivered, without the columns of `lost`.
    ///
    /// # Errors
    /// [`TooFewColumns`].
    pub fn new(codec: &Arc<StripeCodec>, wanted: &[Cell], lost: ErasurePattern) -> Result<Self, TooFewColumns> {
        let mut plan = Self {
            codec: Arc::clone(codec),
            wanted: wanted.to_vec(),
            lost,
            recovery: None,
            needed: BTreeMap::new(),
            asked: BTreeMap::new(),
            arrived: BTreeMap::new(),
        };
        plan.replan()?;
        Ok(plan)
    }

    /// The next rows to ask for, and of which column.
    pub fn poll_request(&mut self) -> Option<(u16, Range<u16>)> {
        let covers = |have: Option<&Range<u16>>, rows: &Range<u16>| {
            have.is_some_and(|have| have.start <= rows.start && rows.end <= have.end)
        };
        let (column, rows) = self.needed.iter().find(|(column, rows)| !covers(self.asked.get(column), rows))?;
        let (column, rows) = (*column, rows.clone());
        self.asked.insert(column, rows.clone());
        Some((column, rows))
    }

    /// Notes that rows of a column have arrived and are sound.
    pub fn handle_arrival(&mut self, column: u16, rows: Range<u16>) {
        self.asked.entry(column).or_insert_with(|| rows.clone());
        self.arrived.insert(column, rows);
    }

    /// Notes that a column does not come, or is damaged: others are asked for more.
    ///
    /// # Errors
    /// [`TooFewColumns`].
    pub fn handle_loss(&mut self, column: u16) -> Result<(), TooFewColumns> {
        self.lost = self.lost.with(column.into());
        self.arrived.remove(&column);
        self.replan()
    }

    /// Whether everything needed has arrived.
    pub fn is_ready(&self) -> bool {
        self.needed.iter().all(|(column, rows)| {
            self.arrived.get(column).is_some_and(|have| have.start <= rows.start && rows.end <= have.end)
        })
    }

    /// The cells that are delivered, in the order of their bytes.
    pub fn wanted(&self) -> &[Cell] {
        &self.wanted
    }

    /// How the wanted cells of lost columns are recovered.
    pub fn recovery(&self) -> Option<&Arc<Schedule>> {
        self.recovery.as_ref()
    }

    /// The codec that runs the recovery.
    pub fn codec(&self) -> &StripeCodec {
        &self.codec
    }

    fn replan(&mut self) -> Result<(), TooFewColumns> {
        let code = self.codec.code();
        let (missing, present): (Vec<Cell>, Vec<Cell>) =
            self.wanted.iter().partition(|cell| self.lost.contains(cell.column.into()));
        self.recovery = None;
        if !missing.is_empty() {
            let found = code.columns() - self.lost.len();
            let too_few = TooFewColumns { found, expected: code.data_columns() };
            self.recovery = Some(self.codec.recover_schedule(self.lost, &missing).map_err(|_| too_few)?);
        }
        self.needed.clear();
        let inputs = self.recovery.iter().flat_map(|schedule| schedule.inputs());
        for cell in present.iter().chain(inputs) {
            let rows = self.needed.entry(cell.column).or_insert(cell.row..cell.row + 1);
            *rows = rows.start.min(cell.row)..rows.end.max(cell.row + 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_codec::Code;

    fn plan(cells: Range<usize>, lost: &[usize]) -> Result<Plan, TooFewColumns> {
        let codec = Arc::new(StripeCodec::new(Arc::new(Code::named("b-code:4").unwrap())));
        let wanted: Vec<Cell> = cells.map(|index| codec.code().data_cell(index)).collect();
        Plan::new(&codec, &wanted, ErasurePattern::of(lost))
    }

    fn requests(plan: &mut Plan) -> Vec<(u16, Range<u16>)> {
        core::iter::from_fn(|| plan.poll_request()).collect()
    }

    #[test]
    fn data_cells_only_while_all_is_well() {
        let mut plan = plan(0..4, &[]).unwrap();
        assert_eq!(requests(&mut plan), [(0, 0..1), (1, 0..1), (2, 0..1), (3, 0..1)]);
        assert!(plan.recovery().is_none());
    }

    #[test]
    fn a_column_that_does_not_come_is_replaced() {
        let mut plan = plan(0..4, &[]).unwrap();
        requests(&mut plan);
        (0..3).for_each(|column| plan.handle_arrival(column, 0..1));
        assert!(!plan.is_ready());
        plan.handle_loss(3).unwrap();
        // d = (a | d+c) of column 0 with c, or (b | d+a) of column 1 with a: one parity cell more.
        let more = requests(&mut plan);
        assert_eq!(more.len(), 1, "{more:?}");
        plan.handle_arrival(more[0].0, more[0].1.clone());
        assert!(plan.is_ready());
    }

    #[test]
    fn any_two_columns_are_enough_and_one_is_not() {
        for lost in [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]] {
            let mut plan = plan(0..4, &lost).unwrap();
            let asked = requests(&mut plan);
            assert!(asked.iter().all(|(column, _)| !lost.contains(&usize::from(*column))));
            let other = (0..4).find(|column| !lost.contains(&usize::from(*column))).unwrap();
            assert_eq!(plan.handle_loss(other), Err(TooFewColumns { found: 1, expected: 2 }));
        }
    }

    #[test]
    fn a_lost_column_that_is_not_wanted_costs_nothing() {
        let mut plan = plan(1..2, &[0, 2, 3]).unwrap();
        assert_eq!(requests(&mut plan), [(1, 0..1)]);
    }
}
