//! Streaming stores: vectors written past the caches.
//!
//! The one place with unsafe code. An ordinary store reads the line from memory first, which costs a fifth to a third
//! of the throughput where stripes come from memory and go there; neither the language nor pulp has a safe form of
//! storing without it (docs/kernels.md has the figures).
#![expect(unsafe_code, reason = "streaming stores have no safe form and gain up to a third of the throughput")]

#[cfg(target_arch = "x86_64")]
use core::any::TypeId;

use pulp::Simd;

/// Bytes at whose multiples the places of streaming stores must lie.
pub(crate) const STREAM_ALIGNMENT: usize = 64;

/// Writes a vector, with `STREAM` past the caches where the instruction set can.
///
/// Shape: with `STREAM`, `place` is aligned to its size, or the store is an ordinary one.
#[inline(always)]
pub(crate) fn put<S: Simd, const STREAM: bool>(simd: S, place: &mut S::u8s, value: S::u8s) {
    if STREAM {
        stream(simd, place, value);
    } else {
        *place = value;
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn stream<S: Simd>(_simd: S, place: &mut S::u8s, value: S::u8s) {
    use core::arch::x86_64::{__m256i, __m512i, _mm256_stream_si256, _mm512_stream_si512};

    if TypeId::of::<S>() == TypeId::of::<pulp::x86::V4>() {
        let place: *mut __m512i = core::ptr::from_mut(place).cast();
        // SAFETY: a value of V4 is made by detection only, so the processor has AVX-512. `place` comes from an
        // exclusive reference to 64 bytes, and `ColumnProgram` streams only to columns that begin at multiples of 64.
        unsafe { _mm512_stream_si512(place, pulp::bytemuck::cast(value)) };
    } else if TypeId::of::<S>() == TypeId::of::<pulp::x86::V3>() {
        let place: *mut __m256i = core::ptr::from_mut(place).cast();
        // SAFETY: as above, with AVX2, 32 bytes, and columns that begin at multiples of 64.
        unsafe { _mm256_stream_si256(place, pulp::bytemuck::cast(value)) };
    } else {
        *place = value;
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn stream<S: Simd>(_simd: S, place: &mut S::u8s, value: S::u8s) {
    *place = value;
}

/// Orders the streaming stores made so far before what this thread writes from now on.
pub(crate) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has SSE.
    unsafe {
        core::arch::x86_64::_mm_sfence();
    }
}
