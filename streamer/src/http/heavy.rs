//! What takes much of a node: few of it at once, and of one client less.

use super::{ApiError, RequestBody};
use core::net::IpAddr;
use hyper::body::Body;
use hyper::{Method, Request};
use rain_node::{Full, Gate, Gates, Serving};
use std::sync::Arc;

/// A shorter upload is in memory as a whole, and no more of it.
const LIGHT_UPLOAD_BYTES: u64 = 64 << 10;

/// The gates before what takes much.
#[derive(Debug)]
pub(super) struct Heavy {
    uploads: Arc<Gate>,
    verifications: Arc<Gate>,
}

impl Heavy {
    pub(super) fn new(gates: &Gates) -> Self {
        Self { uploads: Arc::clone(&gates.uploads), verifications: Arc::clone(&gates.verifications) }
    }

    /// Lets a request of an address in. What it gives is held until the answer is there; `None` of what takes little.
    ///
    /// # Errors
    /// 503 `busy`.
    pub(super) fn admit(&self, from: IpAddr, request: &Request<RequestBody>) -> Result<Option<Serving>, ApiError> {
        let (gate, what) = match what_of(request) {
            None => return Ok(None),
            Some(What::Upload) => (&self.uploads, "uploads"),
            Some(What::Verification) => (&self.verifications, "verifications"),
        };
        let busy = |full: Full| ApiError::busy(format!("{what}: {full}"));
        let pass = Arc::new(gate.enter(from).map_err(busy)?);
        Ok(Some(pass.serve()))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Upload,
    Verification,
}

fn what_of(request: &Request<RequestBody>) -> Option<What> {
    let path = request.uri().path();
    if *request.method() == Method::PUT && path.starts_with("/v/") {
        let is_light = request.body().size_hint().exact().is_some_and(|bytes| bytes <= LIGHT_UPLOAD_BYTES);
        return (!is_light).then_some(What::Upload);
    }
    let verifies = path.starts_with("/api/v1/titles/") && super::reports::verifies(request.uri());
    verifies.then_some(What::Verification)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full as FullBody, StreamBody};
    use rain_config::Limits;
    use rain_node::Bounds;

    const A: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 2));

    fn request(method: Method, path: &str, bytes: Option<usize>) -> Request<RequestBody> {
        let body = match bytes {
            Some(bytes) => FullBody::new(Bytes::from(vec![0; bytes])).map_err(|never| match never {}).boxed_unsync(),
            None => StreamBody::new(futures_util::stream::empty()).boxed_unsync(),
        };
        Request::builder().method(method).uri(path).body(body).unwrap()
    }

    #[test]
    fn only_what_takes_much_is_counted() {
        let of = |method, path: &str, bytes| what_of(&request(method, path, bytes));
        assert_eq!(of(Method::PUT, "/v/a", Some(65_536)), None);
        assert_eq!(of(Method::PUT, "/v/a", Some(65_537)), Some(What::Upload));
        assert_eq!(of(Method::PUT, "/v/a", None), Some(What::Upload));
        assert_eq!(of(Method::GET, "/v/a", None), None);
        for (query, expected) in [("?verify=1", Some(What::Verification)), ("", None), ("?verify=0", None)] {
            let path = format!("/api/v1/titles/a{query}");
            assert_eq!(of(Method::GET, &path, Some(0)), expected, "{query}");
        }
        assert_eq!(of(Method::GET, "/v/a?verify=1", Some(0)), None);
    }

    #[test]
    fn a_client_verifies_one_title_at_a_time_and_few_do() {
        let limits = Limits { verifications: 2, ..Limits::default() };
        let heavy = Heavy::new(&Gates::new(&Bounds::new(&limits, 1024, 4)));
        let verify = request(Method::GET, "/api/v1/titles/a?verify=1", Some(0));
        let first = heavy.admit(A, &verify).unwrap();
        assert!(first.is_some());
        let refused = heavy.admit(A, &verify).unwrap_err();
        assert_eq!(refused.status(), 503);
        let _second = heavy.admit(B, &verify).unwrap();
        let third = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 3));
        assert_eq!(heavy.admit(third, &verify).unwrap_err().status(), 503);
        assert!(heavy.admit(A, &request(Method::PUT, "/v/a", None)).is_ok(), "something else");
        drop(first);
        assert!(heavy.admit(A, &verify).is_ok());
    }
}
