//! By what a client proves who asks.

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};

/// The secret of a token, as each request to a node presents it. It is never printed.
#[derive(Debug, Clone)]
pub struct Credential(HeaderValue);

impl Credential {
    /// Of a token's secret (RFC 6750, 2.1); `None` where it is no text that a header can have.
    pub fn bearer(secret: &str) -> Option<Self> {
        let mut header = HeaderValue::from_str(&format!("Bearer {secret}")).ok()?;
        header.set_sensitive(true);
        Some(Self(header))
    }

    /// Adds it to the headers of a request.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        headers.insert(AUTHORIZATION, self.0.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_presented_and_not_printed() {
        let credential = Credential::bearer("rain_abc").unwrap();
        let mut headers = HeaderMap::new();
        credential.add_to(&mut headers);
        assert_eq!(headers.get("authorization").unwrap(), "Bearer rain_abc");
        assert!(!format!("{credential:?} {headers:?}").contains("abc"));
        assert!(Credential::bearer("two\nlines").is_none());
    }
}
