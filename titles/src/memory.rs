//! Titles in memory, for tests of what stands on [`Titles`]: no cluster, no disk, no time.

use crate::face::{About, ByteStream, NewContent, OpenTitle, Titles, Written};
use crate::{Listed, Page, Precondition, ReadError, TitleReport, WriteError};
use bytes::{Bytes, BytesMut};
use core::ops::Range;
use futures_util::{Stream, StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What each part of a stream has at most: small, so that tests see several.
const PART_BYTES: usize = 1000;

/// Titles in memory; clones share them. Nothing is ever lost, so a title tolerates the loss of no column.
#[derive(Debug, Clone, Default)]
pub struct MemoryTitles(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    titles: BTreeMap<String, MemoryTitle>,
    /// Writes so far.
    count: u64,
}

/// A version of a title in memory.
#[derive(Debug, Clone)]
pub struct MemoryTitle {
    about: About,
    bytes: Bytes,
}

impl MemoryTitles {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn check(&self, title: &str, precondition: &Precondition) -> Result<bool, WriteError> {
        let present = self.titles.get(title).map(|present| present.about.etag.as_str());
        if precondition.holds(present) { Ok(present.is_some()) } else { Err(WriteError::Precondition) }
    }
}

impl OpenTitle for MemoryTitle {
    fn about(&self) -> &About {
        &self.about
    }

    fn check(&self) -> Result<(), ReadError> {
        Ok(())
    }

    async fn bytes(&self, range: Range<u64>) -> Result<ByteStream, ReadError> {
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        let bytes = self.bytes.slice(start..end);
        let parts = (0..bytes.len()).step_by(PART_BYTES);
        let parts: Vec<_> = parts.map(|at| Ok(bytes.slice(at..bytes.len().min(at + PART_BYTES)))).collect();
        Ok(stream::iter(parts).boxed())
    }
}

impl Titles for MemoryTitles {
    type Open = MemoryTitle;

    async fn open(&self, title: &str) -> Result<MemoryTitle, ReadError> {
        self.held().titles.get(title).cloned().ok_or(ReadError::Absent { fresh: true })
    }

    async fn put<S>(
        &self,
        title: &str,
        content: NewContent<S>,
        precondition: Precondition,
    ) -> Result<Written, WriteError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    {
        let NewContent { mut stream, bytes: expected, media_type } = content;
        let mut bytes = BytesMut::new();
        while let Some(part) = stream.next().await {
            bytes.extend_from_slice(&part.map_err(|_| WriteError::BrokenBody(bytes.len() as u64))?);
        }
        let found = bytes.len() as u64;
        if expected.is_some_and(|expected| expected != found) {
            return Err(WriteError::BrokenBody(found));
        }
        let mut held = self.held();
        let replaced = held.check(title, &precondition)?;
        held.count += 1;
        let version = held.count.to_string();
        let etag = format!("\"etag of {version}\"");
        let about = About {
            bytes: found,
            etag: etag.clone(),
            modified_ms: held.count * 1000,
            media_type,
            version: version.clone(),
            is_fresh: true,
        };
        held.titles.insert(title.to_owned(), MemoryTitle { about, bytes: bytes.freeze() });
        Ok(Written { replaced, tolerates: 0, etag, version })
    }

    async fn delete(&self, title: &str, precondition: Precondition) -> Result<String, WriteError> {
        let mut held = self.held();
        held.check(title, &precondition)?;
        held.titles.remove(title).ok_or(WriteError::Absent)?;
        held.count += 1;
        Ok(held.count.to_string())
    }

    async fn list(&self, page: &Page) -> Result<Vec<Listed>, ReadError> {
        let held = self.held();
        let item = |item: String| match held.titles.get(&item) {
            None => Listed::Folder { folder: item },
            Some(title) => Listed::Title(TitleReport {
                title: item,
                bytes: title.about.bytes,
                etag: title.about.etag.clone(),
                version: title.about.version.clone(),
                code: "memory".to_owned(),
                tolerates: 0,
                columns: Vec::new(),
            }),
        };
        let items: BTreeSet<_> = held.titles.keys().filter_map(|name| page.item(name)).map(str::to_owned).collect();
        Ok(items.into_iter().take(page.limit).map(item).collect())
    }
}
