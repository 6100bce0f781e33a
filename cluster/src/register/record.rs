//! What an acceptor must not forget.

use super::ballot::Ballot;
use super::configuration::{CONFIGURATION_BYTES_MAX, Configuration};
use super::error::{ConfigurationError, SHORT, end, take_flag, within};
use super::voter::Voter;
use crate::bytes::{Fields, put_long};
use std::sync::Arc;

/// Longest encoded record.
pub const RECORD_BYTES_MAX: usize = 2 * CONFIGURATION_BYTES_MAX + 256;
/// How the bytes of a record begin: what it is, and the version of its format.
const MAGIC: [u8; 8] = *b"RAINREG\x01";

/// A configuration that an acceptor has accepted, and from which one it was computed. The latter is in force, or was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Accepted {
    /// In which attempt.
    pub ballot: Ballot,
    /// What it takes the place of.
    pub base: Arc<Configuration>,
    /// What was accepted.
    pub value: Arc<Configuration>,
}

impl Accepted {
    pub(super) fn put(&self, bytes: &mut Vec<u8>) {
        self.ballot.put(bytes);
        put_long(bytes, &self.base.to_bytes());
        put_long(bytes, &self.value.to_bytes());
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, ConfigurationError> {
        let ballot = Ballot::take(fields)?;
        let mut configuration = || Configuration::parse(fields.long().ok_or(SHORT)?).map(Arc::new);
        let accepted = Self { ballot, base: configuration()?, value: configuration()? };
        accepted.value.follows(&accepted.base)?;
        Ok(accepted)
    }

    pub(super) fn put_option(accepted: Option<&Self>, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(accepted.is_some()));
        if let Some(accepted) = accepted {
            accepted.put(bytes);
        }
    }

    pub(super) fn take_option(fields: &mut Fields<'_>) -> Result<Option<Self>, ConfigurationError> {
        if take_flag("accepted", fields)? { Self::take(fields).map(Some) } else { Ok(None) }
    }
}

/// The durable memory of an acceptor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// Whose it is.
    pub voter: Voter,
    /// The highest ballot it has heard of: it answers no lower one.
    pub promised: Option<Ballot>,
    /// What it accepted last.
    pub accepted: Option<Accepted>,
}

impl Record {
    /// That of a voter that was never asked: written once, when a store's life begins. A store of that life without one
    /// has forgotten what it promised.
    pub fn blank(voter: Voter) -> Self {
        Self { voter, promised: None, accepted: None }
    }

    /// Its bytes: `RAINREG` and the version of the format u8, the voter, whether there is a promise u8 and the ballot,
    /// whether there is a configuration u8 and it with its ballot and its base, and BLAKE3 of all that.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        self.voter.put(&mut bytes);
        bytes.push(u8::from(self.promised.is_some()));
        if let Some(promised) = self.promised {
            promised.put(&mut bytes);
        }
        Accepted::put_option(self.accepted.as_ref(), &mut bytes);
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    /// A record from its bytes.
    ///
    /// # Errors
    /// [`ConfigurationError`]: it was damaged, or is of another version. Whoever has none is in a new life.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigurationError> {
        within("bytes of record", bytes.len(), 0..=RECORD_BYTES_MAX)?;
        let (body, hash) = bytes.split_last_chunk::<32>().ok_or(SHORT)?;
        if !body.starts_with(&MAGIC) {
            return Err(ConfigurationError::Record("it does not begin with RAINREG and version 1"));
        }
        if blake3::hash(body).as_bytes() != hash {
            return Err(ConfigurationError::Record("its hash is another one"));
        }
        let mut fields = Fields::of(&body[MAGIC.len()..]);
        let voter = Voter::take(&mut fields).ok_or(SHORT)?;
        let promised = if take_flag("promise", &mut fields)? { Some(Ballot::take(&mut fields)?) } else { None };
        let accepted = Accepted::take_option(&mut fields)?;
        end(&fields)?;
        Ok(Self { voter, promised, accepted })
    }
}
