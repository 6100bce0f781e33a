//! A range of a title as its viewer takes it: read ahead, with patience for what may return, and its stalls noted.

use super::StreamGuard;
use super::read::{Delivery, FIRST, READ_AHEAD_BYTES, RETURN};
use bytes::Bytes;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, Stream, StreamExt};
use rain_fetch::Piece;
use rain_titles::ReadError;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;

/// A fetch under way; aborted when the viewer goes away.
#[derive(Debug)]
struct Fetch {
    task: JoinHandle<Result<Vec<Bytes>, ReadError>>,
    bytes: u64,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Future for Fetch {
    type Output = (u64, Result<Vec<Bytes>, ReadError>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let joined = ready!(self.task.poll_unpin(context));
        let result = joined.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The node is ending.
            Err(_) => Err(ReadError::Ending),
        });
        Poll::Ready((self.bytes, result))
    }
}

/// A range of a title. Reads ahead [`READ_AHEAD_BYTES`] at most, what the viewer has not taken included.
#[derive(Debug)]
pub(super) struct Reader {
    delivery: Arc<Delivery>,
    /// Pieces that are not fetched yet.
    pieces: VecDeque<Piece>,
    fetches: FuturesOrdered<Fetch>,
    /// Bytes of the fetches under way.
    under_way: u64,
    ready: VecDeque<Bytes>,
    /// Bytes fetched that the viewer has not taken.
    ready_bytes: u64,
    /// Bytes that the viewer has yet to get.
    left: u64,
    /// How far it is read ahead: twice what the viewer has taken, up to the whole. A viewer that only looks, or leaves
    /// for another node at once, costs the peers a piece and not megabytes.
    window: u64,
    /// How long the next fetch may wait for columns to return.
    patience: Duration,
    /// Since when the viewer could take bytes and there are none.
    waiting: Option<Instant>,
    _open: StreamGuard,
}

impl Reader {
    /// Delivers `range`.
    ///
    /// # Panics
    /// When the range ends behind the title.
    pub(super) fn new(delivery: Arc<Delivery>, range: Range<u64>) -> Self {
        let pieces = delivery.pieces(range.clone()).into();
        let open = delivery.reads().open_stream();
        Self {
            delivery,
            pieces,
            fetches: FuturesOrdered::new(),
            under_way: 0,
            ready: VecDeque::new(),
            ready_bytes: 0,
            left: range.end - range.start,
            window: 0,
            patience: FIRST,
            waiting: None,
            _open: open,
        }
    }

    /// Fetches until the first bytes are there, so that an error can still be told before them.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// Cancel safety: no byte is lost.
    pub(super) async fn prepare(&mut self) -> Result<(), ReadError> {
        self.fetch_ahead();
        if let Some((bytes, result)) = self.fetches.next().await {
            self.take(bytes, result?);
        }
        Ok(())
    }

    fn end_wait(&mut self) {
        if let Some(since) = self.waiting.take() {
            self.delivery.reads().note_stall(since.elapsed());
        }
    }

    fn take(&mut self, bytes: u64, parts: Vec<Bytes>) {
        self.under_way -= bytes;
        self.ready_bytes += bytes;
        self.ready.extend(parts);
    }

    fn fetch_ahead(&mut self) {
        while let Some(piece) = self.pieces.front() {
            let ahead = self.under_way + self.ready_bytes;
            if ahead > 0 && ahead + piece.len() > self.window {
                break;
            }
            let Some(piece) = self.pieces.pop_front() else { break };
            let bytes = piece.len();
            self.under_way += bytes;
            let patience = core::mem::replace(&mut self.patience, RETURN);
            let delivery = Arc::clone(&self.delivery);
            let task = tokio::spawn(async move { delivery.fetch(&piece, patience).await });
            self.fetches.push_back(Fetch { task, bytes });
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A wait that ended with the stream was one all the same.
        if self.left > 0 {
            self.end_wait();
        }
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let reader = &mut *self;
        loop {
            if let Some(bytes) = reader.ready.pop_front() {
                let length = bytes.len() as u64;
                reader.ready_bytes -= length;
                reader.left -= length;
                reader.window = (reader.window + 2 * length).min(READ_AHEAD_BYTES);
                reader.delivery.reads().note_served(length);
                reader.end_wait();
                reader.fetch_ahead();
                return Poll::Ready(Some(Ok(bytes)));
            }
            reader.fetch_ahead();
            let Poll::Ready(fetched) = reader.fetches.poll_next_unpin(context) else {
                reader.waiting.get_or_insert_with(Instant::now);
                return Poll::Pending;
            };
            match fetched {
                None => return Poll::Ready(None),
                Some((bytes, Ok(parts))) => reader.take(bytes, parts),
                Some((_, Err(error))) => {
                    tracing::warn!(%error, left = reader.left, "a stream was broken off");
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
