//! A processor that runs the bodies' machine code: numbers in general registers, XORs of cells in vector registers.
//!
//! It knows the instructions that occur. Any other is an error that names it, never passed over; so are a jump on a flag
//! that it does not track, an access out of bounds and an address that depends on cells.

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use iced_x86::{ConditionCode, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::memory::Memory;
use super::program::{Program, Uses};
use super::value::Lane;

/// Lanes of a 512-bit register.
pub(super) const LANES: usize = 4;
/// Where a function returns to that was called from outside.
const RETURN: u64 = 0x5245_5455_524e_0000;
/// Longest run: a loop that does not end is an error.
const STEPS_MAX: usize = 10_000_000;
/// Registers that a function gives back as it found them, by their numbers: rbx, rsp, rbp, r12 to r15.
const KEPT: [usize; 7] = [3, 4, 5, 12, 13, 14, 15];
const RAX: usize = 0;
const RDX: usize = 2;
const RSP: usize = 4;

/// Flags; those that an instruction left in a state that is not tracked are none.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    zero: Option<bool>,
    carry: Option<bool>,
    sign: Option<bool>,
    overflow: Option<bool>,
}

/// A processor in the middle of a run.
pub(super) struct Machine<'run, 'image> {
    pub(super) program: &'run mut Program<'image>,
    pub(super) memory: &'run mut Memory,
    pub(super) vectors: [[Lane; LANES]; 32],
    general: [u64; 16],
    flags: Flags,
    /// What instructions did so far that are being run now.
    pub(super) uses: Uses,
}

impl<'run, 'image> Machine<'run, 'image> {
    /// Makes a processor about to call something: a stack that ends at `stack`, which holds nothing yet.
    pub(super) fn new(program: &'run mut Program<'image>, memory: &'run mut Memory, stack: u64) -> Self {
        // Numbers that lead nowhere, each another, stand in registers that hold nothing.
        let mut general = std::array::from_fn(|number| 0xdead_0000_0000_0001 + ((number as u64) << 32));
        general[RSP] = stack;
        Self {
            program,
            memory,
            vectors: std::array::from_fn(|_| std::array::from_fn(|_| Lane::Undefined)),
            general,
            flags: Flags::default(),
            uses: Uses::default(),
        }
    }

    /// Puts a number in a general register before a run.
    pub(super) fn set(&mut self, register: Register, number: u64) {
        self.general[register.full_register().number()] = number;
    }

    /// The number in a general register.
    #[cfg(test)]
    pub(super) fn get(&self, register: Register) -> u64 {
        self.general[register.full_register().number()]
    }

    /// Calls the function at an address and returns when it does.
    pub(super) fn call(&mut self, address: u64) -> Result<()> {
        let before = self.general;
        self.push(RETURN)?;
        let mut at = address;
        for _ in 0..STEPS_MAX {
            if at == RETURN {
                let changed = KEPT.iter().find(|&&number| self.general[number] != before[number]);
                ensure!(changed.is_none(), "register {} is not given back as it was", changed.unwrap_or(&0));
                return Ok(());
            }
            let instruction = self.program.fetch(at)?;
            self.uses = Uses::default();
            let next = self.step(&instruction);
            at = next.with_context(|| self.program.describe(&instruction))?;
            self.program.note(&instruction, self.uses);
        }
        bail!("no end after {STEPS_MAX} instructions")
    }

    /// Runs one instruction and gives the address of the next.
    fn step(&mut self, instruction: &Instruction) -> Result<u64> {
        let next = instruction.next_ip();
        match instruction.flow_control() {
            FlowControl::Next => {
                if !self.vector(instruction)? {
                    self.scalar(instruction)?;
                }
                Ok(next)
            }
            FlowControl::UnconditionalBranch => Ok(instruction.near_branch_target()),
            FlowControl::ConditionalBranch => {
                let taken = self.holds(instruction.condition_code())?;
                Ok(if taken { instruction.near_branch_target() } else { next })
            }
            FlowControl::Call => {
                self.push(next)?;
                Ok(instruction.near_branch_target())
            }
            FlowControl::Return => self.pop(),
            FlowControl::IndirectBranch
            | FlowControl::IndirectCall
            | FlowControl::Interrupt
            | FlowControl::XbeginXabortXend
            | FlowControl::Exception => bail!("a panic, or control that is not followed"),
        }
    }

    fn push(&mut self, number: u64) -> Result<()> {
        self.general[RSP] = self.general[RSP].wrapping_sub(8);
        self.memory.store(self.general[RSP], 8, number)
    }

    fn pop(&mut self) -> Result<u64> {
        let number = self.memory.load(self.general[RSP], 8)?;
        self.general[RSP] = self.general[RSP].wrapping_add(8);
        Ok(number)
    }

    /// Where a memory operand lies.
    pub(super) fn address(&self, instruction: &Instruction) -> Result<u64> {
        let prefix = instruction.segment_prefix();
        ensure!(prefix == Register::None, "an access by segment {prefix:?}");
        let displacement = instruction.memory_displacement64();
        let (base, index) = (instruction.memory_base(), instruction.memory_index());
        let mut address = displacement;
        // The displacement has the address of the next instruction in it already.
        if base != Register::None && base != Register::RIP {
            address = address.wrapping_add(self.general_register(base)?);
        }
        if index != Register::None {
            let scale = u64::from(instruction.memory_index_scale());
            address = address.wrapping_add(self.general_register(index)?.wrapping_mul(scale));
        }
        Ok(address)
    }

    fn general_register(&self, register: Register) -> Result<u64> {
        ensure!(register.is_gpr(), "a number from {register:?}");
        let high = [Register::AH, Register::BH, Register::CH, Register::DH].contains(&register);
        ensure!(!high, "the second byte of a register");
        Ok(self.general[register.full_register().number()] & mask(register.size()))
    }

    /// Writes a general register: a write of 32 bits clears the others, a smaller one keeps them.
    fn set_register(&mut self, register: Register, number: u64) -> Result<()> {
        let old = self.general_register(register.full_register())?;
        let mask = mask(register.size());
        let kept = if register.size() == 4 { 0 } else { old & !mask };
        self.general[register.full_register().number()] = kept | (number & mask);
        Ok(())
    }

    /// The bytes of an operand that is a register or in memory.
    fn size(instruction: &Instruction, operand: u32) -> usize {
        if instruction.op_kind(operand) == OpKind::Register {
            instruction.op_register(operand).size()
        } else {
            instruction.memory_size().size()
        }
    }

    fn read(&mut self, instruction: &Instruction, operand: u32) -> Result<u64> {
        let kind = instruction.op_kind(operand);
        if kind == OpKind::Register {
            return self.general_register(instruction.op_register(operand));
        }
        if kind != OpKind::Memory {
            return instruction.try_immediate(operand).map_err(|_| anyhow!("an operand of kind {kind:?}"));
        }
        let (address, size) = (self.address(instruction)?, instruction.memory_size().size());
        ensure!(size <= 8, "a number of {size} bytes");
        if self.memory.has(address) {
            return self.memory.load(address, size);
        }
        let bytes = self.program.constants(address, size)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn write(&mut self, instruction: &Instruction, operand: u32, number: u64) -> Result<()> {
        if instruction.op_kind(operand) == OpKind::Register {
            return self.set_register(instruction.op_register(operand), number);
        }
        let address = self.address(instruction)?;
        self.memory.store(address, instruction.memory_size().size(), number)
    }

    /// Runs an instruction on general registers.
    #[expect(clippy::wildcard_enum_match_arm, reason = "there are two thousand mnemonics; the others are errors")]
    fn scalar(&mut self, instruction: &Instruction) -> Result<()> {
        match instruction.mnemonic() {
            Mnemonic::Nop | Mnemonic::Prefetcht0 => {}
            Mnemonic::Xchg if instruction.op0_register() == instruction.op1_register() => {}
            Mnemonic::Mov => {
                let number = self.read(instruction, 1)?;
                self.write(instruction, 0, number)?;
            }
            Mnemonic::Lea => {
                let address = self.address(instruction)?;
                self.write(instruction, 0, address)?;
            }
            Mnemonic::Push => {
                let number = self.read(instruction, 0)?;
                self.push(number)?;
            }
            Mnemonic::Pop => {
                let number = self.pop()?;
                self.write(instruction, 0, number)?;
            }
            Mnemonic::Mul => {
                ensure!(Self::size(instruction, 0) == 8, "a product of 32 bits");
                let factor = self.read(instruction, 0)?;
                (self.general[RDX], self.general[RAX]) = product(self.general[RAX], factor);
                self.flags = Flags::default();
            }
            Mnemonic::Mulx => {
                ensure!(Self::size(instruction, 0) == 8, "a product of 32 bits");
                let (high, low) = product(self.general[RDX], self.read(instruction, 2)?);
                // Where both halves go to one register, it keeps the high one.
                self.write(instruction, 1, low)?;
                self.write(instruction, 0, high)?;
            }
            Mnemonic::Cmovae
            | Mnemonic::Cmovb
            | Mnemonic::Cmova
            | Mnemonic::Cmovbe
            | Mnemonic::Cmove
            | Mnemonic::Cmovne => {
                let operand = u32::from(self.holds(instruction.condition_code())?);
                let number = self.read(instruction, operand)?;
                self.write(instruction, 0, number)?;
            }
            _ => self.arithmetic(instruction)?,
        }
        Ok(())
    }

    /// Runs an instruction that sets flags.
    #[expect(clippy::wildcard_enum_match_arm, reason = "there are two thousand mnemonics; the others are errors")]
    fn arithmetic(&mut self, instruction: &Instruction) -> Result<()> {
        let mnemonic = instruction.mnemonic();
        let operands = instruction.op_count();
        let size = Self::size(instruction, 0);
        let result = match mnemonic {
            Mnemonic::Add => {
                let both = self.read_both(instruction)?;
                self.sum(size, both)
            }
            Mnemonic::Sub | Mnemonic::Cmp => {
                let both = self.read_both(instruction)?;
                self.difference(size, both)
            }
            Mnemonic::And | Mnemonic::Test | Mnemonic::Or | Mnemonic::Xor => self.logic(mnemonic, size, instruction)?,
            Mnemonic::Inc | Mnemonic::Dec => {
                let (carry, number) = (self.flags.carry, self.read(instruction, 0)?);
                let up = mnemonic == Mnemonic::Inc;
                let result = if up { self.sum(size, (number, 1)) } else { self.difference(size, (number, 1)) };
                self.flags.carry = carry;
                result
            }
            Mnemonic::Neg => {
                let number = self.read(instruction, 0)?;
                self.difference(size, (0, number))
            }
            Mnemonic::Shl | Mnemonic::Shr => {
                let count = self.read(instruction, 1)? & if size == 8 { 63 } else { 31 };
                let number = self.read(instruction, 0)?;
                self.flags = Flags::default();
                if mnemonic == Mnemonic::Shl { number << count } else { number >> count }
            }
            Mnemonic::Imul if operands > 1 => {
                let number = self.read(instruction, operands - 2)?;
                let factor = self.read(instruction, operands - 1)?;
                self.flags = Flags::default();
                number.wrapping_mul(factor)
            }
            _ => bail!("this instruction is not known"),
        };
        if matches!(mnemonic, Mnemonic::Cmp | Mnemonic::Test) {
            return Ok(());
        }
        self.write(instruction, 0, result)
    }

    fn read_both(&mut self, instruction: &Instruction) -> Result<(u64, u64)> {
        Ok((self.read(instruction, 0)?, self.read(instruction, 1)?))
    }

    /// Adds, and sets the flags.
    fn sum(&mut self, size: usize, (first, second): (u64, u64)) -> u64 {
        let (first, second) = (first & mask(size), second & mask(size));
        let sum = first.wrapping_add(second) & mask(size);
        self.flags = Flags {
            zero: Some(sum == 0),
            carry: Some(sum < first),
            sign: Some(is_negative(sum, size)),
            overflow: Some(is_negative((first ^ sum) & (second ^ sum), size)),
        };
        sum
    }

    /// Subtracts, and sets the flags.
    fn difference(&mut self, size: usize, (first, second): (u64, u64)) -> u64 {
        let (first, second) = (first & mask(size), second & mask(size));
        let difference = first.wrapping_sub(second) & mask(size);
        self.flags = Flags {
            zero: Some(difference == 0),
            carry: Some(first < second),
            sign: Some(is_negative(difference, size)),
            overflow: Some(is_negative((first ^ second) & (first ^ difference), size)),
        };
        difference
    }

    /// Combines bit by bit, and sets the flags.
    fn logic(&mut self, mnemonic: Mnemonic, size: usize, instruction: &Instruction) -> Result<u64> {
        let same =
            instruction.op_kind(1) == OpKind::Register && instruction.op0_register() == instruction.op1_register();
        // A register XORed with itself is zero, whatever it holds.
        let zeroed = mnemonic == Mnemonic::Xor && same;
        let (first, second) = if zeroed { (0, 0) } else { self.read_both(instruction)? };
        let result = if mnemonic == Mnemonic::Or {
            first | second
        } else if mnemonic == Mnemonic::Xor {
            first ^ second
        } else {
            first & second
        } & mask(size);
        self.flags = Flags {
            zero: Some(result == 0),
            carry: Some(false),
            sign: Some(is_negative(result, size)),
            overflow: Some(false),
        };
        Ok(result)
    }

    /// Whether a condition holds.
    fn holds(&self, condition: ConditionCode) -> Result<bool> {
        let Flags { zero, carry, sign, overflow } = self.flags;
        let less = || Some(sign? != overflow?);
        let holds = match condition {
            ConditionCode::o => overflow,
            ConditionCode::no => overflow.map(|overflow| !overflow),
            ConditionCode::b => carry,
            ConditionCode::ae => carry.map(|carry| !carry),
            ConditionCode::e => zero,
            ConditionCode::ne => zero.map(|zero| !zero),
            ConditionCode::be => carry.zip(zero).map(|(carry, zero)| carry || zero),
            ConditionCode::a => carry.zip(zero).map(|(carry, zero)| !carry && !zero),
            ConditionCode::s => sign,
            ConditionCode::ns => sign.map(|sign| !sign),
            ConditionCode::l => less(),
            ConditionCode::ge => less().map(|less| !less),
            ConditionCode::le => less().zip(zero).map(|(less, zero)| less || zero),
            ConditionCode::g => less().zip(zero).map(|(less, zero)| !less && !zero),
            ConditionCode::None | ConditionCode::p | ConditionCode::np => None,
        };
        holds.with_context(|| format!("condition {condition:?} of flags that are not tracked"))
    }
}

/// The upper and the lower half of a product.
fn product(one: u64, two: u64) -> (u64, u64) {
    let product = u128::from(one) * u128::from(two);
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    (half(product >> 64), half(product))
}

/// The bits of a number of so many bytes.
fn mask(size: usize) -> u64 {
    if size >= 8 { u64::MAX } else { (1 << (8 * size)) - 1 }
}

fn is_negative(number: u64, size: usize) -> bool {
    number >> (8 * size - 1) & 1 == 1
}
