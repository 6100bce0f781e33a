//! Players on pages of other origins: they may read media and what is said of it, and nothing else.

use super::{ResponseBody, play};
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue};
use hyper::{Method, Response};

/// Whether a path is of media.
pub(super) fn is_media(path: &str) -> bool {
    path.starts_with("/v/") || path.starts_with(play::ROOT)
}

/// Lets pages of any origin read the answer to a request for media, errors too: a player that cannot read a status does
/// not know whether to try again.
pub(super) fn allow(method: &Method, path: &str, response: &mut Response<ResponseBody>) {
    if is_media(path) && matches!(*method, Method::GET | Method::HEAD) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::empty;
    use super::*;

    #[test]
    fn media_alone_is_read_from_other_origins() {
        for (method, path, expected) in [
            (Method::GET, "/v/a", true),
            (Method::HEAD, "/p/a/master.m3u8", true),
            (Method::PUT, "/v/a", false),
            (Method::GET, "/api/v1/titles", false),
            (Method::GET, "/", false),
        ] {
            let mut response = Response::new(empty());
            allow(&method, path, &mut response);
            assert_eq!(response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), expected, "{method} {path}");
        }
    }
}
