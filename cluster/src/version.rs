//! The order of a title's versions, without any clock.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// A node's identity: a random number, minted once and stored. Names and addresses are labels that may change; this may
/// not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    /// Eight hexadecimal digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

/// Not the text of a node's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a node's id: expected eight hexadecimal digits in lower case, such as 3f9a0c21")]
pub struct NodeIdError(pub String);

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        let id = u32::from_str_radix(text, 16).map(Self).map_err(|_| NodeIdError(text.to_owned()))?;
        // One spelling per id: the text is part of file names.
        if id.to_string() == text { Ok(id) } else { Err(NodeIdError(text.to_owned())) }
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for NodeId {
    type Error = NodeIdError;

    fn try_from(text: String) -> Result<Self, NodeIdError> {
        text.parse()
    }
}

/// The life of a store: a random number, another one after its disk was replaced, blanked or rolled back. What an earlier
/// life promised, a later one does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Life(pub u32);

impl fmt::Display for Life {
    /// Eight hexadecimal digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

/// Highest counter of a version: one that a node claims above it is no honest one, and is refused wherever it is read.
pub const COUNTER_MAX: u64 = 1 << 62;

/// Versions of a title are counted one by one: whoever tells a counter that is farther than this above all that others know
/// is not believed. Else one lie could use the counters up, and the title could never be written again.
pub const COUNTER_LEAP: u64 = 1 << 32;

/// One version of a title. Versions of a title are ordered by `counter`, then by the rest.
///
/// A PUT takes 1 + the highest counter that R catalog nodes know, so that it is above every version acknowledged
/// before it began. Two PUTs at once may take the same counter; `node`, `life` and `random` keep them apart and order
/// them alike everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// 1 + the highest counter known when the PUT or DELETE began.
    pub counter: u64,
    /// The coordinator.
    pub node: NodeId,
    /// Which life of the coordinator's ledger gave it: a store that lost its disk begins a new life, and must not answer
    /// for the decisions of an earlier one.
    pub life: Life,
    /// Keeps two versions of the same coordinator apart.
    pub random: u32,
}

impl Version {
    /// Not above any.
    pub const LOWEST: Self = Self { counter: 0, node: NodeId(0), life: Life(0), random: 0 };
    /// Not below any.
    pub const HIGHEST: Self =
        Self { counter: u64::MAX, node: NodeId(u32::MAX), life: Life(u32::MAX), random: u32::MAX };
}

impl fmt::Display for Version {
    /// `counter-node-life-random`, the last three as eight hexadecimal digits each.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}-{:08x}", self.counter, self.node, self.life, self.random)
    }
}

/// Not the text of a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version: expected COUNTER-NODE-LIFE-RANDOM, the last three as eight hexadecimal digits")]
pub struct VersionError(pub String);

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError(text.to_owned());
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or_else(wrong);
        let version = Self {
            counter: part()?.parse().map_err(|_| wrong())?,
            node: part()?.parse().map_err(|_| wrong())?,
            life: Life(u32::from_str_radix(part()?, 16).map_err(|_| wrong())?),
            random: u32::from_str_radix(part()?, 16).map_err(|_| wrong())?,
        };
        // One spelling per version: the text is part of file names.
        if version.counter <= COUNTER_MAX && version.to_string() == text { Ok(version) } else { Err(wrong()) }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let version = Version { counter: 7, node: NodeId(3), life: Life(0xdead_beef), random: 5 };
        assert_eq!(version.to_string(), "7-00000003-deadbeef-00000005");
        assert_eq!(version.to_string().parse(), Ok(version));
        for wrong in [
            "",
            "7-00000003-deadbeef",
            "7-00000003-deadbeef-5",
            "7-3-deadbeef-00000005",
            "07-00000003-deadbeef-00000005",
            "7-00000003-deadbeef-00000005-1",
            "18446744073709551615-00000003-deadbeef-00000005",
        ] {
            assert_eq!(wrong.parse::<Version>(), Err(VersionError(wrong.to_owned())));
        }
        for wrong in ["", "3", "0000000G", "DEADBEEF", "+0000003", "000000003"] {
            assert_eq!(wrong.parse::<NodeId>(), Err(NodeIdError(wrong.to_owned())));
        }
    }

    #[test]
    fn the_counter_orders_first() {
        let low = Version { counter: 1, node: NodeId(9), life: Life(9), random: 9 };
        let high = Version { counter: 2, node: NodeId(0), life: Life(0), random: 0 };
        assert!(low < high);
    }
}
