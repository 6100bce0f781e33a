//! Small durable records: the identity of a store.
//!
//! Layout, little-endian: magic `RAINREC\0`, format version u32 = 2, payload length u32, payload (JSON), CRC-64/NVME of
//! all before it. See `docs/stripe-format.md`.

use rain_codec::column::crc64;
use serde::Serialize;
use serde::de::DeserializeOwned;

const MAGIC: &[u8; 8] = b"RAINREC\0";
const FORMAT: u32 = 2;
const FRAME_BYTES: usize = 24;

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Too short, or not as long as it says.
    #[error("{found} bytes, expected {expected}")]
    Length {
        /// Length found.
        found: usize,
        /// Length expected.
        expected: usize,
    },
    /// Not a record at all.
    #[error("not a RAIN record")]
    Magic,
    /// Written by another version of the program; format 1 was never released.
    #[error("format {found}, expected {FORMAT}")]
    Format {
        /// The format found.
        found: u32,
    },
    /// Damaged.
    #[error("checksum {found:016x}, expected {expected:016x}")]
    Checksum {
        /// The checksum stored.
        found: u64,
        /// The checksum of the bytes.
        expected: u64,
    },
    /// The payload is not what the record's place promises.
    #[error("{0}")]
    Payload(String),
}

/// The record of `payload`.
pub(crate) fn to_bytes(payload: &impl Serialize) -> Vec<u8> {
    let payload = serde_json::to_vec(payload).expect("records are plain data");
    let length = u32::try_from(payload.len()).expect("records are small");
    let mut bytes = Vec::with_capacity(payload.len() + FRAME_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&payload);
    bytes.extend_from_slice(&crc64(&bytes).to_le_bytes());
    bytes
}

/// The payload of a record.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    if bytes.len() < FRAME_BYTES {
        return Err(RecordError::Length { found: bytes.len(), expected: FRAME_BYTES });
    }
    if &bytes[..8] != MAGIC {
        return Err(RecordError::Magic);
    }
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if word(8) != FORMAT {
        return Err(RecordError::Format { found: word(8) });
    }
    let expected = word(12) as usize + FRAME_BYTES;
    if bytes.len() != expected {
        return Err(RecordError::Length { found: bytes.len(), expected });
    }
    let (body, stored) = bytes.split_at(bytes.len() - 8);
    let found = u64::from_le_bytes(stored.try_into().expect("split at 8"));
    let expected = crc64(body);
    if found != expected {
        return Err(RecordError::Checksum { found, expected });
    }
    serde_json::from_slice(&body[16..]).map_err(|error| RecordError::Payload(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let record = to_bytes(&("payload", 7_u32));
        assert_eq!(parse::<(String, u32)>(&record), Ok(("payload".to_owned(), 7)));
        for length in 0..record.len() {
            assert!(parse::<(String, u32)>(&record[..length]).is_err(), "cut to {length}");
        }
        for bit in 0..record.len() * 8 {
            let mut damaged = record.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(parse::<(String, u32)>(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn other_formats_are_named() {
        for format in [1, 3] {
            let mut record = to_bytes(&1_u8);
            record[8] = format;
            assert_eq!(parse::<u8>(&record), Err(RecordError::Format { found: format.into() }));
        }
    }
}
