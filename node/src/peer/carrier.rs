//! What the kernel says of the carriers of this machine's interfaces, by rtnetlink: a pulled cable is known at once.
//!
//! Nobody needs a permission for it. What is not told, or was missed, the pings find out.
//!
//! Source: rtnetlink(7), netlink(7); `linux/if_link.h`.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use super::batch::address;

/// `RTMGRP_LINK`: news of interfaces.
const LINKS: u32 = 1;
/// `RTM_NEWLINK` and `RTM_DELLINK`: an interface is as told; it is gone.
const NEW_LINK: u16 = 16;
const GONE_LINK: u16 = 17;
/// Length of `nlmsghdr`, and of `ifinfomsg` behind it.
const HEADER_BYTES: usize = 16;
const INTERFACE_BYTES: usize = 16;
/// `IFF_UP` and `IFF_LOWER_UP`: it is switched on, and has a carrier.
const WORKS: u32 = 1 | 1 << 16;
/// More than the kernel puts into a message of its own.
const BUFFER_BYTES: usize = 16 << 10;

/// Watches the interfaces that some addresses are of.
#[derive(Debug)]
pub(super) struct Carriers {
    socket: OwnedFd,
    addresses: Vec<IpAddr>,
    /// The number of the interface of each address, once it has one.
    interfaces: Vec<Option<u32>>,
}

impl Carriers {
    /// Begins to watch.
    ///
    /// # Errors
    /// The system has no rtnetlink, or gives no socket.
    pub(super) fn watch(addresses: Vec<IpAddr>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // No protocol is the first one, `NETLINK_ROUTE`.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, LINKS))?;
        let interfaces = addresses.iter().map(|_| None).collect();
        let mut carriers = Self { socket, addresses, interfaces };
        carriers.find_interfaces();
        Ok(carriers)
    }

    /// What to wait for.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes what the kernel told. Gives the places of the addresses whose interfaces have lost their carrier.
    pub(super) fn take_lost(&mut self) -> Vec<usize> {
        let (mut lost, mut buffer) = (Vec::new(), vec![0; BUFFER_BYTES]);
        let mut any_works = false;
        // When the kernel had to drop news, what comes next is read all the same.
        while let Ok((length, _)) = recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            for (interface, works) in told(&buffer[..length]) {
                any_works |= works;
                let of_it = |found: &&Option<u32>| **found == Some(interface);
                let places = (0..).zip(&self.interfaces).filter(|(_, found)| of_it(found)).map(|(place, _)| place);
                lost.retain(|place| !works || self.interfaces[*place] != Some(interface));
                lost.extend(places.filter(|_| !works));
            }
        }
        if any_works {
            self.find_interfaces();
        }
        lost.sort_unstable();
        lost.dedup();
        lost
    }

    /// An interface that was made anew has another number; one that is gone keeps its old one.
    fn find_interfaces(&mut self) {
        let Ok(found) = getifaddrs() else { return };
        for one in found {
            let Some(own) = one.address.as_ref().and_then(address) else { continue };
            let places = self.addresses.iter().zip(&mut self.interfaces).filter(|(address, _)| **address == own.ip());
            for (_, interface) in places {
                *interface = if_nametoindex(one.interface_name.as_str()).ok().or(*interface);
            }
        }
    }
}

/// The interfaces that a message tells of, and whether each works.
fn told(mut messages: &[u8]) -> Vec<(u32, bool)> {
    let mut told = Vec::new();
    while let Some((length, kind)) = u32_at(messages, 0).zip(u16_at(messages, 4)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < HEADER_BYTES || length > messages.len() {
            break;
        }
        let message = &messages[..length];
        if matches!(kind, NEW_LINK | GONE_LINK) && length >= HEADER_BYTES + INTERFACE_BYTES {
            let (index, flags) = (u32_at(message, HEADER_BYTES + 4), u32_at(message, HEADER_BYTES + 8));
            told.extend(index.zip(flags).map(|(index, flags)| (index, kind == NEW_LINK && flags & WORKS == WORKS)));
        }
        messages = messages.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    told
}

#[expect(clippy::host_endian_bytes, reason = "netlink speaks the machine's own byte order")]
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[expect(clippy::host_endian_bytes, reason = "netlink speaks the machine's own byte order")]
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as the kernel sends it: `nlmsghdr`, `ifinfomsg`, and an attribute that nobody looks at.
    #[expect(clippy::host_endian_bytes, reason = "netlink speaks the machine's own byte order")]
    fn message(kind: u16, index: u32, flags: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(39_u32.to_ne_bytes());
        bytes.extend([kind.to_ne_bytes(), [0; 2]].concat());
        bytes.extend([0; 8]);
        // Family, padding, type; then the number, the flags, and which of them changed.
        bytes.extend([0; 4]);
        bytes.extend([index, flags, u32::MAX].map(u32::to_ne_bytes).concat());
        // Length 7, type 3, "s1" and its end; and what fills it up.
        bytes.extend([7_u16, 3].map(u16::to_ne_bytes).concat());
        bytes.extend(b"s1\0\0");
        bytes
    }

    #[test]
    fn messages_tell_of_carriers() {
        // Of an interface that works, one without a carrier, one that is switched off, and one that is gone.
        let all = [
            message(NEW_LINK, 7, 0x1_1043),
            message(NEW_LINK, 8, 0x1003),
            message(NEW_LINK, 9, 0x1_1042),
            message(GONE_LINK, 10, 0x1_1043),
            message(20, 11, 0),
        ];
        let expected = [(7, true), (8, false), (9, false), (10, false)];
        assert_eq!(told(&all.concat()), expected);
        // Cut off anywhere, nothing is made up.
        let all = all.concat();
        for length in 0..all.len() {
            let found = told(&all[..length]);
            assert!(expected.starts_with(&found), "{length}: {found:?}");
        }
        assert!(told(&[0; 64]).is_empty(), "a length of 0 does not go round for ever");
    }

    #[test]
    fn the_loopback_is_found_and_has_lost_nothing() {
        let addresses = vec!["127.0.0.1".parse().unwrap(), "203.0.113.77".parse().unwrap()];
        let mut carriers = Carriers::watch(addresses).unwrap();
        assert!(carriers.interfaces[0].is_some_and(|index| index > 0));
        assert_eq!(carriers.interfaces[1], None);
        assert_eq!(carriers.take_lost(), Vec::<usize>::new());
    }
}
