//! Every instruction set of this machine against the oracle: lengths, offsets, shapes of program.

use rain_kernels::{Kernel, Program, naive};

/// Programs whose steps have 1 to 20 sources, read inputs and earlier outputs, and together have few or many cells.
fn programs() -> Vec<Program> {
    let chain: Vec<Vec<usize>> = (0..20).map(|step| (0..=step).collect()).collect();
    let wide: Vec<Vec<usize>> = (0..30).map(|step| (step..step + 1 + step % 9).collect()).collect();
    [
        Program::new(1, [vec![0]]),
        Program::new(2, [vec![0, 1], vec![2, 1], vec![3]]),
        Program::new(4, [vec![1, 2], vec![2, 3], vec![3, 0], vec![0, 1]]),
        Program::new(1, chain),
        Program::new(60, wide),
        Program::new(3, Vec::<Vec<usize>>::new()),
    ]
    .into_iter()
    .map(|program| program.expect("a valid program"))
    .collect()
}

/// Bytes that differ from cell to cell and have no short period.
fn noise(cell: usize, len: usize) -> Vec<u8> {
    let mut state = (cell as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(len);
    for _ in 0..len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(state.to_le_bytes()[3]);
    }
    bytes
}

/// Runs one program on cells of which each begins `offset` bytes further into its own buffer than the one before.
fn outputs_of(
    program: &Program,
    len: usize,
    offset: usize,
    run: impl FnOnce(&Program, &[&[u8]], &mut [&mut [u8]]),
) -> Vec<Vec<u8>> {
    let shift = |cell: usize| (offset * (cell + 1)) % 67;
    let stored: Vec<Vec<u8>> = (0..program.input_count()).map(|cell| noise(cell, shift(cell) + len)).collect();
    let inputs: Vec<&[u8]> = stored.iter().enumerate().map(|(cell, bytes)| &bytes[shift(cell)..]).collect();
    // A guard of 64 bytes behind and `shift` bytes before each output must stay as they are.
    let mut written: Vec<Vec<u8>> =
        (0..program.output_count()).map(|cell| vec![0xa5; shift(cell) + len + 64]).collect();
    let mut outputs: Vec<&mut [u8]> =
        written.iter_mut().enumerate().map(|(cell, bytes)| &mut bytes[shift(cell)..shift(cell) + len]).collect();
    run(program, &inputs, &mut outputs);
    written
}

fn check(program: &Program, len: usize, offset: usize) {
    let expected = outputs_of(program, len, offset, naive::run);
    for kernel in Kernel::available() {
        let got = outputs_of(program, len, offset, |program, inputs, outputs| kernel.run(program, inputs, outputs));
        assert!(got == expected, "{} differs: {program:?}, length {len}, offset {offset}", kernel.name());
    }
}

#[test]
fn every_short_length() {
    for program in programs() {
        for len in 0..=300 {
            check(&program, len, len % 5);
        }
    }
}

#[test]
fn every_offset() {
    for program in programs() {
        for offset in 0..=64 {
            check(&program, 200 + offset, offset);
        }
    }
}

#[test]
fn around_the_edges_of_strips() {
    for program in programs() {
        for strips in [1024, 1536, 2048, 4096, 8192] {
            for len in strips - 2..=strips + 2 {
                check(&program, len, 3);
            }
            check(&program, strips - 64, 0);
            check(&program, strips + 64, 1);
        }
    }
}

#[test]
fn detection_picks_the_first_available() {
    let available = Kernel::available();
    assert_eq!(Kernel::detect().name(), available[0].name());
    assert_eq!(available.last().map(|kernel| kernel.name()), Some("scalar"));
    assert_eq!(format!("{:?}", available.last()), "Some(Kernel(scalar))");
}

#[test]
#[should_panic(expected = "number of input cells")]
fn inputs_must_be_as_many_as_the_program_says() {
    let program = Program::new(2, [vec![0, 1]]).expect("a valid program");
    Kernel::detect().run(&program, &[&[0; 8]], &mut [&mut [0; 8]]);
}

#[test]
#[should_panic(expected = "number of output cells")]
fn outputs_must_be_as_many_as_the_program_says() {
    let program = Program::new(1, [vec![0]]).expect("a valid program");
    Kernel::detect().run(&program, &[&[0; 8]], &mut []);
}

#[test]
#[should_panic(expected = "length of a cell")]
fn cells_must_be_of_one_length() {
    let program = Program::new(1, [vec![0]]).expect("a valid program");
    Kernel::detect().run(&program, &[&[0; 8]], &mut [&mut [0; 9]]);
}
