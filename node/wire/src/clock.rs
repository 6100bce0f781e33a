//! What an answer says of the clock of the node that gives it: `rain-clock: MS`, milliseconds since 1970. Nothing is ordered by
//! it.

/// The header.
pub const CLOCK_HEADER: &str = "rain-clock";
/// No clock is believed to show more: it is some 285,000 years.
const CLOCK_MS_MAX: u64 = 1 << 53;

/// The milliseconds of a header's value; `None` of what no clock shows.
pub fn from_text(text: &str) -> Option<u64> {
    text.parse().ok().filter(|ms| *ms <= CLOCK_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_a_number_of_milliseconds() {
        assert_eq!(["0", "1796022000000"].map(from_text), [Some(0), Some(1_796_022_000_000)]);
        assert_eq!(["", "-1", "1.5", "9007199254740993", "99999999999999999999"].map(from_text), [None; 5]);
    }
}
