//! Why nodes do not do what they are asked for.

use core::fmt;
use rain_titles::{ReadError, WriteError};
use serde_json::Value;

/// An error object that a node answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorObject {
    /// The status of the answer.
    pub status: u16,
    /// What it says, for people.
    pub message: String,
    /// The whole of it.
    pub json: String,
    object: Value,
}

impl ErrorObject {
    /// The error object in the body of an answer with `status`.
    pub fn new(status: u16, body: &[u8]) -> Self {
        let json = String::from_utf8_lossy(body).into_owned();
        let object: Value = serde_json::from_str(&json).unwrap_or_default();
        let message = object["message"].as_str().map_or_else(|| format!("the node answered {status}"), str::to_owned);
        Self { status, message, json, object }
    }

    /// Its short code; empty where the answer was no error object.
    pub fn code(&self) -> &str {
        self.object["error"].as_str().unwrap_or_default()
    }

    /// What was found, and what was expected, where both are numbers.
    fn numbers(&self) -> Option<(usize, usize)> {
        let number = |key: &str| self.object[key].as_u64().and_then(|number| usize::try_from(number).ok());
        number("found").zip(number("expected"))
    }
}

impl fmt::Display for ErrorObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl core::error::Error for ErrorObject {}

/// Whatever went wrong between a client and a node.
type AnyError = Box<dyn core::error::Error + Send + Sync>;

/// Why there is no answer, or none that helps.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address of a node is none.
    #[error("`{url}` is not a URL")]
    Url {
        /// What was found.
        url: String,
        /// What is wrong with it.
        source: AnyError,
    },
    /// A node does not answer.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
        source: AnyError,
    },
    /// A node says why not.
    #[error(transparent)]
    Told(#[from] ErrorObject),
    /// An answer broke off.
    #[error(transparent)]
    Broken(AnyError),
    /// An answer that this client does not understand.
    #[error("{path}: an answer of another form")]
    Form {
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// There is nobody to ask.
    #[error("`--server` names no node")]
    Nobody,
}

impl ClientError {
    /// What a node said, if one did.
    pub fn told(&self) -> Option<&ErrorObject> {
        if let Self::Told(object) = self { Some(object) } else { None }
    }

    /// Whether another node would say the same.
    pub fn is_final(&self) -> bool {
        self.told().is_some_and(|object| object.status < 500)
    }

    /// In one line, with all causes.
    pub(super) fn line(&self) -> String {
        let mut text = self.to_string();
        let mut cause = core::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

impl From<ErrorObject> for ReadError {
    fn from(object: ErrorObject) -> Self {
        match (object.code(), object.numbers()) {
            ("no-such-title", _) => Self::Absent { fresh: true },
            ("too-few-nodes", Some((found, expected))) => Self::TooFewNodes { found, expected },
            ("precondition-failed", _) => Self::Replaced,
            ("draining", _) => Self::Ending,
            _ => Self::Elsewhere(object.message),
        }
    }
}

impl From<ClientError> for ReadError {
    fn from(error: ClientError) -> Self {
        if let ClientError::Told(object) = error { object.into() } else { Self::Elsewhere(error.line()) }
    }
}

impl From<ClientError> for WriteError {
    fn from(error: ClientError) -> Self {
        let ClientError::Told(object) = error else {
            // What was on its way when the connection broke may have been stored.
            let is_unknown = matches!(error, ClientError::Broken(_) | ClientError::Unreachable { .. });
            return if is_unknown { Self::Unconfirmed } else { Self::Elsewhere(error.line()) };
        };
        match (object.code(), object.numbers()) {
            ("no-such-title", _) => Self::Absent,
            ("too-few-nodes", Some((found, expected))) => Self::TooFewNodes { found, expected },
            ("no-space", _) => Self::NoSpace,
            ("precondition-failed", _) => Self::Precondition,
            ("configuration-changed", _) => Self::ConfigurationChanged,
            ("conflict", _) => Self::Conflict,
            ("unconfirmed", _) => Self::Unconfirmed,
            ("store-failed", _) => Self::Store,
            _ => Self::Elsewhere(object.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> ClientError {
        ErrorObject::new(503, json.as_bytes()).into()
    }

    #[test]
    fn what_nodes_say_has_a_name() {
        let few = r#"{"error":"too-few-nodes","message":"1 nodes","found":1,"expected":2}"#;
        assert_eq!(ReadError::from(told(few)), ReadError::TooFewNodes { found: 1, expected: 2 });
        assert_eq!(WriteError::from(told(few)), WriteError::TooFewNodes { found: 1, expected: 2 });
        let other = r#"{"error":"bad-title","message":"a title has no `..`"}"#;
        assert_eq!(ReadError::from(told(other)).to_string(), "a title has no `..`");
        assert_eq!(WriteError::from(told(other)).to_string(), "a title has no `..`");
        let changed = r#"{"error":"configuration-changed","message":"the members changed"}"#;
        assert_eq!(WriteError::from(told(changed)), WriteError::ConfigurationChanged);
        assert_eq!(ReadError::from(told("no object")).to_string(), "the node answered 503");
    }

    #[test]
    fn what_may_have_been_stored_is_said_so() {
        let broken = || AnyError::from("reset");
        let unreachable = ClientError::Unreachable { url: "http://a/v/t".to_owned(), source: broken() };
        assert_eq!(ReadError::from(ClientError::Broken(broken())).to_string(), "reset");
        assert_eq!(unreachable.line(), "http://a/v/t cannot be reached: reset");
        assert_eq!(WriteError::from(unreachable), WriteError::Unconfirmed);
        assert!(matches!(WriteError::from(ClientError::Nobody), WriteError::Elsewhere(_)));
    }
}
