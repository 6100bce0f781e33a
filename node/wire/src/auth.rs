//! The keyed MAC of peer requests, and why replays are refused.
//!
//! A request carries `rain-auth: v2 SENDER BOOT COUNTER SESSION BODY MAC`. SENDER is `NODE.LIFE.SERIAL.EPOCH`, the first
//! two as eight hexadecimal digits each: who sends it, in which life of its ledger. BODY is the BLAKE3 of the body, MAC the
//! keyed BLAKE3 of method, path with query, and all before it. SESSION is the receiver's own boot number, so nothing sent to
//! an earlier start of it is valid; a sender that does not know it yet is told by a 401 with `rain-session`. Within a
//! session each (BOOT, COUNTER) of a node is taken once: counters in a sliding window, boots only upwards.

use rain_cluster::{Life, NodeId, Sender};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The header of the MAC.
pub const AUTH_HEADER: &str = "rain-auth";
/// The header by which a receiver tells its session.
pub const SESSION_HEADER: &str = "rain-session";

const WINDOW: u64 = 4096;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no MAC, or it has another form.
    #[error("the request carries no MAC of the form expected")]
    Malformed,
    /// It was made for another start of this node.
    #[error("session {found}, expected {expected}")]
    Session {
        /// The session it was made for.
        found: u64,
        /// The present one.
        expected: u64,
    },
    /// The MAC, or the body's hash, is not that of the request.
    #[error("the MAC does not match: another cluster key, or a changed request")]
    Mac,
    /// It came before.
    #[error("a replay: number {0} of its sender came before")]
    Replay(u64),
}

/// Signs this node's requests.
#[derive(Debug)]
pub struct Signer {
    key: [u8; 32],
    boot: u64,
    counter: AtomicU64,
}

impl Signer {
    /// `boot` must be higher at every start of the node.
    pub fn new(key: [u8; 32], boot: u64) -> Self {
        Self { key, boot, counter: AtomicU64::new(0) }
    }

    /// The value of the header for one request. Cost: a BLAKE3 of the body.
    pub fn sign(&self, from: Sender, method: &str, path: &str, session: u64, body: &[u8]) -> String {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let body = blake3::hash(body).to_hex();
        let head = format!("v2 {} {} {counter} {session} {body}", sender_text(from), self.boot);
        let mac = mac(&self.key, method, path, &head);
        format!("{head} {}", mac.to_hex())
    }
}

fn sender_text(Sender { node, life, serial, epoch }: Sender) -> String {
    format!("{node}.{life}.{serial}.{epoch}")
}

fn sender_of(text: &str) -> Option<Sender> {
    let mut parts = text.split('.');
    let node: NodeId = parts.next()?.parse().ok()?;
    let life = Life(u32::from_str_radix(parts.next()?, 16).ok()?);
    let sender = Sender { node, life, serial: parts.next()?.parse().ok()?, epoch: parts.next()?.parse().ok()? };
    // One spelling per sender.
    (sender_text(sender) == text).then_some(sender)
}

fn mac(key: &[u8; 32], method: &str, path: &str, head: &str) -> blake3::Hash {
    // None of the parts holds a line feed.
    blake3::keyed_hash(key, format!("{method}\n{path}\n{head}").as_bytes())
}

/// Checks the requests of others.
#[derive(Debug)]
pub struct Verifier {
    key: [u8; 32],
    session: u64,
    senders: Mutex<BTreeMap<NodeId, Window>>,
}

impl Verifier {
    /// Checks requests made for `session`, the boot number of this start.
    pub fn new(key: [u8; 32], session: u64) -> Self {
        Self { key, session, senders: Mutex::new(BTreeMap::new()) }
    }

    /// The session that requests must be made for.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Checks the head of a request, before any of its body is read.
    ///
    /// # Errors
    /// [`AuthError`].
    pub fn verify(&self, method: &str, path: &str, header: Option<&str>) -> Result<Verified, AuthError> {
        let header = header.ok_or(AuthError::Malformed)?;
        let (head, found) = header.rsplit_once(' ').ok_or(AuthError::Malformed)?;
        let parts: Vec<_> = head.split(' ').collect();
        let ["v2", sender, boot, counter, session, body] = parts[..] else { return Err(AuthError::Malformed) };
        let sender = sender_of(sender).ok_or(AuthError::Malformed)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| AuthError::Malformed);
        let (boot, counter, session) = (number(boot)?, number(counter)?, number(session)?);
        // Both comparisons take constant time: blake3::Hash sees to it.
        let found = blake3::Hash::from_hex(found).map_err(|_| AuthError::Malformed)?;
        let body = blake3::Hash::from_hex(body).map_err(|_| AuthError::Malformed)?;
        if mac(&self.key, method, path, head) != found {
            return Err(AuthError::Mac);
        }
        if session != self.session {
            return Err(AuthError::Session { found: session, expected: self.session });
        }
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let window = senders.entry(sender.node).or_insert_with(|| Window::new(boot));
        if window.take(boot, counter) { Ok(Verified { sender, body }) } else { Err(AuthError::Replay(counter)) }
    }
}

/// A request whose head is genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    sender: Sender,
    body: blake3::Hash,
}

impl Verified {
    /// Who sent it.
    pub fn sender(&self) -> Sender {
        self.sender
    }

    /// Checks the body.
    ///
    /// # Errors
    /// [`AuthError::Mac`].
    pub fn verify_body(&self, body: &[u8]) -> Result<(), AuthError> {
        if blake3::hash(body) == self.body { Ok(()) } else { Err(AuthError::Mac) }
    }
}

/// The counters of one sender that were taken.
#[derive(Debug)]
struct Window {
    boot: u64,
    /// One above the highest counter taken.
    next: u64,
    taken: Vec<u64>,
}

impl Window {
    fn new(boot: u64) -> Self {
        Self { boot, next: 0, taken: vec![0; (WINDOW / 64) as usize] }
    }

    fn take(&mut self, boot: u64, counter: u64) -> bool {
        if boot < self.boot {
            return false;
        }
        if boot > self.boot {
            *self = Self::new(boot);
        }
        // The last number of all would have none above it.
        if counter == u64::MAX || counter.saturating_add(WINDOW) < self.next {
            return false;
        }
        // What the window passes over is free again; a jump beyond it frees all.
        for passed in self.next..=counter.min(self.next.saturating_add(WINDOW)) {
            self.taken[(passed % WINDOW / 64) as usize] &= !(1 << (passed % 64));
        }
        if counter >= self.next.saturating_add(WINDOW) {
            self.taken.fill(0);
        }
        self.next = self.next.max(counter + 1);
        let (word, bit) = ((counter % WINDOW / 64) as usize, 1 << (counter % 64));
        let fresh = self.taken[word] & bit == 0;
        self.taken[word] |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Sender = Sender { node: NodeId(10), life: Life(0xdead_beef), serial: 7, epoch: 0 };

    fn pair() -> (Signer, Verifier) {
        (Signer::new([7; 32], 5), Verifier::new([7; 32], 99))
    }

    #[test]
    fn senders_have_one_spelling() {
        assert_eq!(sender_text(A), "0000000a.deadbeef.7.0");
        assert_eq!(sender_of("0000000a.deadbeef.7.0"), Some(A));
        for wrong in [
            "",
            "a.deadbeef.7.0",
            "0000000a.DEADBEEF.7.0",
            "0000000a.deadbeef.07.0",
            "0000000a.deadbeef.7",
            "0000000a.deadbeef.7.0.1",
        ] {
            assert_eq!(sender_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_signed_request_passes_once() {
        let (signer, verifier) = pair();
        let header = signer.sign(A, "POST", "/p?q=1", 99, b"body");
        let genuine = verifier.verify("POST", "/p?q=1", Some(&header)).unwrap();
        assert_eq!(genuine.sender(), A);
        assert_eq!(genuine.verify_body(b"body"), Ok(()));
        assert_eq!(genuine.verify_body(b"other"), Err(AuthError::Mac));
        assert_eq!(verifier.verify("POST", "/p?q=1", Some(&header)), Err(AuthError::Replay(0)));
    }

    #[test]
    fn whatever_is_changed_is_refused() {
        let (signer, verifier) = pair();
        let header = signer.sign(A, "POST", "/p", 99, b"body");
        let other_body = header.replace(&blake3::hash(b"body").to_hex()[..], &blake3::hash(b"other").to_hex());
        for (method, path, header) in [
            ("GET", "/p", &header),
            ("POST", "/q", &header),
            ("POST", "/p", &other_body),
            ("POST", "/p", &header.replace("0000000a", "0000000b")),
        ] {
            assert_eq!(verifier.verify(method, path, Some(header)), Err(AuthError::Mac), "{method} {path} {header}");
        }
        assert_eq!(verifier.verify("POST", "/p", None), Err(AuthError::Malformed));
        let other = Verifier::new([8; 32], 99);
        assert_eq!(other.verify("POST", "/p", Some(&header)), Err(AuthError::Mac));
    }

    #[test]
    fn another_session_is_told_the_right_one() {
        let (signer, verifier) = pair();
        let header = signer.sign(A, "POST", "/p", 98, b"");
        let refused = verifier.verify("POST", "/p", Some(&header));
        assert_eq!(refused, Err(AuthError::Session { found: 98, expected: 99 }));
    }

    #[test]
    fn counters_may_come_out_of_order_but_not_twice_and_not_late() {
        let mut window = Window::new(1);
        for counter in [0, 5, 3, 1, 4, 2, 9000, 9000 - WINDOW + 1] {
            assert!(window.take(1, counter), "{counter}");
        }
        for counter in [5, 9000, 9000 - WINDOW + 1, 9000 - WINDOW] {
            assert!(!window.take(1, counter), "{counter}");
        }
        // With the largest numbers of all, sums of this module overflowed.
        for counter in [u64::MAX - 1, u64::MAX - 2, u64::MAX - WINDOW] {
            assert!(window.take(1, counter), "{counter}");
        }
        for counter in [u64::MAX, u64::MAX - 1, u64::MAX - WINDOW - 1, 9001] {
            assert!(!window.take(1, counter), "{counter}");
        }
        assert!(window.take(2, 0), "a new boot begins anew");
        assert!(!window.take(1, 9001), "an old boot is over");
    }
}
