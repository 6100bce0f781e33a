//! Who may come in, by where the listener is and what the request says of itself, and who it is that asks
//! (docs/operating.md, doors).

use super::ApiError;
use super::caller::{Caller, Standing};
use super::cross_origin::is_media;
use super::login::Logins;
use super::router::{is_read, is_write};
use super::server::Ends;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, FORWARDED, HOST, HeaderName, ORIGIN, VIA};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use rain_config::{Reloadable, TokenSecret};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// What proxies add to what they pass on.
const FORWARDED_BY: [HeaderName; 6] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// The access to one listener.
#[derive(Debug)]
pub(crate) struct Access {
    listen: SocketAddr,
    settings: watch::Receiver<Arc<Reloadable>>,
    logins: Arc<Logins>,
}

impl Access {
    /// To a listener at `listen`, for those whose tokens are in force.
    pub(crate) fn new(listen: SocketAddr, settings: watch::Receiver<Arc<Reloadable>>, logins: Arc<Logins>) -> Self {
        Self { listen, settings, logins }
    }

    /// To a listener at `listen` where nobody has a token.
    pub(crate) fn without_tokens(listen: SocketAddr) -> Self {
        let (_, settings) = watch::channel(Arc::default());
        Self::new(listen, settings, Arc::new(Logins::new(listen.port())))
    }

    /// Lets a request in that came over a connection, or says why not.
    ///
    /// # Errors
    /// 400, 401, 403 or 415.
    pub(crate) fn admit(
        &self,
        ends: Ends,
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
        if self.listen.ip().is_loopback() {
            let reads_media = is_read(method) && is_media(uri.path());
            self.check_names(ends, headers, reads_media)?;
        }
        let address = ends.peer.ip().to_canonical();
        let caller = Caller { address, standing: self.standing(ends, method, headers)? };
        if is_write(method) && caller.standing == Standing::Loopback {
            self.check_names(ends, headers, false)?;
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

    /// As whom somebody asks: by the token of the header, else by the login of the cookie, else by the address.
    fn standing(&self, ends: Ends, method: &Method, headers: &HeaderMap) -> Result<Standing, ApiError> {
        let settings = Arc::clone(&self.settings.borrow());
        if let Some(header) = headers.get(AUTHORIZATION) {
            let secret = TokenSecret::of_authorization(header.as_bytes());
            let token = secret.and_then(|secret| settings.tokens.find(&secret.hash()));
            // Also from this machine, and for what anybody may: whoever proves something wrong is mistaken in it.
            let token = token.ok_or_else(|| {
                let message = "what `Authorization` presents is no token of this node's configuration";
                let error = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
                error.with("an unknown token", "`Bearer` and a token of the configuration, or no such header")
            })?;
            return Ok(Standing::Token { token: Arc::clone(token), by_login: false });
        }
        let login = self.logins.find(headers, Instant::now());
        // A token that is no longer there takes its logins with it.
        if let Some(token) = login.and_then(|hash| settings.tokens.find(&hash)) {
            if is_write(method) {
                check_own_page(headers)?;
            }
            return Ok(Standing::Token { token: Arc::clone(token), by_login: true });
        }
        let is_own = is_own(ends, headers) && settings.tokens.is_empty();
        Ok(if is_own { Standing::Loopback } else { Standing::Stranger })
    }

    /// A page from elsewhere must not reach this machine's listener through a browser on it: neither by a name of its own
    /// (DNS rebinding) nor by a form. Media is read by pages of other listeners of this machine, too: a player goes on at
    /// another node of a demo.
    fn check_names(&self, ends: Ends, headers: &HeaderMap, reads_media: bool) -> Result<(), ApiError> {
        let port = self.listen.port();
        let own = match ends.local.ip().to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let is_here = |host: &str| {
            let (name, _) = name_and_port(host);
            matches!(name, "127.0.0.1" | "localhost" | "[::1]") || name == own
        };
        let known = |host: &str| name_and_port(host).1 == Some(port) && is_here(host);
        let forbidden = |what: &str, found: &str| {
            let message = format!("{what} must name this machine and its port");
            ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).with(found, format!("127.0.0.1:{port}"))
        };
        let host = text(headers, HOST).unwrap_or_default();
        if !known(host) {
            return Err(forbidden("Host", host));
        }
        let Some(origin) = text(headers, ORIGIN) else { return Ok(()) };
        let from = origin.strip_prefix("http://");
        let may = from == Some(host) || (reads_media && from.is_some_and(is_here));
        if may { Ok(()) } else { Err(forbidden("Origin", origin)) }
    }
}

/// The name in a `Host`, and its port: 80 where it names none, `None` where what it names is none.
fn name_and_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, port.parse().ok())
        }
        _ => (host, Some(80)),
    }
}

/// Whether a request began on this machine: over its loopback, or from the very address that it came to, which the system
/// lets nobody else use. What a proxy passes on began elsewhere.
fn is_own(ends: Ends, headers: &HeaderMap) -> bool {
    let (peer, local) = (ends.peer.ip().to_canonical(), ends.local.ip().to_canonical());
    (peer.is_loopback() || peer == local) && !FORWARDED_BY.iter().any(|name| headers.contains_key(name))
}

/// What a cookie lets do must be asked for by a page of this listener: a browser sends the cookie whichever page asks, and
/// says with each change which one it is.
fn check_own_page(headers: &HeaderMap) -> Result<(), ApiError> {
    let (origin, host) = (text(headers, ORIGIN), text(headers, HOST).unwrap_or_default());
    let from = origin.and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")));
    if from.is_some_and(|from| !from.is_empty() && from == host) {
        return Ok(());
    }
    let message = "a change by a login must come from a page of this listener: Origin must name the same host as Host";
    let error = ApiError::new(StatusCode::FORBIDDEN, "forbidden", message);
    Err(error.with(origin.unwrap_or("no Origin"), format!("http://{host}")))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
