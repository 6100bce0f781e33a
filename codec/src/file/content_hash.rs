//! The BLAKE3 of a content whose stripes are hashed in any order, each by whoever has its bytes.
//!
//! BLAKE3 is a tree over chunks of 1024 bytes. All stripes but the last are whole chunks, so a stripe is cut into
//! subtrees of that tree, whose chaining values are merged at the end.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use blake3::hazmat::merge_subtrees_root;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, max_subtree_len, merge_subtrees_non_root};
use blake3::{CHUNK_LEN, Hasher};

/// The first 128 bits of a content's BLAKE3, as headers have it.
pub(super) type Etag = [u8; 16];

/// Hashes the bytes of one stripe, in order.
pub(super) struct StripeHasher {
    hasher: Hasher,
    piece_start: u64,
    piece_end: u64,
    end: u64,
    hashed: Hashed,
}

/// What is known of a stripe once it is hashed.
#[derive(Debug)]
pub(super) enum Hashed {
    /// The stripe is all of the content, and no more than a chunk.
    Chunk([u8; 32]),
    /// Subtrees: start, length, chaining value.
    Subtrees(Vec<(u64, u64, ChainingValue)>),
}

impl StripeHasher {
    /// Begins with the stripe that holds the bytes from `start` to `end` of the content.
    pub(super) fn new(start: u64, end: u64) -> Self {
        let mut this = Self {
            hasher: Hasher::new(),
            piece_start: start,
            piece_end: start,
            end,
            hashed: Hashed::Subtrees(Vec::new()),
        };
        this.begin_piece();
        this
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let left = self.piece_end - self.piece_start - self.hasher.count();
            let (part, rest) = bytes.split_at(usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len())));
            assert!(!part.is_empty(), "more bytes than the stripe has");
            self.hasher.update(part);
            bytes = rest;
            if self.hasher.count() == self.piece_end - self.piece_start {
                self.end_piece();
            }
        }
    }

    /// Gives what was hashed.
    pub(super) fn finish(self) -> Hashed {
        assert_eq!(self.piece_start, self.end, "bytes of the stripe that were hashed");
        self.hashed
    }

    /// The largest subtree that begins here and is one whatever comes behind the stripe; of the last stripe, which alone
    /// may end within a chunk, also the right edge of the tree.
    fn begin_piece(&mut self) {
        self.piece_start = self.piece_end;
        let left = self.end - self.piece_start;
        let ends_within_chunk = !left.is_multiple_of(CHUNK_LEN as u64);
        let length = match max_subtree_len(self.piece_start) {
            None if left <= CHUNK_LEN as u64 => left,
            None => left_subtree_len(left),
            Some(most) if ends_within_chunk && left <= most => left,
            Some(most) => most.min(1 << left.ilog2()),
        };
        self.piece_end = self.piece_start + length;
        self.hasher = Hasher::new();
        self.hasher.set_input_offset(self.piece_start);
    }

    fn end_piece(&mut self) {
        let length = self.piece_end - self.piece_start;
        match &mut self.hashed {
            hashed if self.piece_start == 0 && self.piece_end == self.end => {
                *hashed = Hashed::Chunk(*self.hasher.finalize().as_bytes());
            }
            Hashed::Subtrees(subtrees) => {
                subtrees.push((self.piece_start, length, self.hasher.finalize_non_root()));
            }
            Hashed::Chunk(_) => unreachable!("a content of one chunk has one piece"),
        }
        if self.piece_end == self.end {
            self.piece_start = self.end;
        } else {
            self.begin_piece();
        }
    }
}

/// Gathers the stripes of a content.
///
/// Shape: subtrees are merged as soon as they can be, so a few dozen wait when stripes come almost in order.
#[derive(Debug, Default)]
pub(super) struct ContentHash {
    subtrees: Mutex<BTreeMap<u64, (u64, ChainingValue)>>,
    chunk: Mutex<Option<[u8; 32]>>,
}

impl ContentHash {
    pub(super) fn add(&self, hashed: Hashed) {
        match hashed {
            Hashed::Chunk(hash) => *lock(&self.chunk) = Some(hash),
            Hashed::Subtrees(subtrees) => {
                let mut waiting = lock(&self.subtrees);
                for (start, length, value) in subtrees {
                    insert(&mut waiting, start, length, value);
                }
            }
        }
    }

    /// Computes the entity tag; `None` when stripes of the `bytes` are missing.
    pub(super) fn etag(&self, bytes: u64) -> Option<Etag> {
        let hash = if bytes == 0 {
            *blake3::hash(&[]).as_bytes()
        } else if let Some(chunk) = *lock(&self.chunk) {
            chunk
        } else {
            let subtrees = lock(&self.subtrees);
            let left = left_subtree_len(bytes);
            let (first, second) = (node(&subtrees, 0, left)?, node(&subtrees, left, bytes - left)?);
            *merge_subtrees_root(&first, &second, Mode::Hash).as_bytes()
        };
        let mut etag = [0; 16];
        etag.copy_from_slice(&hash[..16]);
        Some(etag)
    }
}

/// Merges a full subtree with its neighbour as often as there is one. Those at the start wait: they may be all there is.
fn insert(waiting: &mut BTreeMap<u64, (u64, ChainingValue)>, start: u64, length: u64, value: ChainingValue) {
    let (mut start, mut length, mut value) = (start, length, value);
    while length.is_power_of_two() && length >= CHUNK_LEN as u64 {
        let is_left = start.is_multiple_of(length * 2);
        let parent = if is_left { start } else { start - length };
        let other = if is_left { start + length } else { parent };
        if parent == 0 || waiting.get(&other).is_none_or(|(found, _)| *found != length) {
            break;
        }
        let Some((_, other_value)) = waiting.remove(&other) else { break };
        let (left, right) = if is_left { (value, other_value) } else { (other_value, value) };
        value = merge_subtrees_non_root(&left, &right, Mode::Hash);
        (start, length) = (parent, length * 2);
    }
    waiting.insert(start, (length, value));
}

fn node(subtrees: &BTreeMap<u64, (u64, ChainingValue)>, start: u64, length: u64) -> Option<ChainingValue> {
    if let Some((found, value)) = subtrees.get(&start)
        && *found == length
    {
        return Some(*value);
    }
    if length <= CHUNK_LEN as u64 {
        return None;
    }
    let left = left_subtree_len(length);
    let (first, second) = (node(subtrees, start, left)?, node(subtrees, start + left, length - left)?);
    Some(merge_subtrees_non_root(&first, &second, Mode::Hash))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is behind it is whole between any two calls.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etag(content: &[u8], stripe_bytes: usize, order: impl Fn(usize) -> usize) -> Option<Etag> {
        let hash = ContentHash::default();
        let stripes: Vec<&[u8]> = content.chunks(stripe_bytes).collect();
        for at in 0..stripes.len() {
            let index = order(at) % stripes.len();
            let start = (index * stripe_bytes) as u64;
            let mut hasher = StripeHasher::new(start, start + stripes[index].len() as u64);
            for part in stripes[index].chunks(4096 + 100 * at) {
                hasher.update(part);
            }
            hash.add(hasher.finish());
        }
        hash.etag(content.len() as u64)
    }

    #[test]
    fn the_hash_is_that_of_the_whole() {
        let content: Vec<u8> = (0..400_000_u32).map(|at| (at.wrapping_mul(at) >> 7).to_le_bytes()[0]).collect();
        for stripe_bytes in [4096, 3 * 4096, 4 * 4096, 12 * 4096, 15 * 4096, 143 * 4096] {
            for len in [0, 1, 63, 1023, 1024, 1025, 2048, 4096, 4097, 8192, 16384, 49152, 50000, 65536, 399_999] {
                let expected = blake3::hash(&content[..len]);
                let found = etag(&content[..len], stripe_bytes, |at| at);
                assert_eq!(
                    found.as_ref().map(|etag| &etag[..]),
                    Some(&expected.as_bytes()[..16]),
                    "{stripe_bytes} {len}"
                );
                let count = len.div_ceil(stripe_bytes);
                let backwards = etag(&content[..len], stripe_bytes, |at| count - 1 - at);
                assert_eq!(backwards, found, "{stripe_bytes} {len}");
            }
        }
    }

    #[test]
    fn a_missing_stripe_is_noticed() {
        let content = vec![7; 10 * 4096];
        assert_eq!(etag(&content, 4096, |at| if at == 3 { 4 } else { at }), None);
    }

    /// Neighbours are merged as they come: what waits is bounded by the depth of the tree.
    #[test]
    fn few_subtrees_wait() {
        let hash = ContentHash::default();
        for index in 0..4096_u64 {
            let mut hasher = StripeHasher::new(index * 4096, (index + 1) * 4096);
            hasher.update(&[1; 4096]);
            hash.add(hasher.finish());
            assert!(lock(&hash.subtrees).len() < 40, "{index}");
        }
    }
}
