//! What to ask of which column for a piece.

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

/// Rows of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rows(u128);

impl Rows {
    pub(super) fn of(rows: Range<u16>) -> Self {
        rows.fold(Self::default(), Self::with)
    }

    fn with(self, row: u16) -> Self {
        Self(self.0 | 1 << row)
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    fn contains(self, row: u16) -> bool {
        self.0 >> row & 1 == 1
    }

    /// From the first of these rows as far as rows of `taken` allow, the last of these at most.
    pub(super) fn first_run(self, taken: Self) -> Option<Range<u16>> {
        let last = u16::try_from(self.0.checked_ilog2()?).ok()?;
        let first = u16::try_from(self.0.trailing_zeros()).ok()?;
        let end = (first..=last).find(|row| taken.contains(*row)).unwrap_or(last + 1);
        Some(first..end)
    }
}

/// How a piece is put together without the columns `lost`.
#[derive(Debug, Clone)]
pub struct PiecePlan {
    codec: Arc<StripeCodec>,
    wanted: Vec<Cell>,
    /// How the wanted cells of lost columns are recovered; `None` while none is wanted.
    recovery: Option<Arc<Schedule>>,
    needed: BTreeMap<u16, Rows>,
}

impl PiecePlan {
    /// Plans the cells `wanted`, in the order in which they are delivered, without the columns of `lost`.
    ///
    /// # Errors
    /// [`TooFewColumns`].
    pub fn new(codec: &Arc<StripeCodec>, wanted: &[Cell], lost: ErasurePattern) -> Result<Self, TooFewColumns> {
        let code = codec.code();
        let (missing, present): (Vec<Cell>, Vec<Cell>) =
            wanted.iter().partition(|cell| lost.contains(cell.column.into()));
        let mut recovery = None;
        if !missing.is_empty() {
            let too_few = TooFewColumns { found: code.columns() - lost.len(), expected: code.data_columns() };
            recovery = Some(codec.recover_schedule(lost, &missing).map_err(|_| too_few)?);
        }
        let mut needed: BTreeMap<u16, Rows> = BTreeMap::new();
        let inputs = recovery.iter().flat_map(|schedule| schedule.inputs());
        for cell in present.iter().chain(inputs) {
            let rows = needed.entry(cell.column).or_default();
            *rows = rows.with(cell.row);
        }
        Ok(Self { codec: Arc::clone(codec), wanted: wanted.to_vec(), recovery, needed })
    }

    /// Rows of each column that it needs.
    pub(super) fn needed(&self) -> impl Iterator<Item = (u16, Rows)> {
        self.needed.iter().map(|(column, rows)| (*column, *rows))
    }

    /// Whether it needs any of these rows of a column.
    pub fn uses(&self, column: u16, rows: Range<u16>) -> bool {
        let needed = self.needed.get(&column).copied().unwrap_or_default();
        rows.into_iter().any(|row| needed.contains(row))
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
}
