//! The links of a node: one for each path, and what becomes of their transitions.

use super::Node;
use crate::node::random_u64;
use crate::peer::link_driver::{Hints, LinkThread, Observer, Route};
use core::time::Duration;
use rain_cluster::NodeId;
use rain_cluster::link::{ChannelState, Hint, LinkEvent, LinkPlan, LinkTiming, Links};
use rain_cluster::path::{PathMeasure, PathState};
use rain_cluster::random::SplitMix64;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

/// Starts to watch the paths of a node, one socket per interface.
///
/// # Errors
/// When the system gives no thread or takes a socket back.
pub(super) fn watch(node: &Arc<Node>, sockets: Vec<UdpSocket>) -> io::Result<LinkThread> {
    let paths = &node.peers.paths;
    let (mut plans, mut routes, mut watched) = (Vec::new(), Vec::new(), Vec::new());
    for peer in node.others() {
        for (index, path) in paths.to(peer).iter().enumerate() {
            let addresses = &path.addresses;
            let is_local = |interface: &rain_config::Interface| interface.address == addresses.local;
            let Some(socket) = node.config.interfaces.iter().position(is_local) else { continue };
            let [own, theirs] = &addresses.ends;
            let names = [link_name(own, theirs), link_name(theirs, own)];
            plans.push(LinkPlan { peer, names, first: (random_u64() >> 32) as u32 });
            routes.push(Route { socket, remote: addresses.remote });
            watched.push((peer, index));
        }
    }
    let (asked, count) = (node.config.heartbeat, plans.len());
    let timing = asked.map_or_else(|| LinkTiming::usual(count), |period| LinkTiming::new(period, count));
    let links = Links::new(paths.now(), timing, 0, node.config.id, node.peers.start(), plans);
    let observer = Table { node: Arc::clone(node), watched: watched.clone() };
    let clock = {
        let node = Arc::clone(node);
        move || node.peers.paths.now()
    };
    let thread = LinkThread::start(links, Arc::clone(node.peers.keyring()), sockets, routes, clock, observer)?;
    paths.take_hints_to(&thread.hints(), &watched);
    Ok(thread)
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
    /// The path of each link.
    watched: Vec<(NodeId, usize)>,
}

impl Observer for Table {
    fn changed(&mut self, event: LinkEvent) {
        let (node, path) = self.watched[event.link];
        let state = if event.state == ChannelState::Up { PathState::Up } else { PathState::Down };
        self.node.peers.paths.set_state(node, path, state);
    }

    fn measured(&mut self, links: &Links) {
        let measure = |(link, path): (usize, &(NodeId, usize))| {
            let [heard, told] = links.loss_permille(link);
            let loss_permille = heard.max(told);
            (*path, PathMeasure { round_trip: links.round_trip(link), loss_permille, timeout: links.timeout(link) })
        };
        let paths = &self.node.peers.paths;
        paths.set_measured(self.watched.iter().enumerate().map(measure));
        paths.set_held_up(links.held_up());
    }
}

/// Tells wrong Downs at random, in demos that ask for them: being wrong must be cheap.
///
/// Cancel safety: nothing is lost.
pub(super) async fn plant_wrong_downs(node: Arc<Node>, hints: Hints) {
    let (per_second, seed) =
        node.config.demo.as_ref().map_or((0.0, 0), |demo| (demo.false_downs_per_second, demo.seed));
    let links: usize = node.others().into_iter().map(|peer| node.peers.paths.to(peer).len()).sum();
    if per_second <= 0.0 || links == 0 {
        return;
    }
    let mut random = SplitMix64::new(seed ^ u64::from(node.config.id.0) << 32);
    loop {
        // Exponential: the next one does not depend on the last.
        let uniform = f64::from((random.next_u64() >> 32) as u32) / (f64::from(u32::MAX) + 1.0);
        tokio::time::sleep(Duration::from_secs_f64(-(1.0 - uniform).ln() / per_second)).await;
        hints.send(random.index(links), Hint::Planted);
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
