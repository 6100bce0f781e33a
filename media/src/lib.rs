//! MP4 read piece by piece, cut into CMAF segments, described to players by HLS and DASH.
//!
//! [`Opening`] says which bytes of a file it needs next and comes to a [`Movie`]: its tracks, a compact table of the samples
//! of each, and where segments begin. A movie gives the init segment of a track, a media segment as a [`Recipe`] (a head
//! and ranges of the source, so that its length is known before a byte of media is read), playlists ([`hls`]) and a
//! manifest ([`dash`]).
//!
//! Pure: no socket, no clock, no disk. The same bytes of source give the same bytes of everything, on every machine.
#![forbid(unsafe_code)]
#![expect(clippy::similar_names, reason = "boxes have names of four letters")]

mod box_name;
mod boxes;
mod cuts;
pub mod dash;
mod dropped;
mod edits;
mod error;
mod fragments;
pub mod hls;
mod init;
mod moov;
mod movie;
mod opening;
mod origin;
mod sample_entry;
mod samples;
mod segment;
#[cfg(test)]
mod tests;
mod text;
mod timing;
mod track;
mod writer;

pub use box_name::BoxName;
pub use dropped::DroppedTrack;
pub use edits::Edit;
pub use error::{Damage, MediaError};
pub use movie::Movie;
pub use opening::{Opening, Step};
pub use origin::Origin;
pub use sample_entry::{Format, SampleEntry};
pub use segment::Recipe;
pub use track::{Rates, Track};

/// What is made of a version of a title. It is counted up with every change of what is made of the same source, so that no
/// cache and no player ever mixes bytes of two releases.
pub const FORMAT: u32 = 1;
