//! The machine's clocks.

use core::time::Duration;
use rain_cluster::manifest::MODIFIED_MS_MAX;
use rustix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time since 1970 by this machine's clock. It may be wrong, and may be set at any time: it orders nothing.
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time since the machine started, its sleep included. Nobody sets it.
pub(crate) fn steady_time() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// When a version is said to be made, in milliseconds since 1970: not before the one that it replaces, whatever clocks say.
pub fn modified_ms(now: Duration, before_ms: Option<u64>) -> u64 {
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(MODIFIED_MS_MAX).min(MODIFIED_MS_MAX);
    now_ms.max(before_ms.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a clock that was set back, or is behind that of another node.
    #[test]
    fn a_title_is_never_modified_before_it_was() {
        let at = Duration::from_millis;
        assert_eq!([None, Some(6), Some(9)].map(|before| modified_ms(at(8), before)), [8, 8, 9]);
        assert_eq!(modified_ms(Duration::MAX, None), 253_402_300_799_999, "the end of the year 9999");
    }
}
