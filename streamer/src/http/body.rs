//! Response bodies: whole, or as the viewer takes them.

use bytes::Bytes;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use futures_util::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, SizeHint};
use rain_node::Reader;
use std::io;

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

/// A range of a title, of a known length.
pub(crate) fn of_title(reader: Reader) -> ResponseBody {
    TitleBody(reader).boxed_unsync()
}

struct TitleBody(Reader);

impl Body for TitleBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let read = ready!(self.0.poll_next_unpin(context));
        // By an error the connection is broken off: a short body must not look like a whole one.
        Poll::Ready(read.map(|read| read.map(Frame::data).map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.left())
    }
}
