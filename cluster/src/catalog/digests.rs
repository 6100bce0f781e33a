//! Which of two nodes' committed versions differ, told without telling any.

use serde::{Deserialize, Serialize};

/// The titles are in so many buckets, by [`Digests::bucket_of`].
pub const BUCKETS: usize = 1024;

/// A digest of the newest committed versions of the titles of each bucket: equal of equal sets, whatever the order; of
/// others the same by chance only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u64>", into = "Vec<u64>")]
pub struct Digests(Box<[u64]>);

/// Not as many digests as there are buckets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} digests, expected {BUCKETS}")]
pub struct DigestsError(usize);

impl Digests {
    /// Those of no version at all.
    pub fn none() -> Self {
        Self(Box::new([0; BUCKETS]))
    }

    /// The bucket of a title: `hash` is the beginning of its BLAKE3.
    pub fn bucket_of(hash: [u8; 2]) -> usize {
        usize::from(u16::from_le_bytes(hash)) % BUCKETS
    }

    /// Adds a version, given by a hash of its own, to a bucket.
    ///
    /// # Panics
    /// When there is no such bucket.
    pub fn add(&mut self, bucket: usize, version: u64) {
        self.0[bucket] = self.0[bucket].wrapping_add(version);
    }

    /// The digest of all buckets.
    pub fn of_all(&self) -> u64 {
        self.0.iter().copied().fold(0, u64::wrapping_add)
    }

    /// Whether both have the same in a bucket.
    ///
    /// # Panics
    /// When there is no such bucket.
    pub fn agree(&self, other: &Self, bucket: usize) -> bool {
        self.0[bucket] == other.0[bucket]
    }
}

impl From<Digests> for Vec<u64> {
    fn from(digests: Digests) -> Self {
        digests.0.into()
    }
}

impl TryFrom<Vec<u64>> for Digests {
    type Error = DigestsError;

    fn try_from(digests: Vec<u64>) -> Result<Self, DigestsError> {
        if digests.len() == BUCKETS { Ok(Self(digests.into())) } else { Err(DigestsError(digests.len())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_differ_one_by_one() {
        let (mut ours, mut theirs) = (Digests::none(), Digests::none());
        for (bucket, version) in [(0, 7), (1023, u64::MAX), (0, 9)] {
            ours.add(bucket, version);
        }
        for (bucket, version) in [(0, 9), (5, 3), (1023, u64::MAX), (0, 7)] {
            theirs.add(bucket, version);
        }
        let differ: Vec<_> = (0..BUCKETS).filter(|bucket| !ours.agree(&theirs, *bucket)).collect();
        assert_eq!(differ, [5]);
        assert_ne!(ours.of_all(), theirs.of_all());
        ours.add(5, 3);
        assert_eq!((ours.of_all(), &ours), (theirs.of_all(), &theirs));
    }

    #[test]
    fn another_number_of_digests_is_refused() {
        for count in [0, 1, BUCKETS - 1, BUCKETS + 1] {
            assert_eq!(Digests::try_from(vec![0; count]), Err(DigestsError(count)));
        }
        assert_eq!(Digests::try_from(vec![0; BUCKETS]), Ok(Digests::none()));
        assert!((0..=u16::MAX).all(|hash| Digests::bucket_of(hash.to_be_bytes()) < BUCKETS));
    }
}
