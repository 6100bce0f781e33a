//! Keys and values beside the content of a version.

/// Most bytes of attributes, keys and lengths included.
pub const ATTRIBUTES_BYTES_MAX: usize = 8 << 10;
/// An attribute: the media type, such as `video/mp4`.
pub const MEDIA_TYPE: u16 = 1;
/// An attribute: when the content was made originally, u64 milliseconds since 1970, little-endian.
pub const ORIGINAL_DATE: u16 = 2;

/// Keys and values that belong to a version, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes(Box<[(u16, Box<[u8]>)]>);

impl Attributes {
    /// Those of a list in the order of their keys, each once.
    pub(super) fn of_sorted(all: Vec<(u16, Box<[u8]>)>) -> Self {
        Self(all.into())
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: u16, value: &[u8]) {
        let mut all = core::mem::take(&mut self.0).into_vec();
        match all.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(place) => all[place].1 = value.into(),
            Err(place) => all.insert(place, (key, value.into())),
        }
        self.0 = all.into();
    }

    /// The value of a key.
    pub fn get(&self, key: u16) -> Option<&[u8]> {
        let place = self.0.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(&self.0[place].1)
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u16, &[u8])> {
        self.0.iter().map(|(key, value)| (*key, &**value))
    }
}
