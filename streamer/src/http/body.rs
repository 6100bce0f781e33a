//! Response bodies: whole, or delivered piece by piece as the viewer takes them.

use crate::node::{Delivery, READ_AHEAD_BYTES, RETURN, ReadError, StreamGuard};
use bytes::Bytes;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;

/// The body of every response.
pub(crate) type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;

/// A body that is there.
pub(crate) fn full(bytes: impl Into<Bytes>) -> ResponseBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub(crate) fn empty() -> ResponseBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Before the first byte, an error is still told as a status, and soon.
const FIRST: Duration = Duration::from_secs(1);

/// A fetch under way; aborted when the viewer goes away.
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
pub(crate) struct TitleBody {
    delivery: Arc<Delivery>,
    /// Pieces that are not fetched yet.
    pieces: VecDeque<rain_fetch::Piece>,
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

impl TitleBody {
    /// Delivers `range`.
    ///
    /// # Panics
    /// When the range ends behind the title.
    pub(crate) fn new(delivery: Arc<Delivery>, range: Range<u64>) -> Self {
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

    /// Fetches until the first bytes are there, so that an error can still be told as a status.
    pub(crate) async fn prepare(&mut self) -> Result<(), ReadError> {
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

impl Drop for TitleBody {
    fn drop(&mut self) {
        // A wait that ended with the stream was one all the same.
        if self.left > 0 {
            self.end_wait();
        }
    }
}

impl Body for TitleBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let body = &mut *self;
        loop {
            if let Some(bytes) = body.ready.pop_front() {
                let length = bytes.len() as u64;
                body.ready_bytes -= length;
                body.left -= length;
                body.window = (body.window + 2 * length).min(READ_AHEAD_BYTES);
                body.delivery.reads().note_served(length);
                body.end_wait();
                body.fetch_ahead();
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            body.fetch_ahead();
            let Poll::Ready(fetched) = body.fetches.poll_next_unpin(context) else {
                body.waiting.get_or_insert_with(Instant::now);
                return Poll::Pending;
            };
            match fetched {
                None => return Poll::Ready(None),
                Some((bytes, Ok(parts))) => body.take(bytes, parts),
                Some((_, Err(error))) => {
                    // The connection is broken off: a short body must not look like a whole one.
                    tracing::warn!(%error, left = body.left, "a stream was broken off");
                    return Poll::Ready(Some(Err(io::Error::other(error))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
