//! The logins of a listener, in memory: a restart ends them.

use blake3::Hash;
use core::time::Duration;
use hyper::HeaderMap;
use hyper::header::COOKIE;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Most logins at a time; one more ends the oldest.
pub(super) const LOGINS_MAX: usize = 256;
/// A login ends after so long, whatever is done with it.
pub(super) const LOGIN_AGE: Duration = Duration::from_hours(12);
/// Random bytes of a cookie.
const COOKIE_BYTES: usize = 32;

/// The logins of a listener.
#[derive(Debug)]
pub(crate) struct Logins {
    /// The cookie's name. Cookies know no ports: two nodes on one machine must not take each other's.
    cookie: String,
    /// By the hash of the cookie: looking one up tells nothing of it by the time that it takes.
    held: Mutex<BTreeMap<[u8; 32], Login>>,
}

#[derive(Debug, Clone, Copy)]
struct Login {
    /// The hash of the token that was presented.
    token: Hash,
    began: Instant,
}

impl Logins {
    /// Of a listener on this port; nobody is logged in.
    pub(crate) fn new(port: u16) -> Self {
        Self { cookie: format!("rain-login-{port}"), held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Login>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs somebody in who has presented the token with this hash: the header that sets the cookie.
    ///
    /// # Panics
    /// When the system gives no random numbers.
    pub(crate) fn begin(&self, token: Hash, now: Instant) -> String {
        let mut bytes = [0; COOKIE_BYTES];
        getrandom::fill(&mut bytes).expect("the system gives random numbers");
        let value = Hash::from_bytes(bytes).to_hex();
        let mut held = self.held();
        held.retain(|_, login| lives(login, now));
        while held.len() >= LOGINS_MAX {
            let oldest = held.iter().min_by_key(|(_, login)| login.began).map(|(key, _)| *key);
            oldest.map(|key| held.remove(&key));
        }
        held.insert(key(&value), Login { token, began: now });
        self.set_cookie(&value, LOGIN_AGE)
    }

    /// Ends the login of a request, if it has one: the header that takes the cookie away.
    pub(super) fn end(&self, headers: &HeaderMap) -> String {
        if let Some(value) = self.cookie(headers) {
            self.held().remove(&key(value));
        }
        self.set_cookie("", Duration::ZERO)
    }

    /// The hash of the token that the login of a request is of.
    pub(crate) fn find(&self, headers: &HeaderMap, now: Instant) -> Option<Hash> {
        let key = key(self.cookie(headers)?);
        self.held().get(&key).filter(|login| lives(login, now)).map(|login| login.token)
    }

    /// No script reads it, no other site's page sends it. `Secure` it would not come back, while listeners speak no TLS.
    fn set_cookie(&self, value: &str, age: Duration) -> String {
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}", self.cookie, age.as_secs())
    }

    fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.cookie).map(|(_, value)| value)
    }
}

fn key(cookie: &str) -> [u8; 32] {
    *blake3::hash(cookie.as_bytes()).as_bytes()
}

fn lives(login: &Login, now: Instant) -> bool {
    now.saturating_duration_since(login.began) < LOGIN_AGE
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn with_cookie(value: &str) -> HeaderMap {
        [(COOKIE, HeaderValue::from_str(value).unwrap())].into_iter().collect()
    }

    /// What a browser sends back of what it was told to keep.
    fn kept(set: &str) -> String {
        set.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_login_lives_until_it_is_ended_or_old() {
        let (logins, token, now) = (Logins::new(80), blake3::hash(b"token"), Instant::now());
        let set = logins.begin(token, now);
        assert!(set.starts_with("rain-login-80="), "{set}");
        for attribute in ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=43200"] {
            assert!(set.split("; ").any(|part| part == attribute), "{set}");
        }
        let cookie = kept(&set);
        let headers = with_cookie(&format!("other=1; {cookie}; more=2"));
        assert_eq!(logins.find(&headers, now), Some(token));
        assert_eq!(logins.find(&headers, now + Duration::from_hours(12)), None);
        assert_eq!(Logins::new(80).find(&headers, now), None, "another listener's");
        for wrong in ["", "rain-login-80=", &cookie[..cookie.len() - 1], &cookie.replace("-80", "-81")] {
            assert_eq!(logins.find(&with_cookie(wrong), now), None, "{wrong}");
        }
        let gone = logins.end(&headers);
        assert!(gone.starts_with("rain-login-80=;") && gone.contains("Max-Age=0"), "{gone}");
        assert_eq!(logins.find(&headers, now), None);
    }

    #[test]
    fn one_login_too_many_ends_the_oldest() {
        let (logins, token, now) = (Logins::new(80), blake3::hash(b"token"), Instant::now());
        let at = |second: usize| now + Duration::from_secs(second as u64);
        let cookies: Vec<_> = (0..=LOGINS_MAX).map(|number| kept(&logins.begin(token, at(number)))).collect();
        let lives: Vec<bool> =
            cookies.iter().map(|cookie| logins.find(&with_cookie(cookie), at(LOGINS_MAX)).is_some()).collect();
        assert_eq!((lives[0], lives[1..].iter().all(|lives| *lives)), (false, true));
    }
}
