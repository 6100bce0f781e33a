//! The supervisor's events: its own news of the cluster, and what the nodes tell of reads and rebuilds.

use super::front::Front;
use crate::http::Shutdown;
use crate::http::events::{ClusterNews, EventHub, event};
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// A node that says nothing for so long is asked anew: nodes say something every second.
const SILENCE: Duration = Duration::from_secs(3);
/// How often it is looked whether followers need a comment.
const PULSE: Duration = Duration::from_millis(300);
const RETRY: Duration = Duration::from_millis(200);
/// Longest event of a node.
const EVENT_BYTES_MAX: usize = 256 << 10;
/// What of a node's events is passed on.
const RELAYED: [&[u8]; 2] = [b"event: reads\n", b"event: rebuilds\n"];

/// Tells of the demo until it ends.
///
/// Cancel safety: dropping it leaves the followers without news.
pub(super) async fn tell(front: &Front, mut shutdown: Shutdown) {
    let hub = &front.events;
    let own = async {
        let mut news = ClusterNews::new();
        let mut changes = front.changes();
        let mut tick = interval(PULSE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = hub.arrival() => {
                    let report = front.cluster();
                    news.look(hub, &report);
                    hub.greet(&[event("cluster", &report)]);
                }
                Ok(()) = changes.changed() => news.look(hub, &front.cluster()),
                _ = tick.tick() => if hub.is_followed() {
                    news.look(hub, &front.cluster());
                },
            }
        }
    };
    let client: NodeClient = Client::builder(TokioExecutor::new()).build_http();
    let nodes = join_all(front.ports().iter().enumerate().map(|(node, port)| relay(front, &client, node, *port)));
    tokio::select! {
        () = own => {}
        _ = nodes => {}
        // The sender is gone only when the process ends.
        _ = shutdown.wait_for(|down| *down) => {}
    }
    hub.close();
}

type NodeClient = Client<HttpConnector, Empty<Bytes>>;

/// Passes on what a node tells, as long as anybody follows; begins anew whenever the node falls silent.
async fn relay(front: &Front, client: &NodeClient, node: usize, port: u16) {
    let hub = &front.events;
    loop {
        if hub.is_followed() && front.is_up(node) {
            // A node that is down has nothing to tell; it is asked again.
            let _ = relay_once(hub, client, port).await;
        }
        sleep(RETRY).await;
    }
}

/// Passes on events until the node falls silent, breaks off, or nobody follows; `None` for the first two.
async fn relay_once(hub: &EventHub, client: &NodeClient, port: u16) -> Option<()> {
    let request = Request::get(format!("http://127.0.0.1:{port}/api/v1/events")).body(Empty::new()).ok()?;
    let response = timeout(SILENCE, client.request(request)).await.ok()?.ok()?;
    if response.status() != StatusCode::OK {
        return None;
    }
    let mut body = response.into_body();
    let mut events = EventSplit::default();
    while hub.is_followed() {
        let frame = timeout(SILENCE, body.frame()).await.ok()??.ok()?;
        if let Ok(data) = frame.into_data() {
            events.push(&data)?;
        }
        while let Some(event) = events.next() {
            if RELAYED.iter().any(|name| event.starts_with(name)) {
                hub.send(&event);
            }
        }
    }
    Some(())
}

/// Cuts a stream into events; each ends with an empty line.
#[derive(Debug, Default)]
struct EventSplit(BytesMut);

impl EventSplit {
    /// Takes more bytes; `None` when an event is too long.
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.0.extend_from_slice(bytes);
        (self.0.len() <= EVENT_BYTES_MAX).then_some(())
    }

    /// The next whole event, with its empty line.
    fn next(&mut self) -> Option<Bytes> {
        let end = self.0.windows(2).position(|two| two == b"\n\n")?;
        Some(self.0.split_to(end + 2).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_the_stream_is_cut() {
        let stream = b": here\n\nevent: reads\ndata: {}\n\nevent: rebuilds\ndata: 1\n\nevent";
        for cut in 0..stream.len() {
            let mut split = EventSplit::default();
            let mut found = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                split.push(part).unwrap();
                found.extend(std::iter::from_fn(|| split.next()));
            }
            let expected: [&[u8]; 3] = [b": here\n\n", b"event: reads\ndata: {}\n\n", b"event: rebuilds\ndata: 1\n\n"];
            assert_eq!(found, expected, "cut at {cut}");
        }
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut split = EventSplit::default();
        assert!(split.push(&vec![b'x'; EVENT_BYTES_MAX]).is_some());
        assert!(split.push(b"x").is_none());
    }
}
