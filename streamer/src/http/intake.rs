//! The body of a request as it comes: waited for only so long, and read to its end within a bound by the connection where
//! nobody else wants it. A client that is refused while it sends would else be reset before it reads why.

use super::RequestBody;
use bytes::Bytes;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use std::io;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// So many bytes of a body that nobody wants are read.
const LEFTOVER_BYTES_MAX: u64 = 64 << 20;
/// For so long.
const LEFTOVER: Duration = Duration::from_secs(10);

/// Whoever brings less while it is waited for stands still.
const STEP_BYTES: usize = 16 << 10;

/// Bodies that nobody wants any more.
pub(super) type Leftovers = mpsc::Receiver<Incoming>;

/// The body of a request as it comes.
struct Intake {
    /// Gone once it is at its end, or given up.
    body: Option<Incoming>,
    patience: Duration,
    /// Since when nothing comes, and until when it is waited for.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    /// Since the last step of [`STEP_BYTES`]: how long it was waited for, and what came.
    waited: Duration,
    brought: usize,
    /// The client sends it only when it is asked for, which it is not yet.
    is_held_back: bool,
    leftovers: mpsc::Sender<Incoming>,
}

/// A request whose body is given up when it is waited for `patience` and less than [`STEP_BYTES`] come, and it is not at its
/// end.
pub(super) fn received(
    request: Request<Incoming>,
    patience: Duration,
    leftovers: mpsc::Sender<Incoming>,
) -> Request<RequestBody> {
    let is_held_back = request.headers().contains_key(EXPECT);
    request.map(|body| {
        let (waiting, waited, brought) = (None, Duration::ZERO, 0);
        Intake { body: Some(body), patience, waiting, waited, brought, is_held_back, leftovers }.boxed_unsync()
    })
}

impl Intake {
    /// Notes what came. Time in which nobody asked for it is not the client's.
    fn came(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        self.brought += bytes;
        if self.brought >= STEP_BYTES {
            (self.waited, self.brought) = (Duration::ZERO, 0);
        }
    }
}

impl Body for Intake {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let intake = &mut *self;
        let Some(body) = &mut intake.body else { return Poll::Ready(None) };
        intake.is_held_back = false;
        match Pin::new(body).poll_frame(context) {
            Poll::Ready(frame) => {
                match &frame {
                    Some(Ok(frame)) => intake.came(frame.data_ref().map_or(0, Bytes::len)),
                    Some(Err(_)) | None => intake.body = None,
                }
                Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
            }
            Poll::Pending => {
                let left = intake.patience.saturating_sub(intake.waited);
                let (_, alarm) = intake.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
                core::task::ready!(alarm.as_mut().poll(context));
                intake.body = None;
                metrics::counter!("rain_stalled_total", "what" => "upload").increment(1);
                let (brought, seconds) = (intake.brought, intake.patience.as_secs());
                let why = format!(
                    "{brought} bytes of the body came in {seconds} s of waiting, expected {STEP_BYTES} or its end"
                );
                Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, why))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && !body.is_end_stream()
            && !self.is_held_back
        {
            // Where the connection is gone there is nobody to read it for.
            let _ = self.leftovers.try_send(body);
        }
    }
}

/// Reads what is left of a body, within a bound of bytes and time.
///
/// Cancel safety: dropping it gives the body up.
pub(super) async fn read_leftover(mut body: Incoming) {
    let mut left = LEFTOVER_BYTES_MAX;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(LEFTOVER, reading).await;
}
