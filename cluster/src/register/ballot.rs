//! The order of attempts.

use super::error::{ConfigurationError, SHORT, bounds};
use super::voter::Voter;
use crate::bytes::Fields;

/// Highest number of a ballot: one above it is of no honest proposer, and is refused where it is read.
pub const BALLOT_NUMBER_MAX: u64 = 1 << 62;
/// A number that is further ahead of all that is known is not followed.
pub(super) const BALLOT_LEAP: u64 = 1 << 32;

/// The number of one attempt to change the configuration. No two attempts have the same: a proposer counts `number` up,
/// and begins a new incarnation when it has forgotten how far it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// Above every one that the proposer has heard of.
    pub number: u64,
    /// Who proposes.
    pub proposer: Voter,
    /// The start of the proposer's process, durably counted.
    pub incarnation: u64,
}

impl Ballot {
    pub(super) fn put(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.number.to_le_bytes());
        self.proposer.put(bytes);
        bytes.extend_from_slice(&self.incarnation.to_le_bytes());
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, ConfigurationError> {
        let number = fields.u64().ok_or(SHORT)?;
        if number > BALLOT_NUMBER_MAX {
            return Err(bounds("number of a ballot", number, format!("0 to {BALLOT_NUMBER_MAX}")));
        }
        let proposer = Voter::take(fields).ok_or(SHORT)?;
        Ok(Self { number, proposer, incarnation: fields.u64().ok_or(SHORT)? })
    }
}
