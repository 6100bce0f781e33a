//! A datagram is a ping of a peer with which a session was begun, byte for byte, or it is dropped.
//!
//! Oracle: the table of the format, read here by itself; a seal that was made for exactly these bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rain_cluster::link::{LinkToken, PING_BYTES, Ping};
use rain_wire::datagram::{Begun, DATAGRAM_BYTES, Keyring};

fuzz_target!(|input: (&[u8], u16)| {
    let (bytes, change) = input;
    let parsed = Ping::from_bytes(bytes);
    let is_ping = bytes.len() == PING_BYTES && bytes.starts_with(b"RN\x02\x01");
    assert_eq!(parsed.is_ok(), is_ping, "{parsed:?}");
    let Ok(ping) = parsed else {
        assert_eq!(Keyring::default().open(bytes), None, "bytes that nobody sealed");
        return;
    };
    let number = |at: usize, length: usize| {
        bytes[at..at + length].iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    assert_eq!([ping.link, ping.period].map(u64::from), [4, 6].map(|at| number(at, 2)));
    let ends = (u64::from(ping.sender.0), u64::from(ping.receiver.0));
    assert_eq!((ping.cluster, ends), (number(8, 8), (number(16, 4), number(20, 4))));
    assert_eq!((ping.token.sender, ping.token.receiver), (number(24, 8), number(32, 8)));
    let counts = [ping.number, ping.echoed, ping.echo_delay_us, ping.token.count, ping.token.heard].map(u64::from);
    assert_eq!(counts, [40, 44, 48, 52, 56].map(|at| number(at, 4)));
    assert_eq!([ping.loss_permille, ping.lag_ms].map(u64::from), [60, 62].map(|at| number(at, 2)));

    let (mut sender, mut receiver) = (Keyring::default(), Keyring::default());
    assert_eq!(sender.seal(&ping), None, "there is no session");
    // The first start of the receiver that the sender was told of, whose number is the ping's.
    sender.add(ping.receiver, &[7; 32], ping.token.receiver, Begun::Here);
    receiver.add(ping.sender, &[7; 32], ping.token.sender, Begun::There);
    let counted = |token: LinkToken| Ping { token, ..ping };
    let mut datagram = sender.seal(&counted(LinkToken { receiver: 1, ..ping.token })).expect("a session");
    assert_eq!(datagram[..PING_BYTES], *bytes);
    assert_eq!(receiver.open(&datagram), Some(counted(LinkToken { sender: 1, ..ping.token })));
    datagram[usize::from(change) % DATAGRAM_BYTES] ^= 1 << (change >> 13);
    assert_eq!(receiver.open(&datagram), None, "bit {change} of a sealed ping is another");
});
