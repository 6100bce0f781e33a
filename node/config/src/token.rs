//! Access tokens: by what a node knows who asks, and what somebody with a token may do.
//!
//! A secret is 32 random bytes, so nobody finds it by trying, and its plain BLAKE3 tells nothing of it: the slow hashes that
//! protect passwords would only make each request dear. What is too weak for that cannot be presented at all, for a secret
//! has one form.

use crate::error::{ConfigError, value};
use crate::file::FileToken;
use crate::secret::read_secret;
use blake3::Hash;
use core::fmt;
use std::path::Path;
use std::sync::Arc;

/// What every secret begins with, so that one that is left lying about is known for what it is.
const MARK: &str = "rain_";
/// Random bytes of a secret.
pub const SECRET_BYTES: usize = 32;
/// Most tokens of a configuration.
pub const TOKENS_MAX: usize = 1024;
/// Longest name of a token in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest prefix in bytes: no title is longer.
const PREFIX_BYTES_MAX: usize = 255;
/// What callers without a token are called where names of tokens stand.
pub const RESERVED_NAMES: [&str; 3] = ["loopback", "stranger", "signal"];

/// What somebody may do; each may what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read titles, and lists of them.
    Viewer,
    /// Store and delete titles.
    Publisher,
    /// Cut and heal parts of a demo, reload the configuration.
    Operator,
}

impl Role {
    const ALL: [Self; 3] = [Self::Viewer, Self::Publisher, Self::Operator];

    /// Its name in configurations and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Publisher => "publisher",
            Self::Operator => "operator",
        }
    }

    /// The role of that name.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn named(name: &str) -> Result<Self, ConfigError> {
        let found = Self::ALL.into_iter().find(|role| role.name() == name);
        found.ok_or_else(|| value("tokens.role", format!("`{name}`"), "\"viewer\", \"publisher\" or \"operator\""))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The secret of a token: `rain_` and 64 hexadecimal digits. It is never printed by mistake.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// Makes one of random bytes.
    pub fn of_random(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(format!("{MARK}{}", Hash::from_bytes(bytes).to_hex()))
    }

    /// Takes a text for a secret, if it can be one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(MARK)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (digits.len() == 2 * SECRET_BYTES && digits.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// The secret that a header `Authorization` presents: `Bearer`, in any case, and the secret (RFC 6750, 2.1).
    pub fn of_authorization(header: &[u8]) -> Option<Self> {
        let (scheme, rest) = str::from_utf8(header).ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Self::parse(rest.trim_matches(' ')))?
    }

    /// Reads one from a file that nobody else may read. It may end with a line.
    ///
    /// # Errors
    /// [`ConfigError`], with `key` for whatever named the file.
    pub fn read(key: &str, path: &Path) -> Result<Self, ConfigError> {
        let bytes = read_secret(key, path)?;
        let text = str::from_utf8(bytes.trim_ascii()).ok();
        text.and_then(Self::parse).ok_or_else(|| {
            let found = if bytes.trim_ascii().is_empty() { "nothing" } else { "another text" };
            value(key, format!("{found} in {}", path.display()), "a token of `rain token new`")
        })
    }

    /// The secret itself.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What configurations have of it.
    pub fn hash(&self) -> Hash {
        blake3::hash(self.0.as_bytes())
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenSecret(..)")
    }
}

/// A token as a configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Whose it is, for people: it stands in the audit log.
    pub name: String,
    /// What it lets do.
    pub role: Role,
    /// With what the titles begin that it lets do it to; empty for all.
    pub prefix: String,
    /// The BLAKE3 of its secret.
    pub hash: Hash,
}

impl AccessToken {
    /// Checks what a configuration would say of a token.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn new(name: String, role: Role, prefix: String, hash: Hash) -> Result<Self, ConfigError> {
        let is_name =
            !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name {
            let expected = format!("1 to {NAME_BYTES_MAX} letters, digits and signs in ASCII, without spaces");
            return Err(value("tokens.name", format!("`{name}`"), expected));
        }
        if RESERVED_NAMES.contains(&name.as_str()) {
            let expected = format!("none of {}, which stand for callers without a token", RESERVED_NAMES.join(", "));
            return Err(value("tokens.name", format!("`{name}`"), expected));
        }
        let key = format!("tokens.{name}.prefix");
        if prefix.len() > PREFIX_BYTES_MAX || prefix.chars().any(char::is_control) || prefix.starts_with('/') {
            let expected = format!(
                "what titles begin with: at most {PREFIX_BYTES_MAX} bytes, no control characters, no `/` first"
            );
            return Err(value(key, format!("`{}`", prefix.escape_debug()), expected));
        }
        if role == Role::Operator && !prefix.is_empty() {
            return Err(value(key, format!("`{prefix}`"), "none: an operator's token is for all titles"));
        }
        Ok(Self { name, role, prefix, hash })
    }
}

/// The tokens of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessTokens(Vec<Arc<AccessToken>>);

impl AccessTokens {
    pub(crate) fn check(files: Vec<FileToken>) -> Result<Self, ConfigError> {
        if files.len() > TOKENS_MAX {
            return Err(value("tokens", files.len().to_string(), format!("at most {TOKENS_MAX}")));
        }
        let mut tokens: Vec<Arc<AccessToken>> = Vec::with_capacity(files.len());
        for FileToken { name, hash, role, prefix } in files {
            let read = Hash::from_hex(&hash).ok().filter(|read| *read.to_hex() == *hash);
            let key = format!("tokens.{name}.hash");
            // What stands there may be the secret itself: it is not told.
            let expected = "64 hexadecimal digits in lower case, as `rain token new` prints them";
            let hash = read.ok_or_else(|| value(key, format!("{} characters", hash.chars().count()), expected))?;
            let token = AccessToken::new(name, Role::named(&role)?, prefix, hash)?;
            if tokens.iter().any(|other| other.name == token.name) {
                return Err(value("tokens.name", format!("`{}` twice", token.name), "a name for each token"));
            }
            if let Some(other) = tokens.iter().find(|other| other.hash == token.hash) {
                let found = format!("that of `{}` again", other.name);
                return Err(value(format!("tokens.{}.hash", token.name), found, "a secret for each token"));
            }
            tokens.push(Arc::new(token));
        }
        Ok(Self(tokens))
    }

    /// Whether nobody has a token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The token whose secret has this hash. Hashes are compared in constant time.
    pub fn find(&self, hash: &Hash) -> Option<&Arc<AccessToken>> {
        self.0.iter().find(|token| token.hash == *hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "rain_000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn bytes() -> [u8; SECRET_BYTES] {
        core::array::from_fn(|index| u8::try_from(index).unwrap())
    }

    #[test]
    fn a_secret_has_one_form() {
        assert_eq!(TokenSecret::of_random(bytes()).text(), SECRET);
        assert_eq!(TokenSecret::parse(SECRET).unwrap().text(), SECRET);
        for wrong in [
            "",
            "rain_",
            "secret",
            &SECRET[5..],
            &SECRET[..68],
            &format!("{SECRET}0"),
            &format!(" {SECRET}"),
            &SECRET.to_uppercase(),
            &SECRET.replace("0a", "0A"),
            &SECRET.replace("0a", "0g"),
        ] {
            assert_eq!(TokenSecret::parse(wrong), None, "{wrong}");
        }
        assert!(!format!("{:?}", TokenSecret::of_random(bytes())).contains("0001"), "it is printed");
    }

    #[test]
    fn a_header_presents_a_secret_as_rfc_6750_says() {
        for (header, expected) in [
            (format!("Bearer {SECRET}"), true),
            (format!("bearer   {SECRET} "), true),
            (SECRET.to_owned(), false),
            (format!("Bearer{SECRET}"), false),
            (format!("Basic {SECRET}"), false),
            (format!("Bearer {SECRET} {SECRET}"), false),
            ("Bearer ".to_owned(), false),
            ("Bearer".to_owned(), false),
        ] {
            let found = TokenSecret::of_authorization(header.as_bytes());
            assert_eq!(found.is_some_and(|secret| secret.text() == SECRET), expected, "{header}");
        }
        assert_eq!(TokenSecret::of_authorization(b"Bearer \xff"), None);
    }

    #[test]
    fn roles_grow() {
        assert!(Role::Viewer < Role::Publisher && Role::Publisher < Role::Operator);
        for role in Role::ALL {
            assert_eq!(Role::named(role.name()).unwrap(), role);
        }
        assert!(Role::named("Operator").is_err());
    }
}
