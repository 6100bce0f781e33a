//! What a call came to, as a number.

use core::ffi::CStr;

/// What a call came to: 0, or a negative number and nothing written.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RainStatus {
    /// It is done.
    Ok = 0,
    /// A pointer is null that must not be.
    Null = -1,
    /// The name is of no code, or it is not UTF-8.
    Name = -2,
    /// A length is not a positive multiple of the code's rows, or it exceeds what memory can hold.
    Length = -3,
    /// There is no such column, or one is named twice, or as both a source and a target.
    Column = -4,
    /// More columns are lost than the code makes up for, or fewer sources are given than it needs.
    TooManyLost = -5,
    /// Two buffers overlap of which at least one is written.
    Overlap = -6,
    /// The parity is not that of the data: at least one column is damaged.
    Mismatch = -7,
    /// The tables were made for other numbers of sources or targets.
    Tables = -8,
    /// There is no such data cell, or bytes lie behind the last of them.
    Range = -9,
    /// There is another number of cells than is given.
    Count = -10,
    /// A defect of this library. What was to be written may be half written.
    Internal = -99,
}

impl RainStatus {
    const ALL: [Self; 12] = [
        Self::Ok,
        Self::Null,
        Self::Name,
        Self::Length,
        Self::Column,
        Self::TooManyLost,
        Self::Overlap,
        Self::Mismatch,
        Self::Tables,
        Self::Range,
        Self::Count,
        Self::Internal,
    ];

    /// Says what a number means, in English.
    pub fn text(number: i32) -> &'static CStr {
        match Self::ALL.into_iter().find(|status| *status as i32 == number) {
            Some(Self::Ok) => c"done",
            Some(Self::Null) => c"a pointer is null that must not be",
            Some(Self::Name) => c"the name is of no code",
            Some(Self::Length) => c"a length is not a positive multiple of the code's rows",
            Some(Self::Column) => c"there is no such column, or it is named twice",
            Some(Self::TooManyLost) => c"more columns are lost than the code makes up for",
            Some(Self::Overlap) => c"two buffers overlap",
            Some(Self::Mismatch) => c"the parity is not that of the data",
            Some(Self::Tables) => c"the tables were made for other numbers of columns",
            Some(Self::Range) => c"there are no such data cells in the stripe",
            Some(Self::Count) => c"there is another number of cells than is given",
            Some(Self::Internal) => c"a defect of the library",
            None => c"not a status of this library",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_words_of_its_own() {
        let mut texts: Vec<&CStr> = RainStatus::ALL.map(|status| RainStatus::text(status as i32)).to_vec();
        texts.push(RainStatus::text(17));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), RainStatus::ALL.len() + 1);
    }
}
