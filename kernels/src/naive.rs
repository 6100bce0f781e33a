//! The oracle: the same programs, byte by byte, with nothing that could go wrong in an interesting way.

use crate::Program;

/// Runs a program one byte at a time.
///
/// Shape: as [`Kernel::run`](crate::Kernel::run), whose results tests, benches and fuzzing compare with these.
///
/// # Panics
/// When the number or the lengths of the cells do not fit the program.
pub fn run(program: &Program, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    let cell_len = program.cell_len(inputs, outputs);
    for at in 0..cell_len {
        for (step, sources) in program.steps().enumerate() {
            let mut byte = 0;
            for &source in sources {
                let source = usize::from(source);
                byte ^= if source < inputs.len() { inputs[source][at] } else { outputs[source - inputs.len()][at] };
            }
            outputs[step][at] = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let program = Program::new(2, [vec![0, 1], vec![1], vec![0, 2]]).unwrap();
        let (mut sum, mut copy, mut back) = ([0; 2], [9; 2], [9; 2]);
        run(&program, &[&[0b1100, 1], &[0b1010, 0]], &mut [&mut sum, &mut copy, &mut back]);
        assert_eq!((sum, copy, back), ([0b0110, 1], [0b1010, 0], [0b1010, 0]));
    }

    #[test]
    #[should_panic(expected = "length of a cell")]
    fn lengths_must_agree() {
        let program = Program::new(1, [vec![0]]).unwrap();
        run(&program, &[&[1, 2]], &mut [&mut [0]]);
    }
}
