//! The secret by which a node knows its own word again.

use core::fmt;
use rain_cluster::{Life, NodeId, Signet};

/// A secret of one node that outlives its disk.
#[derive(Clone)]
pub struct SignetKey([u8; 32]);

impl fmt::Debug for SignetKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SignetKey")
    }
}

impl SignetKey {
    /// That of a secret.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The signet of a node that has made so many changes durable in a life: the first half of a keyed BLAKE3.
    pub(super) fn signet(&self, node: NodeId, life: Life, serial: u64) -> Signet {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&node.0.to_le_bytes()).update(&life.0.to_le_bytes()).update(&serial.to_le_bytes());
        let mut signet = [0; 16];
        hasher.finalize_xof().fill(&mut signet);
        Signet(u128::from_le_bytes(signet))
    }
}
