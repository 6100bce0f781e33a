//! The room on the disk: the last of it is kept back from columns, so that a full disk still takes what is promised, and
//! above all what frees it.

use super::{Disk, DiskSpace, Store};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::atomic::Ordering;

/// So much is kept back for the ledger and the identity, or this part of a small disk.
const KEPT_BYTES_MAX: u64 = 32 << 20;
const KEPT_PART: u64 = 16;

/// The room on a store's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreSpace {
    /// What is free, in bytes.
    pub free_bytes: u64,
    /// What of it columns do not get.
    pub kept_bytes: u64,
    /// No column is taken.
    pub is_full: bool,
}

impl StoreSpace {
    fn of(DiskSpace { free_bytes, bytes }: DiskSpace) -> Self {
        let kept_bytes = (bytes / KEPT_PART).min(KEPT_BYTES_MAX);
        Self { free_bytes, kept_bytes, is_full: free_bytes <= kept_bytes }
    }
}

impl<D: Disk> Store<D> {
    /// The room on the disk. That it is full, or is no more, is logged once.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn space(&self) -> io::Result<StoreSpace> {
        let space = StoreSpace::of(self.disk.space()?);
        let StoreSpace { free_bytes, kept_bytes, is_full } = space;
        if self.full.swap(is_full, Ordering::Relaxed) != is_full {
            if is_full {
                tracing::error!(free_bytes, kept_bytes, "the disk is full: nothing is stored until titles are deleted");
            } else {
                tracing::info!(free_bytes, kept_bytes, "the disk has room again");
            }
        }
        Ok(space)
    }

    /// Checks that a column may grow by so many bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where that would take what is kept back; those of the disk.
    pub(super) fn check_space(&self, bytes: usize) -> io::Result<()> {
        let StoreSpace { free_bytes, kept_bytes, is_full } = self.space()?;
        if is_full || free_bytes - kept_bytes < bytes as u64 {
            let why = format!("{free_bytes} bytes are free, of which {kept_bytes} are kept back");
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        Ok(())
    }

    /// Sets the metrics of the disk.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn publish_space(&self) {
        if let Ok(space) = self.space() {
            metrics::gauge!("rain_disk_free_bytes").set(space.free_bytes as f64);
            metrics::gauge!("rain_disk_kept_bytes").set(space.kept_bytes as f64);
            metrics::gauge!("rain_disk_full").set(f64::from(u8::from(space.is_full)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_disk_is_kept_back() {
        let of = |free_bytes, bytes| {
            let space = StoreSpace::of(DiskSpace { free_bytes, bytes });
            (space.kept_bytes, space.is_full)
        };
        assert_eq!(of(1 << 40, 1 << 41), (33_554_432, false));
        assert_eq!(of(33_554_432, 1 << 41), (33_554_432, true));
        assert_eq!(of(33_554_433, 1 << 41), (33_554_432, false));
        assert_eq!(of(200_000, 2 << 20), (131_072, false));
        assert_eq!(of(0, 2 << 20), (131_072, true));
    }
}
