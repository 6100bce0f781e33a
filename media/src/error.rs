//! Why a file cannot be packaged.

use crate::box_name::BoxName;
use crate::dropped::DroppedTrack;

/// Why a file cannot be packaged. It can still be served as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// Another kind of file.
    #[error("neither MP4 nor MOV: expected a box at byte 0, found `{found}`")]
    NotMp4 {
        /// What stands where the name of the first box would.
        found: BoxName,
    },
    /// No track has a codec that players are given.
    #[error("no track can be packaged: {}", named(.dropped))]
    Codec {
        /// What there is.
        dropped: Vec<DroppedTrack>,
    },
    /// The media is encrypted already.
    #[error("track {track} is encrypted already (`{found}`)")]
    Encrypted {
        /// Its number in the file.
        track: u32,
        /// The kind of its sample entry.
        found: BoxName,
    },
    /// An edit list that says more than where its media begins and ends.
    #[error("the edit list of track {track} {what}")]
    EditList {
        /// Its number in the file.
        track: u32,
        /// What it has.
        what: &'static str,
    },
    /// The file contradicts itself.
    #[error("damaged: box `{name}` at byte {offset}: {damage}")]
    Damaged {
        /// The box.
        name: BoxName,
        /// Where it begins.
        offset: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// More of something than is read.
    #[error("{what}: found {found}, {limit} at most")]
    TooLarge {
        /// Of what there is too much.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much there may be.
        limit: u64,
    },
}

/// What is wrong with a box.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It is not there.
    #[error("missing")]
    Missing,
    /// It ends behind what holds it.
    #[error("it has {bytes} bytes, {left} are left")]
    Overlong {
        /// What it says that it has.
        bytes: u64,
        /// What is left of its parent, or of the file.
        left: u64,
    },
    /// It is shorter than its own head.
    #[error("it has {bytes} bytes, fewer than its head")]
    TooShort {
        /// What it says that it has.
        bytes: u64,
    },
    /// It counts other things than there are.
    #[error("it counts {found}, expected {expected}")]
    Count {
        /// What it counts.
        found: u64,
        /// What there is.
        expected: u64,
    },
    /// A sample, or a chunk of them, is not in the file.
    #[error("samples lie at {start}..{end} of {bytes} bytes")]
    Outside {
        /// Where they begin.
        start: u64,
        /// Where they end.
        end: u64,
        /// The length of the file.
        bytes: u64,
    },
    /// A number that makes no sense where it stands.
    #[error("{what} is {found}")]
    Value {
        /// What it is.
        what: &'static str,
        /// The number.
        found: u64,
    },
    /// What it says is no sense.
    #[error("{0}")]
    Unreadable(String),
}

fn named(dropped: &[DroppedTrack]) -> String {
    if dropped.is_empty() {
        return "there is none".to_owned();
    }
    dropped.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
