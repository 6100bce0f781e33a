//! Other libraries on the same columns: the first k hold data, the rest parity.
//!
//! ISA-L's tables, its RAID functions and the two Rust crates are checked to compute right before they are timed.
#![expect(unsafe_code, reason = "ISA-L is a C library")]

use core::ffi::{c_int, c_uchar, c_void};

use erasure_isa_l_sys as isal;
use reed_solomon_erasure::galois_8;

use rain_gauge::{Contender, Operation};

unsafe extern "C" {
    fn ec_encode_data_avx2_gfni(
        len: c_int,
        k: c_int,
        rows: c_int,
        tables: *mut c_uchar,
        data: *mut *mut c_uchar,
        coding: *mut *mut c_uchar,
    );
    fn pq_gen(vectors: c_int, len: c_int, array: *mut *mut c_void) -> c_int;
    fn xor_gen(vectors: c_int, len: c_int, array: *mut *mut c_void) -> c_int;
}

/// Which of ISA-L's encoders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isal {
    /// What it chooses for this machine.
    Best,
    /// AVX2 with GFNI.
    Avx2Gfni,
}

impl Isal {
    fn encoder(self) -> unsafe extern "C" fn(c_int, c_int, c_int, *mut u8, *mut *mut u8, *mut *mut u8) {
        match self {
            Self::Best => isal::ec_encode_data,
            Self::Avx2Gfni => ec_encode_data_avx2_gfni,
        }
    }
}

/// ISA-L's `ec_encode_data` for an operation of k data columns and n - k parity columns; a decode recovers the first
/// `lost` data columns.
///
/// # Panics
/// When its result is wrong.
pub fn ec_encode_data(n: usize, k: usize, operation: &Operation, which: Isal) -> Contender {
    let outputs: Vec<usize> = match operation {
        Operation::Encode => (k..n).collect(),
        Operation::Decode(lost) => (0..lost.len()).collect(),
    };
    let inputs: Vec<usize> = match operation {
        Operation::Encode => (0..k).collect(),
        Operation::Decode(_) => (0..n).filter(|column| !outputs.contains(column)).take(k).collect(),
    };
    let mut tables = vec![0_u8; 32 * k * outputs.len()];
    let mut rows = coefficients(n, k, &inputs, &outputs);
    // SAFETY: the matrix has k coefficients for each output, the tables 32 bytes for each of them.
    unsafe { isal::ec_init_tables(int(k), int(outputs.len()), rows.as_mut_ptr(), tables.as_mut_ptr()) };
    check_tables(which, &inputs, &outputs, &rows, &mut tables);
    let name = match which {
        Isal::Best => "isa-l ec_encode_data",
        Isal::Avx2Gfni => "isa-l ec_encode_data_avx2_gfni",
    };
    Contender::new(name, move |columns, times| {
        let len = columns[0].len();
        let mut data: Vec<*mut u8> = inputs.iter().map(|&input| columns[input].as_mut_ptr()).collect();
        let mut coding: Vec<*mut u8> = outputs.iter().map(|&output| columns[output].as_mut_ptr()).collect();
        for _ in 0..times {
            // SAFETY: every pointer is to a column of `len` bytes that this call alone uses, no column is read and
            // written, and the tables are those of as many inputs and outputs.
            unsafe {
                which.encoder()(
                    int(len),
                    int(data.len()),
                    int(coding.len()),
                    tables.as_mut_ptr(),
                    data.as_mut_ptr(),
                    coding.as_mut_ptr(),
                );
            }
        }
    })
}

fn int(number: usize) -> c_int {
    c_int::try_from(number).expect("lengths of C's int")
}

/// The coefficients that give each output from the inputs, of a Cauchy matrix below the identity.
fn coefficients(n: usize, k: usize, inputs: &[usize], outputs: &[usize]) -> Vec<u8> {
    let mut matrix = vec![0_u8; n * k];
    // SAFETY: the matrix has n rows of k.
    unsafe { isal::gf_gen_cauchy1_matrix(matrix.as_mut_ptr(), int(n), int(k)) };
    let row = |column: &usize| matrix[column * k..][..k].to_vec();
    let mut from_inputs: Vec<u8> = inputs.iter().flat_map(row).collect();
    let mut inverse = vec![0_u8; k * k];
    // SAFETY: both matrices have k rows of k.
    let status = unsafe { isal::gf_invert_matrix(from_inputs.as_mut_ptr(), inverse.as_mut_ptr(), int(k)) };
    assert_eq!(status, 0, "any k rows of the matrix can be inverted");
    let mut rows = Vec::new();
    for output in outputs {
        for input in 0..k {
            let products = (0..k).map(|at| multiply(matrix[output * k + at], inverse[at * k + input]));
            rows.push(products.fold(0, |sum, product| sum ^ product));
        }
    }
    rows
}

/// A product in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, bit by bit.
fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = (a << 1) ^ if a & 0x80 != 0 { 0x1d } else { 0 };
        b >>= 1;
    }
    product
}

fn check_tables(which: Isal, inputs: &[usize], outputs: &[usize], rows: &[u8], tables: &mut [u8]) {
    const LEN: usize = 192;
    let mut data: Vec<Vec<u8>> = (0..inputs.len()).map(|input| sample(input, LEN)).collect();
    let mut coding = vec![vec![0_u8; LEN]; outputs.len()];
    let mut data_at: Vec<*mut u8> = data.iter_mut().map(Vec::as_mut_ptr).collect();
    let mut coding_at: Vec<*mut u8> = coding.iter_mut().map(Vec::as_mut_ptr).collect();
    // SAFETY: as in `ec_encode_data`, with columns of 192 bytes.
    unsafe {
        which.encoder()(
            int(LEN),
            int(inputs.len()),
            int(outputs.len()),
            tables.as_mut_ptr(),
            data_at.as_mut_ptr(),
            coding_at.as_mut_ptr(),
        );
    }
    for (output, column) in coding.iter().enumerate() {
        for (at, &byte) in column.iter().enumerate() {
            let row = &rows[output * inputs.len()..][..inputs.len()];
            let products = row.iter().zip(&data).map(|(&coefficient, column)| multiply(coefficient, column[at]));
            assert_eq!(byte, products.fold(0, |sum, product| sum ^ product), "ISA-L, output {output}, byte {at}");
        }
    }
}

fn sample(input: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 131 + input * 29 + 7).to_le_bytes()[0]).collect()
}

/// ISA-L's RAID functions: `pq_gen` writes two parity columns, `xor_gen` one.
///
/// # Panics
/// When the result is wrong.
pub fn raid(k: usize, parities: usize) -> Contender {
    let (name, generate) = match parities {
        1 => ("isa-l xor_gen", xor_gen as unsafe extern "C" fn(c_int, c_int, *mut *mut c_void) -> c_int),
        _ => ("isa-l pq_gen", pq_gen as unsafe extern "C" fn(c_int, c_int, *mut *mut c_void) -> c_int),
    };
    let vectors = k + parities;
    check_raid(generate, k, vectors);
    Contender::new(name, move |columns, times| {
        let len = columns[0].len();
        let mut array: Vec<*mut c_void> =
            columns[..vectors].iter_mut().map(|column| column.as_mut_ptr().cast()).collect();
        for _ in 0..times {
            // SAFETY: every pointer is to a column of `len` bytes that this call alone uses; they begin at multiples of
            // 64 bytes and `len` is one.
            let status = unsafe { generate(int(vectors), int(len), array.as_mut_ptr()) };
            assert_eq!(status, 0, "ISA-L refuses columns of {len} bytes");
        }
    })
}

fn check_raid(generate: unsafe extern "C" fn(c_int, c_int, *mut *mut c_void) -> c_int, k: usize, vectors: usize) {
    const LEN: usize = 512;
    let mut columns: Vec<crate::AlignedBuffer> = (0..vectors).map(|_| crate::AlignedBuffer::new(LEN)).collect();
    for (input, column) in columns.iter_mut().enumerate() {
        column.copy_from_slice(&sample(input, LEN));
    }
    let mut array: Vec<*mut c_void> = columns.iter_mut().map(|column| column.as_mut_ptr().cast()).collect();
    // SAFETY: as in `raid`, with columns of 512 bytes.
    let status = unsafe { generate(int(vectors), int(LEN), array.as_mut_ptr()) };
    assert_eq!(status, 0, "ISA-L refuses aligned columns");
    #[expect(clippy::needless_range_loop, reason = "the same byte of all columns")]
    for at in 0..LEN {
        let sum = (0..k).fold(0, |sum, input| sum ^ columns[input][at]);
        assert_eq!(columns[k][at], sum, "ISA-L, P, byte {at}");
        if vectors - k == 2 {
            let weighted = (0..k).rev().fold(0, |sum, input| multiply(sum, 2) ^ columns[input][at]);
            assert_eq!(columns[k + 1][at], weighted, "ISA-L, Q, byte {at}");
        }
    }
}

/// The crate reed-solomon-erasure, with its SIMD code.
///
/// # Panics
/// When it refuses the shape.
pub fn reed_solomon_erasure(n: usize, k: usize) -> Contender {
    let codec = galois_8::ReedSolomon::new(k, n - k).expect("a shape that it supports");
    Contender::new("reed-solomon-erasure", move |columns, times| {
        let mut columns: Vec<&mut [u8]> = columns.iter_mut().map(|column| &mut **column).collect();
        for _ in 0..times {
            codec.encode(&mut columns).expect("columns of one length");
        }
    })
}

/// The crate reed-solomon-simd; its interface copies the columns in.
///
/// # Panics
/// When it refuses the shape.
pub fn reed_solomon_simd(n: usize, k: usize) -> Contender {
    let mut encoder: Option<reed_solomon_simd::ReedSolomonEncoder> = None;
    Contender::new("reed-solomon-simd", move |columns, times| {
        let len = columns[0].len();
        let encoder = encoder.get_or_insert_with(|| {
            reed_solomon_simd::ReedSolomonEncoder::new(k, n - k, len).expect("a shape that it supports")
        });
        for _ in 0..times {
            let (data, parity) = columns.split_at_mut(k);
            for column in data {
                encoder.add_original_shard(&**column).expect("columns of one length");
            }
            let result = encoder.encode().expect("as many columns as it was made for");
            for (column, made) in parity.iter_mut().zip(result.recovery_iter()) {
                column.copy_from_slice(made);
            }
        }
    })
}
