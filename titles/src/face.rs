//! The face that titles have for everybody above a node: whoever serves, mounts, packages or copies them needs no more, and
//! does not see whether a node, or a client of several nodes, is behind it.

use crate::{Listed, Page, Precondition, ReadError, WriteError};
use bytes::Bytes;
use core::ops::Range;
use core::pin::Pin;
use futures_util::Stream;
use std::io;

/// What there is of a version of a title before any of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its entity tag, with the quotation marks.
    pub etag: String,
    /// When it was stored, in milliseconds since 1970. No order follows from it.
    pub modified_ms: u64,
    /// Its media type.
    pub media_type: String,
    /// What the cluster calls the version.
    pub version: String,
    /// Whether it is the newest, and no later reader can get an older one.
    pub is_fresh: bool,
}

/// What is to be stored under a title.
#[derive(Debug)]
pub struct NewContent<S> {
    /// Its bytes, in parts of any length.
    pub stream: S,
    /// How many there are, where that is known before.
    pub bytes: Option<u64>,
    /// The media type; empty where nobody says.
    pub media_type: String,
}

/// A title was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Whether it replaced something.
    pub replaced: bool,
    /// How many columns may be lost.
    pub tolerates: usize,
    /// The entity tag of what was written, with the quotation marks.
    pub etag: String,
    /// What the cluster calls the version.
    pub version: String,
}

/// Bytes of a title, in parts of any length. An error is the last item.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, ReadError>> + Send>>;

/// A version of a title, to be read from.
pub trait OpenTitle: Send + Sync + 'static {
    /// What it is.
    fn about(&self) -> &About;

    /// Says whether its bytes can be had at present, without reading any.
    ///
    /// # Errors
    /// [`ReadError`].
    fn check(&self) -> Result<(), ReadError>;

    /// Its bytes in `range`. The first ones have come, or there are none, once this is answered.
    ///
    /// # Errors
    /// [`ReadError`]; later ones come out of the stream, which then ends early.
    ///
    /// # Panics
    /// When the range ends behind the title.
    ///
    /// Cancel safety: dropping it, or the stream, gives the reading up.
    fn bytes(&self, range: Range<u64>) -> impl Future<Output = Result<ByteStream, ReadError>> + Send;
}

/// Titles that can be read, written and listed.
pub trait Titles: Send + Sync + 'static {
    /// A version that was opened.
    type Open: OpenTitle;

    /// Finds the newest version of a title.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// Cancel safety: nothing is changed.
    fn open(&self, title: &str) -> impl Future<Output = Result<Self::Open, ReadError>> + Send;

    /// Stores a new content of a title.
    ///
    /// # Errors
    /// [`WriteError`]; but for [`WriteError::Unconfirmed`] nothing was stored.
    ///
    /// Cancel safety: it may be stored or not when this is dropped.
    fn put<S>(
        &self,
        title: &str,
        content: NewContent<S>,
        precondition: Precondition,
    ) -> impl Future<Output = Result<Written, WriteError>> + Send
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static;

    /// Deletes a title. Gives what the cluster calls the version that has nothing.
    ///
    /// # Errors
    /// [`WriteError`]; but for [`WriteError::Unconfirmed`] nothing was changed.
    ///
    /// Cancel safety: it may be deleted or not when this is dropped.
    fn delete(
        &self,
        title: &str,
        precondition: Precondition,
    ) -> impl Future<Output = Result<String, WriteError>> + Send;

    /// A page of the titles. One that is shorter than its limit is the last.
    ///
    /// # Errors
    /// [`ReadError::Elsewhere`].
    ///
    /// Cancel safety: nothing is changed.
    fn list(&self, page: &Page) -> impl Future<Output = Result<Vec<Listed>, ReadError>> + Send;
}
