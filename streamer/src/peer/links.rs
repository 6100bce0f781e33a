//! The driver of the link protocol: sockets, a clock and a thread around [`rain_cluster::link::Links`].
//!
//! It has a thread of its own and waits in one `poll`: what keeps the data plane busy must not delay it.

use super::datagram::{DATAGRAM_BYTES, DatagramKey};
use core::time::Duration;
use rain_cluster::Time;
use rain_cluster::link::{Hint, LinkEvent, Links};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// So many datagrams are taken from one socket before the next look at the time.
const AT_ONCE: usize = 64;
/// Hints that wait; more are dropped, for they only make a verdict quicker.
const HINTS_MAX: usize = 64;
/// How often the owner is told what was measured.
const MEASURED: Duration = Duration::from_millis(100);

/// Where a link leads: the socket that it uses, and the peer's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The number of the socket.
    pub socket: usize,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// Who is told of links.
pub trait Observer: Send {
    /// A link changed.
    fn changed(&mut self, event: LinkEvent);

    /// Round trips and losses are as `links` has them.
    fn measured(&mut self, links: &Links);
}

/// Links that are watched, until the value goes.
#[derive(Debug)]
pub struct LinkThread {
    hints: Hints,
    thread: Option<JoinHandle<()>>,
}

/// Tells the thread of links what others noticed.
#[derive(Debug, Clone)]
pub struct Hints {
    hints: SyncSender<(usize, Hint)>,
    wake: Arc<Wake>,
}

#[derive(Debug)]
struct Wake {
    event: OwnedFd,
    stop: AtomicBool,
}

/// A number above 0, in whatever order of bytes.
const WAKE: [u8; 8] = [1; 8];

impl Wake {
    fn wake(&self) {
        // It fails only when it was woken very often and did not look: then it will.
        let _ = rustix::io::write(&self.event, &WAKE);
    }
}

impl Hints {
    /// Passes on that a link may be down.
    pub fn send(&self, link: usize, hint: Hint) {
        if self.hints.try_send((link, hint)).is_ok() {
            self.wake.wake();
        }
    }
}

impl LinkThread {
    /// Begins to watch links; link i takes route i. `clock` gives the time that the links count in.
    ///
    /// # Errors
    /// When the system gives no thread or no descriptor.
    pub fn start(
        links: Links,
        key: DatagramKey,
        sockets: Vec<UdpSocket>,
        routes: Vec<Route>,
        clock: impl Fn() -> Time + Send + 'static,
        observer: impl Observer + 'static,
    ) -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let wake = Arc::new(Wake { event, stop: AtomicBool::new(false) });
        let (hints, hinted) = sync_channel(HINTS_MAX);
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        let by_route = routes.iter().enumerate().map(|(link, route)| ((route.socket, route.remote), link)).collect();
        let mut links =
            Loop { links, key, sockets, routes, by_route, clock, observer, hinted, wake: Arc::clone(&wake) };
        let thread = std::thread::Builder::new().name("links".to_owned()).spawn(move || {
            if let Err(error) = links.run() {
                tracing::error!(%error, "links are not watched any more");
            }
        })?;
        Ok(Self { hints: Hints { hints, wake }, thread: Some(thread) })
    }

    /// A way to tell the thread what others noticed.
    pub fn hints(&self) -> Hints {
        self.hints.clone()
    }
}

impl Drop for LinkThread {
    fn drop(&mut self) {
        self.hints.wake.stop.store(true, Ordering::Relaxed);
        self.hints.wake.wake();
        if let Some(thread) = self.thread.take() {
            // It logged its own error.
            let _ = thread.join();
        }
    }
}

struct Loop<C, O> {
    links: Links,
    key: DatagramKey,
    sockets: Vec<UdpSocket>,
    routes: Vec<Route>,
    by_route: HashMap<(usize, SocketAddr), usize>,
    clock: C,
    observer: O,
    hinted: Receiver<(usize, Hint)>,
    wake: Arc<Wake>,
}

impl<C: Fn() -> Time, O: Observer> Loop<C, O> {
    fn run(&mut self) -> io::Result<()> {
        let mut measured = Time::default();
        loop {
            let ready = self.wait()?;
            if self.wake.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if ready.last() == Some(&true) {
                self.take_hints();
            }
            for (socket, _) in ready.iter().enumerate().take(self.sockets.len()).filter(|(_, ready)| **ready) {
                self.receive(socket);
            }
            let now = (self.clock)();
            if now >= self.links.poll_timeout() {
                self.links.handle_timeout(now);
                if now.since(measured) >= MEASURED {
                    measured = now;
                    self.observer.measured(&self.links);
                }
            }
            self.send();
            while let Some(event) = self.links.poll_event() {
                self.observer.changed(event);
            }
        }
    }

    /// Waits until something came or is due. Gives which sockets can be read, and at the end whether somebody called.
    fn wait(&self) -> io::Result<Vec<bool>> {
        let mut polled: Vec<_> = self.sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        polled.push(PollFd::new(&self.wake.event, PollFlags::IN));
        let wait = self.links.poll_timeout().since((self.clock)());
        let wait = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut polled, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(polled.iter().map(|polled| !polled.revents().is_empty()).collect())
    }

    fn take_hints(&mut self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake.event, &mut count);
        while let Ok((link, hint)) = self.hinted.try_recv() {
            if link < self.links.len() {
                self.links.handle_hint((self.clock)(), link, hint);
            }
        }
    }

    fn receive(&mut self, socket: usize) {
        let mut buffer = [0; DATAGRAM_BYTES + 1];
        let now = (self.clock)();
        for _ in 0..AT_ONCE {
            let (length, from) = match self.sockets[socket].recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // What became of an earlier datagram, told once: the next one may be there all the same.
                Err(_) => continue,
            };
            let known = self.by_route.get(&(socket, from));
            if let Some((link, ping)) = known.zip(self.key.open(&buffer[..length])) {
                self.links.handle_message(now, *link, &ping);
            }
        }
    }

    fn send(&mut self) {
        while let Some((link, ping)) = self.links.poll_transmit() {
            let route = &self.routes[link];
            // What the network does not take now is a lost ping, like any other.
            let _ = self.sockets[route.socket].send_to(&self.key.seal(&ping), route.remote);
        }
    }
}
