//! Greets the peers: with each a key for datagrams is agreed on, at the start and anew from time to time.

use super::Node;
use crate::peer::{PeerError, Peers};
use core::pin::pin;
use core::time::Duration;
use futures_util::future::{join_all, select, select_ok};
use rain_cluster::NodeId;
use rain_wire::datagram::OFFERS_MAX;
use std::sync::Arc;
use tokio::time::{sleep, timeout};

/// A peer that did not answer is greeted again after so long; twice as long after each time, up to the second.
const AGAIN: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];
/// A peer that is silent for so long is greeted again.
const SILENCE: Duration = Duration::from_secs(2);
/// A key is used for so long.
const RENEW: Duration = Duration::from_hours(1);

/// Greets all peers until the task is aborted.
///
/// Cancel safety: nothing is lost.
pub(crate) async fn greet_all(node: Arc<Node>) {
    let mut roster = node.watch_roster();
    loop {
        roster.borrow_and_update();
        let greetings = greet_each(Arc::clone(&node.peers), node.others());
        select(pin!(greetings), pin!(roster.changed())).await;
    }
}

/// Greets these peers until the task is aborted.
///
/// Cancel safety: nothing is lost.
pub(crate) async fn greet_each(peers: Arc<Peers>, others: Vec<NodeId>) {
    join_all(others.into_iter().map(|peer| greet_always(&peers, peer))).await;
}

async fn greet_always(peers: &Peers, peer: NodeId) {
    loop {
        let mut wait = AGAIN[0];
        while greet(peers, peer).await.is_err() {
            sleep(wait).await;
            wait = (wait * 2).min(AGAIN[1]);
        }
        let _ = timeout(RENEW, select(pin!(silence(peers, peer)), pin!(peers.to_greet(peer)))).await;
    }
}

/// Ends when nothing was heard of a peer for a while: it may be that one of the two has forgotten the key.
async fn silence(peers: &Peers, peer: NodeId) {
    let mut table = peers.paths.watch();
    loop {
        // The sender lives as long as the node.
        let _ = table.wait_for(|table| table.is_up(peer) != Some(true)).await;
        if timeout(SILENCE, table.wait_for(|table| table.is_up(peer) == Some(true))).await.is_err() {
            return;
        }
    }
}

/// Greets a peer over several paths at once: any of them may be dead. Those that may be up come first.
async fn greet(peers: &Peers, peer: NodeId) -> Result<(), PeerError> {
    let there = peers.paths.to(peer);
    let mut paths: Vec<usize> = (0..there.len()).filter(|path| !there[*path].is_retired()).collect();
    paths.sort_by_key(|path| peers.paths.is_down(peer, *path));
    let greetings: Vec<_> = paths.iter().take(OFFERS_MAX).map(|path| Box::pin(peers.greet(peer, *path))).collect();
    select_ok(greetings).await.map(drop)
}
