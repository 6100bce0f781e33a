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
pub(super) fn all_found(image: &Image, program: &Program<'_>, oracle: &Oracle, point: EntryPoint) -> Result<usize> {
    let mutants = mutants(program);
    for mutant in &mutants {
        let mut spoilt = Program::new(image, program.entry());
        spoilt.replace(mutant.ip(), *mutant);
        let found = operands::check(&mut spoilt, oracle, point, Size { lines: 2, turn: 0 }).is_err();
        ensure!(found, "it would make no difference if this were instead: {}", program.describe(mutant));
    }
    Ok(mutants.len())
}

/// One mutant of each kind, of the instruction in the middle of those that have it.
fn mutants(program: &Program<'_>) -> Vec<Instruction> {
    let kinds: [(fn(&Uses) -> bool, fn(&mut Instruction)); 5] = [
        (|uses| uses.loads_cell, |load| load.set_memory_displacement64(load.memory_displacement64().wrapping_add(64))),
        (|uses| uses.stores_cell, |store| store.set_memory_displacement64(store.memory_displacement64().wrapping_sub(64))),
        (|uses| uses.stores_cell, leave_out),
        (|uses| uses.xors_two || uses.xors_three, leave_out),
        (|uses| uses.reloads, leave_out),
    ];
    let of_kind = |(does, spoil): (fn(&Uses) -> bool, fn(&mut Instruction))| {
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

/// Makes it do nothing, in as many bytes.
fn leave_out(instruction: &mut Instruction) {
    let mut nothing = Instruction::new();
    nothing.set_code(Code::Nopd);
    nothing.set_ip(instruction.ip());
    nothing.set_len(instruction.len());
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
