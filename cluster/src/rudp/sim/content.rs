//! What messages are made of.

use crate::random::SplitMix64;

/// Bytes that follow from a number, which they begin with.
pub(super) fn content(serial: u64, length: usize) -> Vec<u8> {
    let mut random = SplitMix64::new(serial ^ 0x5eed);
    let mut bytes = serial.to_le_bytes().to_vec();
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next_u64().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
