//! Pings as they travel: their 64 bytes and a keyed MAC of 16. And tags of requests that come without a session.
//!
//! The key is one of the two nodes alone: made from the secret of a session between them. A ping tells by a random number
//! which start of its sender it is from; nothing orders these numbers. What orders starts is that a session was begun
//! after another one: links count the starts of a peer that they were told of.

use core::fmt;
use rain_cluster::NodeId;
use rain_cluster::link::{LinkToken, PING_BYTES, Ping};
use std::collections::BTreeMap;

const TAG_BYTES: usize = 16;
/// So many keys that a peer has are kept: both ends may have begun sessions at the same time, and pings of the last one are
/// on their way.
const SHARED_MAX: usize = 4;
/// So many sessions that a peer began are kept before a ping comes under one of them.
pub const OFFERS_MAX: usize = 8;

/// Length of a sealed ping.
pub const DATAGRAM_BYTES: usize = PING_BYTES + TAG_BYTES;

/// Length of the tag of a request.
pub const REQUEST_TAG_BYTES: usize = TAG_BYTES;
/// What proves which node a request is of.
pub type RequestTag = [u8; REQUEST_TAG_BYTES];

/// A key that two nodes share.
#[derive(Clone, Copy, PartialEq, Eq)]
struct MacKey([u8; 32]);

impl fmt::Debug for MacKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MacKey")
    }
}

impl MacKey {
    /// A key of its own for pings, made from a session's secret.
    fn of_datagrams(secret: &[u8; 32]) -> Self {
        Self(blake3::derive_key("RAIN heartbeat 2", secret))
    }

    /// A key of its own for requests.
    fn of_requests(secret: &[u8; 32]) -> Self {
        Self(blake3::derive_key("RAIN request 1", secret))
    }

    fn tag(&self, bytes: &[u8]) -> blake3::Hash {
        // Only the first half travels: the other one is blanked, so that the comparison stays one of constant time.
        let mut tag = *blake3::keyed_hash(&self.0, bytes).as_bytes();
        tag[TAG_BYTES..].fill(0);
        tag.into()
    }
}

/// A session with a peer.
#[derive(Debug, Clone, Copy)]
struct Known {
    key: MacKey,
    requests: MacKey,
    /// The number of the peer's start.
    start: u64,
    /// How many starts of it were told of, with this one.
    count: u64,
}

/// The sessions with a peer, each list with the newest last.
#[derive(Debug, Default)]
struct Sessions {
    /// Those whose key the peer has: it said so, or a ping of it came under it.
    shared: Vec<Known>,
    /// Those that the peer began, and may have given up.
    offered: Vec<Known>,
    /// Its last start that was told of, and how many there were.
    last: (u64, u64),
}

impl Sessions {
    fn share(&mut self, known: Known) {
        if self.shared.len() == SHARED_MAX {
            self.shared.remove(0);
        }
        self.shared.push(known);
    }
}

/// Who began a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// This node, and the peer has answered.
    Here,
    /// The peer, which may not hear the answer.
    There,
}

/// Seals pings to peers, and opens theirs.
#[derive(Debug, Default)]
pub struct Keyring {
    peers: BTreeMap<NodeId, Sessions>,
}

impl Keyring {
    /// Notes that a session was begun with a peer: its secret, and the number of the peer's start. Of those that the peer
    /// begins at once, [`OFFERS_MAX`] at most may be answered.
    pub fn add(&mut self, peer: NodeId, secret: &[u8; 32], start: u64, begun: Begun) {
        let sessions = self.peers.entry(peer).or_default();
        if sessions.last.1 == 0 || sessions.last.0 != start {
            sessions.last = (start, sessions.last.1 + 1);
        }
        let (key, requests) = (MacKey::of_datagrams(secret), MacKey::of_requests(secret));
        let known = Known { key, requests, start, count: sessions.last.1 };
        match begun {
            Begun::Here => sessions.share(known),
            Begun::There => {
                if sessions.offered.len() == OFFERS_MAX {
                    sessions.offered.remove(0);
                }
                sessions.offered.push(known);
            }
        }
    }

    /// The datagram of a ping, in which starts of the receiver are counted; `None` while there is no key that it has.
    pub fn seal(&self, ping: &Ping) -> Option<[u8; DATAGRAM_BYTES]> {
        let sessions = self.peers.get(&ping.receiver)?;
        let last = sessions.shared.last()?;
        let mut known = sessions.shared.iter().chain(&sessions.offered);
        let start = known.find(|known| known.count == ping.token.receiver).map_or(0, |known| known.start);
        let mut datagram = [0; DATAGRAM_BYTES];
        let bytes = Ping { token: LinkToken { receiver: start, ..ping.token }, ..*ping }.to_bytes();
        datagram[..PING_BYTES].copy_from_slice(&bytes);
        datagram[PING_BYTES..].copy_from_slice(&last.key.tag(&bytes).as_bytes()[..TAG_BYTES]);
        Some(datagram)
    }

    /// Forgets the keys shared with a peer: nothing is sealed for it any more, and nothing of it opened, until a session is
    /// begun. How many starts it had stays known.
    pub fn forget(&mut self, peer: NodeId) {
        if let Some(Sessions { shared, offered, last: _ }) = self.peers.get_mut(&peer) {
            shared.clear();
            offered.clear();
        }
    }

    /// The tag of a request to a peer; `None` while there is no key that it has.
    pub fn tag(&self, peer: NodeId, request: &str) -> Option<RequestTag> {
        let tag = self.peers.get(&peer)?.shared.last()?.requests.tag(request.as_bytes());
        tag.as_bytes()[..TAG_BYTES].try_into().ok()
    }

    /// Whether a request is of a peer. It may have been sent before, by anybody who heard it.
    pub fn is_of(&self, peer: NodeId, request: &str, found: &RequestTag) -> bool {
        let mut tag = [0; 32];
        tag[..TAG_BYTES].copy_from_slice(found);
        let tag = blake3::Hash::from(tag);
        let known =
            self.peers.get(&peer).into_iter().flat_map(|sessions| sessions.shared.iter().chain(&sessions.offered));
        known.into_iter().any(|known| known.requests.tag(request.as_bytes()) == tag)
    }

    /// The ping, in which starts of the sender are counted, if it is one of the start that its session was begun with.
    pub fn open(&mut self, datagram: &[u8]) -> Option<Ping> {
        let (bytes, found) = datagram.split_at_checked(PING_BYTES)?;
        let mut tag = [0; 32];
        tag[..TAG_BYTES].copy_from_slice(<&[u8; TAG_BYTES]>::try_from(found).ok()?);
        let tag = blake3::Hash::from(tag);
        let ping = Ping::from_bytes(bytes).ok()?;
        let sessions = self.peers.get_mut(&ping.sender)?;
        let is_it = |known: &Known| known.key.tag(bytes) == tag;
        let known = if let Some(known) = sessions.shared.iter().rfind(|known| is_it(known)) {
            *known
        } else {
            let known = sessions.offered.remove(sessions.offered.iter().rposition(is_it)?);
            sessions.share(known);
            known
        };
        let Known { start, count, .. } = known;
        (ping.token.sender == start).then_some(Ping { token: LinkToken { sender: count, ..ping.token }, ..ping })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);
    /// The numbers of a start of each.
    const START: [u64; 2] = [0xaaaa_0000_1111_2222, 0xbbbb_0000_1111_2222];

    /// From A to B, of which A was told of so many starts.
    fn ping(receiver: u64) -> Ping {
        Ping {
            link: 1,
            period: 50,
            cluster: 0,
            sender: A,
            receiver: B,
            token: LinkToken { sender: START[0], receiver, count: 8, heard: 9 },
            number: 5,
            echoed: 6,
            echo_delay_us: 7,
            loss_permille: 10,
            lag_ms: 11,
        }
    }

    fn pair(secret: u8) -> [Keyring; 2] {
        let (mut a, mut b) = (Keyring::default(), Keyring::default());
        a.add(B, &[secret; 32], START[1], Begun::Here);
        b.add(A, &[secret; 32], START[0], Begun::There);
        [a, b]
    }

    #[test]
    fn a_request_is_of_whom_its_tag_says() {
        let [a, mut b] = pair(7);
        let tag = a.tag(B, "read this").unwrap();
        assert!(b.is_of(A, "read this", &tag));
        assert!(!b.is_of(A, "read that", &tag));
        assert!(!b.is_of(B, "read this", &tag));
        let [other, _] = pair(8);
        assert!(!b.is_of(A, "read this", &other.tag(B, "read this").unwrap()));
        let datagram = a.seal(&ping(1)).unwrap();
        b.forget(A);
        assert!(!b.is_of(A, "read this", &tag));
        assert_eq!((b.open(&datagram), b.seal(&Ping { sender: B, receiver: A, ..ping(1) })), (None, None));
    }

    #[test]
    fn starts_travel_as_their_numbers_and_are_counted_at_both_ends() {
        let [a, mut b] = pair(7);
        let datagram = a.seal(&ping(1)).unwrap();
        let travels = Ping::from_bytes(&datagram[..PING_BYTES]).unwrap();
        assert_eq!((travels.token.sender, travels.token.receiver), (START[0], START[1]));
        let opened = b.open(&datagram).unwrap();
        assert_eq!((opened.token.sender, opened.token.receiver), (1, START[1]));
        assert_eq!(Ping { token: ping(1).token, ..opened }, ping(1));
        // One that it was not told of is none.
        let opened = b.open(&a.seal(&ping(0)).unwrap()).unwrap();
        assert_eq!(opened.token.receiver, 0);
    }

    #[test]
    fn whatever_is_changed_is_dropped() {
        let [a, mut b] = pair(7);
        let datagram = a.seal(&ping(1)).unwrap();
        for at in 0..DATAGRAM_BYTES {
            let mut changed = datagram;
            changed[at] ^= 1;
            assert_eq!(b.open(&changed), None, "byte {at}");
        }
        assert_eq!(b.open(&datagram[..79]), None);
        assert_eq!(b.open(&[]), None);
        let [_, mut other] = pair(8);
        assert_eq!(other.open(&datagram), None);
        // A's own datagram, sent back to it.
        let mut a = a;
        assert_eq!(a.open(&datagram), None);
        assert_eq!(Keyring::default().seal(&ping(0)), None);
    }

    #[test]
    fn sessions_that_cross_understand_each_other() {
        let [mut a, mut b] = pair(7);
        // Each ends up with another one as its last.
        a.add(B, &[8; 32], START[1], Begun::There);
        a.add(B, &[9; 32], START[1], Begun::Here);
        b.add(A, &[9; 32], START[0], Begun::There);
        b.add(A, &[8; 32], START[0], Begun::Here);
        let opened = b.open(&a.seal(&ping(1)).unwrap()).unwrap();
        assert_eq!(opened.token.sender, 1, "it is the same start");
    }

    /// Whoever greets over two paths hears one answer, and gives the other up.
    #[test]
    fn a_key_that_the_peer_may_not_have_is_not_used() {
        let [mut a, mut b] = pair(7);
        let back = Ping {
            sender: B,
            receiver: A,
            token: LinkToken { sender: START[1], receiver: 1, ..ping(1).token },
            ..ping(1)
        };
        assert_eq!(b.seal(&back), None, "A has said nothing yet");
        b.open(&a.seal(&ping(1)).unwrap()).unwrap();
        for lost in 20..30 {
            b.add(A, &[lost; 32], START[0], Begun::There);
            assert!(a.open(&b.seal(&back).unwrap()).is_some(), "after {lost}");
        }
        // As many as may be answered at once were begun, and the first answer was heard.
        for lost in 0..OFFERS_MAX - 1 {
            b.add(A, &[30 + u8::try_from(lost).unwrap(); 32], START[0], Begun::There);
        }
        // One that it turns out to have is the newest.
        a.add(B, &[29; 32], START[1], Begun::Here);
        b.open(&a.seal(&ping(1)).unwrap()).unwrap();
        let newest = b.seal(&back).unwrap();
        let [mut before, _] = pair(7);
        assert!(a.open(&newest).is_some() && before.open(&newest).is_none());
    }

    #[test]
    fn another_start_counts_more_and_what_was_said_before_is_dropped() {
        let [a, mut b] = pair(7);
        let before = a.seal(&ping(1)).unwrap();
        let again = START[0] + 1;
        let mut restarted = Keyring::default();
        restarted.add(B, &[8; 32], START[1], Begun::Here);
        b.add(A, &[8; 32], again, Begun::There);
        let token = LinkToken { sender: again, ..ping(1).token };
        let datagram = restarted.seal(&Ping { token, ..ping(1) }).unwrap();
        assert_eq!(b.open(&datagram).map(|ping| ping.token.sender), Some(2));
        // The earlier start is known by its count still, and the links drop it for that.
        assert_eq!(b.open(&before).map(|ping| ping.token.sender), Some(1));
        // One that claims another start than its session's is dropped at once.
        let lying = Ping { token: LinkToken { sender: 5, ..token }, ..ping(1) };
        assert_eq!(b.open(&restarted.seal(&lying).unwrap()), None);
        // After many more, the first key is forgotten.
        for secret in 20..24 {
            b.add(A, &[secret; 32], again, Begun::Here);
        }
        assert_eq!(b.open(&before), None);
        assert_eq!(b.peers[&A].last, (again, 2));
    }
}
