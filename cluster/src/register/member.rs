//! One member of the cluster, as the configuration describes it.

use super::error::{ConfigurationError, SHORT, bounds, check_text, end, take_flag, take_text, within};
use super::voter::Voter;
use crate::bytes::{Fields, put_short};

/// Longest name of a node, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 64;
/// Most addresses of a node.
pub const ADDRESSES_MAX: usize = 8;
/// Longest address, in bytes of UTF-8.
pub const ADDRESS_BYTES_MAX: usize = 128;
/// Most public keys of a node: while one takes the place of another there are two.
pub const KEYS_MAX: usize = 4;
/// Longest label, in bytes of UTF-8.
pub const LABEL_BYTES_MAX: usize = 32;

/// What a member does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It learns configurations, and holds nothing yet.
    Learner,
    /// It may vote, hold marks and take columns.
    Active,
    /// It is chosen for nothing new, and serves what it holds until that has moved.
    Draining,
}

impl Role {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Learner => "learner",
            Self::Active => "active",
            Self::Draining => "draining",
        }
    }

    fn take(fields: &mut Fields<'_>) -> Result<Self, ConfigurationError> {
        match fields.u8().ok_or(SHORT)? {
            0 => Ok(Self::Learner),
            1 => Ok(Self::Active),
            2 => Ok(Self::Draining),
            other => Err(bounds("role", other.into(), "0 to 2")),
        }
    }
}

/// What a member is called, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// What people call it.
    pub name: String,
    /// Where players reach it: a URL.
    pub http: String,
    /// Where peers reach it: `switch=host:port` each.
    pub addresses: Vec<String>,
    /// The public keys by which peers know it; none of a cluster without keys.
    pub keys: Vec<[u8; 32]>,
}

impl Contact {
    fn check(&self) -> Result<(), ConfigurationError> {
        check_text("bytes of name", &self.name, 1..=NAME_BYTES_MAX)?;
        check_text("bytes of URL", &self.http, 0..=ADDRESS_BYTES_MAX)?;
        within("addresses", self.addresses.len(), 0..=ADDRESSES_MAX)?;
        for address in &self.addresses {
            check_text("bytes of address", address, 1..=ADDRESS_BYTES_MAX)?;
        }
        within("keys", self.keys.len(), 0..=KEYS_MAX)
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        put_short(bytes, self.name.as_bytes());
        put_short(bytes, self.http.as_bytes());
        bytes.push(u8::try_from(self.addresses.len()).unwrap_or(u8::MAX));
        for address in &self.addresses {
            put_short(bytes, address.as_bytes());
        }
        bytes.push(u8::try_from(self.keys.len()).unwrap_or(u8::MAX));
        self.keys.iter().for_each(|key| bytes.extend_from_slice(key));
    }

    fn take(fields: &mut Fields<'_>) -> Result<Self, ConfigurationError> {
        let (name, http) = (take_text("name", fields)?, take_text("URL", fields)?);
        let count = fields.u8().ok_or(SHORT)?;
        within("addresses", count.into(), 0..=ADDRESSES_MAX)?;
        let addresses = (0..count).map(|_| take_text("address", fields)).collect::<Result<_, _>>()?;
        let count = fields.u8().ok_or(SHORT)?;
        within("keys", count.into(), 0..=KEYS_MAX)?;
        let keys = (0..count).map(|_| fields.array().ok_or(SHORT)).collect::<Result<_, _>>()?;
        Ok(Self { name, http, addresses, keys })
    }
}

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// Its id, and the life of its store.
    pub voter: Voter,
    /// What it is called, and how it is reached.
    pub contact: Contact,
    /// What it does.
    pub role: Role,
    /// Its votes; 0 of one that follows.
    pub weight: u8,
    /// It votes, and keeps neither marks nor columns.
    pub witness: bool,
    /// What it shares a rack with; empty where that is not known.
    pub rack: String,
    /// What it shares a room with; empty where that is not known.
    pub room: String,
}

impl Member {
    /// Whether titles' marks and new columns may go to it.
    pub fn takes_data(&self) -> bool {
        self.role == Role::Active && !self.witness
    }

    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        self.contact.check()?;
        check_text("bytes of rack", &self.rack, 0..=LABEL_BYTES_MAX)?;
        check_text("bytes of room", &self.room, 0..=LABEL_BYTES_MAX)?;
        if self.weight > 0 && self.role != Role::Active {
            let (node, found) = (self.voter.node, self.role.name());
            return Err(ConfigurationError::Votes { node, found, weight: self.weight });
        }
        Ok(())
    }

    /// Its bytes, as they stand in a configuration.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        self.put(&mut bytes);
        bytes
    }

    /// A member from its bytes.
    ///
    /// # Errors
    /// [`ConfigurationError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigurationError> {
        let mut fields = Fields::of(bytes);
        let member = Self::take(&mut fields)?;
        end(&fields)?;
        member.check()?;
        Ok(member)
    }

    pub(super) fn put(&self, bytes: &mut Vec<u8>) {
        self.voter.put(bytes);
        bytes.extend_from_slice(&[self.role as u8, self.weight, u8::from(self.witness)]);
        put_short(bytes, self.rack.as_bytes());
        put_short(bytes, self.room.as_bytes());
        self.contact.put(bytes);
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, ConfigurationError> {
        let voter = Voter::take(fields).ok_or(SHORT)?;
        let role = Role::take(fields)?;
        let weight = fields.u8().ok_or(SHORT)?;
        let witness = take_flag("witness", fields)?;
        let (rack, room) = (take_text("rack", fields)?, take_text("room", fields)?);
        let contact = Contact::take(fields)?;
        Ok(Self { voter, contact, role, weight, witness, rack, room })
    }
}
