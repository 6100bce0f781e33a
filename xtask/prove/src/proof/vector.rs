//! Vector instructions: moves and XORs, lane by lane.

use anyhow::{Result, bail, ensure};
use iced_x86::{EncodingKind, Instruction, Mnemonic, OpKind, Register};

use super::machine::{LANES, Machine};
use super::memory::Where;
use super::value::{LANE_BYTES, Lane};

/// The immediate with which VPTERNLOG is an XOR of three.
const XOR_OF_THREE: u64 = 0x96;

impl Machine<'_, '_> {
    /// Runs a vector instruction, or says that it is none.
    #[expect(clippy::wildcard_enum_match_arm, reason = "there are two thousand mnemonics; the others are not vectors'")]
    pub(super) fn vector(&mut self, instruction: &Instruction) -> Result<bool> {
        let plain = instruction.op_mask() == Register::None && !instruction.is_broadcast();
        match instruction.mnemonic() {
            Mnemonic::Vzeroupper => {
                // As the manual has it: not of registers 16 to 31.
                for register in &mut self.vectors[..16] {
                    register[1..].fill(Lane::ZERO);
                }
            }
            _ if !plain => bail!("a mask or a broadcast"),
            Mnemonic::Vmovups | Mnemonic::Vmovdqu | Mnemonic::Vmovdqu64 => self.transfer(instruction, false)?,
            Mnemonic::Vmovaps | Mnemonic::Vmovdqa | Mnemonic::Vmovdqa64 => self.transfer(instruction, true)?,
            Mnemonic::Vmovntdq | Mnemonic::Vmovntps => {
                self.uses.streams = true;
                self.transfer(instruction, true)?;
            }
            Mnemonic::Vpxor | Mnemonic::Vxorps | Mnemonic::Vpxord | Mnemonic::Vpxorq => {
                let one = self.source(instruction, 1)?;
                let two = self.source(instruction, 2)?;
                let same = instruction.op_kind(2) == OpKind::Register
                    && instruction.op1_register() == instruction.op2_register();
                self.uses.xors_two = !same;
                self.set_xor(instruction, if same { Vec::new() } else { vec![one, two] })?;
            }
            Mnemonic::Vpternlogd | Mnemonic::Vpternlogq => {
                let immediate = instruction.immediate(3);
                ensure!(immediate == XOR_OF_THREE, "immediate {immediate:#x} makes no XOR of three");
                self.uses.xors_three = true;
                let three = (0..3).map(|operand| self.source(instruction, operand)).collect::<Result<_>>()?;
                self.set_xor(instruction, three)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Lanes of the widest operand.
    fn lanes(instruction: &Instruction) -> usize {
        let register = u32::from(instruction.op0_kind() != OpKind::Register);
        instruction.op_register(register).size() / LANE_BYTES
    }

    fn transfer(&mut self, instruction: &Instruction, aligned: bool) -> Result<()> {
        let lanes = Self::lanes(instruction);
        if aligned && (0..2).any(|operand| instruction.op_kind(operand) == OpKind::Memory) {
            let address = self.address(instruction)?;
            ensure!(address.is_multiple_of((lanes * LANE_BYTES) as u64), "{address:#x} is not aligned");
        }
        let value = self.source(instruction, 1)?;
        if instruction.op0_kind() == OpKind::Register {
            self.set_vector(instruction, value);
            return Ok(());
        }
        let address = self.address(instruction)?;
        for (lane, at) in value[..lanes].iter().zip((address..).step_by(LANE_BYTES)) {
            match self.memory.store_lane(at, lane)? {
                Where::Cells => self.uses.stores_cell = true,
                Where::Elsewhere => self.uses.spills |= lane.is_sum(),
            }
        }
        Ok(())
    }

    /// The lanes of an operand; those that it does not have are undefined.
    fn source(&mut self, instruction: &Instruction, operand: u32) -> Result<[Lane; LANES]> {
        let lanes = Self::lanes(instruction);
        if instruction.op_kind(operand) == OpKind::Register {
            let register = instruction.op_register(operand);
            ensure!(register.is_vector_register(), "a move from {register:?}");
            return Ok(self.vectors[register.number()].clone());
        }
        let address = self.address(instruction)?;
        let mut value = [const { Lane::Undefined }; LANES];
        for (lane, at) in value[..lanes].iter_mut().zip((address..).step_by(LANE_BYTES)) {
            let found;
            (*lane, found) = if self.memory.has(at) {
                self.memory.load_lane(at)?
            } else {
                (Lane::Bytes(self.program.constants(at, LANE_BYTES)?.try_into()?), Where::Elsewhere)
            };
            match found {
                Where::Cells => self.uses.loads_cell = true,
                Where::Elsewhere => self.uses.reloads |= lane.is_sum(),
            }
        }
        Ok(value)
    }

    /// Sets the register that is the first operand to the XOR of values.
    fn set_xor(&mut self, instruction: &Instruction, values: Vec<[Lane; LANES]>) -> Result<()> {
        let mut xor = [const { Lane::ZERO }; LANES];
        for value in values {
            for (sum, lane) in xor.iter_mut().zip(&value).take(Self::lanes(instruction)) {
                *sum = sum.xor(lane)?;
            }
        }
        self.set_vector(instruction, xor);
        Ok(())
    }

    /// Sets the register that is the first operand; its lanes beyond the operand become zero.
    fn set_vector(&mut self, instruction: &Instruction, mut value: [Lane; LANES]) {
        debug_assert_ne!(instruction.encoding(), EncodingKind::Legacy, "the legacy forms would keep those lanes");
        value[Self::lanes(instruction)..].fill(Lane::ZERO);
        self.vectors[instruction.op0_register().number()] = value;
    }
}
