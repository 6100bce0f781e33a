//! Why bytes or values are not a configuration, and why one may not follow another.

use super::voter::Voter;
use crate::bytes::Fields;
use crate::version::NodeId;
use core::fmt;

/// Not a configuration, or not a record or a message with one in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// The bytes end early, or go on.
    #[error("another length: {left} bytes left over, or too few")]
    Length {
        /// Bytes behind the last field.
        left: usize,
    },
    /// A text is not UTF-8.
    #[error("the {0} is not UTF-8")]
    NotUtf8(&'static str),
    /// A number is out of its bounds.
    #[error("{field}: found {found}, expected {expected}")]
    Bounds {
        /// Which.
        field: &'static str,
        /// What it is.
        found: u64,
        /// What it may be.
        expected: String,
    },
    /// Two members have one id, or they are not in the order of their ids.
    #[error("member {0} behind one of the same id or a higher one, expected each once, by id")]
    Order(NodeId),
    /// A life that is over is listed twice, or they are not in order.
    #[error("retired {0} twice or out of order, expected each once, in order")]
    RetiredOrder(Voter),
    /// A member is in a life that is over.
    #[error("{0} is retired, and for ever: it cannot be a member")]
    Retired(Voter),
    /// Only active members have votes.
    #[error("{node} is {found} with weight {weight}, expected 0: only active members have votes")]
    Votes {
        /// The member.
        node: NodeId,
        /// Its role.
        found: &'static str,
        /// Its weight.
        weight: u8,
    },
    /// The vote that breaks ties belongs to nobody, or is not needed.
    #[error("the tie is with {found}, expected {expected}")]
    Tie {
        /// Who has it.
        found: String,
        /// Who should.
        expected: &'static str,
    },
    /// Too few members for the code.
    #[error("{found} active members with data, expected {expected}, the columns of `{code}`")]
    TooFew {
        /// Active members that keep data.
        found: usize,
        /// Columns of the code.
        expected: usize,
        /// Its name.
        code: String,
    },
    /// It cannot come next to what it is to replace.
    #[error(transparent)]
    Step(#[from] StepError),
    /// Not the beginning of a record, or one that was damaged.
    #[error("not a register's record: {0}")]
    Record(&'static str),
}

/// Why a configuration may not follow another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The epoch is not the next one.
    #[error("epoch {found} behind {base}, expected the next one")]
    Epoch {
        /// The epoch it has.
        found: u64,
        /// The epoch it is to follow.
        base: u64,
    },
    /// It says of another epoch that it became so then who keeps titles.
    #[error("who keeps titles is said to be so since epoch {found}, expected {expected}")]
    Since {
        /// The epoch it says.
        found: u64,
        /// The epoch in which it was.
        expected: u64,
    },
    /// A life was retired, and is not any more.
    #[error("{0} was retired, expected it to stay so")]
    Returned(Voter),
    /// Two sets stay in force, or a forced one has two.
    #[error("two sets in force behind epoch {0}, expected one of both")]
    Joint(u64),
    /// Quorums change at once.
    #[error(
        "other voters, catalog nodes or weights than epoch {0} without its set beside them, expected both in force"
    )]
    Quorums(u64),
    /// The set is none of those in force.
    #[error("a set that is not in force in epoch {0}, expected one that is")]
    OtherSet(u64),
}

pub(super) const SHORT: ConfigurationError = ConfigurationError::Length { left: 0 };

pub(super) fn within(
    field: &'static str,
    found: usize,
    expected: core::ops::RangeInclusive<usize>,
) -> Result<(), ConfigurationError> {
    if expected.contains(&found) {
        return Ok(());
    }
    Err(bounds(field, found as u64, format!("{} to {}", expected.start(), expected.end())))
}

pub(super) fn bounds(field: &'static str, found: u64, expected: impl fmt::Display) -> ConfigurationError {
    ConfigurationError::Bounds { field, found, expected: expected.to_string() }
}

/// Whether a text is short enough, and fit for a line.
pub(super) fn check_text(
    field: &'static str,
    text: &str,
    bytes: core::ops::RangeInclusive<usize>,
) -> Result<(), ConfigurationError> {
    within(field, text.len(), bytes)?;
    match text.chars().find(|character| character.is_control()) {
        Some(control) => Err(bounds(field, u32::from(control).into(), "no control characters")),
        None => Ok(()),
    }
}

/// Reads a text behind its length, u16.
pub(super) fn take_text(field: &'static str, fields: &mut Fields<'_>) -> Result<String, ConfigurationError> {
    let bytes = fields.short().ok_or(SHORT)?;
    core::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ConfigurationError::NotUtf8(field))
}

/// Reads a byte that is 0 or 1.
pub(super) fn take_flag(field: &'static str, fields: &mut Fields<'_>) -> Result<bool, ConfigurationError> {
    match fields.u8().ok_or(SHORT)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(bounds(field, other.into(), "0 or 1")),
    }
}

/// Whether all bytes were read.
pub(super) fn end(fields: &Fields<'_>) -> Result<(), ConfigurationError> {
    if fields.left() > 0 { Err(ConfigurationError::Length { left: fields.left() }) } else { Ok(()) }
}
