//! The state of a demo's switches and links, and what passes them at the moment.

use rain_cluster::topology::{Attachment, Living, Part, Routes, Topology};
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Debug)]
struct State {
    living: Living,
    routes: Routes,
}

/// The network: which parts of it work, and the ways through those.
#[derive(Debug)]
pub(super) struct Network {
    topology: Arc<Topology>,
    state: watch::Sender<State>,
}

/// What goes from one node's cable to another's.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    /// The sender's cable, by its number.
    pub(super) from: usize,
    /// The receiver's.
    pub(super) to: usize,
    topology: Arc<Topology>,
    state: watch::Receiver<State>,
}

impl Network {
    /// Every part works.
    pub(super) fn new(topology: Topology) -> Self {
        let living = Living::all(&topology);
        let routes = Routes::new(&topology, &living);
        Self { topology: Arc::new(topology), state: watch::Sender::new(State { living, routes }) }
    }

    pub(super) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The number of a cable.
    pub(super) fn number_of(&self, attachment: Attachment) -> Option<usize> {
        self.topology.attachments.iter().position(|found| *found == attachment)
    }

    /// What goes from the cable `from` to the cable `to`, by their numbers.
    pub(super) fn flow(&self, from: usize, to: usize) -> Flow {
        Flow { from, to, topology: Arc::clone(&self.topology), state: self.state.subscribe() }
    }

    pub(super) fn is_up(&self, part: Part) -> bool {
        self.state.borrow().living.works(part)
    }

    /// Cuts a part or heals it; returns whether that changed anything. Once it returns, nothing passes by a part that
    /// was cut.
    pub(super) fn set_up(&self, part: Part, up: bool) -> bool {
        self.state.send_if_modified(|state| {
            let changed = state.living.set(part, up);
            if changed {
                state.routes = Routes::new(&self.topology, &state.living);
            }
            changed
        })
    }
}

impl Flow {
    fn crossed_in(&self, state: &State) -> Option<usize> {
        let switch = |attachment: usize| self.topology.attachments[attachment].switch;
        let plugged = [self.from, self.to].into_iter().all(|cable| state.living.attachments[cable]);
        if plugged { state.routes.crossed(switch(self.from), switch(self.to)) } else { None }
    }

    /// How many switches it crosses now; `None` while no way leads there.
    pub(super) fn crossed(&self) -> Option<usize> {
        self.crossed_in(&self.state.borrow())
    }

    /// Does something that must not happen while no way leads there: no part is cut in between.
    pub(super) fn if_passing<T>(&self, pass: impl FnOnce() -> T) -> Option<T> {
        let state = self.state.borrow();
        self.crossed_in(&state).map(|_| pass())
    }

    /// Waits until a way leads there; returns how many switches it crosses.
    ///
    /// Cancel safety: nothing is lost.
    pub(super) async fn passing(&mut self) -> usize {
        loop {
            self.state.mark_unchanged();
            if let Some(crossed) = self.crossed() {
                return crossed;
            }
            if self.state.changed().await.is_err() {
                // The network is gone, and nothing will ever pass it.
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Part::{Attachment as Cable, Node, Switch, SwitchLink};
    use futures_util::FutureExt;

    fn ring() -> Network {
        Network::new(Topology::ring(8))
    }

    fn flow(network: &Network, from: (usize, usize), to: (usize, usize)) -> Flow {
        let number = |(node, switch)| network.number_of(Attachment { node, switch }).unwrap();
        network.flow(number(from), number(to))
    }

    #[test]
    fn a_switch_or_link_that_is_cut_stops_what_passed_it_and_no_more() {
        let network = Network::new(Topology::every_node_on_every_switch(3, 2));
        let over_first = flow(&network, (0, 0), (1, 0));
        let over_second = flow(&network, (0, 1), (1, 1));
        let beside = flow(&network, (0, 0), (2, 0));
        for (part, passing) in [
            (Switch(0), [false, true, false]),
            (Cable(network.number_of(Attachment { node: 1, switch: 0 }).unwrap()), [false, true, true]),
            (Cable(network.number_of(Attachment { node: 0, switch: 1 }).unwrap()), [true, false, true]),
        ] {
            let pass = || [&over_first, &over_second, &beside].map(|flow| flow.crossed() == Some(1));
            assert!(network.set_up(part, false));
            assert!(!network.set_up(part, false), "again changes nothing");
            assert!(!network.is_up(part));
            assert_eq!(pass(), passing, "{part:?}");
            assert_eq!([&over_first, &over_second, &beside].map(|flow| flow.if_passing(|| ()).is_some()), passing);
            assert!(network.set_up(part, true));
            assert!(network.is_up(part));
            assert_eq!(pass(), [true; 3]);
        }
    }

    #[test]
    fn a_ring_goes_round_a_cut() {
        let network = ring();
        let across = flow(&network, (0, 0), (2, 2));
        assert_eq!(across.crossed(), Some(3));
        network.set_up(SwitchLink(0), false);
        assert_eq!(across.crossed(), Some(7));
        network.set_up(Switch(4), false);
        assert_eq!(across.crossed(), Some(3), "by way of node 2, on switches 2 and 7");
        network.set_up(Node(2), false);
        assert_eq!(across.crossed(), Some(3), "by way of node 3, on switches 3 and 0");
        for node in 0..8 {
            network.set_up(Node(node), false);
        }
        assert_eq!(across.crossed(), None, "dead nodes help nobody");
        network.set_up(SwitchLink(0), true);
        assert_eq!(across.crossed(), Some(3));
    }

    #[test]
    fn who_waits_for_a_way_goes_on_when_there_is_one() {
        let network = ring();
        let mut waiting = flow(&network, (0, 0), (2, 2));
        assert_eq!(waiting.passing().now_or_never(), Some(3));
        network.set_up(Switch(0), false);
        assert_eq!(waiting.passing().now_or_never(), None);
        {
            let mut passing = std::pin::pin!(waiting.passing());
            assert_eq!(passing.as_mut().now_or_never(), None);
            network.set_up(SwitchLink(3), false);
            assert_eq!(passing.as_mut().now_or_never(), None, "a change that does not help");
            network.set_up(Switch(0), true);
            assert_eq!(passing.now_or_never(), Some(3));
        }
    }
}
