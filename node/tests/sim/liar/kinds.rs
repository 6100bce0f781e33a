//! What a liar lies about.

/// A kind of lie. Each is one that a holder of the key can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// A version has other roots: those of another content, of which it has the columns.
    Roots,
    /// A version is longer or shorter, or its cells are.
    Lengths,
    /// A version is of another code.
    Codes,
    /// A version is several things, each of them often.
    Repeat,
    /// Its columns lie elsewhere, or were moved.
    Seats,
    /// There is a newer version, in its own name.
    Create,
    /// There is one in the name of another node, perhaps of one that is on its way.
    CreateAs,
    /// The title was deleted.
    Delete,
    /// It knows nothing of a version.
    Forget,
    /// What is pending is committed.
    Commit,
    /// What is committed is pending.
    Uncommit,
    /// Another state of its column.
    Status,
    /// It is blank, or is not.
    Blank,
    /// What was purged, and how far versions count.
    Floor,
    /// When it was asked.
    Ticket,
    /// It did what it was asked, and did not.
    Promise,
    /// It refuses what it did.
    Refuse,
    /// What became of a version.
    Outcome,
    /// The asker's life is over.
    Retired,
    /// The asker's disk is an old copy: it had other lives, and made more changes.
    Accuse,
    /// What it knows in all.
    Digest,
    /// Where pages begin and end.
    Page,
    /// Its own life, serial and epoch.
    Sender,
    /// What it said before.
    Stale,
    /// Other bytes of a column, with checksums that fit.
    Column,
    /// A column is another one.
    OtherColumn,
    /// Random bytes in what it says.
    Noise,
    /// Nothing at all.
    Silence,
    /// Unasked: drop a version.
    Dropping,
    /// Unasked: forget a tombstone.
    Purging,
    /// Unasked: close a title.
    Closing,
    /// Unasked: the life of a node is over.
    Retiring,
    /// Unasked: a version is committed, with other roots, elsewhere, or not at all.
    Marking,
    /// Unasked: prepare a version in the name of another node.
    Preparing,
    /// Unasked: a column of a version of another node, forged.
    Uploading,
    /// Unasked: a column is damaged.
    Inspecting,
}

/// All of them.
pub const LIES: [Lie; 36] = [
    Lie::Roots,
    Lie::Lengths,
    Lie::Codes,
    Lie::Repeat,
    Lie::Seats,
    Lie::Create,
    Lie::CreateAs,
    Lie::Delete,
    Lie::Forget,
    Lie::Commit,
    Lie::Uncommit,
    Lie::Status,
    Lie::Blank,
    Lie::Floor,
    Lie::Ticket,
    Lie::Promise,
    Lie::Refuse,
    Lie::Outcome,
    Lie::Retired,
    Lie::Accuse,
    Lie::Digest,
    Lie::Page,
    Lie::Sender,
    Lie::Stale,
    Lie::Column,
    Lie::OtherColumn,
    Lie::Noise,
    Lie::Silence,
    Lie::Dropping,
    Lie::Purging,
    Lie::Closing,
    Lie::Retiring,
    Lie::Marking,
    Lie::Preparing,
    Lie::Uploading,
    Lie::Inspecting,
];

impl Lie {
    /// Whether it is told without being asked.
    pub fn is_unasked(self) -> bool {
        self >= Self::Dropping
    }
}
