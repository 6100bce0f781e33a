//! What the simulation takes away, one by one, to see that it is missed.

/// A part of the protocol whose absence some seed must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Safeguard {
    /// A receiver takes each frame once.
    Deduplication,
    /// Ordered messages wait for those before them.
    Order,
    /// What was in flight over a path that goes Down is sent over another at once.
    Requeue,
    /// What is sent again after a time-out, is sent over another path.
    OtherPath,
    /// Time-outs grow while nothing is heard.
    Backoff,
    /// Frames of another pair of incarnations are not taken.
    SessionFence,
    /// Frames of an earlier epoch of their path are not taken.
    EpochFence,
    /// A receiver takes no more than it has room for.
    Limit,
    /// A sender that may not send asks, time and again, whether it may.
    Asking,
    /// A receiver acknowledges what it has already.
    AnswerToRepeats,
    /// Nothing is sent over a path that is Down.
    Transition,
}

/// Which safeguard is missing: none, but in tests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Missing(#[cfg(test)] pub(super) Option<Safeguard>);

impl Missing {
    /// Whether `safeguard` is there.
    #[cfg(test)]
    pub(super) fn has(self, safeguard: Safeguard) -> bool {
        self.0 != Some(safeguard)
    }

    /// Whether `safeguard` is there: they all are.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "in tests it counts")]
    pub(super) const fn has(self, _: Safeguard) -> bool {
        true
    }
}
