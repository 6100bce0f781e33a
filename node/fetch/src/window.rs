//! How much may be asked for at once over a port of this node.

use core::time::Duration;

/// So much may always be under way: what a shallow switch holds for one of its ports.
const BYTES_MIN: u64 = 1 << 20;
/// What is under way lasts so long, and two round trips besides: long enough that a peer's next answer is there before
/// the last one is over, short enough that it waits at the switch and is not dropped there.
const LASTS: Duration = Duration::from_millis(8);
/// A rate is measured over so long at least.
const INTERVAL: Duration = Duration::from_millis(20);
/// Of a rate that is not reached any more, one part in so many is forgotten with every measurement.
const FORGET: u64 = 16;

/// The window of a port: the bytes that may be under way over it. It follows the rate at which they come.
///
/// Many answers that come at once through one port of a switch overflow its queue; TCP finds that out by loss, after which
/// the last segments of an answer may take 200 ms. Asking for less at a time costs nothing, as long as the port is
/// never idle: the product of rate and delay is enough.
/// Source: Jacobson, "Congestion avoidance and control" (SIGCOMM 1988), on what must be under way; Phanishayee and others,
/// "Measurement and Analysis of TCP Throughput Collapse in Cluster-based Storage Systems" (FAST 2008), on what else happens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// When the measurement under way began.
    began: Duration,
    /// Bytes that came since.
    came: u64,
    /// The rate that is reckoned with, in bytes per second.
    rate: u64,
}

impl Window {
    /// Notes that bytes came. Times count from any moment.
    pub fn note(&mut self, now: Duration, bytes: u64) {
        self.came += bytes;
        let passed = now.saturating_sub(self.began);
        if passed < INTERVAL {
            return;
        }
        let rate = u128::from(self.came) * 1_000_000 / passed.as_micros();
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        self.rate = rate.max(self.rate - self.rate / FORGET);
        (self.began, self.came) = (now, 0);
    }

    /// Bytes that may be under way, to peers at most `round_trip` away.
    pub fn bytes(&self, round_trip: Duration) -> u64 {
        let lasts = LASTS + 2 * round_trip;
        let bytes = u128::from(self.rate) * lasts.as_micros() / 1_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX).max(BYTES_MIN)
    }

    /// Scales bytes under way to what they would be in the smallest window, so that ports of any speed can be compared.
    pub fn scaled(&self, bytes: u64, round_trip: Duration) -> u64 {
        let scaled = u128::from(bytes) * u128::from(BYTES_MIN) / u128::from(self.bytes(round_trip));
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes come at a rate for a while; the time afterwards.
    fn run(window: &mut Window, from: Duration, ticks: u32, bytes_per_ms: u64) -> Duration {
        (1..=ticks).fold(from, |_, tick| {
            let now = from + Duration::from_millis(tick.into());
            window.note(now, bytes_per_ms);
            now
        })
    }

    #[test]
    fn slow_ports_have_the_smallest_window_and_quick_ones_8_ms() {
        let mut window = Window::default();
        assert_eq!(window.bytes(Duration::ZERO), 1 << 20);
        // 1 Gbit/s: 8 ms are 1,000,000 bytes.
        let now = run(&mut window, Duration::ZERO, 100, 125_000);
        assert_eq!(window.bytes(Duration::ZERO), 1 << 20);
        // 10 Gbit/s.
        run(&mut window, now, 100, 1_250_000);
        assert_eq!(window.bytes(Duration::ZERO), 10_000_000);
        assert_eq!(window.scaled(5_000_000, Duration::ZERO), 1 << 19);
    }

    /// What comes is what was asked for: a far port, for which the smallest window is too little, must open it all the same.
    #[test]
    fn a_far_port_opens_its_window() {
        let round_trip = Duration::from_millis(25);
        let (mut window, mut now) = (Window::default(), Duration::ZERO);
        for _ in 0..20 {
            // A window in each round trip, 125,000 bytes in a millisecond at most.
            let per_ms = (window.bytes(round_trip) / 25).min(125_000);
            now = run(&mut window, now, 25, per_ms);
        }
        // 58 ms.
        assert_eq!(window.bytes(round_trip), 7_250_000);
    }

    #[test]
    fn a_rate_that_is_over_is_forgotten_within_a_second_of_use() {
        let mut window = Window::default();
        let now = run(&mut window, Duration::ZERO, 100, 1_250_000);
        let now = run(&mut window, now, 1000, 100_000);
        assert_eq!(window.bytes(Duration::ZERO), 1 << 20);
        // Nor is a pause a rate.
        window.note(now + Duration::from_hours(1), 1 << 20);
        assert_eq!(window.bytes(Duration::ZERO), 1 << 20);
    }
}
