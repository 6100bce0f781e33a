//! Heartbeats over every path, on a thread of their own: what keeps the data plane busy must not delay them.

use super::Node;
use crate::node::random_u64;
use crate::peer::Paths;
use crate::peer::datagram::{DATAGRAM_BYTES, DatagramKey};
use core::time::Duration;
use rain_cluster::NodeId;
use rain_cluster::path::{PathMonitor, PathState, PathTiming, Verdict};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// Between two heartbeats of a path.
const PERIOD: Duration = Duration::from_millis(20);
/// With many paths they are rarer: a node sends one in this time at most.
const SPACING: Duration = Duration::from_micros(700);
/// A path is down when the newest heartbeat that was echoed was sent so many periods ago: at least, and at most.
const PERIODS: [u32; 2] = [5, 25];

/// So many datagrams are taken from one socket before the next look at the time.
const AT_ONCE: usize = 64;

/// The heartbeats of a node; they end when the value goes.
#[derive(Debug)]
pub(super) struct Heartbeats {
    _stop: oneshot::Sender<()>,
}

struct Monitored {
    node: NodeId,
    path: usize,
    socket: usize,
    remote: SocketAddr,
    monitor: PathMonitor,
}

impl Heartbeats {
    /// Starts them, one socket per interface.
    ///
    /// # Errors
    /// When the system gives no thread or takes a socket back.
    pub(super) fn start(node: &Arc<Node>, sockets: Vec<UdpSocket>) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        let node = Arc::clone(node);
        std::thread::Builder::new().name("heartbeats".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    ended = beat(&node, sockets) => if let Err(error) = ended {
                        tracing::error!(%error, "heartbeats ended");
                    },
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { _stop: stop })
    }
}

async fn beat(node: &Node, sockets: Vec<UdpSocket>) -> io::Result<()> {
    let paths = &node.peers.paths;
    let key = DatagramKey::new(&node.config.key);
    let sockets: Vec<_> = sockets.into_iter().map(tokio::net::UdpSocket::from_std).collect::<io::Result<_>>()?;
    let mut monitored = monitors(node, &key, paths);
    let mut verdicts = FalseVerdicts::new(node);
    let by_addresses: BTreeMap<_, _> =
        monitored.iter().enumerate().map(|(index, path)| ((path.socket, path.remote), index)).collect();
    let mut buffer = [0; DATAGRAM_BYTES + 1];
    loop {
        let now = paths.now();
        let due = monitored.iter().map(|path| path.monitor.poll_timeout()).chain(verdicts.due()).min();
        let wait = due.map_or(Duration::from_hours(1), |due| due.since(now));
        tokio::select! {
            readable = any_readable(&sockets) => {
                let socket = readable?;
                for _ in 0..AT_ONCE {
                    let Ok((length, from)) = sockets[socket].try_recv_from(&mut buffer) else { break };
                    let known = by_addresses.get(&(socket, from)).map(|index| &mut monitored[*index]);
                    if let Some((path, beat)) = known.zip(key.open(&buffer[..length])) {
                        path.monitor.handle_heartbeat(paths.now(), &beat);
                        paths.set_round_trip(path.node, path.path, path.monitor.round_trip());
                    }
                }
            }
            () = sleep_until(Instant::now() + wait) => {
                let now = paths.now();
                for path in monitored.iter_mut().filter(|path| path.monitor.poll_timeout() <= now) {
                    path.monitor.handle_timeout(now);
                }
                if let Some(index) = verdicts.next(now, monitored.len()) {
                    monitored[index].monitor.handle_hint(now);
                }
            }
        }
        for path in &mut monitored {
            if let Some(beat) = path.monitor.poll_transmit() {
                // What the network does not take now is a lost heartbeat, like any other.
                let _ = sockets[path.socket].try_send_to(&key.seal(&beat), path.remote);
            }
            while let Some(verdict) = path.monitor.poll_verdict() {
                let state = if verdict == Verdict::Up { PathState::Up } else { PathState::Down };
                paths.set_state(path.node, path.path, state);
            }
        }
    }
}

fn monitors(node: &Node, key: &DatagramKey, paths: &Paths) -> Vec<Monitored> {
    let others = node.others();
    let count: usize = others.iter().map(|peer| paths.to(*peer).len()).sum();
    let period = PERIOD.max(SPACING * u32::try_from(count).unwrap_or(u32::MAX));
    let timing = PathTiming { period, timeout: period * PERIODS[0], timeout_max: period * PERIODS[1] };
    let mut monitored = Vec::new();
    for peer in others {
        for (index, path) in paths.to(peer).iter().enumerate() {
            let is_local = |interface: &crate::config::Interface| interface.address == path.addresses.local;
            let Some(socket) = node.config.interfaces.iter().position(is_local) else { continue };
            let own = (node.config.id, node.incarnation);
            let first = (random_u64() >> 32) as u32;
            let monitor = PathMonitor::new(paths.now(), timing, key.cluster(), own, peer, first);
            monitored.push(Monitored { node: peer, path: index, socket, remote: path.addresses.remote, monitor });
        }
    }
    monitored
}

/// The first socket with something to read.
async fn any_readable(sockets: &[tokio::net::UdpSocket]) -> io::Result<usize> {
    let readable = sockets.iter().enumerate().map(|(index, socket)| {
        Box::pin(async move {
            socket.readable().await?;
            Ok(index)
        })
    });
    if sockets.is_empty() {
        return core::future::pending().await;
    }
    futures_util::future::select_all(readable).await.0
}

/// Wrong verdicts at random, in demos that ask for them: being wrong must be cheap.
struct FalseVerdicts {
    per_second: f64,
    state: u64,
    due: Option<rain_cluster::Time>,
}

impl FalseVerdicts {
    fn new(node: &Node) -> Self {
        let (per_second, seed) =
            node.config.demo.as_ref().map_or((0.0, 0), |demo| (demo.false_downs_per_second, demo.seed));
        let mut verdicts = Self { per_second, state: seed ^ u64::from(node.config.id.0) << 32, due: None };
        verdicts.plan(node.peers.paths.now());
        verdicts
    }

    fn due(&self) -> Option<rain_cluster::Time> {
        self.due
    }

    fn plan(&mut self, now: rain_cluster::Time) {
        if self.per_second > 0.0 {
            // Exponential: the next one does not depend on the last.
            let uniform = f64::from((self.random() >> 32) as u32) / (f64::from(u32::MAX) + 1.0);
            self.due = Some(now + Duration::from_secs_f64(-(1.0 - uniform).ln() / self.per_second));
        }
    }

    /// Which path is said to be down now, of `paths`.
    fn next(&mut self, now: rain_cluster::Time, paths: usize) -> Option<usize> {
        if self.due.is_none_or(|due| now < due) || paths == 0 {
            return None;
        }
        self.plan(now);
        usize::try_from(self.random() % paths as u64).ok()
    }

    /// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), `SplitMix64`.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
