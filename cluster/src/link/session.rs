//! One end of a link through all its sessions: a pair of starts, one of each node, has a history of its own.

use super::channel_history::{ChannelHistory, HistoryRules};
use super::token::{LinkToken, TakenToken, TokenOutcome};

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkEnd {
    rules: HistoryRules,
    own: u64,
    /// The highest incarnation heard of the peer; 0 before the first.
    peer: u64,
    history: ChannelHistory,
}

impl LinkEnd {
    /// An end at a start of its node, of the incarnation `own`.
    pub const fn new(own: u64) -> Self {
        Self::with_rules(own, HistoryRules::CONSISTENT)
    }

    /// An end with faults that a test must find.
    #[doc(hidden)]
    pub const fn with_rules(own: u64, rules: HistoryRules) -> Self {
        Self { rules, own, peer: 0, history: ChannelHistory::new(rules) }
    }

    /// Whether the link is up.
    pub const fn is_up(&self) -> bool {
        self.history.is_up()
    }

    /// The history of this session.
    pub const fn history(&self) -> &ChannelHistory {
        &self.history
    }

    /// The session: the incarnations of this end and of the peer.
    pub const fn session(&self) -> (u64, u64) {
        (self.own, self.peer)
    }

    /// R1: the evidence is too old. Gives whether the link went down.
    pub fn time_out(&mut self) -> bool {
        self.history.time_out()
    }

    /// R2: there is fresh evidence. Gives whether the link came up.
    pub fn time_in(&mut self) -> bool {
        // Evidence is an answer, so the peer is known.
        self.peer != 0 && self.history.time_in()
    }

    /// What the next message tells.
    pub const fn token(&self) -> LinkToken {
        let history = &self.history;
        LinkToken { sender: self.own, receiver: self.peer, count: history.count(), heard: history.heard() }
    }

    /// Takes what a message told.
    pub fn hear(&mut self, token: &LinkToken) -> TokenOutcome {
        if token.sender < self.peer && self.rules.old_starts_dropped() {
            return TokenOutcome::Old;
        }
        let mut outcome = TakenToken {
            began: token.sender != self.peer,
            ended_up: false,
            is_answer: token.receiver == self.own,
            followed: 0,
        };
        let mut after = *self;
        if outcome.began {
            outcome.ended_up = self.is_up();
            after.peer = token.sender;
            after.history = ChannelHistory::new(self.rules);
        }
        if outcome.is_answer {
            match after.history.hear(token.count) {
                Ok(followed) => outcome.followed = followed,
                Err(error) => return TokenOutcome::Refused(error),
            }
        }
        *self = after;
        TokenOutcome::Taken(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(told: TokenOutcome) -> TakenToken {
        let TokenOutcome::Taken(taken) = told else { panic!("{told:?}") };
        taken
    }

    fn met() -> [LinkEnd; 2] {
        let mut ends = [LinkEnd::new(10), LinkEnd::new(20)];
        let first = ends[0].token();
        assert_eq!(
            ends[1].hear(&first),
            TokenOutcome::Taken(TakenToken { began: true, ended_up: false, is_answer: false, followed: 0 })
        );
        let answer = ends[1].token();
        assert_eq!(
            taken(ends[0].hear(&answer)),
            TakenToken { began: true, ended_up: false, is_answer: true, followed: 0 }
        );
        assert!(ends[0].time_in());
        let news = ends[0].token();
        assert_eq!(taken(ends[1].hear(&news)).followed, 1);
        assert!(ends[0].is_up() && ends[1].is_up());
        ends
    }

    #[test]
    fn nothing_comes_up_before_the_peer_is_known() {
        assert!(!LinkEnd::new(1).time_in());
    }

    #[test]
    fn a_start_of_the_peer_is_a_down_and_a_new_session() {
        let [mut end, old] = met();
        let mut peer = LinkEnd::new(21);
        let told = taken(end.hear(&peer.token()));
        assert_eq!(told, TakenToken { began: true, ended_up: true, is_answer: false, followed: 0 });
        assert_eq!((end.session(), end.history().count(), end.is_up()), ((10, 21), 0, false));
        // The counts of the session that ended mean nothing in the new one, at either end.
        assert_eq!(end.hear(&old.token()), TokenOutcome::Old);
        peer.hear(&LinkToken { sender: 10, receiver: 20, count: 1, heard: 1 });
        assert_eq!((peer.session(), peer.history().count()), ((21, 10), 0));
    }

    #[test]
    fn a_refused_count_changes_nothing_not_even_the_session() {
        let [mut end, _] = met();
        let before = end;
        for token in [
            LinkToken { sender: 20, receiver: 10, count: 9, heard: 1 },
            LinkToken { sender: 25, receiver: 10, count: 9, heard: 1 },
        ] {
            assert!(matches!(end.hear(&token), TokenOutcome::Refused(_)));
            assert_eq!(end, before);
        }
    }
}
