//! What a node grants to those who come: the table `[limits]` of a configuration.

use crate::error::{ConfigError, value};
use core::time::Duration;
use serde::Deserialize;

/// The table as it stands.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileLimits {
    connections: Option<u64>,
    connections_per_address: Option<u64>,
    uploads: Option<u64>,
    uploads_per_address: Option<u64>,
    verifications: Option<u64>,
    read_ahead_mib: Option<u64>,
    upload_mib: Option<u64>,
    tables_mib: Option<u64>,
    idle_seconds: Option<u64>,
    stalled_read_seconds: Option<u64>,
    stalled_upload_seconds: Option<u64>,
}

/// What a node grants to those who come. `None` for what suits the files that its process may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections of players at once.
    pub connections: Option<usize>,
    /// Of these, those from one address.
    pub connections_per_address: Option<usize>,
    /// Uploads at once.
    pub uploads: Option<usize>,
    /// Of these, those from one address.
    pub uploads_per_address: Option<usize>,
    /// Titles that are read to verify them, at once. Each address may ask for one.
    pub verifications: usize,
    /// What all streams together are read ahead of their viewers, in bytes.
    pub read_ahead_bytes: u64,
    /// What all uploads together have in memory once it is encoded, in bytes.
    pub upload_bytes: u64,
    /// What the tables of packaged titles that are kept have in memory, in bytes.
    pub tables_bytes: u64,
    /// A connection whose next request is not there after so long is closed.
    pub idle: Duration,
    /// A viewer that takes nothing for so long is cut off.
    pub stalled_read: Duration,
    /// An upload that brings nothing for so long is dropped.
    pub stalled_upload: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: None,
            connections_per_address: None,
            uploads: None,
            uploads_per_address: None,
            verifications: 4,
            read_ahead_bytes: 96 << 20,
            upload_bytes: 48 << 20,
            tables_bytes: 256 << 20,
            idle: Duration::from_secs(30),
            // A player that is paused takes nothing. It costs a socket and little else.
            stalled_read: Duration::from_mins(10),
            stalled_upload: Duration::from_mins(1),
        }
    }
}

/// A number within `least..=most`, if one is said.
fn within(key: &str, found: Option<u64>, least: u64, most: u64, unit: &str) -> Result<Option<u64>, ConfigError> {
    match found {
        Some(found) if !(least..=most).contains(&found) => {
            let expected = format!("a number{unit} from {least} to {most}");
            Err(value(format!("limits.{key}"), found.to_string(), expected))
        }
        found => Ok(found),
    }
}

fn count(key: &str, found: Option<u64>, least: u64) -> Result<Option<usize>, ConfigError> {
    // What fits into 20 bits fits everywhere.
    Ok(within(key, found, least, 1 << 20, "")?.and_then(|found| usize::try_from(found).ok()))
}

fn bytes(key: &str, found: Option<u64>, default: u64) -> Result<u64, ConfigError> {
    Ok(within(key, found, 16, 1 << 20, " of mebibytes")?.map_or(default, |found| found << 20))
}

fn seconds(key: &str, found: Option<u64>, default: Duration) -> Result<Duration, ConfigError> {
    Ok(within(key, found, 1, 86_400, " of seconds")?.map_or(default, Duration::from_secs))
}

pub(crate) fn check_limits(file: &FileLimits) -> Result<Limits, ConfigError> {
    let default = Limits::default();
    let verifications = count("verifications", file.verifications, 1)?;
    Ok(Limits {
        connections: count("connections", file.connections, 8)?,
        connections_per_address: count("connections_per_address", file.connections_per_address, 1)?,
        uploads: count("uploads", file.uploads, 1)?,
        uploads_per_address: count("uploads_per_address", file.uploads_per_address, 1)?,
        verifications: verifications.unwrap_or(default.verifications),
        read_ahead_bytes: bytes("read_ahead_mib", file.read_ahead_mib, default.read_ahead_bytes)?,
        upload_bytes: bytes("upload_mib", file.upload_mib, default.upload_bytes)?,
        tables_bytes: bytes("tables_mib", file.tables_mib, default.tables_bytes)?,
        idle: seconds("idle_seconds", file.idle_seconds, default.idle)?,
        stalled_read: seconds("stalled_read_seconds", file.stalled_read_seconds, default.stalled_read)?,
        stalled_upload: seconds("stalled_upload_seconds", file.stalled_upload_seconds, default.stalled_upload)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Limits, String> {
        let file = toml::from_str(text).map_err(|error| error.to_string())?;
        check_limits(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_said_holds_and_the_rest_is_as_it_is_without() {
        let found = check("connections = 100\nread_ahead_mib = 32\nstalled_upload_seconds = 5").unwrap();
        let expected = Limits {
            connections: Some(100),
            read_ahead_bytes: 33_554_432,
            stalled_upload: Duration::from_secs(5),
            ..Limits::default()
        };
        assert_eq!(found, expected);
        assert_eq!(check("").unwrap(), Limits::default());
    }

    #[test]
    fn mistakes_are_named_with_what_was_expected() {
        for (text, named) in [
            ("connections = 7", "`limits.connections`: found 7, expected a number from 8 to 1048576"),
            ("uploads = 0", "`limits.uploads`: found 0, expected a number from 1 to 1048576"),
            ("verifications = 0", "`limits.verifications`: found 0, expected a number from 1 to 1048576"),
            (
                "read_ahead_mib = 15",
                "`limits.read_ahead_mib`: found 15, expected a number of mebibytes from 16 to 1048576",
            ),
            ("idle_seconds = 0", "`limits.idle_seconds`: found 0, expected a number of seconds from 1 to 86400"),
            ("uploads = -1", "-1"),
            ("connection = 9", "unknown field `connection`"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
