//! Contents that can be made again, and their names on disk and in headers.

/// One step of splitmix64.
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Bytes that look random; of one seed always the same, the shorter a prefix of the longer.
pub(crate) fn random_bytes(length: usize, seed: u64) -> Vec<u8> {
    let words = (0..length.div_ceil(8) as u64).map(|at| mix(mix(seed) ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.truncate(length);
    bytes
}

/// The `turn`th number below `bound` of a sequence that looks random.
pub(crate) fn random_below(bound: u64, turn: u64) -> u64 {
    mix(mix(turn) ^ 0x5eed) % bound
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

/// The entity tag of a content: the first 128 bits of its BLAKE3, in quotation marks.
pub(crate) fn etag_of(content: &[u8]) -> String {
    format!("\"{}\"", hash(content))
}

/// What the names of a title's files begin with.
pub(crate) fn title_hash(title: &str) -> String {
    hash(title.as_bytes())
}
