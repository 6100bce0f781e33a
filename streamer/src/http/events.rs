//! `GET /api/v1/events`: server-sent events about the cluster, reads and rebuilds (docs/operating.md, watching).
//!
//! One task per listener, the teller, sends every event, so that all who follow see them in one order. A follower that
//! does not take them is left behind.

use super::caller::{Caller, Demand};
use super::cluster::cluster;
use super::router::{Answer, Room, is_read};
use super::{ApiError, ClusterReport, RequestBody, ResponseBody, Shutdown};
use bytes::Bytes;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use rain_node::{Node, Rebuild};
use serde::Serialize;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Most streams of events at a time, per listener.
const FOLLOWERS_MAX: usize = 64;
/// A follower that is so many events behind is left.
const BEHIND_MAX: usize = 64;
/// How often the teller looks for news.
const LOOK: Duration = Duration::from_millis(100);
/// A comment comes so often: who follows can tell silence from peace.
const COMMENT: Duration = Duration::from_millis(600);
/// Progress of rebuilding is told so often at most.
const REBUILDS: Duration = Duration::from_millis(500);

/// An event as it goes over the wire.
pub(crate) fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("events are plain data");
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

#[derive(Debug)]
struct Follower {
    events: mpsc::Sender<Bytes>,
    greeted: bool,
}

/// Those who follow the events of one listener.
#[derive(Debug, Default)]
pub(crate) struct EventHub {
    /// `None` once the listener drains.
    followers: Mutex<Option<Vec<Follower>>>,
    arrival: Notify,
}

impl EventHub {
    /// Nobody follows yet.
    pub(crate) fn new() -> Self {
        Self { followers: Mutex::new(Some(Vec::new())), arrival: Notify::new() }
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<Follower>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to one more who wants to follow.
    ///
    /// # Errors
    /// 503 when there are too many, or the listener drains.
    pub(crate) fn follow(&self) -> Result<Response<ResponseBody>, ApiError> {
        let busy = |code, message: &str| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message.to_owned());
        let (events, taken) = mpsc::channel(BEHIND_MAX);
        {
            let mut held = self.held();
            let followers = held.as_mut().ok_or_else(|| busy("draining", "this listener is about to end"))?;
            followers.retain(|follower| !follower.events.is_closed());
            if followers.len() >= FOLLOWERS_MAX {
                let error = busy("too-many-streams", "too many streams of events are open");
                return Err(error.with(followers.len() + 1, FOLLOWERS_MAX));
            }
            followers.push(Follower { events, greeted: false });
        }
        self.arrival.notify_one();
        let mut response = Response::new(EventBody(taken).boxed_unsync());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Waits for somebody new.
    ///
    /// Cancel safety: nobody is missed.
    pub(crate) async fn arrival(&self) {
        self.arrival.notified().await;
    }

    /// Whether anybody follows.
    pub(crate) fn is_followed(&self) -> bool {
        self.held().as_ref().is_some_and(|followers| !followers.is_empty())
    }

    /// Sends an event to all who have been greeted; leaves those who are too far behind or gone.
    pub(crate) fn send(&self, event: &Bytes) {
        if let Some(followers) = &mut *self.held() {
            followers.retain(|follower| !follower.greeted || follower.events.try_send(event.clone()).is_ok());
        }
    }

    /// Sends the first events to those who came since the last greeting.
    pub(crate) fn greet(&self, events: &[Bytes]) {
        if let Some(followers) = &mut *self.held() {
            for follower in followers.iter_mut().filter(|follower| !follower.greeted) {
                follower.greeted = true;
                for event in events {
                    // Room for the first ones there is.
                    let _ = follower.events.try_send(event.clone());
                }
            }
        }
    }

    /// Ends every stream, for good.
    pub(crate) fn close(&self) {
        self.held().take();
    }
}

/// The room of events.
pub(crate) struct EventsRoom(pub(crate) Arc<EventHub>);

impl Room for EventsRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        is_read(method) && path == "/api/v1/events"
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Nothing)
    }

    fn answer(&self, _: Caller, _: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async { self.0.follow() }.boxed()
    }
}

/// A stream of events; it ends when its follower is left or the listener drains.
struct EventBody(mpsc::Receiver<Bytes>);

impl Body for EventBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// What has been told of the cluster, and when anything was.
#[derive(Debug)]
pub(crate) struct ClusterNews {
    told: Option<String>,
    commented: Instant,
}

impl ClusterNews {
    /// Nothing has been told.
    pub(crate) fn new() -> Self {
        Self { told: None, commented: Instant::now() }
    }

    /// Sends the cluster if it is not as it was told; a comment when it is time. What is measured is no news by itself.
    pub(crate) fn look(&mut self, hub: &EventHub, report: &ClusterReport) {
        let mut compared = report.clone();
        for path in &mut compared.paths {
            (path.rtt_us, path.loss_permille, path.timeout_us) = (0, 0, 0);
        }
        compared.held_up_us.clear();
        if let Some(disk) = &mut compared.disk {
            disk.free_bytes = 0;
        }
        if let Some(clocks) = &mut compared.clocks {
            clocks.own_ahead_ms = clocks.own_ahead_ms.map(|_| 0);
            clocks.peers.retain(|clock| clock.is_far);
            for clock in &mut clocks.peers {
                (clock.ahead_ms, clock.error_ms) = (0, 0);
            }
        }
        let compared = serde_json::to_string(&compared).expect("a report is plain data");
        if self.told.as_ref() != Some(&compared) {
            hub.send(&event("cluster", report));
            self.told = Some(compared);
        }
        if self.commented.elapsed() >= COMMENT {
            hub.send(&Bytes::from_static(b": here\n\n"));
            self.commented = Instant::now();
        }
    }
}

/// Columns on their way back, as the event `rebuilds` tells them.
#[derive(Debug, Serialize)]
struct Rebuilds<'a> {
    node: &'a str,
    rebuilds: Vec<Rebuild>,
}

/// Tells of a node until it drains.
///
/// Cancel safety: dropping it leaves the followers without news.
pub(super) async fn tell(node: &Node, hub: &EventHub, mut shutdown: Shutdown) {
    let rebuilds = || event("rebuilds", &Rebuilds { node: &node.config.me().name, rebuilds: node.reads.rebuilds() });
    let mut seconds = node.reads.watch_seconds();
    let mut changes = node.reads.watch_rebuilds();
    let mut news = ClusterNews::new();
    let mut told_rebuilds = Instant::now();
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = hub.arrival() => {
                let report = cluster(node);
                news.look(hub, &report);
                hub.greet(&[event("cluster", &report), rebuilds()]);
            }
            _ = tick.tick() => if hub.is_followed() {
                news.look(hub, &cluster(node));
                if told_rebuilds.elapsed() >= REBUILDS && changes.has_changed().unwrap_or(false) {
                    changes.mark_unchanged();
                    told_rebuilds = Instant::now();
                    hub.send(&rebuilds());
                }
            },
            Ok(()) = seconds.changed() => {
                let second = seconds.borrow_and_update().as_ref().map(|second| event("reads", second));
                if let Some(second) = second {
                    hub.send(&second);
                }
            }
            // The sender is gone only when the process ends.
            _ = shutdown.wait_for(|down| *down) => break,
        }
    }
    hub.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(hub: &EventHub) -> ResponseBody {
        hub.follow().expect("room").into_body()
    }

    async fn text(body: &mut ResponseBody) -> Option<String> {
        let frame = body.frame().await?.expect("no error");
        Some(String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn a_follower_is_greeted_first_and_gets_every_event_after() {
        let hub = EventHub::new();
        let mut stream = body(&hub);
        hub.send(&event("reads", &1));
        hub.greet(&[event("cluster", &"all")]);
        hub.send(&event("reads", &2));
        hub.greet(&[event("cluster", &"again")]);
        hub.close();
        assert_eq!(text(&mut stream).await.as_deref(), Some("event: cluster\ndata: \"all\"\n\n"));
        assert_eq!(text(&mut stream).await.as_deref(), Some("event: reads\ndata: 2\n\n"));
        assert_eq!(text(&mut stream).await, None, "streams end when the listener drains");
        assert_eq!(hub.follow().expect_err("it drains").status().as_u16(), 503);
    }

    #[tokio::test]
    async fn streams_are_bounded_and_the_slow_are_left() {
        let hub = EventHub::new();
        let mut streams: Vec<_> = (0..FOLLOWERS_MAX).map(|_| body(&hub)).collect();
        assert_eq!(hub.follow().expect_err("one too many").status().as_u16(), 503);
        drop(streams.pop());
        streams.push(body(&hub));
        hub.greet(&[]);
        for number in 0..=BEHIND_MAX {
            assert!(hub.is_followed());
            hub.send(&event("reads", &number));
            // All but the first keep up.
            for stream in &mut streams[1..] {
                assert!(text(stream).await.is_some());
            }
        }
        let mut left = streams.swap_remove(0);
        for _ in 0..BEHIND_MAX {
            assert!(text(&mut left).await.is_some());
        }
        assert_eq!(text(&mut left).await, None, "it was too far behind");
        drop(body(&hub));
        drop(streams);
        hub.greet(&[]);
        hub.send(&event("reads", &0));
        assert!(!hub.is_followed(), "those who are gone are forgotten");
    }
}
