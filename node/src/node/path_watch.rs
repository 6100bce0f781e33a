//! The links of a node: one for each path, and what becomes of their transitions.

use super::Node;
use crate::node::random_u64;
use crate::peer::PathChange;
use crate::peer::link_driver::{Hints, LinkChange, LinkChanges, LinkThread, Observer, Route};
use core::time::Duration;
use rain_cluster::NodeId;
use rain_cluster::link::{ChannelState, Hint, LinkEvent, LinkPlan, LinkTiming, Links};
use rain_cluster::path::{PathMeasure, PathState};
use rain_cluster::random::SplitMix64;
use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};

/// The path of each link; `None` of one that was removed.
type Watched = Arc<Mutex<Vec<Option<(NodeId, usize)>>>>;

/// How the links are told which paths there are.
#[derive(Debug)]
pub(super) struct PathWatch {
    hints: Hints,
    changes: LinkChanges,
    watched: Watched,
}

/// Starts to watch the paths of a node, one socket per interface.
///
/// # Errors
/// When the system gives no thread or takes a socket back.
pub(super) fn watch(node: &Arc<Node>, sockets: Vec<UdpSocket>) -> io::Result<LinkThread> {
    let paths = &node.peers.paths;
    let links = Links::new(paths.now(), timing(node, 0), 0, node.config.id, node.peers.start(), []);
    let watched = Watched::default();
    let observer = Table { node: Arc::clone(node), watched: Arc::clone(&watched) };
    let clock = {
        let node = Arc::clone(node);
        move || node.peers.paths.now()
    };
    let thread = LinkThread::start(links, Arc::clone(node.peers.keyring()), sockets, Vec::new(), clock, observer)?;
    let path_watch = PathWatch { hints: thread.hints(), changes: thread.changes(), watched };
    node.begin_to_watch(path_watch);
    Ok(thread)
}

fn timing(node: &Node, links: usize) -> LinkTiming {
    node.config.heartbeat.map_or_else(|| LinkTiming::usual(links), |period| LinkTiming::new(period, links))
}

impl Node {
    /// Watches the paths that there are, and from now on all that come.
    fn begin_to_watch(&self, path_watch: PathWatch) {
        // Whoever follows another roster waits: no path comes unseen.
        let _turn = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        // A node is watched once.
        let _ = self.path_watch.set(path_watch);
        let mut there = Vec::new();
        for peer in self.others() {
            let paths = self.peers.paths.to(peer);
            let paths = paths.iter().enumerate().filter(|(_, path)| !path.is_retired());
            there.extend(paths.map(|(index, path)| PathChange::Added(peer, index, path.addresses.clone())));
        }
        self.watch_paths(&there);
    }

    /// Watches paths that are new, and those that are no more no longer. Before any is watched: nothing.
    pub(super) fn watch_paths(&self, changes: &[PathChange]) {
        let Some(PathWatch { hints, changes: links, watched }) = self.path_watch.get() else { return };
        let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                PathChange::Added(peer, path, addresses) => {
                    let is_local = |interface: &rain_config::Interface| interface.address == addresses.local;
                    let Some(socket) = self.config.interfaces.iter().position(is_local) else { continue };
                    let [own, theirs] = &addresses.ends;
                    let names = [link_name(own, theirs), link_name(theirs, own)];
                    let plan = LinkPlan { peer: *peer, names, first: (random_u64() >> 32) as u32 };
                    self.peers.paths.take_hints_to(hints, (*peer, *path), watched.len());
                    watched.push(Some((*peer, *path)));
                    links.send(LinkChange::Add(plan, Route { socket, remote: addresses.remote }));
                }
                PathChange::Retired(.., link) => {
                    if let Some(link) = link {
                        watched[*link] = None;
                        links.send(LinkChange::Remove(*link));
                    }
                }
            }
        }
        links.send(LinkChange::Timing(timing(self, watched.iter().flatten().count())));
    }
}

/// Which of the links between two nodes it is, in the direction from the first end to the second: their switches. Both
/// ends know these by the same names, which is not so of addresses.
fn link_name(from: &str, to: &str) -> u16 {
    let hash = blake3::hash(format!("{}:{from}{to}", from.len()).as_bytes());
    u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]])
}

/// What links tell becomes the table of paths.
struct Table {
    node: Arc<Node>,
    watched: Watched,
}

impl Observer for Table {
    fn changed(&mut self, event: LinkEvent) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).get(event.link).copied();
        let Some((node, path)) = watched.flatten() else { return };
        let state = if event.state == ChannelState::Up { PathState::Up } else { PathState::Down };
        self.node.peers.paths.set_state(node, path, state);
    }

    fn measured(&mut self, links: &Links) {
        let measure = |(link, path): (usize, &Option<(NodeId, usize)>)| {
            let [heard, told] = links.loss_permille(link);
            let loss_permille = heard.max(told);
            let measured =
                PathMeasure { round_trip: links.round_trip(link), loss_permille, timeout: links.timeout(link) };
            path.map(|path| (path, measured))
        };
        // Some may not have come to the links yet.
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let measures: Vec<_> = watched.iter().take(links.len()).enumerate().filter_map(measure).collect();
        drop(watched);
        let paths = &self.node.peers.paths;
        paths.set_measured(measures);
        paths.set_held_up(links.held_up());
    }
}

/// Tells wrong Downs at random, in demos that ask for them: being wrong must be cheap.
///
/// Cancel safety: nothing is lost.
pub(super) async fn plant_wrong_downs(node: Arc<Node>) {
    let (per_second, seed) =
        node.config.demo.as_ref().map_or((0.0, 0), |demo| (demo.false_downs_per_second, demo.seed));
    let Some(PathWatch { hints, watched, .. }) = node.path_watch.get().filter(|_| per_second > 0.0) else { return };
    let mut random = SplitMix64::new(seed ^ u64::from(node.config.id.0) << 32);
    loop {
        // Exponential: the next one does not depend on the last.
        let uniform = f64::from((random.next_u64() >> 32) as u32) / (f64::from(u32::MAX) + 1.0);
        tokio::time::sleep(Duration::from_secs_f64(-(1.0 - uniform).ln() / per_second)).await;
        let links = watched.lock().unwrap_or_else(PoisonError::into_inner).len();
        if links > 0 {
            hints.send(random.index(links), Hint::Planted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_name_a_link_alike_and_no_two_links() {
        assert_eq!(link_name("s1", "s2"), link_name("s1", "s2"));
        let names = ["s1", "s2", "s11", ""];
        let mut found: Vec<_> = names.iter().flat_map(|from| names.map(|to| link_name(from, to))).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 16);
    }
}
