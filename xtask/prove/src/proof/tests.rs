//! Code assembled by hand, of which it is known what it does.

use anyhow::Result;
use iced_x86::Register;

use super::image::Image;
use super::machine::Machine;
use super::memory::{Memory, Region};
use super::program::{Counts, Program};
use super::value::Lane;

const CODE: u64 = 0x1000;
const STACK: u64 = 0x7000_0000;
const INPUTS: u64 = 0x10_0040;
const OUTPUTS: u64 = 0x20_0040;

/// Two lines of inputs, pieces 0 to 7, and one of outputs that hold pieces 8 to 11.
fn memory() -> Memory {
    let pieces = |from: u32, to: u32| (from..to).map(Lane::piece).collect();
    let mut memory = Memory::default();
    memory.add(STACK, Region::fresh(0x1000));
    memory.add(INPUTS, Region::Cells { pieces: pieces(0, 8), outputs: vec![false; 8] });
    memory.add(OUTPUTS, Region::Cells { pieces: pieces(8, 12), outputs: vec![true; 4] });
    memory
}

struct Ran {
    result: Result<()>,
    outputs: Vec<Lane>,
    counts: Counts,
}

/// Calls code with the inputs in rdi and the outputs in rsi, and looks at the registers named.
fn call(bytes: &[u8], rdi: u64, registers: &mut [(Register, u64)]) -> Ran {
    let image = Image::of(CODE, bytes);
    let mut program = Program::new(&image, CODE);
    let mut memory = memory();
    let mut machine = Machine::new(&mut program, &mut memory, STACK + 0x800);
    machine.set(Register::RDI, rdi);
    machine.set(Register::RSI, OUTPUTS);
    let result = machine.call(CODE);
    for (register, number) in registers {
        *number = machine.get(*register);
    }
    Ran { result, outputs: memory.pieces(OUTPUTS).unwrap().to_vec(), counts: program.counts() }
}

fn fails_with(bytes: &[u8], reason: &str) {
    let error = format!("{:#}", call(bytes, INPUTS, &mut []).result.unwrap_err());
    assert!(error.contains(reason), "{error}");
}

/// A loop of one turn: two lines into zmm0 and zmm1, zmm0 to the stack and from there into an XOR, a VPTERNLOG with both,
/// and zmm0 once more; what is stored is zmm1 ^ zmm0 ^ zmm0 ^ zmm1 ^ zmm0.
const LOOP: [u8; 84] = [
    0x53, // push rbx
    0x48, 0x83, 0xec, 0x50, // sub rsp, 0x50
    0x31, 0xc0, // xor eax, eax
    0x48, 0x89, 0xc3, // mov rbx, rax
    0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x04, 0x07, // vmovdqu64 zmm0, [rdi+rax]
    0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x4c, 0x07, 0x01, // vmovdqu64 zmm1, [rdi+rax+0x40]
    0x62, 0xf1, 0x7c, 0x48, 0x11, 0x84, 0x24, 0x08, 0, 0, 0, // vmovups [rsp+8], zmm0
    0x62, 0xf1, 0x75, 0x48, 0xef, 0x94, 0x24, 0x08, 0, 0, 0, // vpxord zmm2, zmm1, [rsp+8]
    0x62, 0xf3, 0x7d, 0x48, 0x25, 0xd1, 0x96, // vpternlogd zmm2, zmm0, zmm1, 0x96
    0x62, 0xf1, 0x6d, 0x48, 0xef, 0xd0, // vpxord zmm2, zmm2, zmm0
    0x62, 0xf1, 0xfe, 0x48, 0x7f, 0x16, // vmovdqu64 [rsi], zmm2
    0x48, 0xff, 0xc3, // inc rbx
    0x48, 0x83, 0xfb, 0x01, // cmp rbx, 1
    0x72, 0xbf, // jb the first vmovdqu64
    0x48, 0x83, 0xc4, 0x50, // add rsp, 0x50
    0x5b, // pop rbx
    0xc5, 0xf8, 0x77, // vzeroupper
    0xc3, // ret
];

#[test]
fn a_loop_over_512_bits_is_followed_through_the_stack() {
    let ran = call(&LOOP, INPUTS, &mut []);
    ran.result.unwrap();
    assert_eq!(ran.outputs, (0..4).map(Lane::piece).collect::<Vec<_>>());
    let expected = Counts { loads: 2, stores: 1, streams: 0, xors_two: 2, xors_three: 1, spills: 1, reloads: 1 };
    assert_eq!(ran.counts, expected);
}

#[test]
fn one_wrong_byte_is_seen() {
    // Another address, another register in the last XOR, two of three in VPTERNLOG, another slot of the stack.
    let spoilt = [(0x10, 0x06), (0x3b, 0xd1), (0x34, 0xd2), (0x2b, 0x10)];
    for (at, byte) in spoilt {
        let mut code = LOOP;
        assert_ne!(code[at], byte);
        code[at] = byte;
        let ran = call(&code, INPUTS, &mut []);
        assert!(ran.result.is_err() || ran.outputs != (0..4).map(Lane::piece).collect::<Vec<_>>(), "byte {at:#x}");
    }
}

#[test]
fn streaming_stores_of_256_bits_want_alignment() {
    // vmovups ymm0, [rdi]; vxorps xmm1, xmm1, xmm1; vxorps ymm0, ymm0, ymm1; vmovntdq [rsi], ymm0; ret
    let code = [0xc5, 0xfc, 0x10, 0x07, 0xc5, 0xf0, 0x57, 0xc9, 0xc5, 0xfc, 0x57, 0xc1, 0xc5, 0xfd, 0xe7, 0x06, 0xc3];
    let ran = call(&code, INPUTS + 32, &mut []);
    ran.result.unwrap();
    assert_eq!(ran.outputs, [2, 3, 10, 11].map(Lane::piece));
    assert_eq!((ran.counts.stores, ran.counts.streams), (1, 1));
    let ran = call(&[0xc5, 0xfc, 0x28, 0x07, 0xc3], INPUTS + 16, &mut []); // vmovaps ymm0, [rdi]; ret
    assert!(format!("{:#}", ran.result.unwrap_err()).contains("not aligned"));
}

#[test]
fn numbers_are_as_a_processor_has_them() {
    // rdi modulo 5 by a multiplication, as compilers write it, then one of each of the others.
    let code = [
        0x48, 0xba, 0xcd, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, // mov rdx, 0xcccccccccccccccd
        0xc4, 0xe2, 0xf3, 0xf6, 0xc7, // mulx rax, rcx, rdi
        0x48, 0xc1, 0xe8, 0x02, // shr rax, 2
        0x4c, 0x8d, 0x04, 0x80, // lea r8, [rax+rax*4]
        0x4c, 0x29, 0xc7, // sub rdi, r8
        0x49, 0x89, 0xf9, // mov r9, rdi
        0x49, 0xf7, 0xd9, // neg r9
        0x48, 0x0f, 0x42, 0xf7, // cmovb rsi, rdi
        0x4c, 0x69, 0xd6, 0xc0, 0x02, 0, 0, // imul r10, rsi, 704
        0x45, 0x31, 0xdb, // xor r11d, r11d
        0x41, 0xff, 0xcb, // dec r11d
        0x49, 0x83, 0xca, 0x01, // or r10, 1
        0x49, 0x83, 0xe2, 0xc0, // and r10, -64
        0xc3,
    ];
    let mut registers =
        [Register::RDI, Register::RAX, Register::R9, Register::RSI, Register::R10, Register::R11].map(|one| (one, 0));
    call(&code, 1234, &mut registers).result.unwrap();
    let numbers = registers.map(|(_, number)| number);
    assert_eq!(numbers, [4, 246, 4_u64.wrapping_neg(), 4, 2816, 0xffff_ffff]);
}

#[test]
fn what_is_not_known_is_an_error_that_names_it() {
    fails_with(&[0xc5, 0xfd, 0xfe, 0xc0, 0xc3], "vpaddd ymm0,ymm0,ymm0: this instruction is not known");
    fails_with(&[0x62, 0xf1, 0x7c, 0x49, 0x10, 0x07, 0xc3], "a mask");
    fails_with(&[0x62, 0xf3, 0x7d, 0x48, 0x25, 0xd1, 0x95, 0xc3], "immediate 0x95 makes no XOR of three");
    fails_with(&[0x48, 0xc1, 0xe0, 0x03, 0x74, 0x00, 0xc3], "flags that are not tracked"); // shl rax, 3; je
    fails_with(&[0x48, 0x8b, 0x07, 0xc3], "read as a number"); // mov rax, [rdi]
    fails_with(&[0x48, 0x83, 0xc3, 0x01, 0xc3], "register 3 is not given back"); // add rbx, 1
    fails_with(&[0x48, 0x8b, 0x44, 0x24, 0xf0, 0xc3], "undefined"); // mov rax, [rsp-16]
    fails_with(&[0xff, 0x15, 0, 0, 0, 0], "a panic"); // call [rip]
    fails_with(&[0xeb, 0xfe], "no end"); // jmp to itself
    fails_with(&[0xc5, 0xfc, 0x10, 0x87, 0x80, 0, 0, 0, 0xc3], "out of bounds"); // vmovups ymm0, [rdi+0x80]
    fails_with(&[0xc5, 0xfc, 0x11, 0x06, 0xc3], "undefined"); // vmovups [rsi], ymm0
    fails_with(&[0xc5, 0xf4, 0x57, 0xc9, 0xc5, 0xfc, 0x11, 0x0f, 0xc3], "not written"); // zeros to [rdi]
}

#[test]
fn code_that_no_run_came_to_is_listed() {
    // xor eax, eax; je past; vmovups ymm0, [rdi]; ret
    let code = [0x31, 0xc0, 0x74, 0x04, 0xc5, 0xfc, 0x10, 0x07, 0xc3];
    let image = Image::of(CODE, &code);
    let mut program = Program::new(&image, CODE);
    let mut memory = memory();
    Machine::new(&mut program, &mut memory, STACK + 0x800).call(CODE).unwrap();
    let unseen = program.unseen().unwrap();
    assert_eq!(unseen.len(), 1);
    assert!(unseen[0].ends_with("vmovups ymm0,[rdi]"), "{}", unseen[0]);
}
