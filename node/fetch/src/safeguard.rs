//! What the simulation takes away, one by one, to see that it is missed.

/// A part of fetching whose absence some seed must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Safeguard {
    /// A column without progress is given up after a time, whatever the budget says.
    Progress,
    /// A late column is asked for over a second path.
    SecondPath,
    /// A second path goes on from the byte at which the first one stopped.
    Resume,
    /// A path that was tried is not tried again.
    OtherPath,
    /// A path that broke is replaced by another.
    Replacement,
    /// A late column is done without.
    DoingWithout,
    /// Hedges are paid for by the budget.
    Budget,
    /// What a hedge did not waste goes back to the budget.
    GivingBack,
    /// Bytes that came twice, or for nothing, are counted.
    Counting,
    /// What waits for its turn is not late.
    Turn,
    /// Nodes that let readers down are asked last.
    Doubt,
    /// Doubtful ones are asked after all, when others are not enough.
    LastResort,
    /// Bytes are taken once, whichever path brings them.
    Deduplication,
    /// An answer that does not end is given up.
    Length,
    /// With too few columns it is looked again, as long as there is patience.
    Patience,
    /// Who forges a column is found by its root.
    Proof,
}

/// Which safeguard is missing: none, but in tests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Missing(#[cfg(test)] pub(crate) Option<Safeguard>);

impl Missing {
    /// Whether `safeguard` is there.
    #[cfg(test)]
    pub(crate) fn has(self, safeguard: Safeguard) -> bool {
        self.0 != Some(safeguard)
    }

    /// Whether `safeguard` is there: they all are.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "in tests it counts")]
    pub(crate) const fn has(self, _: Safeguard) -> bool {
        true
    }
}
