//! Pings as they travel: their 64 bytes and a keyed MAC of 16.

use rain_cluster::link::{PING_BYTES, Ping};

const TAG_BYTES: usize = 16;

/// Length of a sealed ping.
pub const DATAGRAM_BYTES: usize = PING_BYTES + TAG_BYTES;

/// Seals and opens the pings of one cluster.
#[derive(Debug, Clone)]
pub struct DatagramKey([u8; 32]);

impl DatagramKey {
    /// A key of its own for this use, made from the cluster's.
    pub fn new(cluster_key: &[u8; 32]) -> Self {
        Self(blake3::derive_key("RAIN heartbeat 1", cluster_key))
    }

    /// Which cluster it is: nodes with other keys have another number.
    pub fn cluster(&self) -> u64 {
        let hash = blake3::keyed_hash(&self.0, b"cluster");
        hash.as_bytes()[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn tag(&self, bytes: &[u8]) -> blake3::Hash {
        // Only the first half travels: the other one is blanked, so that the comparison stays one of constant time.
        let mut tag = *blake3::keyed_hash(&self.0, bytes).as_bytes();
        tag[TAG_BYTES..].fill(0);
        tag.into()
    }

    /// The datagram.
    pub fn seal(&self, ping: &Ping) -> [u8; DATAGRAM_BYTES] {
        let mut datagram = [0; DATAGRAM_BYTES];
        let bytes = ping.to_bytes();
        datagram[..PING_BYTES].copy_from_slice(&bytes);
        datagram[PING_BYTES..].copy_from_slice(&self.tag(&bytes).as_bytes()[..TAG_BYTES]);
        datagram
    }

    /// The ping, if it is one of this cluster.
    pub fn open(&self, datagram: &[u8]) -> Option<Ping> {
        let (bytes, found) = datagram.split_at_checked(PING_BYTES)?;
        let mut tag = [0; 32];
        tag[..TAG_BYTES].copy_from_slice(<&[u8; TAG_BYTES]>::try_from(found).ok()?);
        if blake3::Hash::from(tag) != self.tag(bytes) {
            return None;
        }
        Ping::from_bytes(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_cluster::NodeId;
    use rain_cluster::link::LinkToken;

    #[test]
    fn whatever_is_changed_is_dropped() {
        let key = DatagramKey::new(&[7; 32]);
        let ping = Ping {
            link: 1,
            period: 50,
            cluster: key.cluster(),
            sender: NodeId(1),
            receiver: NodeId(2),
            token: LinkToken { sender: 3, receiver: 4, count: 8, heard: 9 },
            number: 5,
            echoed: 6,
            echo_delay_us: 7,
            loss_permille: 10,
            lag_ms: 11,
        };
        let datagram = key.seal(&ping);
        assert_eq!(key.open(&datagram), Some(ping));
        for at in 0..DATAGRAM_BYTES {
            let mut changed = datagram;
            changed[at] ^= 1;
            assert_eq!(key.open(&changed), None, "byte {at}");
        }
        assert_eq!(key.open(&datagram[..79]), None);
        assert_eq!(key.open(&[]), None);
        let other = DatagramKey::new(&[8; 32]);
        assert_eq!(other.open(&datagram), None);
        assert_ne!(other.cluster(), key.cluster());
    }
}
