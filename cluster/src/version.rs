//! The order of a title's versions, without any clock.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// A node's number: its place in the cluster's list of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// One version of a title. Versions of a title are ordered by `counter`, then by the rest.
///
/// A PUT takes 1 + the highest counter that R placement nodes know, so that it is above every version acknowledged
/// before it began. Two PUTs at once may take the same counter; `node`, `life` and `random` keep them apart and order
/// them alike everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// 1 + the highest counter known when the PUT or DELETE began.
    pub counter: u64,
    /// The coordinator.
    pub node: NodeId,
    /// Which life of the coordinator's store gave it: a store that lost its disk begins a new life, and must not
    /// answer for the decisions of an earlier one.
    pub life: u32,
    /// Keeps two versions of the same coordinator apart.
    pub random: u32,
}

impl fmt::Display for Version {
    /// `counter-node-life-random`, the last two as eight hexadecimal digits each.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{:08x}-{:08x}", self.counter, self.node, self.life, self.random)
    }
}

/// Not the text of a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version: expected COUNTER-NODE-LIFE-RANDOM, the last two in hexadecimal")]
pub struct VersionError(pub String);

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError(text.to_owned());
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or_else(wrong);
        let version = Self {
            counter: part()?.parse().map_err(|_| wrong())?,
            node: NodeId(part()?.parse().map_err(|_| wrong())?),
            life: u32::from_str_radix(part()?, 16).map_err(|_| wrong())?,
            random: u32::from_str_radix(part()?, 16).map_err(|_| wrong())?,
        };
        // One spelling per version: the text is part of file names.
        if version.to_string() == text { Ok(version) } else { Err(wrong()) }
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
        let version = Version { counter: 7, node: NodeId(3), life: 0xdead_beef, random: 5 };
        assert_eq!(version.to_string(), "7-3-deadbeef-00000005");
        assert_eq!(version.to_string().parse(), Ok(version));
        for wrong in ["", "7-3-deadbeef", "7-3-deadbeef-5", "07-3-deadbeef-00000005", "7-3-deadbeef-00000005-1"] {
            assert_eq!(wrong.parse::<Version>(), Err(VersionError(wrong.to_owned())));
        }
    }

    #[test]
    fn the_counter_orders_first() {
        let low = Version { counter: 1, node: NodeId(9), life: 9, random: 9 };
        let high = Version { counter: 2, node: NodeId(0), life: 0, random: 0 };
        assert!(low < high);
    }
}
