//! Who sends a request, as its header says: `rain-from: NODE.LIFE.SERIAL.EPOCH.SIGNET`, the first two as eight hexadecimal
//! digits each, the last as 32. Which node it is, the session proves; the header adds in which life of its ledger it speaks.

use rain_cluster::{Life, NodeId, Sender, Signet};

/// The header.
pub const SENDER_HEADER: &str = "rain-from";

/// Its value for a sender.
pub fn to_text(Sender { node, life, serial, epoch, signet }: Sender) -> String {
    format!("{node}.{life}.{serial}.{epoch}.{signet}")
}

/// The sender of a value; `None` of one that [`to_text`] does not write.
pub fn from_text(text: &str) -> Option<Sender> {
    let mut parts = text.split('.');
    let node: NodeId = parts.next()?.parse().ok()?;
    let life = Life(u32::from_str_radix(parts.next()?, 16).ok()?);
    let (serial, epoch) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let signet = Signet(u128::from_str_radix(parts.next()?, 16).ok()?);
    let sender = Sender { node, life, serial, epoch, signet };
    // One spelling per sender.
    (to_text(sender) == text).then_some(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_have_one_spelling() {
        let sender = Sender { node: NodeId(10), life: Life(0xdead_beef), serial: 7, epoch: 0, signet: Signet(0xbeef) };
        let text = "0000000a.deadbeef.7.0.0000000000000000000000000000beef";
        assert_eq!(to_text(sender), text);
        assert_eq!(from_text(text), Some(sender));
        for wrong in [
            "",
            "a.deadbeef.7.0.0000000000000000000000000000beef",
            "0000000a.DEADBEEF.7.0.0000000000000000000000000000beef",
            "0000000a.deadbeef.07.0.0000000000000000000000000000beef",
            "0000000a.deadbeef.7.0",
            "0000000a.deadbeef.7.0.beef",
            "0000000a.deadbeef.7.0.0000000000000000000000000000beef.1",
        ] {
            assert_eq!(from_text(wrong), None, "{wrong}");
        }
    }
}
