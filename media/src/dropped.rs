//! What players are not given.

use crate::box_name::BoxName;
use core::fmt;

/// A track of a file that players are not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedTrack {
    /// Its number in the file.
    pub track: u32,
    /// The kind of its sample entry.
    pub entry: BoxName,
    /// Why it is dropped.
    pub why: &'static str,
}

impl fmt::Display for DroppedTrack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}", self.track, self.entry, self.why)
    }
}
