//! Which of two nodes' committed versions differ, told without telling any.

use crate::version::Version;
use serde::{Deserialize, Serialize};

/// The titles are in so many buckets, by [`Digests::bucket_of`].
pub const BUCKETS: usize = 1024;
/// Beginnings of hashes in a bucket.
const HASHES: usize = (1 << 16) / BUCKETS;

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

    /// What stands for a title: the beginning of its BLAKE3.
    pub fn hash_of(title: &str) -> [u8; 16] {
        let mut hash = [0; 16];
        hash.copy_from_slice(&blake3::hash(title.as_bytes()).as_bytes()[..16]);
        hash
    }

    /// What stands for a version of a title.
    pub fn of(title: [u8; 16], Version { counter, node, life, random }: Version) -> u64 {
        let (halves, _) = title.as_chunks::<8>();
        let words = [counter, u64::from(node.0) << 32 | u64::from(life.0), random.into()];
        // The finaliser of SplitMix64 after each word.
        halves.iter().map(|half| u64::from_le_bytes(*half)).chain(words).fold(0_u64, |hash, word| {
            let mut hash = hash.wrapping_add(word).wrapping_add(0x9e37_79b9_7f4a_7c15);
            hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            hash ^ (hash >> 31)
        })
    }

    /// The bucket of a title: `hash` is the beginning of its BLAKE3. In the order of hashes, titles of one bucket stand
    /// together, and buckets in theirs.
    pub fn bucket_of(hash: [u8; 2]) -> usize {
        usize::from(u16::from_be_bytes(hash)) / HASHES
    }

    /// The least beginning of the hash of a title in a bucket; `None` behind the last one.
    pub fn first_hash(bucket: usize) -> Option<[u8; 2]> {
        let first = if bucket < BUCKETS { u16::try_from(bucket * HASHES).ok() } else { None };
        first.map(u16::to_be_bytes)
    }

    /// Adds what stands for a version to a bucket.
    ///
    /// # Panics
    /// When there is no such bucket.
    pub fn add(&mut self, bucket: usize, version: u64) {
        self.0[bucket] = self.0[bucket].wrapping_add(version);
    }

    /// Takes away a version that was added.
    ///
    /// # Panics
    /// When there is no such bucket.
    pub fn remove(&mut self, bucket: usize, version: u64) {
        self.0[bucket] = self.0[bucket].wrapping_sub(version);
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
        ours.remove(5, 3);
        ours.add(5, 4);
        assert!(!ours.agree(&theirs, 5));
        ours.remove(5, 4);
        theirs.remove(5, 3);
        assert_eq!(ours, theirs);
    }

    /// So a bucket is a range of titles in the order of their hashes.
    #[test]
    fn buckets_are_in_the_order_of_hashes() {
        let mut last = 0;
        for hash in 0..=u16::MAX {
            let bucket = Digests::bucket_of(hash.to_be_bytes());
            assert!(bucket == last || bucket == last + 1, "{hash}");
            if hash == 0 || bucket != last {
                assert_eq!(Digests::first_hash(bucket), Some(hash.to_be_bytes()));
            }
            last = bucket;
        }
        assert_eq!((last, Digests::first_hash(BUCKETS)), (BUCKETS - 1, None));
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
