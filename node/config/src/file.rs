//! The file as it stands, and the variables that override its keys.

use crate::error::{ConfigError, value};
use crate::limits::FileLimits;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The file as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) node: String,
    pub(crate) id: Option<String>,
    pub(crate) catalog: Option<usize>,
    pub(crate) data: Vec<PathBuf>,
    #[serde(default = "default_code")]
    pub(crate) code: String,
    pub(crate) listen: Address,
    pub(crate) http: Option<String>,
    #[serde(rename = "key_file")]
    pub(crate) key: Option<PathBuf>,
    #[serde(default)]
    pub(crate) tokens: Vec<FileToken>,
    #[serde(default)]
    pub(crate) interfaces: Vec<FileInterface>,
    #[serde(default)]
    pub(crate) peers: Vec<FilePeer>,
    pub(crate) join: Option<FileJoin>,
    #[serde(default)]
    pub(crate) joined: bool,
    pub(crate) heartbeat_ms: Option<u64>,
    pub(crate) verify_reads: Option<String>,
    pub(crate) peer_privacy: Option<bool>,
    pub(crate) console: Option<bool>,
    #[serde(default)]
    pub(crate) limits: FileLimits,
    pub(crate) demo: Option<FileDemo>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileDemo {
    pub(crate) supervisor: String,
    #[serde(default)]
    pub(crate) false_downs: f64,
    #[serde(default)]
    pub(crate) seed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileJoin {
    pub(crate) addresses: Vec<Address>,
    /// The public keys of those who listen there.
    #[serde(default, rename = "key")]
    pub(crate) keys: Keys,
    pub(crate) invitation: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileInterface {
    pub(crate) switch: String,
    pub(crate) address: Address,
    pub(crate) reached_at: Option<Address>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilePeer {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    /// Its public keys: while it gets another one, both.
    #[serde(default, rename = "key")]
    pub(crate) keys: Keys,
    pub(crate) http: String,
    pub(crate) addresses: BTreeMap<String, Address>,
}

/// One key, or several.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged, expecting = "a public key, or a list of them")]
pub(crate) enum Keys {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

impl Keys {
    pub(crate) fn texts(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(key) => core::slice::from_ref(key),
            Self::Several(keys) => keys,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileToken {
    pub(crate) name: String,
    pub(crate) hash: String,
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) prefix: String,
}

/// An address that is refused in words that say what one is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address(pub(crate) SocketAddr);

const ADDRESS: &str = "an address and a port, such as 192.0.2.10:80";

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AddressVisitor)
    }
}

struct AddressVisitor;

impl Visitor<'_> for AddressVisitor {
    type Value = Address;

    fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(ADDRESS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Address, E> {
        text.parse().map(Address).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

fn default_code() -> String {
    "b-code:4".to_owned()
}

impl File {
    /// Reads the text of a configuration, with the variables that override its keys.
    pub(crate) fn parse(
        path: &Path,
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let syntax = |error: toml::de::Error| ConfigError::Syntax { path: path.to_owned(), message: error.to_string() };
        let mut table: toml::Table = text.parse().map_err(syntax)?;
        let overrides: Vec<_> = overrides(variables).collect();
        for (variable, key, replaced) in &overrides {
            // Other keys take any text here: what it must be is checked with the rest.
            if key == "listen" && replaced.as_str().is_none_or(|text| text.parse::<SocketAddr>().is_err()) {
                let found = replaced.as_str().unwrap_or_default();
                return Err(value(format!("{key} (by {variable})"), format!("`{found}`"), ADDRESS));
            }
            table.insert(key.clone(), replaced.clone());
        }
        // By itself the text tells where in it a mistake is.
        if overrides.is_empty() { toml::from_str(text) } else { table.try_into() }.map_err(syntax)
    }

    /// The members without an id, in words.
    pub(crate) fn without_id(&self) -> Vec<String> {
        let own = self.id.is_none().then(|| format!("node `{}`", self.node));
        let peers = self.peers.iter().filter(|peer| peer.id.is_none()).map(|peer| format!("peer `{}`", peer.name));
        own.into_iter().chain(peers).collect()
    }
}

/// The keys that variables may replace, each by `RAIN_` and its name in capitals.
const OVERRIDDEN: [&str; 7] = ["node", "id", "data", "code", "listen", "key_file", "verify_reads"];

/// The variables of this process that are text; the others replace nothing.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
}

/// The variables that may replace keys of a configuration.
pub fn override_names() -> impl Iterator<Item = String> {
    OVERRIDDEN.into_iter().map(|key| format!("RAIN_{}", key.to_uppercase()))
}

/// The variables that replace keys: `RAIN_LISTEN=127.0.0.1:80` is `listen = "127.0.0.1:80"`.
fn overrides(variables: impl Iterator<Item = (String, String)>) -> impl Iterator<Item = (String, String, toml::Value)> {
    variables.filter_map(|(variable, text)| {
        let key = variable.strip_prefix("RAIN_")?.to_lowercase();
        let text = OVERRIDDEN.contains(&key.as_str()).then_some(toml::Value::String(text))?;
        let replaced = if key == "data" { toml::Value::Array(vec![text]) } else { text };
        Some((variable, key, replaced))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_overrides() {
        let variables = [("RAIN_NODE", "Z"), ("RAIN_DATA", "/y"), ("RAIN_UNKNOWN", "1"), ("HOME", "/")];
        let found = overrides(variables.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())));
        let found: Vec<_> = found.map(|(name, key, replaced)| format!("{name} {key} {replaced}")).collect();
        assert_eq!(found, ["RAIN_NODE node \"Z\"", "RAIN_DATA data [\"/y\"]"]);
    }
}
