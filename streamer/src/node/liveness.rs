//! Who is there: a hello over every path, once a second.

use super::Node;
use crate::config::Config;
use bytes::Bytes;
use core::time::Duration;
use hyper::Method;
use rain_cluster::NodeId;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

const HELLO: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_millis(900);
/// After a fetch from a node failed, other columns are taken first for so long.
const SUSPICION: Duration = Duration::from_secs(2);

/// What this node knows of one of its paths.
#[derive(Debug, Clone, Serialize)]
pub struct PathReport {
    /// The node it leads to.
    pub to: String,
    /// The network it uses; null when it crosses several.
    pub switch: Option<String>,
    /// `up`, or `down`.
    pub state: &'static str,
    /// The last round trip in microseconds.
    pub rtt_us: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct PathState {
    tried: bool,
    up: bool,
    rtt_us: u64,
}

#[derive(Debug, Clone, Default)]
struct PeerState {
    paths: Vec<PathState>,
    suspected: Option<Instant>,
}

/// Who is there, as far as this node knows.
#[derive(Debug)]
pub struct Liveness {
    peers: Mutex<Vec<PeerState>>,
    started: Instant,
}

impl Liveness {
    /// Nobody has been tried yet.
    pub fn new(config: &Config) -> Self {
        let peer = |paths| PeerState { paths: vec![PathState::default(); paths], suspected: None };
        let peers = config.members.iter().map(|member| peer(config.paths_to(member).len())).collect();
        Self { peers: Mutex::new(peers), started: Instant::now() }
    }

    fn with<T>(&self, node: NodeId, use_it: impl FnOnce(&mut PeerState) -> T) -> T {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(&mut peers[node.0 as usize])
    }

    /// `Some(true)` when a path to the node is up, `Some(false)` when none is, `None` before any was tried.
    pub fn is_up(&self, node: NodeId) -> Option<bool> {
        self.with(node, |peer| {
            let tried = peer.paths.iter().any(|path| path.tried);
            tried.then(|| peer.paths.iter().any(|path| path.up))
        })
    }

    /// Whether columns of this node had better be taken elsewhere for now.
    pub fn is_suspected(&self, node: NodeId) -> bool {
        let failed = self.with(node, |peer| peer.suspected.is_some_and(|since| since.elapsed() < SUSPICION));
        failed || self.is_up(node) == Some(false)
    }

    /// Notes that a fetch from this node failed.
    pub fn suspect(&self, node: NodeId) {
        self.with(node, |peer| peer.suspected = Some(Instant::now()));
    }

    /// Whether every peer was reached, or tried for 2 s.
    pub fn is_settled(&self, others: &[NodeId]) -> bool {
        self.started.elapsed() > Duration::from_secs(2) || others.iter().all(|node| self.is_up(*node) == Some(true))
    }

    /// Whether the node has had ten seconds to find its peers.
    pub fn is_old(&self) -> bool {
        self.started.elapsed() > Duration::from_secs(10)
    }

    fn note(&self, node: NodeId, path: usize, rtt: Option<Duration>) {
        self.with(node, |peer| {
            let rtt_us = rtt.map_or(0, |rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX));
            peer.paths[path] = PathState { tried: true, up: rtt.is_some(), rtt_us };
            if rtt.is_some() && peer.suspected.is_some_and(|since| since.elapsed() >= SUSPICION) {
                peer.suspected = None;
            }
        });
    }
}

impl Node {
    /// Says hello to every peer over every path until the task is aborted.
    ///
    /// Cancel safety: nothing is lost.
    pub async fn greet(self: Arc<Self>) {
        let mut tick = interval(HELLO);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let mut hellos = JoinSet::new();
            for peer in self.others() {
                for path in 0..self.peers.paths(peer).len() {
                    hellos.spawn(Arc::clone(&self).greet_by(peer, path));
                }
            }
            while hellos.join_next().await.is_some() {}
        }
    }

    async fn greet_by(self: Arc<Self>, peer: NodeId, path: usize) {
        let started = Instant::now();
        let hello = self.peers.request_by(peer, path, Method::GET, "/peer/v1/hello", Bytes::new(), PATIENCE).await;
        self.peers.note_path(peer, path, hello.is_ok());
        self.liveness.note(peer, path, hello.is_ok().then(|| started.elapsed()));
    }

    /// What this node knows of its paths.
    pub fn path_reports(&self) -> Vec<PathReport> {
        let mut reports = Vec::new();
        for peer in self.others() {
            let states = self.liveness.with(peer, |peer| peer.paths.clone());
            for (path, state) in self.peers.paths(peer).iter().zip(states) {
                reports.push(PathReport {
                    to: self.name_of(peer).to_owned(),
                    switch: path.switch.clone(),
                    state: if state.up { "up" } else { "down" },
                    rtt_us: state.rtt_us,
                });
            }
        }
        reports
    }
}
