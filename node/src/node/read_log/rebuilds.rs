//! How far the rebuilding of columns is.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A column on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rebuild {
    /// The title.
    pub title: String,
    /// Which column.
    pub column: u16,
    /// Bytes rebuilt.
    pub done_bytes: u64,
    /// Bytes that it will have.
    pub bytes: u64,
}

/// The columns that are being rebuilt.
#[derive(Debug)]
pub(super) struct Rebuilds {
    /// By title and column: bytes done, and bytes in all.
    columns: Mutex<BTreeMap<(String, u16), (u64, u64)>>,
    changed: watch::Sender<()>,
}

impl Default for Rebuilds {
    fn default() -> Self {
        Self { columns: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl Rebuilds {
    fn held(&self) -> MutexGuard<'_, BTreeMap<(String, u16), (u64, u64)>> {
        self.columns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how far a column is; gives the bytes that are new.
    pub(super) fn note(&self, title: &str, column: u16, done: u64, total: u64) -> u64 {
        let before = self.held().insert((title.to_owned(), column), (done, total));
        self.changed.send_replace(());
        done.saturating_sub(before.map_or(0, |(done, _)| done))
    }

    pub(super) fn end(&self, title: &str, column: u16) {
        self.held().remove(&(title.to_owned(), column));
        self.changed.send_replace(());
    }

    pub(super) fn all(&self) -> Vec<Rebuild> {
        let rebuild = |((title, column), (done, total)): (&(String, u16), &(u64, u64))| Rebuild {
            title: title.clone(),
            column: *column,
            done_bytes: *done,
            bytes: *total,
        };
        self.held().iter().map(rebuild).collect()
    }

    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}
