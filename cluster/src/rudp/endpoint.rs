//! One node's end of all its conversations.

use super::connection::Connection;
use super::event::{MessageId, RudpEvent, SendError, Statistics};
use super::frame::{Frame, FrameError};
use super::identity::Identity;
use super::safeguard::Missing;
use super::send::Delivery;
use super::{PATHS_MAX, PathId, PathTransition};
use crate::time::Time;
use crate::version::NodeId;
use core::ops::Bound;
use std::collections::BTreeMap;

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// To whom.
    pub peer: NodeId,
    /// Over which path.
    pub path: PathId,
}

/// One node's end: a session with each peer that is there, and what waits for those that are not.
///
/// After each `handle_` and each [`send`](Self::send) the driver takes all events, then all frames, and sets its alarm by
/// [`poll_timeout`](Self::poll_timeout). It may do several calls before it does so; until messages are taken the peers
/// are told to send no more, and until what is acknowledged is heard of, nothing is taken in its place.
///
/// Cost: memory per peer is bounded by its two windows, 256 KiB that are sent and 320 KiB that came.
#[derive(Debug, Clone)]
pub struct Endpoint {
    own: Identity,
    peers: BTreeMap<NodeId, Connection>,
    /// The peer that sent last: the next one comes first now.
    last: NodeId,
    missing: Missing,
}

impl Endpoint {
    /// A node without peers.
    ///
    /// # Panics
    /// When the incarnation is 0.
    pub fn new(own: Identity) -> Self {
        Self::with(own, Missing::default())
    }

    pub(super) fn with(own: Identity, missing: Missing) -> Self {
        assert_ne!(own.incarnation, 0, "0 stands for an incarnation that is not known");
        Self { own, peers: BTreeMap::new(), last: own.node, missing }
    }

    /// Adds a peer, to which so many paths lead, all of them Down so far; one that is there stays as it is.
    ///
    /// # Panics
    /// When there are no paths or more than [`PATHS_MAX`], or when the peer is this node.
    pub fn add_peer(&mut self, peer: NodeId, paths: usize) {
        assert!((1..=PATHS_MAX).contains(&paths), "{paths} paths, expected 1 to {PATHS_MAX}");
        assert_ne!(peer, self.own.node, "a node is no peer of its own");
        let new = || Connection::new(self.own, peer, paths, self.missing);
        self.peers.entry(peer).or_insert_with(new);
    }

    /// Forgets a peer, with all that was to be sent to it, and all that came and was not taken. False when there is none.
    ///
    /// The peer does not notice: it goes on in the same session, in which this node has forgotten where it was. So add it
    /// again only in a new incarnation of one of both.
    pub fn remove_peer(&mut self, peer: NodeId) -> bool {
        self.peers.remove(&peer).is_some()
    }

    /// Hands over a message for a peer: it is kept until the peer has it. Before the first session it waits for that.
    ///
    /// # Errors
    /// [`SendError`]; nothing changed, but that [`SendError::Full`] is followed by [`RudpEvent::Writable`].
    pub fn send(
        &mut self,
        now: Time,
        peer: NodeId,
        message: &[u8],
        delivery: Delivery,
    ) -> Result<MessageId, SendError> {
        self.peers.get_mut(&peer).ok_or(SendError::UnknownPeer(peer))?.send(now, message, delivery)
    }

    /// Frames that messages for a peer may take now: each takes one for every 1024 bytes that it begins, and one at
    /// least.
    pub fn free_frames(&self, peer: NodeId) -> Option<u64> {
        self.peers.get(&peer).map(Connection::free_frames)
    }

    /// Takes the link protocol's transition on a path. What is in flight over one that goes Down is sent over the others
    /// with the next frames.
    pub fn handle_path(&mut self, now: Time, peer: NodeId, path: PathId, transition: PathTransition) {
        if let Some(connection) = self.peers.get_mut(&peer) {
            connection.handle_path(now, path, transition);
        }
    }

    /// Takes a frame that came over a path of its sender, authenticated. One that is late, repeated, of another session
    /// or for somebody else is counted and changes nothing.
    ///
    /// # Errors
    /// [`FrameError`] when it is no frame; nothing changed.
    pub fn handle_message(&mut self, now: Time, path: PathId, bytes: &[u8]) -> Result<(), FrameError> {
        let frame = Frame::from_bytes(bytes)?;
        let header = &frame.header;
        if let Some(connection) = self.peers.get_mut(&header.sender) {
            if (header.cluster, header.receiver) == (self.own.cluster, self.own.node) {
                connection.handle_frame(now, path, &frame);
            } else {
                connection.note_contradicting();
            }
        }
        Ok(())
    }

    /// Looks at the time; too early changes nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        for connection in self.peers.values_mut() {
            connection.handle_timeout(now);
        }
    }

    /// Puts the next frame to send behind the end of `buffer`, at most [`FRAME_BYTES_MAX`](super::FRAME_BYTES_MAX)
    /// bytes: where it goes. Peers take turns.
    pub fn poll_transmit(&mut self, now: Time, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let (behind, up_to) = ((Bound::Excluded(self.last), Bound::Unbounded), ..=self.last);
        let found = self
            .peers
            .range_mut(behind)
            .find_map(|(peer, connection)| Some((*peer, connection.poll_transmit(now, buffer)?)));
        let (peer, path) = found.or_else(|| {
            let mut others = self.peers.range_mut(up_to);
            others.find_map(|(peer, connection)| Some((*peer, connection.poll_transmit(now, buffer)?)))
        })?;
        self.last = peer;
        Some(Transmit { peer, path })
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<RudpEvent> {
        self.peers.values_mut().find_map(Connection::poll_event)
    }

    /// When [`handle_timeout`](Self::handle_timeout), and after it [`poll_transmit`](Self::poll_transmit), are due at the
    /// latest; `None` when time changes nothing.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.peers.values().filter_map(Connection::poll_timeout).min()
    }

    /// What was sent to a peer and came from it.
    pub fn statistics(&self, peer: NodeId) -> Option<&Statistics> {
        self.peers.get(&peer).map(Connection::statistics)
    }

    /// What must hold between any two calls.
    #[cfg(test)]
    pub(super) fn check(&self) {
        self.peers.values().for_each(Connection::check);
    }
}
