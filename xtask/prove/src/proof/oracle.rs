//! What a body ought to compute, from the codec alone.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use rain_codec::{Cell, CellKind, Code};

use crate::generate::Wanted;

/// A linear map over the cells of columns.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Oracle {
    /// Columns there are.
    pub(super) columns: usize,
    /// Cells of a column.
    pub(super) rows: usize,
    /// For each column, how many of its rows are in its upper part.
    pub(super) upper: Vec<usize>,
    /// The first column whose rows turn.
    pub(super) turning: usize,
    /// The cells written, each with those that it is the XOR of; none of these is written.
    pub(super) outputs: BTreeMap<Cell, BTreeSet<Cell>>,
}

impl Oracle {
    /// Takes what the codec's schedule says, and compares that with the code's parity equations.
    pub(super) fn of(wanted: &Wanted) -> Result<Self> {
        let mut outputs: BTreeMap<Cell, BTreeSet<Cell>> = BTreeMap::new();
        for (output, sources) in &wanted.steps {
            let values = sources.iter().map(|source| outputs.get(source).cloned().unwrap_or([*source].into()));
            let sum = values.fold(BTreeSet::new(), |sum, value| &sum ^ &value);
            ensure!(outputs.insert(*output, sum).is_none(), "{}: two steps write {output:?}", wanted.name);
        }
        let read = outputs.values().flatten().find(|input| outputs.contains_key(input));
        ensure!(read.is_none(), "{}: {read:?} is read before it is written", wanted.name);
        let (columns, rows) = (wanted.upper.len(), wanted.rows);
        let oracle = Self { columns, rows, upper: wanted.upper.clone(), turning: wanted.turning, outputs };
        oracle.agrees_with_code(&wanted.name).with_context(|| wanted.name.clone())?;
        Ok(oracle)
    }

    /// Compares it with the equations of the code in its name; a probe of the memory has none.
    ///
    /// With the data cells as unknowns and every parity cell as what its equation says, each output has to be what the
    /// code says of that cell.
    fn agrees_with_code(&self, name: &str) -> Result<()> {
        let (code, what) = name.split_once(' ').context("a name without a space")?;
        if code == "probe" {
            return Ok(());
        }
        let code = Code::named(code)?;
        ensure!((self.columns, self.rows) == (code.columns(), code.rows()), "a body of another size than the code");
        let unknowns = |cell: Cell| -> BTreeSet<Cell> {
            match code.cell(cell) {
                CellKind::Data { .. } => [cell].into(),
                CellKind::Parity { of } => of.iter().copied().collect(),
            }
        };
        for (&output, inputs) in &self.outputs {
            let sum = inputs.iter().fold(BTreeSet::new(), |sum, &input| &sum ^ &unknowns(input));
            ensure!(sum == unknowns(output), "{output:?} is not what the code says");
        }
        let is_data = |cell: &Cell| matches!(code.cell(*cell), CellKind::Data { .. });
        if what == "encode" {
            let outputs: BTreeSet<Cell> = code.cells().filter(|cell| !is_data(cell)).collect();
            ensure!(self.outputs.keys().eq(&outputs), "the cells written are not all parity cells");
            return Ok(());
        }
        let lost = what.strip_prefix("lost ").context("neither encoding nor recovery")?;
        let (lost, data_only) = lost.strip_suffix(" data").map_or((lost, false), |lost| (lost, true));
        let lost: Vec<u16> = lost.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let is_lost = |cell: &Cell| lost.contains(&cell.column);
        let outputs: BTreeSet<Cell> =
            code.cells().filter(|cell| is_lost(cell) && (is_data(cell) || !data_only)).collect();
        ensure!(self.outputs.keys().eq(&outputs), "the cells written are not those of `{what}`");
        ensure!(!self.outputs.values().flatten().any(is_lost), "a lost cell is read");
        Ok(())
    }

    /// The number of a cell among all.
    pub(super) fn number(&self, cell: Cell) -> usize {
        usize::from(cell.column) * self.rows + usize::from(cell.row)
    }

    /// All cells, by their numbers.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell> {
        (0..self.columns).flat_map(|column| (0..self.rows).map(move |row| Cell::new(column, row)))
    }

    /// Whether a cell is read or written at all.
    pub(super) fn names(&self, cell: Cell) -> bool {
        self.outputs.contains_key(&cell) || self.outputs.values().any(|inputs| inputs.contains(&cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::wanted;

    #[test]
    fn an_equation_that_is_not_the_codes_is_found() {
        let all = wanted().unwrap();
        let mut one = all.into_iter().find(|wanted| wanted.name == "b-code:6 lost 0 1 data").unwrap();
        Oracle::of(&one).unwrap();
        let dropped = one.steps[0].1.pop().unwrap();
        assert!(Oracle::of(&one).is_err());
        one.steps[0].1.push(dropped);
        drop(one.steps.pop());
        assert!(Oracle::of(&one).is_err());
    }
}
