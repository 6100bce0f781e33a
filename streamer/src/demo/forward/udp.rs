//! Datagrams: sent on at once or after their delay, dropped while no way leads there.

use super::Ways;
use super::weather::Chances;
use crate::demo::addresses::owner;
use crate::demo::network::Flow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, sleep_until};

/// No datagram is longer.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;
/// Datagrams under way to one address; more are lost, as in a full queue.
const UNDER_WAY_MAX: usize = 4096;

/// A datagram under way: when it arrives, its number, the sender's cable, its bytes.
type UnderWay = Reverse<(Instant, u64, usize, Vec<u8>)>;

/// Takes what is sent to the cable `to` and sends it on, until the task is aborted.
pub(super) async fn serve(sockets: Arc<[UdpSocket]>, to: usize, ways: Arc<Ways>) {
    let mut flows: BTreeMap<usize, (Flow, Chances)> = BTreeMap::new();
    let mut under_way = BinaryHeap::<UnderWay>::new();
    let mut number = 0;
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let next = under_way.peek().map(|Reverse((due, ..))| *due);
        let received = tokio::select! {
            received = sockets[to].recv_from(&mut buffer) => received,
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                if let Some(Reverse((_, _, from, bytes))) = under_way.pop() {
                    deliver(&sockets, &ways, &flows[&from].0, &bytes);
                }
                continue;
            }
        };
        let Ok((length, sender)) = received else {
            sleep(core::time::Duration::from_millis(10)).await;
            continue;
        };
        let Some(from) = number_of_sender(&ways, sender) else { continue };
        let flow = || (ways.network.flow(from, to), ways.weather.chances(from, to, 0));
        let (flow, chances) = flows.entry(from).or_insert_with(flow);
        let Some(crossed) = flow.crossed() else { continue };
        if ways.weather.is_fair() {
            deliver(&sockets, &ways, flow, &buffer[..length]);
        } else if let Some(delay) = chances.datagram(crossed)
            && under_way.len() < UNDER_WAY_MAX
        {
            let mut bytes = buffer[..length].to_vec();
            if let Some(tampering) = chances.tampering() {
                bytes = tampering.apply(&bytes).bytes;
            }
            number += 1;
            under_way.push(Reverse((Instant::now() + delay, number, from, bytes)));
        }
    }
}

fn number_of_sender(ways: &Ways, sender: SocketAddr) -> Option<usize> {
    ways.network.number_of(owner(sender.ip())?)
}

/// Sends from the address under which the receiver knows the sender.
fn deliver(sockets: &[UdpSocket], ways: &Ways, flow: &Flow, bytes: &[u8]) {
    let receiver = ways.addresses.own(ways.network.topology().attachments[flow.to]);
    let sent: Option<io::Result<usize>> = flow.if_passing(|| sockets[flow.from].try_send_to(bytes, receiver));
    if let Some(Err(error)) = sent {
        tracing::debug!(%receiver, %error, "a datagram was lost");
    }
}
