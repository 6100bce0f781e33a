//! XOR programs over cells, run by the widest instruction set of the machine.
//!
//! A [`Program`] says which cells are the XOR of which others; a [`Kernel`] runs it over byte buffers. This crate knows
//! bytes and instruction sets, and nothing of codes, parity or files.
//!
//! ```
//! use rain_kernels::{Kernel, Program};
//!
//! // Cells 0, 1, 2 are inputs; cell 3 = 0 ^ 1, cell 4 = 3 ^ 2.
//! let program = Program::new(3, [vec![0, 1], vec![3, 2]]).expect("a valid program");
//! let mut first = [0; 4];
//! let mut second = [0; 4];
//! Kernel::detect().run(&program, &[&[1; 4], &[2; 4], &[4; 4]], &mut [&mut first, &mut second]);
//! assert_eq!((first, second), ([3; 4], [7; 4]));
//! ```
#![deny(unsafe_code)]

mod choice;
mod columns;
mod interpreter;
mod kernel;
mod memory;
pub mod naive;
mod program;
pub mod straight;

pub use choice::column_stride;
pub use columns::{ColumnProgram, ColumnProgramError, ColumnShape, Layout, Place, Stores};
pub use kernel::Kernel;
pub use program::{Program, ProgramError};
