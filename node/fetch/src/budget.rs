//! How many bytes may be asked for twice.

/// Of what was of use, this part may be spent while all is well, in thousandths.
const WELL: u64 = 15;
/// And this while something is amiss.
const AMISS: u64 = 80;
/// So much is there at the start, so that a first stream can hedge, and at most: what was saved up in a quiet hour is
/// not spent in a second.
pub(crate) const SAVED_BYTES: i64 = 4 << 20;

/// The budget of a node for hedges: peer bytes that may turn out to be of no use. Operators are promised at most 5 % of the
/// useful ones while all is well and 10 % under faults (docs/operating.md, networks); less than that is given out.
#[derive(Debug, Clone)]
pub struct HedgeBudget {
    /// Below zero, when more was wasted than was expected: then nothing is given out until that is earned.
    bytes: i64,
    /// What is left over of sums that are no whole bytes.
    thousandths: u64,
    /// What is there at the start, and at most.
    saved_bytes: i64,
}

impl Default for HedgeBudget {
    fn default() -> Self {
        Self::part_of(1)
    }
}

impl HedgeBudget {
    /// The budget of one of `shards` of a node: each earns from what it reads, and has its part of what is there at the
    /// start, so that all of them together keep the promise.
    pub fn part_of(shards: u32) -> Self {
        let saved_bytes = SAVED_BYTES / i64::from(shards.max(1));
        Self { bytes: saved_bytes, thousandths: 0, saved_bytes }
    }

    /// Notes peer bytes that were of use.
    pub fn earn(&mut self, bytes: u64, amiss: bool) {
        self.thousandths += bytes.saturating_mul(if amiss { AMISS } else { WELL });
        self.bytes = (self.bytes + whole(self.thousandths / 1000)).min(self.saved_bytes);
        self.thousandths %= 1000;
    }

    /// Takes what a hedge may waste, if that is there.
    pub fn take(&mut self, bytes: u64) -> bool {
        let is_there = self.bytes >= whole(bytes);
        if is_there {
            self.bytes -= whole(bytes);
        }
        is_there
    }

    /// Takes what was wasted.
    pub fn spend(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(whole(bytes));
    }

    /// Bytes that are there; below zero, when more was wasted than was expected.
    #[cfg(test)]
    pub(crate) fn left(&self) -> i64 {
        self.bytes
    }

    /// Gives back what was not wasted.
    pub fn give_back(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(whole(bytes)).min(self.saved_bytes);
    }
}

fn whole(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However hedges are asked for, several at a time, no more is wasted than the start and the promised part: what was
    /// wasted is known before what was taken for it is given back.
    #[test]
    fn the_budget_holds() {
        for (amiss, promised_percent) in [(false, 5), (true, 10)] {
            let mut budget = HedgeBudget::default();
            let (mut useful, mut wasted, mut out) = (0, 0, Vec::new());
            for step in 0..100_000_u64 {
                useful += 256 << 10;
                budget.earn(256 << 10, amiss);
                let hedge = (step % 7) * 100_000;
                if budget.take(hedge) {
                    out.push(hedge);
                }
                if step % 3 == 0 {
                    // Every third hedge was necessary: nothing of it is wasted.
                    for (index, hedge) in out.drain(..).enumerate() {
                        if index % 3 > 0 {
                            budget.spend(hedge);
                            wasted += hedge;
                        }
                        budget.give_back(hedge);
                    }
                }
            }
            assert!(wasted > 0);
            let start = u64::try_from(SAVED_BYTES).unwrap();
            assert!(wasted <= start + useful * promised_percent / 100, "{wasted} of {useful}");
        }
    }

    /// A hedge that wants more than is there gets nothing, and takes nothing.
    #[test]
    fn no_more_is_given_out_than_is_there() {
        let mut budget = HedgeBudget::default();
        assert!(budget.take((4 << 20) - 10));
        assert!(!budget.take(11));
        assert_eq!(budget.left(), 10);
        assert!(budget.take(10));
    }

    #[test]
    fn small_sums_add_up() {
        let mut budget = HedgeBudget::default();
        assert!(budget.take(4 << 20));
        assert!(!budget.take(1));
        (0..67).for_each(|_| budget.earn(1, false));
        assert!(budget.take(1), "67 bytes at 1.5 % are one byte and a little");
        assert!(!budget.take(1));
    }
}
