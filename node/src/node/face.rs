//! The titles of a node, as everybody above it sees them.

use super::Node;
use super::read::Delivery;
use super::reader::Reader;
use super::titles::etag_text;
use bytes::Bytes;
use core::ops::Range;
use futures_util::{Stream, StreamExt};
use rain_titles::{
    About, ByteStream, Listed, NewContent, OpenTitle, Page, Precondition, ReadError, Titles, WriteError, Written,
};
use std::io;
use std::sync::Arc;

/// The titles of the node's cluster, by way of the node.
#[derive(Debug, Clone)]
pub struct NodeTitles(Arc<Node>);

impl NodeTitles {
    /// By way of `node`.
    pub fn new(node: Arc<Node>) -> Self {
        Self(node)
    }
}

/// A version of a title that the node delivers. What its viewers wait for, and how far is read ahead for them, is counted
/// as the node's.
#[derive(Debug)]
pub struct NodeTitle {
    delivery: Arc<Delivery>,
    about: About,
}

impl OpenTitle for NodeTitle {
    fn about(&self) -> &About {
        &self.about
    }

    fn check(&self) -> Result<(), ReadError> {
        self.delivery.check_columns()
    }

    async fn bytes(&self, range: Range<u64>) -> Result<ByteStream, ReadError> {
        let mut reader = Reader::new(Arc::clone(&self.delivery), range);
        reader.prepare().await?;
        Ok(reader.boxed())
    }
}

impl Titles for NodeTitles {
    type Open = NodeTitle;

    async fn open(&self, title: &str) -> Result<NodeTitle, ReadError> {
        let delivery = self.0.open_title(title).await?;
        let (content, manifest) = (delivery.content(), &delivery.manifest);
        let about = About {
            bytes: content.bytes,
            etag: etag_text(&content.etag),
            modified_ms: content.modified_ms,
            media_type: manifest.media_type().to_owned(),
            version: manifest.version.to_string(),
            is_fresh: delivery.fresh,
        };
        Ok(NodeTitle { delivery: Arc::new(delivery), about })
    }

    /// Cancel safety: dropping it does not stop the write.
    async fn put<S>(
        &self,
        title: &str,
        content: NewContent<S>,
        precondition: Precondition,
    ) -> Result<Written, WriteError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    {
        self.0.put(title.to_owned(), content, precondition).await
    }

    /// Cancel safety: dropping it does not stop the deletion.
    async fn delete(&self, title: &str, precondition: Precondition) -> Result<String, WriteError> {
        self.0.delete(title.to_owned(), precondition).await.map(|written| written.version)
    }

    async fn list(&self, page: &Page) -> Result<Vec<Listed>, ReadError> {
        let listed = self.0.list(page.clone(), true).await;
        Ok(serde_json::from_slice(&listed).expect("a list that was just made"))
    }
}
