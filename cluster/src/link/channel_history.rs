//! The history of one link as one end tells it: the consistent-history protocol with bounded slack.
//!
//! Source: `LeMahieu`, Bruck, "Consistent-History Link Protocol" (IPPS 1999), in the cumulative form of docs/link.md: the
//! tokens of the paper are counted, and every message carries the count.

/// The rules of the protocol. Production code knows one form, [`HistoryRules::CONSISTENT`]; the others are faults, for
/// tests that must find them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryRules {
    /// N: so many transitions at most may one end be ahead of what it heard of the other.
    slack: u32,
    /// Whether a link comes up only with credit for the Down after it.
    up_guard: bool,
    /// Whether what an earlier start of the peer sent is dropped.
    old_starts_dropped: bool,
}

impl HistoryRules {
    /// The protocol: slack 2, and every guard. docs/link.md says what is proven of it.
    pub const CONSISTENT: Self = Self { slack: 2, up_guard: true, old_starts_dropped: true };

    /// With another slack: with 1 no link can come up, with more the ends may be further apart.
    #[doc(hidden)]
    pub const fn with_slack(slack: u32) -> Self {
        Self { slack, ..Self::CONSISTENT }
    }

    /// A planted fault: an Up may spend the last credit.
    #[doc(hidden)]
    pub const fn without_up_guard() -> Self {
        Self { up_guard: false, ..Self::CONSISTENT }
    }

    /// A planted fault: any other start of the peer counts as a new one.
    #[doc(hidden)]
    pub const fn with_old_starts() -> Self {
        Self { old_starts_dropped: false, ..Self::CONSISTENT }
    }

    /// N.
    pub const fn slack(self) -> u32 {
        self.slack
    }

    pub(super) const fn old_starts_dropped(self) -> bool {
        self.old_starts_dropped
    }
}

/// A token count that no honest peer sends: nothing is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a count of {found} transitions, after {heard} and with {own} here")]
pub struct CountError {
    /// The count that came.
    pub found: u32,
    /// The highest before it.
    pub heard: u32,
    /// The transitions of this end.
    pub own: u32,
}

/// One end's history of a link within one session: how often it changed, and how much of that the peer followed.
///
/// The history of Ups and Downs is the count: they alternate and begin Down, so an odd count is Up. Counts wrap round;
/// both ends differ by N at most, so that a comparison of the near ones is one of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChannelHistory {
    rules: HistoryRules,
    /// h: transitions of this end.
    count: u32,
    /// k: the most that the peer told of its own.
    heard: u32,
}

impl ChannelHistory {
    /// A link that is down, and of which the peer has told nothing.
    pub const fn new(rules: HistoryRules) -> Self {
        Self { rules, count: 0, heard: 0 }
    }

    /// The transitions of this end so far.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The most transitions that the peer told of.
    pub const fn heard(&self) -> u32 {
        self.heard
    }

    /// How far this end is ahead of what it heard; never above N.
    pub const fn lead(&self) -> u32 {
        self.count.wrapping_sub(self.heard)
    }

    /// Whether the link is up.
    pub const fn is_up(&self) -> bool {
        self.count % 2 == 1
    }

    /// R1, the evidence is too old: an Up becomes a Down. Gives whether it did.
    pub fn time_out(&mut self) -> bool {
        // With the up guard there is always credit left for this.
        let may = self.is_up() && self.lead() < self.rules.slack;
        self.count = self.count.wrapping_add(u32::from(may));
        may
    }

    /// Whether R2 would let the link come up.
    pub const fn may_come_up(&self) -> bool {
        let kept = if self.rules.up_guard { 1 } else { 0 };
        !self.is_up() && self.lead() + 1 + kept <= self.rules.slack
    }

    /// R2, there is fresh evidence: a Down becomes an Up if the credit also suffices for the Down after it. Gives whether
    /// it did.
    pub fn time_in(&mut self) -> bool {
        let may = self.may_come_up();
        self.count = self.count.wrapping_add(u32::from(may));
        may
    }

    /// R3, the peer tells its count: this end follows what it has not told itself. Gives how many transitions that is;
    /// they alternate. An old count changes nothing.
    ///
    /// # Errors
    /// [`CountError`]: the peer is N ahead of this end at most, which is N ahead of `heard`.
    pub fn hear(&mut self, count: u32) -> Result<u32, CountError> {
        let news = count.wrapping_sub(self.heard);
        if news > 2 * self.rules.slack {
            let is_old = news.cast_signed() < 0;
            let error = CountError { found: count, heard: self.heard, own: self.count };
            return if is_old { Ok(0) } else { Err(error) };
        }
        let followed = news.saturating_sub(self.lead());
        self.heard = count;
        self.count = self.count.wrapping_add(followed);
        Ok(followed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The states of the paper with slack 2: U or D, and the lead.
    fn state(up: bool, lead: u32) -> ChannelHistory {
        // Any count of the right parity; 0 is left out, as the peer cannot have told less.
        let count = if up { 7 } else { 8 };
        ChannelHistory { rules: HistoryRules::CONSISTENT, count, heard: count - lead }
    }

    fn name(history: &ChannelHistory) -> String {
        format!("{}{}", if history.is_up() { 'U' } else { 'D' }, history.lead())
    }

    /// The table of specs/protocols.md 1b, which docs/link.md repeats: what time-outs, evidence and tokens do in each of
    /// the five states.
    #[test]
    fn the_table_of_states() {
        for (up, lead, time_out, time_in, tokens) in [
            (false, 0, "-", "U1", [("U0", 1), ("D0", 2), ("U0", 3)]),
            (true, 0, "D1", "-", [("D0", 1), ("U0", 2), ("D0", 3)]),
            (true, 1, "D2", "-", [("U0", 0), ("D0", 1), ("U0", 2)]),
            (false, 1, "-", "-", [("D0", 0), ("U0", 1), ("D0", 2)]),
            (false, 2, "-", "-", [("D1", 0), ("D0", 0), ("U0", 1)]),
        ] {
            let before = state(up, lead);
            let after = |change: fn(&mut ChannelHistory) -> bool| {
                let mut history = before;
                if change(&mut history) { name(&history) } else { "-".to_owned() }
            };
            assert_eq!(after(ChannelHistory::time_out), time_out, "{}", name(&before));
            assert_eq!(after(ChannelHistory::time_in), time_in, "{}", name(&before));
            for (step, (expected, told)) in (1..).zip(tokens) {
                let mut history = before;
                assert_eq!(history.hear(before.heard + step), Ok(told), "{} + {step}", name(&before));
                assert_eq!(name(&history), expected, "{} + {step}", name(&before));
                assert_eq!(history.count, before.count + told);
            }
        }
    }

    #[test]
    fn old_counts_change_nothing_and_impossible_ones_are_refused() {
        let before = state(true, 1);
        for old in [6, 5, 0, u32::MAX - 5] {
            let mut history = before;
            assert_eq!((history.hear(old), history), (Ok(0), before), "{old}");
        }
        for found in [11, 12, 1 << 30, (1 << 31) - 1] {
            let mut history = before;
            assert_eq!(history.hear(found), Err(CountError { found, heard: 6, own: 7 }));
            assert_eq!(history, before);
        }
    }

    #[test]
    fn counts_wrap_round() {
        let mut ends =
            [ChannelHistory { rules: HistoryRules::CONSISTENT, count: u32::MAX - 4, heard: u32::MAX - 4 }; 2];
        for turn in 0..20_u32 {
            let (first, second) = ((turn % 2) as usize, 1 - (turn % 2) as usize);
            assert!(if ends[first].is_up() { ends[first].time_out() } else { ends[first].time_in() });
            let told = ends[first].count();
            assert_eq!(ends[second].hear(told), Ok(1));
            let told = ends[second].count();
            assert_eq!(ends[first].hear(told), Ok(0));
            assert_eq!((ends[0].lead(), ends[1].lead()), (0, 0));
        }
        assert_eq!(ends[0].count(), 15);
    }
}
