//! What is known of the paths to the peers, shared by the links, which write it, and everything that asks peers.

use super::link_driver::Hints;
use super::ports::{PortList, Queue, Shared};
use core::time::Duration;
use rain_cluster::link::Hint;
use rain_cluster::path::{Candidate, PathMeasure, PathState, PathTable, choose};
use rain_cluster::{NodeId, Time};
use rain_config::{Config, Member, PathAddresses};
use rain_fetch::Destination;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;
use tokio::sync::watch;

/// A path that went down is doubted for so long.
const DOUBT: Duration = Duration::from_secs(1);

/// What this node knows of one of its paths.
#[derive(Debug, Clone, Serialize)]
pub struct PathReport {
    /// The node it leads to.
    pub to: String,
    /// The network it uses; null when it crosses several.
    pub switch: Option<String>,
    /// `up`, `down` or `unknown`.
    pub state: &'static str,
    /// The smoothed round trip of its pings in microseconds.
    pub rtt_us: u64,
    /// Of a thousand of its pings so many are lost, in the worse direction.
    pub loss_permille: u16,
    /// Silence of so many microseconds is a Down.
    pub timeout_us: u64,
    /// Since when it is in this state, in microseconds of the machine's monotonic clock: two nodes on one machine tell
    /// times that can be compared.
    pub since_us: u64,
    /// How often it went down since this node began.
    pub downs: u64,
    /// When it last did, on the same clock; null if it never did.
    pub down_us: Option<u64>,
}

/// One path. It keeps its number among those to its node, also once it is no more.
#[derive(Debug)]
pub struct Path {
    /// Where it leads from and to.
    pub addresses: PathAddresses,
    /// The port that it leaves from.
    port: usize,
    /// Its link, once that is watched, and how to tell of it.
    link: OnceLock<(usize, Hints)>,
    /// When it last let a reader wait, in microseconds since the start, plus one; 0 before it ever did.
    late: AtomicU64,
    is_retired: AtomicBool,
}

impl Path {
    fn new(addresses: PathAddresses, port: usize) -> Self {
        let (link, late, is_retired) = (OnceLock::new(), AtomicU64::new(0), AtomicBool::new(false));
        Self { addresses, port, link, late, is_retired }
    }

    /// Whether it is no more.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }
}

/// The paths to a node, in the order in which they came to be.
#[derive(Debug, Clone, Default)]
struct Ways {
    name: String,
    paths: Arc<[Arc<Path>]>,
}

/// What became of the paths to the members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathChange {
    /// There is one more.
    Added(NodeId, usize, PathAddresses),
    /// It is no more. Its link, if it was watched.
    Retired(NodeId, usize, Option<usize>),
}

/// The paths to all nodes.
#[derive(Debug)]
pub struct Paths {
    peers: RwLock<BTreeMap<NodeId, Ways>>,
    /// What is under way over this node's ports.
    queue: Shared,
    table: watch::Sender<PathTable>,
    held_up: Mutex<Vec<(Time, Time)>>,
    started: Instant,
    /// The monotonic clock at the start, in microseconds.
    started_us: u64,
}

/// Bytes that were asked for over a path; what has not come is forgotten when the value goes.
#[derive(Debug)]
pub struct Outstanding<'a> {
    paths: &'a Paths,
    port: usize,
    bytes: u64,
}

impl Outstanding<'_> {
    /// Notes that some have come.
    pub fn came(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.paths.end(self.port, bytes, Some(self.paths.started.elapsed()));
    }
}

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.paths.end(self.port, self.bytes, None);
        }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self::new()
    }
}

impl Paths {
    /// None yet.
    pub fn new() -> Self {
        let (started, started_us) = (Instant::now(), monotonic_us());
        let (peers, queue, table, held_up) =
            (RwLock::default(), Shared::default(), watch::Sender::default(), Mutex::default());
        Self { peers, queue, table, held_up, started, started_us }
    }

    /// From now on these are the members, as the node of `config` reaches them: what there is of paths to them stays, and keeps
    /// its number.
    pub fn set_members(&self, config: &Config, members: &[Member]) -> Vec<PathChange> {
        let (now, mut changes) = (self.now(), Vec::new());
        // In this order: whoever holds the queue looks at the paths.
        let mut queue = self.queue();
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        for member in members {
            peers.entry(member.id).or_default().name.clone_from(&member.name);
        }
        for (node, ways) in &mut *peers {
            let member = members.iter().find(|member| member.id == *node);
            let wanted = member.map(|member| config.paths_to(member)).unwrap_or_default();
            let gone = ways.paths.iter().enumerate().filter(|(_, path)| !path.is_retired());
            for (index, path) in gone.filter(|(_, path)| !wanted.contains(&path.addresses)) {
                path.is_retired.store(true, Ordering::Relaxed);
                changes.push(PathChange::Retired(*node, index, path.link.get().map(|(link, _)| *link)));
            }
            let is_there = |addresses: &PathAddresses| {
                ways.paths.iter().any(|path| !path.is_retired() && path.addresses == *addresses)
            };
            let mut paths = ways.paths.to_vec();
            for addresses in wanted.into_iter().filter(|addresses| !is_there(addresses)) {
                let port = queue.ports.port(addresses.local.ip());
                changes.push(PathChange::Added(*node, paths.len(), addresses.clone()));
                paths.push(Arc::new(Path::new(addresses, port)));
            }
            ways.paths = paths.into();
        }
        drop((peers, queue));
        self.table.send_modify(|table| {
            for change in &changes {
                match change {
                    PathChange::Added(node, ..) => table.add(*node),
                    PathChange::Retired(node, path, _) => table.retire(now, *node, *path),
                }
            }
        });
        self.advance(&mut self.queue());
        changes
    }

    /// The time that the table counts in.
    pub fn now(&self) -> Time {
        Time::default() + self.started.elapsed()
    }

    fn peers(&self) -> RwLockReadGuard<'_, BTreeMap<NodeId, Ways>> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The paths to a node, also those that are no more; none to one that never was a member.
    pub fn to(&self, node: NodeId) -> Arc<[Arc<Path>]> {
        self.peers().get(&node).map(|ways| Arc::clone(&ways.paths)).unwrap_or_default()
    }

    fn path(&self, node: NodeId, path: usize) -> Option<Arc<Path>> {
        self.peers().get(&node).and_then(|ways| ways.paths.get(path)).cloned()
    }

    /// The port of a path; the first one of one that never was.
    fn port(&self, node: NodeId, path: usize) -> usize {
        self.path(node, path).map_or(0, |path| path.port)
    }

    /// The path that a peer's connection came by; `None` where that cannot be told, because several nodes share an
    /// address.
    pub fn find(&self, local: SocketAddr, remote: IpAddr) -> Option<(NodeId, usize)> {
        let same =
            |path: &Path| !path.is_retired() && path.addresses.local == local && path.addresses.remote.ip() == remote;
        let peers = self.peers();
        let mut found = peers.iter().flat_map(|(node, ways)| {
            ways.paths.iter().enumerate().filter(|(_, path)| same(path)).map(move |(index, _)| (*node, index))
        });
        found.next().filter(|_| found.next().is_none())
    }

    /// The table as it is, and as it changes.
    pub fn watch(&self) -> watch::Receiver<PathTable> {
        self.table.subscribe()
    }

    /// Notes a verdict.
    pub fn set_state(&self, node: NodeId, path: usize, state: PathState) {
        let now = self.now();
        self.table.send_modify(|table| table.set_state(now, node, path, state));
        // Who waits for a path may have one now, or none any more.
        self.advance(&mut self.queue());
        let Some(addresses) = self.path(node, path).map(|path| path.addresses.clone()) else { return };
        let (peer, name) = (self.name_of(node), addresses.to_string());
        metrics::gauge!("rain_path_up", "peer" => peer.clone(), "path" => name)
            .set(f64::from(u8::from(state == PathState::Up)));
        tracing::info!(peer, path = %addresses, ?state, "a path");
    }

    /// Notes what pings measured; nobody is woken by it.
    pub fn set_measured(&self, measures: impl IntoIterator<Item = ((NodeId, usize), PathMeasure)>) {
        let measures: Vec<_> = measures.into_iter().collect();
        // One lock after the other: whoever holds the queue looks at the table.
        let mut queue = self.queue();
        for ((node, path), measured) in &measures {
            queue.ports.note_round_trip(self.port(*node, *path), measured.round_trip);
        }
        drop(queue);
        self.table.send_if_modified(|table| {
            for ((node, path), measured) in measures {
                table.set_measured(node, path, measured);
            }
            false
        });
    }

    /// Notes when the thread of the links was held up lately: when its timer was due, and when it woke.
    pub fn set_held_up(&self, spans: impl IntoIterator<Item = (Time, Time)>) {
        let mut held_up = self.held_up.lock().unwrap_or_else(PoisonError::into_inner);
        held_up.clear();
        held_up.extend(spans);
    }

    /// When the thread of the links was held up lately, in microseconds of the machine's monotonic clock.
    pub fn held_up_us(&self) -> Vec<[u64; 2]> {
        let held_up = self.held_up.lock().unwrap_or_else(PoisonError::into_inner);
        held_up.iter().map(|(due, woke)| [due, woke].map(|time| self.started_us + time.micros())).collect()
    }

    /// From now on hints of a path go to its link.
    pub fn take_hints_to(&self, hints: &Hints, (node, path): (NodeId, usize), link: usize) {
        if let Some(path) = self.path(node, path) {
            // A path has one link as long as it is one.
            let _ = path.link.set((link, hints.clone()));
        }
    }

    /// Passes on that a path may be down; its link decides.
    pub fn hint(&self, node: NodeId, path: usize, hint: Hint) {
        let path = self.path(node, path);
        if let Some((link, hints)) = path.as_ref().and_then(|path| path.link.get()) {
            hints.send(*link, hint);
        }
    }

    /// Notes that a reader did not wait for this path any longer.
    pub fn note_late(&self, node: NodeId, path: usize) {
        if let Some(path) = self.path(node, path) {
            path.late.store(self.now().micros() + 1, Ordering::Relaxed);
        }
    }

    /// Notes that `bytes` are asked for over a path, room or not.
    pub fn ask(&self, node: NodeId, path: usize, bytes: u64) -> Outstanding<'_> {
        self.queue().ports.ask(self.port(node, path), bytes);
        self.outstanding(node, path, bytes)
    }

    /// Bytes that were noted.
    pub(super) fn outstanding(&self, node: NodeId, path: usize, bytes: u64) -> Outstanding<'_> {
        Outstanding { paths: self, port: self.port(node, path), bytes }
    }

    fn end(&self, port: usize, bytes: u64, came_at: Option<Duration>) {
        let mut queue = self.queue();
        queue.ports.end(port, bytes, came_at);
        if queue.may_go(port) {
            self.advance(&mut queue);
        }
    }

    /// What is under way, and who waits.
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    /// Lets requests go ahead for which there is room.
    pub(super) fn advance(&self, queue: &mut Queue) {
        queue.advance(|ports, Destination { to, without }| {
            let path = self.choose_in(ports, *to, without)?;
            Some((path, self.port(*to, path)))
        });
    }

    /// The path that the next request to a node takes, none of `without`.
    pub fn choose(&self, node: NodeId, without: &[usize]) -> Option<usize> {
        self.choose_in(&self.queue().ports, node, without)
    }

    /// The same, with the ports in hand.
    fn choose_in(&self, ports: &PortList, node: NodeId, without: &[usize]) -> Option<usize> {
        let (table, paths) = (self.table.borrow(), self.to(node));
        let candidates = paths.iter().zip(table.paths(node)).enumerate().map(|(index, (path, status))| {
            let late = path.late.load(Ordering::Relaxed).checked_sub(1).map(Time::from_micros);
            Candidate { path: index, status: *status, outstanding: ports.load(path.port), late }
        });
        choose(self.now(), candidates.filter(|candidate| !without.contains(&candidate.path)))
    }

    /// `Some(true)` when a path to the node is up, `Some(false)` when all are down, `None` while that is not known.
    pub fn is_up(&self, node: NodeId) -> Option<bool> {
        self.table.borrow().is_up(node)
    }

    /// Whether a node went down so lately that it may be a mistake: on a machine, or a network, that stood still.
    pub fn is_doubtful(&self, node: NodeId) -> bool {
        let now = self.now();
        let lately = |at: Time| now.since(at) < DOUBT;
        self.table.borrow().paths(node).iter().filter_map(|path| path.down_at).any(lately)
    }

    /// The round trip of a node's pings over its nearest path that is up; zero where nothing was measured.
    pub fn round_trip(&self, node: NodeId) -> Duration {
        let table = self.table.borrow();
        let up = table.paths(node).iter().filter(|path| path.state == PathState::Up);
        up.map(|path| path.measured.round_trip).min().unwrap_or_default()
    }

    /// Whether a path is down.
    pub fn is_down(&self, node: NodeId, path: usize) -> bool {
        self.table.borrow().paths(node).get(path).is_some_and(|path| path.state == PathState::Down)
    }

    fn name_of(&self, node: NodeId) -> String {
        self.peers().get(&node).map(|ways| ways.name.clone()).unwrap_or_default()
    }

    /// Whether any path is down.
    pub fn any_down(&self) -> bool {
        self.table.borrow().any_down()
    }

    /// Waits until a path goes down; one that is down already must go down once more.
    ///
    /// Cancel safety: nothing is lost.
    pub fn went_down(&self, node: NodeId, path: usize) -> impl Future<Output = ()> + Send + 'static {
        let mut table = self.table.subscribe();
        let before = table.borrow().paths(node).get(path).map(|path| path.downs);
        async move {
            // One that is not there is down.
            let went_down = |table: &PathTable| table.paths(node).get(path).map(|path| path.downs) > before;
            if before.is_some() && table.wait_for(went_down).await.is_err() {
                core::future::pending::<()>().await;
            }
        }
    }

    /// What is known of all paths, by the names of the peers.
    pub fn reports(&self) -> Vec<PathReport> {
        let table = self.table.borrow();
        let peers = self.peers();
        let mut nodes: Vec<_> = peers.iter().collect();
        nodes.sort_by_key(|(_, ways)| &ways.name);
        nodes
            .into_iter()
            .flat_map(|(node, ways)| {
                let paths = ways.paths.iter().zip(table.paths(*node)).filter(|(path, _)| !path.is_retired());
                paths.map(move |(path, status)| PathReport {
                    to: ways.name.clone(),
                    switch: path.addresses.switch.clone(),
                    state: match status.state {
                        PathState::Unknown => "unknown",
                        PathState::Up => "up",
                        PathState::Down => "down",
                    },
                    rtt_us: in_us(status.measured.round_trip),
                    loss_permille: status.measured.loss_permille,
                    timeout_us: in_us(status.measured.timeout),
                    since_us: self.started_us + status.since.micros(),
                    downs: status.downs,
                    down_us: status.down_at.map(|at| self.started_us + at.micros()),
                })
            })
            .collect()
    }
}

fn in_us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The machine's monotonic clock, the same for all its processes, also across network namespaces.
fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or_default() * 1_000_000 + nanos.unwrap_or_default() / 1000
}
