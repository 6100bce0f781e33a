//! Whole files: from a file to a folder of column files and back, without a cluster.
//!
//! [`encode`] makes the column files, [`decode`] gives the content back from any that suffice, [`verify`] looks at every
//! block of a folder, [`repair`] writes again what is missing or damaged. The files are those of a node's data folder, so
//! a [`Survey`] of the disks of some nodes finds the titles on them.
//!
//! Files are read with `pread` rather than through a mapping: a file that shrinks and a bad sector are then errors of one
//! read, not the end of the process, and the reads are not what limits (docs/offline.md). Nothing has a final name
//! before it is whole and durable.

mod content_hash;
mod damage;
mod decode;
mod encode;
mod error;
mod mend;
mod repair;
mod staging;
mod stripe_reader;
mod survey;
mod title;
mod trees;
mod verify;
mod workers;

pub use decode::{Decoded, Sink, decode};
pub use encode::{EncodeOptions, Encoded, Source, encode};
pub use error::FileError;
pub use repair::{Repaired, repair};
pub use survey::{Survey, SurveyedTitle};
pub use title::Title;
pub use verify::{ColumnFinding, VerifyReport, verify};

/// Is told how many more bytes are done, by any thread.
pub type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// The name of a column's file in a folder: `000.rain`, `001.rain`, ...
pub fn column_name(column: usize) -> String {
    format!("{column:03}.{}", survey::EXTENSION)
}
