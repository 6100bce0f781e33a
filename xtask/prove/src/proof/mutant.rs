//! Whether the proof would notice: it is run on code that was spoilt, and has to fail each time.

use anyhow::{Result, ensure};
use iced_x86::{Code, Instruction, OpKind};
use rain_kernels::straight::EntryPoint;

use super::image::Image;
use super::operands::{self, Size};
use super::oracle::Oracle;
use super::program::{Program, Uses};

/// Spoils the code of an entry in several ways, one at a time, and gives how many there were.
///
/// # Errors
/// The proof holds for one of them as well.
pub(super) fn all_found(
    image: &Image,
    program: &Program<'_>,
    oracle: &Oracle,
    point: EntryPoint,
    sizes: &[Size],
) -> Result<usize> {
    let mutants = mutants(program);
    for mutant in &mutants {
        let mut spoilt = Program::new(image, program.entry());
        spoilt.replace(mutant.ip(), *mutant);
        // Not every size comes to every instruction.
        let found = sizes.iter().any(|&size| operands::check(&mut spoilt, oracle, point, size).is_err());
        ensure!(found, "nobody would notice if this were there: {}", program.describe(mutant));
    }
    Ok(mutants.len())
}

/// What an instruction must do, and how it is spoilt then.
type Kind = (fn(&Uses) -> bool, fn(&mut Instruction));

/// One mutant of each kind, of the instruction in the middle of those that have it.
fn mutants(program: &Program<'_>) -> Vec<Instruction> {
    let kinds: [Kind; 5] = [
        (|uses| uses.loads_cell, a_line_further),
        (|uses| uses.stores_cell, a_line_further),
        (|uses| uses.stores_cell, leave_out),
        (|uses| uses.xors_two || uses.xors_three, leave_out),
        // Not left out: compilers reload now and then what is in the register still.
        (|uses| uses.reloads, a_line_further),
    ];
    let of_kind = |(does, spoil): Kind| {
        let all: Vec<Instruction> =
            program.seen().filter(|(_, uses)| does(uses)).map(|(instruction, _)| instruction).collect();
        let mut mutant = *all.get(all.len() / 2)?;
        spoil(&mut mutant);
        Some(mutant)
    };
    let mut mutants: Vec<Instruction> = kinds.into_iter().filter_map(of_kind).collect();
    mutants.extend(other_register(program));
    mutants
}

/// Makes it read or write elsewhere.
fn a_line_further(instruction: &mut Instruction) {
    instruction.set_memory_displacement64(instruction.memory_displacement64().wrapping_add(64));
}

/// Makes it do nothing, in as many bytes.
fn leave_out(instruction: &mut Instruction) {
    let mut nothing = Instruction::new();
    nothing.set_code(Code::Nopd);
    // In this order: the address is kept as that of the instruction behind.
    nothing.set_len(instruction.len());
    nothing.set_ip(instruction.ip());
    *instruction = nothing;
}

/// An XOR with the register that it writes, in place of one that it reads.
fn other_register(program: &Program<'_>) -> Option<Instruction> {
    let mut xors = program.seen().filter_map(|(instruction, uses)| {
        let first = instruction.op1_register();
        let reads_two = uses.xors_two && instruction.op2_kind() == OpKind::Register;
        (reads_two && first != instruction.op2_register()).then_some((instruction, first))
    });
    let (mut mutant, first) = xors.next()?;
    mutant.set_op2_register(first);
    Some(mutant)
}
