//! What watching 62 paths costs a node: the processor time of the very thread that runs in a node, over real sockets on
//! the loopback, against 31 peers with two paths each that do the same; and beside it what the kernel alone takes for as
//! many datagrams of the same length, sent and received at the same moments by bare system calls.
//!
//! `cargo bench -p rain-benches --bench links`. The delivery of a datagram on the loopback is charged to its sender.
#![expect(clippy::unwrap_used, reason = "a bench that cannot run has nothing to tell")]

use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use rain_cluster::link::{ChannelState, LinkEvent, LinkPlan, LinkTiming, Links};
use rain_cluster::{NodeId, Time};
use rain_gauge::median;
use rain_node::peer::link_driver::{LinkThread, Observer, Route};
use rain_wire::datagram::{Begun, DATAGRAM_BYTES, Keyring};
use rustix::time::{ClockId, clock_gettime};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsRawFd as _;

const PEERS: u32 = 31;
const SWITCHES: u32 = 2;
/// Of the longest system call.
const AT_ONCE: usize = 32;
/// The nodes have so long to find each other.
const START: Duration = Duration::from_secs(3);
/// Over so long the processor's time is counted, so many times.
const SPAN: Duration = Duration::from_secs(2);
const TURNS: usize = 3;

/// What this thread has used of the processor.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap())
}

/// Where a node is on a switch; its port is the node's, so that there may be several benches.
fn address(node: u32, switch: u32, base: u16) -> SocketAddr {
    let port = base + u16::try_from(node * SWITCHES + switch).unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Sockets of all nodes at adjacent ports that are free.
fn sockets() -> (u16, Vec<Vec<UdpSocket>>) {
    let bind = |base: u16| {
        let of = |node| (0..SWITCHES).map(|switch| UdpSocket::bind(address(node, switch, base))).collect();
        (0..=PEERS).map(of).collect::<std::io::Result<Vec<Vec<_>>>>()
    };
    (20_000..60_000).step_by(100).find_map(|base| Some((base, bind(base).ok()?))).expect("64 free ports in a row")
}

/// What one thread of links says of itself, ten times a second.
#[derive(Debug, Default)]
struct Meter {
    used_ns: AtomicU64,
    at_ns: AtomicU64,
    down: AtomicU64,
}

struct Told(Arc<Meter>, Instant);

impl Observer for Told {
    fn changed(&mut self, event: LinkEvent) {
        self.0.down.fetch_add(u64::from(event.state == ChannelState::Down), Ordering::Relaxed);
    }

    fn measured(&mut self, links: &Links) {
        black_box(links);
        self.0.used_ns.store(u64::try_from(used().as_nanos()).unwrap(), Ordering::Relaxed);
        self.0.at_ns.store(u64::try_from(self.1.elapsed().as_nanos()).unwrap(), Ordering::Relaxed);
    }
}

impl Meter {
    /// Percent of a core over some time.
    fn percent(&self, span: Duration) -> f64 {
        let read = || [&self.used_ns, &self.at_ns].map(|number| number.load(Ordering::Relaxed));
        let [used, at] = read();
        sleep(span);
        let [used_then, at_then] = read();
        let seconds = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64();
        100.0 * seconds(used_then - used) / seconds(at_then - at)
    }
}

fn watch(node: u32, base: u16, sockets: Vec<UdpSocket>, period: Duration, meter: &Arc<Meter>) -> LinkThread {
    let others: Vec<u32> = if node == 0 { (1..=PEERS).collect() } else { vec![0] };
    let mut keyring = Keyring::default();
    for peer in &others {
        keyring.add(NodeId(*peer), &[7; 32], u64::from(*peer) + 1, Begun::Here);
    }
    let (mut plans, mut routes) = (Vec::new(), Vec::new());
    for peer in others {
        for switch in 0..SWITCHES {
            let name = u16::try_from(switch).unwrap();
            plans.push(LinkPlan { peer: NodeId(peer), names: [name; 2], first: 0 });
            routes.push(Route { socket: switch as usize, remote: address(peer, switch, base) });
        }
    }
    // A peer of the bench has two links, and pings them as often as one with 62 does.
    let timing = LinkTiming::new(period, plans.len());
    let links = Links::new(Time::default(), timing, 0, NodeId(node), u64::from(node) + 1, plans);
    let began = Instant::now();
    let clock = move || Time::default() + began.elapsed();
    LinkThread::start(links, Arc::new(Mutex::new(keyring)), sockets, routes, clock, Told(Arc::clone(meter), began))
        .unwrap()
}

/// Percent of a core that the thread of a node takes; its links must stay up.
fn links(period: Duration) -> f64 {
    let (base, sockets) = sockets();
    let meter = Arc::new(Meter::default());
    let others = Arc::new(Meter::default());
    let threads: Vec<LinkThread> = (0..=PEERS)
        .zip(sockets)
        .map(|(node, sockets)| {
            // They do not all begin at one moment.
            sleep(period / PEERS);
            watch(node, base, sockets, period, if node == 0 { &meter } else { &others })
        })
        .collect();
    sleep(START);
    let before = meter.down.load(Ordering::Relaxed);
    let shares = (0..TURNS).map(|_| meter.percent(SPAN)).collect::<Vec<_>>();
    let downs = meter.down.load(Ordering::Relaxed) - before;
    drop(threads);
    println!("  (Downs meanwhile: {downs})");
    median(&mut shares.clone())
}

type Bare = (MultiHeaders<SockaddrStorage>, Vec<[u8; DATAGRAM_BYTES]>);

fn bare() -> Bare {
    (MultiHeaders::preallocate(AT_ONCE, None), vec![[0; DATAGRAM_BYTES]; AT_ONCE])
}

fn send_bare((headers, datagrams): &mut Bare, socket: &UdpSocket, to: &[Option<SockaddrStorage>]) {
    let slices: Vec<[IoSlice<'_>; 1]> = datagrams.iter().take(to.len()).map(|bytes| [IoSlice::new(bytes)]).collect();
    let _ = sendmmsg(socket.as_raw_fd(), headers, &slices, to, [], MsgFlags::MSG_DONTWAIT);
}

fn receive_bare((headers, datagrams): &mut Bare, socket: &UdpSocket) {
    loop {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = datagrams.iter_mut().map(|bytes| [IoSliceMut::new(bytes)]).collect();
        let came = recvmmsg(socket.as_raw_fd(), headers, &mut slices, MsgFlags::MSG_DONTWAIT, None);
        if came.map_or(0, Iterator::count) < AT_ONCE {
            return;
        }
    }
}

/// Percent of a core that bare system calls take for the same datagrams.
fn floor(period: Duration) -> f64 {
    let (base, mut sockets) = sockets();
    let own = sockets.remove(0);
    let storage = move |node, switch| Some(SockaddrStorage::from(address(node, switch, base)));
    let stop = Arc::new(AtomicBool::new(false));
    // All peers send in the course of a period, one after the other.
    let peers = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut calls = bare();
            while !stop.load(Ordering::Relaxed) {
                for peer in &sockets {
                    for (switch, socket) in (0..).zip(peer) {
                        receive_bare(&mut calls, socket);
                        send_bare(&mut calls, socket, &[storage(0, switch)]);
                    }
                    sleep(period / PEERS);
                }
            }
        }
    });
    let (mut calls, mut next) = (bare(), Instant::now());
    let to: Vec<Vec<_>> = (0..SWITCHES).map(|switch| (1..=PEERS).map(|peer| storage(peer, switch)).collect()).collect();
    let (mut sent, began, before) = (0_u32, Instant::now(), used());
    while began.elapsed() < SPAN * u32::try_from(TURNS).unwrap() {
        sleep(period);
        for socket in &own {
            receive_bare(&mut calls, socket);
        }
        if Instant::now() >= next {
            next += period;
            for (socket, to) in own.iter().zip(&to) {
                send_bare(&mut calls, socket, to);
            }
            sent += 1;
        }
    }
    let share = 100.0 * used().saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    peers.join().unwrap();
    black_box(sent);
    share
}

fn main() {
    println!("% of a core for {} paths, medians of {TURNS} times {SPAN:?}", PEERS * SWITCHES);
    for milliseconds in [20, 5] {
        let period = Duration::from_millis(milliseconds);
        let (ours, floor) = (links(period), floor(period));
        println!("a ping each {milliseconds} ms: {ours:.2} %; bare system calls: {floor:.2} %");
    }
}
