//! Many datagrams in one system call, with the moment at which the kernel took each of them in.

use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use rustix::time::{ClockId, clock_gettime};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

/// Datagrams of one system call at most.
pub(super) const AT_ONCE: usize = 32;

/// Has the kernel note when each datagram arrives.
///
/// # Errors
/// The system does not do that.
pub(super) fn note_arrivals(socket: &UdpSocket) -> io::Result<()> {
    Ok(setsockopt(socket, sockopt::ReceiveTimestampns, &true)?)
}

/// What came in one system call, each datagram of BYTES bytes at most; what is longer comes cut off there.
#[derive(Debug)]
pub(super) struct Inbox<const BYTES: usize> {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Box<[[u8; BYTES]; AT_ONCE]>,
}

impl<const BYTES: usize> Inbox<BYTES> {
    pub(super) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(AT_ONCE, Some(cmsg_space!(TimeSpec))),
            buffers: Box::new([[0; BYTES]; AT_ONCE]),
        }
    }

    /// Takes what waits at a socket that does not block, [`AT_ONCE`] at most, and hands over who sent it, its bytes, and
    /// how long ago it arrived. Gives how many there were.
    ///
    /// # Errors
    /// Nothing waits (`WouldBlock`), or what became of an earlier datagram, told once.
    pub(super) fn take(
        &mut self,
        socket: &UdpSocket,
        mut each: impl FnMut(SocketAddr, &[u8], Duration),
    ) -> io::Result<usize> {
        let mut slices = self.buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let came = recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut slices, flags, None)?;
        let now = clock_gettime(ClockId::Realtime);
        let mut count = 0;
        for datagram in came {
            count += 1;
            let from = datagram.address.as_ref().and_then(address);
            let (Some(from), Some(bytes)) = (from, datagram.iovs().next()) else { continue };
            let mut ages = datagram.cmsgs().into_iter().flatten().filter_map(|message| {
                let ControlMessageOwned::ScmTimestampns(at) = message else { return None };
                let seconds = now.tv_sec.saturating_sub(at.tv_sec()).saturating_mul(1_000_000_000);
                let nanos = seconds.saturating_add(now.tv_nsec).saturating_sub(at.tv_nsec());
                // Below zero, the clock was set back meanwhile.
                Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
            });
            each(from, bytes, ages.next().unwrap_or_default());
        }
        Ok(count)
    }
}

/// An address of the Internet, if it is one.
pub(super) fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = from.as_sockaddr_in().map(|from| SocketAddr::V4((*from).into()));
    v4.or_else(|| from.as_sockaddr_in6().map(|from| SocketAddr::V6((*from).into())))
}

/// Datagrams of BYTES bytes that wait to be sent from one socket.
#[derive(Debug)]
pub(super) struct Outbox<const BYTES: usize> {
    headers: MultiHeaders<SockaddrStorage>,
    datagrams: Vec<[u8; BYTES]>,
    addresses: Vec<Option<SockaddrStorage>>,
}

impl<const BYTES: usize> Outbox<BYTES> {
    pub(super) fn new() -> Self {
        let headers = MultiHeaders::preallocate(AT_ONCE, None);
        Self { headers, datagrams: Vec::with_capacity(AT_ONCE), addresses: Vec::with_capacity(AT_ONCE) }
    }

    /// Adds one. Gives whether the box is full now, and must be sent.
    pub(super) fn push(&mut self, to: &SockaddrStorage, datagram: [u8; BYTES]) -> bool {
        self.datagrams.push(datagram);
        self.addresses.push(Some(*to));
        self.datagrams.len() == AT_ONCE
    }

    /// Sends all. What the network does not take now is lost, as it may be on its way.
    pub(super) fn send(&mut self, socket: &UdpSocket) {
        let mut done = 0;
        while done < self.datagrams.len() {
            let mut slices = [[IoSlice::new(&[])]; AT_ONCE];
            let rest = &self.datagrams[done..];
            for (slice, datagram) in slices.iter_mut().zip(rest) {
                *slice = [IoSlice::new(datagram)];
            }
            let (slices, addresses) = (&slices[..rest.len()], &self.addresses[done..]);
            let flags = MsgFlags::MSG_DONTWAIT;
            let sent = sendmmsg(socket.as_raw_fd(), &mut self.headers, slices, addresses, [], flags);
            // None of them: the first one is what is refused. One at least is done with, so that this ends.
            done += sent.map_or(1, |sent| sent.count().max(1));
        }
        self.datagrams.clear();
        self.addresses.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        note_arrivals(&socket).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        await_notes(&socket, address);
        (socket, address)
    }

    /// The system begins to note arrivals a moment after it was first asked to by anybody.
    fn await_notes(socket: &UdpSocket, address: SocketAddr) {
        let began = std::time::Instant::now();
        let mut noted = false;
        while !noted {
            assert!(began.elapsed() < Duration::from_secs(30), "no arrival is noted");
            socket.send_to(&[0], address).unwrap();
            std::thread::sleep(Duration::from_millis(5));
            Inbox::<1>::new().take(socket, |_, _, age| noted = age >= Duration::from_millis(5)).unwrap();
        }
    }

    #[test]
    fn all_that_is_sent_comes_in_order_and_what_cannot_be_sent_holds_up_nothing() {
        let ((from, own), (to, address)) = (socket(), socket());
        let mut outbox = Outbox::<4>::new();
        // Nobody may send to the broadcast address unasked.
        let refused: SocketAddr = "255.255.255.255:9".parse().unwrap();
        for number in 0..30_u8 {
            assert!(!outbox.push(&address.into(), [number; 4]), "{number}");
        }
        assert!(!outbox.push(&refused.into(), [30; 4]));
        assert!(outbox.push(&address.into(), [31; 4]), "full");
        outbox.send(&from);
        assert!(!outbox.push(&address.into(), [32; 4]), "empty again");
        outbox.send(&from);
        std::thread::sleep(Duration::from_millis(5));
        let (mut inbox, mut came) = (Inbox::<5>::new(), Vec::new());
        while inbox.take(&to, |from, bytes, age| came.push((from, bytes.to_vec(), age))).is_ok() {}
        let numbers: Vec<u8> = came.iter().map(|(_, bytes, _)| bytes[0]).collect();
        assert_eq!(numbers, (0..30).chain([31, 32]).collect::<Vec<_>>());
        assert!(came.iter().all(|(sender, bytes, _)| *sender == own && bytes.len() == 4));
        let ages = came.iter().map(|(_, _, age)| *age);
        assert!(ages.clone().all(|age| age >= Duration::from_millis(5)), "they arrived before the sleep");
        assert!(ages.clone().all(|age| age < Duration::from_secs(30)), "{:?}", ages.max());
    }

    #[test]
    fn what_is_longer_is_cut_off_and_still_longer_than_what_is_expected() {
        let ((from, _), (to, address)) = (socket(), socket());
        from.send_to(&[7; 100], address).unwrap();
        let mut lengths = Vec::new();
        let taken = Inbox::<5>::new().take(&to, |_, bytes, _| lengths.push(bytes.len()));
        assert_eq!((taken.unwrap(), lengths), (1, vec![5]));
    }
}
