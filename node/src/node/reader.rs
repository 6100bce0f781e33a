//! A range of a title as its viewer takes it: read ahead, with patience for what may return, and its stalls noted.

use super::StreamGuard;
use super::ahead::{Fetch, OwnStock, PIECE_BYTES, READ_AHEAD_BYTES, ReadAhead, SMALL_PIECE_BYTES, Stock};
use super::read::{Delivery, RETURN};
use bytes::Bytes;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use futures_util::{Stream, StreamExt};
use rain_fetch::{Piece, Pieces};
use rain_titles::ReadError;
use std::sync::Arc;
use std::time::Instant;

/// A range of a title. Reads ahead [`READ_AHEAD_BYTES`] at most, what the viewer has not taken included, and less where
/// all streams together are read ahead too far.
#[derive(Debug)]
pub(super) struct Reader {
    way: Way,
    stock: OwnStock,
    /// Since when the viewer could take bytes and there are none.
    waiting: Option<Instant>,
    _open: StreamGuard,
}

/// How far a reader is.
#[derive(Debug)]
struct Way {
    delivery: Arc<Delivery>,
    /// Where the range ends.
    end: u64,
    /// Bytes that the viewer has yet to get.
    left: u64,
    /// What is not fetched yet.
    cut: Pieces,
    /// The piece that was cut and did not fit into the window.
    next: Option<Piece>,
    /// How far it is read ahead: twice what the viewer has taken, up to the whole. A viewer that only looks, or leaves
    /// for another node at once, costs the peers a piece and not megabytes.
    window: u64,
    /// How long the next fetch may wait for columns to return.
    patience: Duration,
}

impl Way {
    fn cut_next(&mut self, window: u64) -> Option<Piece> {
        self.next
            .take()
            .or_else(|| if window < PIECE_BYTES { self.cut.next_small(SMALL_PIECE_BYTES) } else { self.cut.next() })
    }

    fn fetch_ahead(&mut self, stock: &mut Stock, budget: &ReadAhead) {
        if stock.was_taken_back() {
            self.cut = self.delivery.pieces(self.end - self.left..self.end);
            self.next = None;
        }
        let window = budget.window();
        while let Some(piece) = self.cut_next(window) {
            let (ahead, bytes) = (stock.bytes(), piece.len());
            if ahead > 0 && (ahead + bytes > window.min(self.window) || !budget.has_room(bytes)) {
                self.next = Some(piece);
                break;
            }
            let patience = core::mem::replace(&mut self.patience, RETURN);
            let delivery = Arc::clone(&self.delivery);
            let task = tokio::spawn(async move { delivery.fetch(&piece, patience).await });
            stock.begin(Fetch { task, bytes });
        }
    }

    /// Hands a part over.
    fn hand_over(&mut self, part: &Bytes) {
        let length = part.len() as u64;
        self.left -= length;
        self.window = (self.window + 2 * length).min(READ_AHEAD_BYTES);
        self.delivery.reads().note_served(length);
    }
}

impl Reader {
    /// Delivers `range`.
    ///
    /// # Panics
    /// When the range ends behind the title.
    pub(super) fn new(delivery: Arc<Delivery>, range: Range<u64>) -> Self {
        let open = delivery.reads().open_stream();
        let (stock, patience) = (delivery.read_ahead().stock(), delivery.node().first_patience());
        let way = Way {
            cut: delivery.pieces(range.clone()),
            next: None,
            delivery,
            end: range.end,
            left: range.end - range.start,
            window: 0,
            patience,
        };
        Self { way, stock, waiting: None, _open: open }
    }

    /// Fetches until the first bytes are there, so that an error can still be told before them.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// Cancel safety: no byte is lost.
    pub(super) async fn prepare(&mut self) -> Result<(), ReadError> {
        let (way, stock) = (&mut self.way, &self.stock);
        core::future::poll_fn(|context| {
            stock.with(Instant::now(), |on_it| {
                way.fetch_ahead(on_it, stock.budget());
                match on_it.fetches.poll_next_unpin(context) {
                    Poll::Ready(Some((bytes, Ok(parts)))) => {
                        on_it.put(bytes, parts);
                        Poll::Ready(Ok(()))
                    }
                    Poll::Ready(Some((_, Err(error)))) => Poll::Ready(Err(error)),
                    Poll::Ready(None) => Poll::Ready(Ok(())),
                    Poll::Pending => {
                        on_it.wait();
                        Poll::Pending
                    }
                }
            })
        })
        .await
    }

    fn end_wait(&mut self) {
        if let Some(since) = self.waiting.take() {
            self.way.delivery.reads().note_stall(since.elapsed());
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A wait that ended with the stream was one all the same.
        if self.way.left > 0 {
            self.end_wait();
        }
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { way, stock, waiting, .. } = &mut *self;
        let (budget, now) = (stock.budget(), Instant::now());
        let polled = stock.with(now, |on_it| {
            loop {
                way.fetch_ahead(on_it, budget);
                if let Some(part) = on_it.take(budget.is_tight()) {
                    way.hand_over(&part);
                    way.fetch_ahead(on_it, budget);
                    return Poll::Ready(Some(Ok(part)));
                }
                let Poll::Ready(fetched) = on_it.fetches.poll_next_unpin(context) else {
                    waiting.get_or_insert(now);
                    on_it.wait();
                    return Poll::Pending;
                };
                match fetched {
                    None => return Poll::Ready(None),
                    Some((bytes, Ok(parts))) => on_it.put(bytes, parts),
                    Some((_, Err(error))) => {
                        tracing::warn!(%error, left = way.left, "a stream was broken off");
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        });
        budget.relieve(now);
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            self.end_wait();
        }
        polled
    }
}
