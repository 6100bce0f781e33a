//! The machine code of one function, decoded, and what its instructions were seen to do.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Formatter as _, Instruction, IntelFormatter, Mnemonic, Register};

use super::image::Image;

/// What an instruction did in some run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that an instruction may do beside others")]
pub(super) struct Uses {
    pub(super) loads_cell: bool,
    pub(super) stores_cell: bool,
    pub(super) streams: bool,
    pub(super) xors_two: bool,
    pub(super) xors_three: bool,
    /// Wrote cells to the stack.
    pub(super) spills: bool,
    /// Read cells from the stack.
    pub(super) reloads: bool,
}

struct Decoded {
    instruction: Instruction,
    runs: usize,
    uses: Uses,
}

/// How many instructions of a function do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) loads: usize,
    pub(super) stores: usize,
    pub(super) streams: usize,
    pub(super) xors_two: usize,
    pub(super) xors_three: usize,
    pub(super) spills: usize,
    pub(super) reloads: usize,
}

/// A function that is emulated, and all that it jumps to.
pub(super) struct Program<'image> {
    image: &'image Image,
    entry: u64,
    decoded: BTreeMap<u64, Decoded>,
}

impl<'image> Program<'image> {
    pub(super) fn new(image: &'image Image, entry: u64) -> Self {
        Self { image, entry, decoded: BTreeMap::new() }
    }

    pub(super) fn entry(&self) -> u64 {
        self.entry
    }

    /// The instruction at an address.
    pub(super) fn fetch(&mut self, address: u64) -> Result<Instruction> {
        if let Some(decoded) = self.decoded.get(&address) {
            return Ok(decoded.instruction);
        }
        let instruction = decode(self.image, address)?;
        self.decoded.insert(address, Decoded { instruction, runs: 0, uses: Uses::default() });
        Ok(instruction)
    }

    /// Puts another instruction in the place of one, to see whether that is noticed.
    pub(super) fn replace(&mut self, address: u64, instruction: Instruction) {
        self.decoded.insert(address, Decoded { instruction, runs: 0, uses: Uses::default() });
    }

    /// Takes over what another saw of the same function.
    pub(super) fn join(&mut self, other: Self) {
        for (address, decoded) in other.decoded {
            self.decoded.entry(address).and_modify(|own| own.runs += decoded.runs).or_insert(decoded);
        }
    }

    /// Notes what an instruction did.
    pub(super) fn note(&mut self, instruction: &Instruction, uses: Uses) {
        if let Some(decoded) = self.decoded.get_mut(&instruction.ip()) {
            decoded.runs += 1;
            let seen = &mut decoded.uses;
            seen.loads_cell |= uses.loads_cell;
            seen.stores_cell |= uses.stores_cell;
            seen.streams |= uses.streams;
            seen.xors_two |= uses.xors_two;
            seen.xors_three |= uses.xors_three;
            seen.spills |= uses.spills;
            seen.reloads |= uses.reloads;
        }
    }

    /// Bytes of the file that nothing changes.
    pub(super) fn constants(&self, address: u64, len: usize) -> Result<&'image [u8]> {
        let bytes = self.image.constants_at(address).and_then(|bytes| bytes.get(..len));
        bytes.with_context(|| format!("{len} bytes at {address:#x} are out of bounds"))
    }

    /// Names an instruction: its function, address and text.
    pub(super) fn describe(&self, instruction: &Instruction) -> String {
        let mut text = String::new();
        IntelFormatter::new().format(instruction, &mut text);
        let address = instruction.ip();
        format!("{} at {address:#x}: {text}", self.image.name_at(address))
    }

    /// What its instructions did in all runs so far.
    pub(super) fn counts(&self) -> Counts {
        let count = |does: fn(&Uses) -> bool| self.decoded.values().filter(|decoded| does(&decoded.uses)).count();
        Counts {
            loads: count(|uses| uses.loads_cell),
            stores: count(|uses| uses.stores_cell),
            streams: count(|uses| uses.streams),
            xors_two: count(|uses| uses.xors_two),
            xors_three: count(|uses| uses.xors_three),
            spills: count(|uses| uses.spills),
            reloads: count(|uses| uses.reloads),
        }
    }

    /// All instructions that did something, with that.
    pub(super) fn seen(&self) -> impl Iterator<Item = (Instruction, Uses)> {
        self.decoded.values().filter(|decoded| decoded.runs > 0).map(|decoded| (decoded.instruction, decoded.uses))
    }

    /// Vector instructions that can be reached from the entry and never ran: those of which nothing is proven.
    pub(super) fn unseen(&self) -> Result<Vec<String>> {
        let mut unseen = Vec::new();
        let mut found = BTreeSet::new();
        let mut ahead = vec![self.entry];
        while let Some(address) = ahead.pop() {
            if !found.insert(address) {
                continue;
            }
            let instruction = decode(self.image, address)?;
            let ran = self.decoded.get(&address).is_some_and(|decoded| decoded.runs > 0);
            if !ran && on_vectors(&instruction) {
                unseen.push(self.describe(&instruction));
            }
            let control = instruction.flow_control();
            if matches!(control, FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch) {
                ahead.push(instruction.near_branch_target());
            }
            // A function that is called and never ran is one that panics.
            if control == FlowControl::Call && ran {
                ahead.push(instruction.near_branch_target());
            }
            if matches!(control, FlowControl::Next | FlowControl::ConditionalBranch)
                || (control == FlowControl::Call && ran)
            {
                ahead.push(instruction.next_ip());
            }
        }
        Ok(unseen)
    }
}

fn on_vectors(instruction: &Instruction) -> bool {
    let mut registers = (0..instruction.op_count()).map(|operand| instruction.op_register(operand));
    instruction.mnemonic() != Mnemonic::Vzeroupper && registers.any(Register::is_vector_register)
}

fn decode(image: &Image, address: u64) -> Result<Instruction> {
    let code = image.code_at(address).with_context(|| format!("no code at {address:#x}"))?;
    let instruction = Decoder::with_ip(64, code, address, DecoderOptions::NONE).decode();
    ensure!(!instruction.is_invalid(), "what is at {address:#x} in {} is no instruction", image.name_at(address));
    Ok(instruction)
}
