//! Runs a schedule on sets of data cells instead of bytes.

use super::{Schedule, ScheduleError};
use crate::code::{Cell, CellKind, Code};

/// A cell as an XOR of data cells: the set of their indices, a bit each.
type DataSet = Vec<u64>;

const WORD_BITS: usize = u64::BITS as usize;

pub(super) fn verify(schedule: &Schedule, code: &Code) -> Result<(), ScheduleError> {
    let mut cells: Vec<DataSet> = Vec::new();
    for &input in schedule.inputs() {
        cells.push(definition(code, input)?);
    }
    for (&target, sources) in schedule.targets().iter().zip(schedule.program().steps()) {
        let mut sum = vec![0; word_count(code)];
        for &source in sources {
            for (word, other) in sum.iter_mut().zip(&cells[usize::from(source)]) {
                *word ^= other;
            }
        }
        if sum != definition(code, target)? {
            return Err(ScheduleError::WrongTarget { code: code.name().to_owned(), cell: target });
        }
        cells.push(sum);
    }
    Ok(())
}

/// What the code says that a cell is: the set of data cells of which it is the XOR, by their places in byte order.
pub(crate) fn definition(code: &Code, cell: Cell) -> Result<Vec<u64>, ScheduleError> {
    if !code.contains(cell) {
        return Err(ScheduleError::NoSuchCell { code: code.name().to_owned(), cell });
    }
    let mut set = vec![0; word_count(code)];
    let mut flip = |index: usize| set[index / WORD_BITS] ^= 1 << (index % WORD_BITS);
    match code.cell(cell) {
        CellKind::Data { index } => flip(index),
        CellKind::Parity { of } => {
            for &member in of {
                match code.cell(member) {
                    CellKind::Data { index } => flip(index),
                    CellKind::Parity { .. } => unreachable!("parity is made of data cells"),
                }
            }
        }
    }
    Ok(set)
}

fn word_count(code: &Code) -> usize {
    code.data_cell_count().div_ceil(WORD_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::ErasurePattern;

    /// A source left out or exchanged must be noticed, or the verification proves nothing.
    #[test]
    fn a_wrong_schedule_is_found_out() {
        let code = Code::named("b-code:6").unwrap();
        let wanted = [Cell::new(2, 1)];
        let right = Schedule::recover(&code, ErasurePattern::of(&[2, 4]), &wanted).unwrap();
        assert_eq!(right.verify(&code), Ok(()));
        let mut exchanged = right.clone();
        exchanged.inputs[0] = Cell::new(1, 0);
        let mut renamed = right.clone();
        let last = renamed.targets.len() - 1;
        renamed.targets[last] = Cell::new(2, 0);
        for wrong in [exchanged, renamed] {
            assert!(matches!(wrong.verify(&code), Err(ScheduleError::WrongTarget { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn a_schedule_of_another_code_is_refused() {
        let schedule = Schedule::encode(&Code::named("b-code:6").unwrap());
        let other = Code::named("b-code:4").unwrap();
        let cell = Cell::new(4, 0);
        assert_eq!(schedule.verify(&other), Err(ScheduleError::NoSuchCell { code: "b-code:4".into(), cell }));
    }
}
