//! What is wrong with the blocks of a column, and where.

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The stripe.
    pub(super) stripe: u64,
    /// The row of the cell.
    pub(super) row: u16,
    /// The block of the cell.
    pub(super) block: u32,
}

/// What is wrong with the blocks of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ColumnDamage {
    /// Blocks that are not what their checksums say.
    pub(super) blocks: u64,
    /// Of these, blocks that agree with the other columns: their checksums are what is damaged.
    pub(super) checksums: u64,
    /// Blocks that are as their checksums say, and are not those of which the column's root was made.
    pub(super) refuted: u64,
    /// Blocks that could not be read.
    pub(super) unreadable: u64,
    /// Stripes in which all blocks are as their checksums say, and the other columns say otherwise.
    pub(super) silent: u64,
    /// The first of them.
    pub(super) first: Option<Place>,
}

impl ColumnDamage {
    /// Adds a place.
    pub(super) fn note(&mut self, place: Place) {
        self.first = Some(self.first.map_or(place, |first| first.min(place)));
    }

    /// Adds what another thread found.
    pub(super) fn merge(&mut self, other: &Self) {
        self.blocks += other.blocks;
        self.checksums += other.checksums;
        self.refuted += other.refuted;
        self.unreadable += other.unreadable;
        self.silent += other.silent;
        if let Some(place) = other.first {
            self.note(place);
        }
    }

    /// Whether there is any.
    pub(super) fn is_none(&self) -> bool {
        self.first.is_none()
    }
}
