//! The query of a URL.

use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

/// The parameters of a query; of a repeated one the last.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads it.
    pub(super) fn of(query: &str) -> Self {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Self(query.split('&').map(pair).collect())
    }

    /// A parameter, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}
