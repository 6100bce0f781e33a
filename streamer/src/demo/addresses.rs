//! The loopback addresses of a demo: two for each cable of a node, its own end and the end that the others see.

use rain_cluster::topology::Attachment;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The last byte of the address that a node listens on and connects from.
const OWN: u8 = 1;
/// The last byte of the address under which its peers reach it.
const SEEN: u8 = 2;

/// The addresses of the demo on one port: 127.(switch+1).(node+1).1 is a node's own, .2 what the others see of it.
/// Everything that they exchange passes the forwarder, which holds the second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) port: u16,
}

impl Addresses {
    /// Where the node itself listens, for TCP and UDP.
    pub(super) fn own(self, of: Attachment) -> SocketAddr {
        SocketAddr::from((address(of, OWN), self.port))
    }

    /// Where the forwarder listens for it.
    pub(super) fn seen(self, of: Attachment) -> SocketAddr {
        SocketAddr::from((address(of, SEEN), self.port))
    }
}

fn address(of: Attachment, last: u8) -> Ipv4Addr {
    let byte = |number: usize| u8::try_from(number + 1).unwrap_or(u8::MAX);
    Ipv4Addr::new(127, byte(of.switch), byte(of.node), last)
}

/// Whose own address this is, if it is a node's.
pub(super) fn owner(address: IpAddr) -> Option<Attachment> {
    let IpAddr::V4(address) = address else { return None };
    let [127, switch @ 1..=u8::MAX, node @ 1..=u8::MAX, OWN] = address.octets() else { return None };
    Some(Attachment { node: usize::from(node) - 1, switch: usize::from(switch) - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_address_tells_its_owner_and_no_other_address_does() {
        let addresses = Addresses { port: 8080 };
        let of = Attachment { node: 2, switch: 0 };
        assert_eq!(addresses.own(of).to_string(), "127.1.3.1:8080");
        assert_eq!(addresses.seen(of).to_string(), "127.1.3.2:8080");
        assert_eq!(owner(addresses.own(of).ip()), Some(of));
        assert_eq!(owner(addresses.seen(of).ip()), None);
        assert_eq!(owner(Ipv4Addr::LOCALHOST.into()), None);
        assert_eq!(owner(Ipv4Addr::new(10, 1, 3, 1).into()), None);
    }
}
