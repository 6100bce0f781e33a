//! Response bodies: whole, or as the viewer takes them.

use bytes::Bytes;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Collected, Empty, Full, Limited};
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use rain_node::Serving;
use rain_titles::ByteStream;
use std::io;

/// The body of every response.
pub(crate) type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;

/// The body of every request.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// A response whose caller is being served until its body has been handed over.
pub(super) fn served(response: Response<ResponseBody>, serving: Serving) -> Response<ResponseBody> {
    response.map(|body| ServedBody { body, _serving: serving }.boxed_unsync())
}

/// A whole body of a request, where it has no more than so many bytes.
///
/// # Errors
/// In words: it has more, or broke off.
///
/// Cancel safety: what was read is lost.
pub(crate) async fn read_small<B>(body: B, bytes_max: usize) -> Result<Bytes, String>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn core::error::Error + Send + Sync>>,
{
    let read = Limited::new(body, bytes_max).collect().await;
    read.map(Collected::to_bytes).map_err(|error| error.to_string())
}

/// A body that is there.
pub(crate) fn full(bytes: impl Into<Bytes>) -> ResponseBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub(crate) fn empty() -> ResponseBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A range of a title, of `length` bytes.
pub(crate) fn of_title(stream: ByteStream, length: u64) -> ResponseBody {
    TitleBody { stream, left: length }.boxed_unsync()
}

struct ServedBody {
    body: ResponseBody,
    _serving: Serving,
}

impl Body for ServedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct TitleBody {
    stream: ByteStream,
    /// Bytes that are still to come.
    left: u64,
}

impl Body for TitleBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let read = ready!(self.stream.as_mut().poll_next(context));
        if let Some(Ok(bytes)) = &read {
            self.left = self.left.saturating_sub(bytes.len() as u64);
        }
        // By an error the connection is broken off: a short body must not look like a whole one.
        Poll::Ready(read.map(|read| read.map(Frame::data).map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
