//! Runs a schedule on sets of data cells instead of bytes.

use rain_kernels::Program;

use super::{Schedule, ScheduleError};
use crate::code::{Cell, CellKind, Code};

/// A cell as an XOR of data cells: the set of their indices, a bit each.
type DataSet = Vec<u64>;

const WORD_BITS: usize = u64::BITS as usize;

pub(super) fn verify(schedule: &Schedule, code: &Code) -> Result<(), ScheduleError> {
    let inputs = schedule.inputs().iter().map(|&input| definition(code, input)).collect::<Result<Vec<DataSet>, _>>()?;
    let targets =
        schedule.targets().iter().map(|&target| definition(code, target)).collect::<Result<Vec<DataSet>, _>>()?;
    let all: Vec<Option<usize>> = (0..targets.len()).map(Some).collect();
    let lean = schedule.lean.as_ref().map(|lean| (&lean.program, &lean.targets));
    for (program, made) in [(schedule.program(), &all)].into_iter().chain(lean) {
        let mut missing: Vec<usize> = (0..targets.len()).collect();
        for (value, target) in run(program, &inputs, word_count(code)).iter().zip(made) {
            if let Some(target) = *target {
                if *value != targets[target] {
                    return Err(wrong(schedule, code, target));
                }
                missing.retain(|&missing| missing != target);
            }
        }
        if let Some(&target) = missing.first() {
            return Err(wrong(schedule, code, target));
        }
    }
    Ok(())
}

fn wrong(schedule: &Schedule, code: &Code, target: usize) -> ScheduleError {
    ScheduleError::WrongTarget { code: code.name().to_owned(), cell: schedule.targets()[target] }
}

/// What the steps of a program come to.
fn run(program: &Program, inputs: &[DataSet], words: usize) -> Vec<DataSet> {
    let mut made: Vec<DataSet> = Vec::new();
    for sources in program.steps() {
        let mut sum = vec![0; words];
        for &source in sources {
            let source = usize::from(source);
            let other = inputs.get(source).unwrap_or_else(|| &made[source - inputs.len()]);
            sum.iter_mut().zip(other).for_each(|(word, other)| *word ^= other);
        }
        made.push(sum);
    }
    made
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

    /// The same of the program with temporary cells.
    #[test]
    fn a_wrong_temporary_cell_is_found_out() {
        let code = Code::named("rs:4+3").unwrap();
        let right = Schedule::encode(&code);
        let lean = right.lean.clone().unwrap();
        assert!(lean.temporaries() > 0);
        assert_eq!(right.verify(&code), Ok(()));
        for step in 0..lean.targets.len() {
            let mut steps: Vec<Vec<usize>> =
                lean.program.steps().map(|sources| sources.iter().map(|&source| source.into()).collect()).collect();
            if steps[step].len() == 1 {
                continue;
            }
            steps[step].pop();
            let mut wrong = right.clone();
            let program = Program::new(right.inputs.len(), &steps).unwrap();
            wrong.lean = Some(super::super::lean::Lean { program, targets: lean.targets.clone() });
            assert!(matches!(wrong.verify(&code), Err(ScheduleError::WrongTarget { .. })), "step {step}");
        }
        let mut renamed = right.clone();
        let mut targets = lean.targets.clone();
        let target = targets.iter().position(Option::is_some).unwrap();
        targets[target] = None;
        renamed.lean = Some(super::super::lean::Lean { targets, ..lean });
        assert!(matches!(renamed.verify(&code), Err(ScheduleError::WrongTarget { .. })));
    }

    #[test]
    fn a_schedule_of_another_code_is_refused() {
        let schedule = Schedule::encode(&Code::named("b-code:6").unwrap());
        let other = Code::named("b-code:4").unwrap();
        let cell = Cell::new(4, 0);
        assert_eq!(schedule.verify(&other), Err(ScheduleError::NoSuchCell { code: "b-code:4".into(), cell }));
    }
}
