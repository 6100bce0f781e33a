//! Who may come in, by where the listener is and what the request says of itself, and who it is that asks
//! (docs/operating.md, doors).

use super::ApiError;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use std::net::{IpAddr, SocketAddr};

/// Who asks. Rooms take it as it is: it is made here alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Where from.
    pub(crate) address: IpAddr,
    /// As whom.
    pub(crate) standing: Standing,
}

/// As whom somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// With the token of the configuration, wherever from.
    Token,
    /// From this machine.
    Loopback,
    /// As anybody else.
    Stranger,
}

impl Standing {
    /// Whether titles, and parts of a demo, are the caller's to change.
    fn may_write(self) -> bool {
        match self {
            Self::Token | Self::Loopback => true,
            Self::Stranger => false,
        }
    }
}

/// The access to one listener.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// Where the listener is.
    pub(crate) listen: SocketAddr,
    /// The token for writes from other machines.
    pub(crate) token: Option<String>,
}

impl Access {
    /// Lets a request from `peer` in, or says why not.
    ///
    /// # Errors
    /// 400, 401, 403 or 415.
    pub(crate) fn admit(
        &self,
        peer: IpAddr,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Caller, ApiError> {
        // Of two, a proxy may have judged by one and this node by the other.
        for name in [HOST, ORIGIN, AUTHORIZATION] {
            if headers.get_all(&name).iter().nth(1).is_some() {
                let message = format!("the header `{name}` is there more than once, expected once");
                return Err(ApiError::new(StatusCode::BAD_REQUEST, "repeated-header", message));
            }
        }
        let caller = self.caller(peer, headers);
        let writes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if self.listen.ip().is_loopback() || (writes && caller.standing == Standing::Loopback) {
            self.check_names(headers)?;
        }
        if writes && !caller.standing.may_write() {
            let message =
                "writing from another machine needs `Authorization: Bearer` with the token of the configuration";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message));
        }
        if *method == Method::POST && uri.path().starts_with("/api/") {
            let found = text(headers, CONTENT_TYPE).unwrap_or_default();
            if !found.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
                let error = ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "the body must be JSON");
                return Err(error.with(found, "application/json"));
            }
        }
        Ok(caller)
    }

    fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> Caller {
        let standing = if self.has_token(headers) {
            Standing::Token
        } else if peer.is_loopback() {
            Standing::Loopback
        } else {
            Standing::Stranger
        };
        Caller { address: peer, standing }
    }

    /// A page from elsewhere must not reach a loopback listener through a browser: neither by a name of its own for
    /// this machine (DNS rebinding) nor by a form.
    fn check_names(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let port = self.listen.port();
        let own = self.listen.ip().to_string();
        let known = |host: &str| {
            let (name, found) = match host.rsplit_once(':') {
                Some((name, found)) if !found.is_empty() && found.bytes().all(|byte| byte.is_ascii_digit()) => {
                    (name, found.parse().ok())
                }
                _ => (host, Some(80)),
            };
            found == Some(port) && (matches!(name, "127.0.0.1" | "localhost" | "[::1]") || name == own)
        };
        let forbidden = |what: &str, found: &str| {
            let message = format!("{what} must name this machine and its port");
            ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).with(found, format!("127.0.0.1:{port}"))
        };
        let host = text(headers, HOST).unwrap_or_default();
        if !known(host) {
            return Err(forbidden("Host", host));
        }
        match text(headers, ORIGIN) {
            Some(origin) if origin.strip_prefix("http://") != Some(host) => Err(forbidden("Origin", origin)),
            _ => Ok(()),
        }
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let bearer = text(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        match (&self.token, bearer) {
            // Compared by their hashes, in constant time.
            (Some(token), Some(found)) => blake3::hash(token.as_bytes()) == blake3::hash(found.trim().as_bytes()),
            _ => false,
        }
    }
}

fn text(headers: &HeaderMap, name: hyper::header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn check(access: &Access, peer: &str, method: &Method, headers: &[(HeaderName, &'static str)]) -> u16 {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let uri = Uri::from_static("/api/v1/faults");
        let admitted = access.admit(peer.parse().unwrap(), method, &uri, &headers);
        admitted.map_or_else(|error| error.status().as_u16(), |_| 200)
    }

    const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json; charset=utf-8");

    #[test]
    fn loopback_listeners_know_their_names() {
        let access = Access { listen: "127.0.0.1:8080".parse().unwrap(), token: None };
        for (host, expected) in [
            ("127.0.0.1:8080", 200),
            ("localhost:8080", 200),
            ("[::1]:8080", 200),
            ("127.0.0.1:8081", 403),
            ("127.0.0.1", 403),
            ("rebound.example:8080", 403),
            ("", 403),
        ] {
            assert_eq!(check(&access, "127.0.0.1", &Method::GET, &[(HOST, host)]), expected, "{host}");
        }
        let host = (HOST, "localhost:8080");
        assert_eq!(check(&access, "127.0.0.1", &Method::GET, &[host.clone(), (ORIGIN, "http://localhost:8080")]), 200);
        assert_eq!(check(&access, "127.0.0.1", &Method::GET, &[host.clone(), (ORIGIN, "http://evil.example")]), 403);
        assert_eq!(check(&access, "127.0.0.1", &Method::GET, &[host.clone(), (ORIGIN, "null")]), 403);
        assert_eq!(check(&access, "127.0.0.1", &Method::POST, &[host.clone(), JSON]), 200);
        assert_eq!(check(&access, "127.0.0.1", &Method::POST, &[host]), 415);
    }

    #[test]
    fn others_write_with_the_token_only() {
        let access = Access { listen: "10.0.0.1:80".parse().unwrap(), token: Some("secret".to_owned()) };
        let with = |value| [(AUTHORIZATION, value), JSON];
        assert_eq!(check(&access, "10.0.0.2", &Method::GET, &[]), 200);
        assert_eq!(check(&access, "10.0.0.2", &Method::PUT, &[]), 401);
        assert_eq!(check(&access, "10.0.0.2", &Method::PUT, &with("Bearer wrong")), 401);
        assert_eq!(check(&access, "10.0.0.2", &Method::PUT, &with("Bearer secret")), 200);
        assert_eq!(check(&access, "10.0.0.2", &Method::DELETE, &with("secret")), 401);
        let without = Access { token: None, ..access };
        assert_eq!(check(&without, "10.0.0.2", &Method::PUT, &with("Bearer ")), 401);
    }
    #[test]
    fn headers_that_decide_are_there_once() {
        let access = Access { listen: "127.0.0.1:8080".parse().unwrap(), token: Some("secret".to_owned()) };
        let host = (HOST, "127.0.0.1:8080");
        let twice = [
            [host.clone(), host.clone()],
            [host.clone(), (HOST, "rebound.example")],
            [(AUTHORIZATION, "Bearer wrong"), (AUTHORIZATION, "Bearer secret")],
            [(ORIGIN, "http://127.0.0.1:8080"), (ORIGIN, "http://rebound.example")],
        ];
        for headers in twice {
            let mut map = HeaderMap::new();
            for (name, value) in &headers {
                map.append(name, HeaderValue::from_static(value));
            }
            map.entry(HOST).or_insert(HeaderValue::from_static("127.0.0.1:8080"));
            let admitted = access.admit("127.0.0.1".parse().unwrap(), &Method::GET, &Uri::from_static("/v/a"), &map);
            assert_eq!(admitted.map_err(|error| error.status()), Err(StatusCode::BAD_REQUEST), "{headers:?}");
        }
    }

    #[test]
    fn who_asks_is_known() {
        let access = Access { listen: "10.0.0.1:80".parse().unwrap(), token: Some("secret".to_owned()) };
        for (peer, authorization, expected) in [
            ("10.0.0.2", "", Standing::Stranger),
            ("10.0.0.2", "Bearer wrong", Standing::Stranger),
            ("10.0.0.2", "Bearer secret", Standing::Token),
            ("127.0.0.1", "", Standing::Loopback),
            ("::1", "Bearer wrong", Standing::Loopback),
            ("127.0.0.1", "Bearer secret", Standing::Token),
        ] {
            let headers = [(AUTHORIZATION, HeaderValue::from_static(authorization))].into_iter().collect();
            let found = access.admit(peer.parse().unwrap(), &Method::GET, &Uri::from_static("/v/a"), &headers);
            assert_eq!(found.ok().map(|caller| caller.standing), Some(expected), "{peer}, {authorization}");
        }
    }
}
