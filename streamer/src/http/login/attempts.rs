//! Failed logins by address: whoever guesses waits.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// So many failures of one address are let pass in a [`WINDOW`].
pub(super) const FAILURES_MAX: u32 = 10;
/// Failures are forgotten after so long.
pub(super) const WINDOW: Duration = Duration::from_mins(1);
/// Most addresses that are remembered; of one more the oldest is forgotten.
const ADDRESSES_MAX: usize = 4096;

/// Failed logins by address.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<BTreeMap<IpAddr, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    began: Instant,
    count: u32,
}

impl Attempts {
    /// Counts an attempt of an address before it is judged; one that succeeds is [forgiven](Self::forgive).
    ///
    /// # Errors
    /// How long to wait, where there were too many.
    pub(super) fn begin(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, failures| now.saturating_duration_since(failures.began) < WINDOW);
        let from = network(from);
        if !held.contains_key(&from) && held.len() >= ADDRESSES_MAX {
            let oldest = held.iter().min_by_key(|(_, failures)| failures.began).map(|(address, _)| *address);
            oldest.map(|address| held.remove(&address));
        }
        let failures = held.entry(from).or_insert(Failures { began: now, count: 0 });
        if failures.count >= FAILURES_MAX {
            return Err(WINDOW.saturating_sub(now.saturating_duration_since(failures.began)));
        }
        failures.count += 1;
        Ok(())
    }

    /// Forgets the failures of an address that has logged in.
    pub(super) fn forgive(&self, from: IpAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&network(from));
    }
}

/// Who has an address of IPv6 has all of its network (RFC 4291, 2.5.1).
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_guesses_waits() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let guess = |from: &str, after: u64| attempts.begin(address(from), now + Duration::from_secs(after));
        for _ in 0..FAILURES_MAX {
            assert_eq!(guess("2001:db8::1", 0), Ok(()));
        }
        assert_eq!(guess("2001:db8::2", 20), Err(Duration::from_secs(40)), "the same network");
        assert_eq!(guess("2001:db8:0:1::1", 20), Ok(()), "another one");
        assert_eq!(guess("2001:db8::1", 60), Ok(()), "it has waited");
        for _ in 1..FAILURES_MAX {
            assert_eq!(guess("10.0.0.2", 60), Ok(()));
        }
        attempts.forgive(address("10.0.0.2"));
        assert_eq!(guess("10.0.0.2", 60), Ok(()));
        assert_eq!(guess("10.0.0.2", 60), Ok(()), "who has logged in is forgiven");
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..2 * u32::try_from(ADDRESSES_MAX).unwrap() {
            assert_eq!(attempts.begin(IpAddr::V4(number.into()), now), Ok(()));
        }
        assert_eq!(attempts.0.lock().unwrap().len(), ADDRESSES_MAX);
    }
}
