//! The array codes of RAIN for C: `include/rain.h`, made out of [`boundary`], and a library of that.
//!
//! [`boundary`] takes what C hands over and gives it a type; everything else here is safe.
#![deny(unsafe_code)]

#[expect(unsafe_code, reason = "C hands over pointers; nothing but the caller's word says what they point at")]
pub mod boundary;
mod cells;
pub mod codec;
pub mod status;
pub mod tables;
