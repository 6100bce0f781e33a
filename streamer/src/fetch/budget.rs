//! How many bytes may be asked for twice.

/// Of what was of use, this part may be spent while all is well, in thousandths.
const WELL: u64 = 15;
/// And this while something is amiss.
const AMISS: u64 = 80;
/// So much is there at the start, so that a first stream can hedge, and at most: what was saved up in a quiet hour is
/// not spent in a second.
const SAVED_BYTES: u64 = 4 << 20;

/// The budget of a node for hedges: peer bytes that may turn out to be of no use. The promise is 5 % of the useful ones
/// while all is well and 10 % under faults (DESIGN 3); less than that is given out.
#[derive(Debug, Clone)]
pub struct HedgeBudget {
    bytes: u64,
    /// What is left over of sums that are no whole bytes.
    thousandths: u64,
}

impl Default for HedgeBudget {
    fn default() -> Self {
        Self { bytes: SAVED_BYTES, thousandths: 0 }
    }
}

impl HedgeBudget {
    /// Notes peer bytes that were of use.
    pub fn earn(&mut self, bytes: u64, amiss: bool) {
        self.thousandths += bytes.saturating_mul(if amiss { AMISS } else { WELL });
        self.bytes = (self.bytes + self.thousandths / 1000).min(SAVED_BYTES);
        self.thousandths %= 1000;
    }

    /// Takes what a hedge may waste, if that is there.
    pub fn take(&mut self, bytes: u64) -> bool {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }

    /// Takes what was wasted, as far as it is there.
    pub fn spend(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Gives back what was not wasted.
    pub fn give_back(&mut self, bytes: u64) {
        self.bytes = (self.bytes + bytes).min(SAVED_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However hedges are asked for, no more is wasted than the start and the promised part.
    #[test]
    fn the_budget_holds() {
        for (amiss, promised_percent) in [(false, 5), (true, 10)] {
            let mut budget = HedgeBudget::default();
            let (mut useful, mut wasted) = (0, 0);
            for step in 0..100_000 {
                useful += 256 << 10;
                budget.earn(256 << 10, amiss);
                let hedge = (step % 7) * 100_000;
                if budget.take(hedge) {
                    // Every third hedge was necessary: nothing of it is wasted.
                    if step % 3 == 0 {
                        budget.give_back(hedge);
                    } else {
                        wasted += hedge;
                    }
                }
            }
            assert!(wasted > 0);
            assert!(wasted <= SAVED_BYTES + useful * promised_percent / 100, "{wasted} of {useful}");
        }
    }

    #[test]
    fn small_sums_add_up() {
        let mut budget = HedgeBudget::default();
        assert!(budget.take(SAVED_BYTES));
        assert!(!budget.take(1));
        (0..67).for_each(|_| budget.earn(1, false));
        assert!(budget.take(1), "67 bytes at 1.5 % are one byte and a little");
        assert!(!budget.take(1));
    }
}
