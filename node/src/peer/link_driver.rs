//! The driver of the link protocol: sockets, a clock and a thread around [`rain_cluster::link::Links`].
//!
//! It has a thread of its own: what keeps the data plane busy must not delay it. A wake-up costs as much as several
//! datagrams, so all pings leave at one tick, and what came since the tick before is taken at it; the kernel notes when
//! each datagram arrived, and so nothing of that is in a round trip.

use super::batch::{AT_ONCE, Inbox, Outbox, note_arrivals};
use super::carrier::Carriers;
use core::time::Duration;
use nix::sys::socket::SockaddrStorage;
use rain_cluster::Time;
use rain_cluster::link::{Hint, LinkEvent, LinkPlan, LinkTiming, Links, Ping};
use rain_wire::datagram::{DATAGRAM_BYTES, Keyring};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// So many times [`AT_ONCE`] datagrams are taken from one socket before the next look at the time.
const TURNS: usize = 8;
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

/// Links come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkChange {
    /// One more is watched: the next number is its.
    Add(LinkPlan, Route),
    /// The link of this number is watched no more.
    Remove(usize),
    /// How often pings are sent.
    Timing(LinkTiming),
}

/// Links that are watched, until the value goes.
#[derive(Debug)]
pub struct LinkThread {
    hints: Hints,
    changes: LinkChanges,
    thread: Option<JoinHandle<()>>,
}

/// Tells the thread of links what others noticed.
#[derive(Debug, Clone)]
pub struct Hints {
    hints: SyncSender<(usize, Hint)>,
    wake: Arc<Wake>,
}

/// Tells the thread of links which links there are.
#[derive(Debug, Clone)]
pub struct LinkChanges {
    changes: Sender<LinkChange>,
    wake: Arc<Wake>,
}

impl LinkChanges {
    /// Passes on a change; in the order in which they are passed on, they are carried out.
    pub fn send(&self, change: LinkChange) {
        // Where the thread is gone, nothing is watched.
        let _ = self.changes.send(change);
        self.wake.wake();
    }
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
    /// Begins to watch links; link i takes route i. `keyring` has the keys of datagrams, `clock` gives the time that the
    /// links count in.
    ///
    /// # Errors
    /// When the system gives no thread or no descriptor.
    pub fn start(
        links: Links,
        keyring: Arc<Mutex<Keyring>>,
        sockets: Vec<UdpSocket>,
        routes: Vec<Route>,
        clock: impl Fn() -> Time + Send + 'static,
        observer: impl Observer + 'static,
    ) -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let wake = Arc::new(Wake { event, stop: AtomicBool::new(false) });
        let (hints, hinted) = sync_channel(HINTS_MAX);
        let (changes, told) = channel();
        for socket in &sockets {
            socket.set_nonblocking(true)?;
            note_arrivals(socket)?;
        }
        let own = Arc::clone(&wake);
        let thread = std::thread::Builder::new().name("links".to_owned()).spawn(move || {
            let mail = Mail::new(keyring, sockets, &routes);
            let carriers = mail.watch_carriers();
            let mut links = Loop { links, mail, carriers, clock, observer, hinted, changed: told, wake: own };
            if let Err(error) = links.run() {
                tracing::error!(%error, "links are not watched any more");
            }
        })?;
        let changes = LinkChanges { changes, wake: Arc::clone(&wake) };
        Ok(Self { hints: Hints { hints, wake }, changes, thread: Some(thread) })
    }

    /// A way to tell the thread which links there are.
    pub fn changes(&self) -> LinkChanges {
        self.changes.clone()
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

/// The sockets, and what of links is known by them.
struct Mail {
    keyring: Arc<Mutex<Keyring>>,
    sockets: Vec<UdpSocket>,
    /// The socket of each link, and the peer's address; also of those that were removed.
    routes: Vec<(usize, SockaddrStorage)>,
    by_route: HashMap<(usize, SocketAddr), usize>,
    inbox: Inbox<{ DATAGRAM_BYTES + 1 }>,
    outboxes: Vec<Outbox<DATAGRAM_BYTES>>,
}

impl Mail {
    fn new(keyring: Arc<Mutex<Keyring>>, sockets: Vec<UdpSocket>, routes: &[Route]) -> Self {
        let by_route = routes.iter().enumerate().map(|(link, route)| ((route.socket, route.remote), link)).collect();
        let routes = routes.iter().map(|route| (route.socket, route.remote.into())).collect();
        let outboxes = sockets.iter().map(|_| Outbox::new()).collect();
        Self { keyring, sockets, routes, by_route, inbox: Inbox::new(), outboxes }
    }

    /// The carriers of the sockets' interfaces, where the system tells of them.
    fn watch_carriers(&self) -> Option<Carriers> {
        let addresses = self.sockets.iter().map(|socket| Ok(socket.local_addr()?.ip())).collect::<io::Result<_>>();
        let watched = addresses.and_then(Carriers::watch);
        watched.inspect_err(|error| tracing::warn!(%error, "a lost carrier is not noticed but by silence")).ok()
    }

    fn add(&mut self, Route { socket, remote }: Route) {
        self.by_route.insert((socket, remote), self.routes.len());
        self.routes.push((socket, remote.into()));
    }

    fn remove(&mut self, link: usize) {
        self.by_route.retain(|_, other| *other != link);
    }

    /// The links that use a socket.
    fn links_of(&self, socket: usize) -> impl Iterator<Item = usize> {
        (0..).zip(&self.routes).filter(move |(_, route)| route.0 == socket).map(|(link, _)| link)
    }

    /// Takes what waits at a socket, and hands over each ping with its link and its age. Gives whether anything came.
    fn take(&mut self, socket: usize, mut each: impl FnMut(usize, &Ping, Duration)) -> bool {
        let Self { keyring, sockets, by_route, inbox, .. } = self;
        let mut keyring = lock(keyring);
        let mut any = false;
        for _ in 0..TURNS {
            let taken = inbox.take(&sockets[socket], |from, bytes, age| {
                let known = by_route.get(&(socket, from));
                if let Some((link, ping)) = known.zip(keyring.open(bytes)) {
                    each(*link, &ping, age);
                }
            });
            match taken {
                Ok(count) => {
                    any = true;
                    if count < AT_ONCE {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // What became of an earlier datagram, told once: the next one may be there all the same.
                Err(_) => {}
            }
        }
        any
    }

    /// Puts a ping with those that wait at its socket, if there is a key for it. Gives whether some were sent, because there
    /// were many.
    fn put(&mut self, link: usize, ping: &Ping) -> bool {
        let (socket, remote) = &self.routes[link];
        let Some(datagram) = lock(&self.keyring).seal(ping) else { return false };
        let is_full = self.outboxes[*socket].push(remote, datagram);
        if is_full {
            self.outboxes[*socket].send(&self.sockets[*socket]);
        }
        is_full
    }

    fn send(&mut self) {
        for (outbox, socket) in self.outboxes.iter_mut().zip(&self.sockets) {
            outbox.send(socket);
        }
    }
}

fn lock(keyring: &Mutex<Keyring>) -> MutexGuard<'_, Keyring> {
    keyring.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Loop<C, O> {
    links: Links,
    mail: Mail,
    carriers: Option<Carriers>,
    clock: C,
    observer: O,
    hinted: Receiver<(usize, Hint)>,
    changed: Receiver<LinkChange>,
    wake: Arc<Wake>,
}

impl<C: Fn() -> Time, O: Observer> Loop<C, O> {
    fn run(&mut self) -> io::Result<()> {
        let mut measured = Time::default();
        let mut held_until = Time::default();
        loop {
            if self.wait(held_until)? {
                self.take_changes();
                self.take_hints();
                self.take_carriers();
            }
            if self.wake.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let now = (self.clock)();
            if self.receive(now) {
                // So long nothing wakes the thread but what is due: what comes meanwhile comes together.
                held_until = now + self.links.period();
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

    /// Waits until something is due, somebody calls, or, after `held_until`, something came. Gives whether somebody, or
    /// the kernel, called.
    fn wait(&self, held_until: Time) -> io::Result<bool> {
        let now = (self.clock)();
        let held = held_until.since(now);
        let due = self.links.poll_timeout().since(now);
        let mut polled = Vec::with_capacity(2 + self.mail.sockets.len());
        polled.push(PollFd::new(&self.wake.event, PollFlags::IN));
        polled.extend(self.carriers.as_ref().map(|carriers| PollFd::from_borrowed_fd(carriers.as_fd(), PollFlags::IN)));
        let callers = polled.len();
        let wait = if held.is_zero() {
            polled.extend(self.mail.sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)));
            due
        } else {
            due.min(held)
        };
        let wait = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut polled, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {
                Ok(polled[..callers].iter().any(|polled| !polled.revents().is_empty()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn take_changes(&mut self) {
        while let Ok(change) = self.changed.try_recv() {
            match change {
                LinkChange::Add(plan, route) => {
                    self.links.add((self.clock)(), plan);
                    self.mail.add(route);
                }
                LinkChange::Remove(link) => {
                    self.links.remove(link);
                    self.mail.remove(link);
                }
                LinkChange::Timing(timing) => self.links.set_timing(timing),
            }
        }
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

    /// A cable that was pulled is a Down for all links that need it; the peers find out by silence.
    fn take_carriers(&mut self) {
        let Some(carriers) = &mut self.carriers else { return };
        let lost = carriers.take_lost();
        if lost.is_empty() {
            return;
        }
        let now = (self.clock)();
        for link in lost.into_iter().flat_map(|socket| self.mail.links_of(socket)) {
            self.links.handle_hint(now, link, Hint::Carrier);
        }
    }

    /// Takes all that came. Gives whether anything did.
    fn receive(&mut self, now: Time) -> bool {
        let mut any = false;
        for socket in 0..self.mail.sockets.len() {
            any |= self.mail.take(socket, |link, ping, age| self.links.handle_arrival(now, age, link, ping));
        }
        any
    }

    fn send(&mut self) {
        while let Some((link, ping)) = self.links.poll_transmit() {
            if self.mail.put(link, &ping) {
                // That took its time: what follows is sent later.
                self.links.handle_time((self.clock)());
            }
        }
        self.mail.send();
    }
}
