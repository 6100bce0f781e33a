//! Whoever speaks with a node without a key of its cluster is nobody to it, and what is changed on the way between two
//! nodes makes neither believe to have met the other; who sends a request has one spelling.
//!
//! Oracle: the two ends of an unharmed handshake share a secret; the spelling, written here by itself.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_cluster::NodeId;
use rain_session::rustls::{ClientConnection, ServerConnection};
use rain_session::{KeyPair, PublicKey, Sessions};
use rain_wire::sender;

const A: NodeId = NodeId(10);
const B: NodeId = NodeId(11);

#[derive(Debug, Arbitrary)]
struct Case<'a> {
    stranger: &'a [u8],
    /// In the bytes that travel to the server, and to the client: where, and how the byte there is changed.
    changes: Vec<(bool, u16, u8)>,
    key: &'a str,
    sender: &'a str,
}

fn sessions(own: NodeId, peer: NodeId) -> Sessions {
    Sessions::new(&KeyPair::of_nobody(own), [(KeyPair::of_nobody(peer).public(), peer)])
}

fuzz_target!(|case: Case<'_>| {
    let (a, b) = (sessions(A, B), sessions(B, A));
    let mut server = ServerConnection::new(b.server()).expect("a server");
    let mut rest = case.stranger;
    while !rest.is_empty() && server.read_tls(&mut rest).is_ok_and(|taken| taken > 0) {
        if server.process_new_packets().is_err() {
            break;
        }
    }
    assert!(server.is_handshaking() && b.peer(&server).is_err(), "without a key");

    let mut client = ClientConnection::new(a.client(B), Sessions::server_name()).expect("a client");
    let mut server = ServerConnection::new(b.server()).expect("a server");
    let mut passed = [0_usize; 2];
    let mut change = |to_server: bool, bytes: &mut [u8]| {
        let passed = &mut passed[usize::from(to_server)];
        for (_, at, change) in case.changes.iter().filter(|change| change.0 == to_server) {
            if let Some(byte) = usize::from(*at).checked_sub(*passed).and_then(|at| bytes.get_mut(at)) {
                *byte ^= change;
            }
        }
        *passed += bytes.len();
    };
    for _ in 0..4 {
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).expect("memory takes all");
        }
        change(true, &mut sent);
        let mut rest = &sent[..];
        while !rest.is_empty() && server.read_tls(&mut rest).is_ok_and(|taken| taken > 0) {
            if server.process_new_packets().is_err() {
                break;
            }
        }
        let mut sent = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut sent).expect("memory takes all");
        }
        change(false, &mut sent);
        let mut rest = &sent[..];
        while !rest.is_empty() && client.read_tls(&mut rest).is_ok_and(|taken| taken > 0) {
            if client.process_new_packets().is_err() {
                break;
            }
        }
    }
    // The client may be done, and the server not hear of it; never the other way round.
    if !server.is_handshaking() {
        assert!(!client.is_handshaking(), "the server has met nobody");
        assert_eq!((a.peer(&client), b.peer(&server)), (Ok(B), Ok(A)));
        assert_eq!(Sessions::secret(&client), Sessions::secret(&server));
    }
    let is_unharmed = case.changes.iter().all(|change| change.2 == 0);
    assert!(!is_unharmed || !server.is_handshaking(), "nothing stood in the way");

    if let Ok(key) = case.key.parse::<PublicKey>() {
        assert_eq!(key.to_string(), case.key);
    }
    let _ = KeyPair::from_pem(case.key.as_bytes());
    if let Some(sender) = sender::from_text(case.sender) {
        let spelt = format!(
            "{:08x}.{:08x}.{}.{}.{:032x}",
            sender.node.0, sender.life.0, sender.serial, sender.epoch, sender.signet.0
        );
        assert_eq!(case.sender, spelt);
    }
});
