//! A datagram is a heartbeat of this cluster, byte for byte, or it is dropped.
//!
//! Oracle: the table of the format, read here by itself; a seal that was made for exactly these bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rain_cluster::path::{HEARTBEAT_BYTES, Heartbeat};
use rain_streamer::peer::datagram::{DATAGRAM_BYTES, DatagramKey};

fuzz_target!(|input: (&[u8], u16)| {
    let (bytes, change) = input;
    let key = DatagramKey::new(&[7; 32]);
    assert_eq!(key.open(bytes), None, "bytes that nobody sealed");

    let parsed = Heartbeat::from_bytes(bytes);
    let is_heartbeat = bytes.len() == HEARTBEAT_BYTES && bytes.starts_with(b"RN\x01\x01");
    assert_eq!(parsed.is_ok(), is_heartbeat, "{parsed:?}");
    let Ok(beat) = parsed else { return };
    let number = |at: usize, length: usize| {
        bytes[at..at + length].iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    assert_eq!(
        (beat.cluster, u64::from(beat.sender.0), u64::from(beat.receiver.0)),
        (number(8, 8), number(16, 4), number(20, 4))
    );
    assert_eq!((beat.sender_incarnation, beat.receiver_incarnation), (number(24, 8), number(32, 8)));
    let counts = [beat.number, beat.echoed, beat.echo_delay_us].map(u64::from);
    assert_eq!(counts, [40, 44, 48].map(|at| number(at, 4)));

    let mut datagram = key.seal(&beat);
    assert_eq!(key.open(&datagram), Some(beat));
    assert_eq!(datagram[8..52], bytes[8..52]);
    datagram[usize::from(change) % DATAGRAM_BYTES] ^= 1 << (change >> 13);
    assert_eq!(key.open(&datagram), None, "bit {change} of a sealed heartbeat is another");
});
