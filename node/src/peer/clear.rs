//! Columns in the clear: what proves itself need not be sealed, where the configuration says that anybody may read it.
//!
//! `GET /peer/v1/columns/...&proof=1` comes on a connection without a session then. Who asks, it proves by a tag under a key
//! of a session ([`rain_wire::datagram`]); what is answered, the hash tree of the column proves. All else is sealed.

use super::session::{CONNECT, too_late};
use rain_cluster::Sender;
use rain_wire::datagram::{REQUEST_TAG_BYTES, RequestTag};
use rain_wire::sender;
use std::io;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The header with the tag, in hexadecimal digits.
pub(super) const TAG_HEADER: &str = "rain-tag";
/// What records of TLS begin with in which a handshake comes (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// What the tag of a request is of.
pub(super) fn tagged(path_and_query: &str, from: Sender) -> String {
    format!("{} {path_and_query}", sender::to_text(from))
}

/// A tag as its header's value.
pub(super) fn to_header(tag: RequestTag) -> String {
    format!("{:032x}", u128::from_be_bytes(tag))
}

/// The tag of a header's value.
pub(super) fn from_header(text: &str) -> Option<RequestTag> {
    let is_hex = text.len() == 2 * REQUEST_TAG_BYTES && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    u128::from_str_radix(text, 16).ok().filter(|_| is_hex).map(u128::to_be_bytes)
}

/// Whether a connection begins otherwise than a session does.
///
/// # Errors
/// Those of the network; it ends before it begins, or is silent.
///
/// Cancel safety: nothing is lost.
pub(super) async fn is_clear(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [HANDSHAKE];
    let length = timeout(CONNECT, stream.peek(&mut first)).await.map_err(|_| too_late())??;
    if length == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(first[0] != HANDSHAKE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_travel_as_digits() {
        let tag: RequestTag = core::array::from_fn(|index| u8::try_from(17 * index).unwrap());
        let text = to_header(tag);
        assert_eq!(text, "00112233445566778899aabbccddeeff");
        assert_eq!(from_header(&text), Some(tag));
        for wrong in [
            "",
            "00",
            "00112233445566778899aabbccddeef",
            "0+112233445566778899aabbccddeeff",
            "é0112233445566778899aabbccddeef",
        ] {
            assert_eq!(from_header(wrong), None, "{wrong}");
        }
    }
}
