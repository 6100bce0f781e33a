//! What is under way over each of this node's ports, and who waits until there is room.
//!
//! A port is an address of this node: all answers to requests that leave from it come in through one port of one switch,
//! whoever sends them.

use super::paths::Paths;
use core::time::Duration;
use rain_cluster::NodeId;
use rain_fetch::{Destination, Ports, TurnTicket, Turns, Window};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// One of this node's addresses.
#[derive(Debug)]
struct Port {
    address: IpAddr,
    /// Bytes that were asked for and have not come.
    under_way: u64,
    window: Window,
    /// The shortest round trip so far: longer ones waited at the switch.
    round_trip: Option<Duration>,
}

/// All ports, and the queue before them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) ports: PortList,
    /// Who waits is told the path; `None` when none is left.
    turns: Turns<oneshot::Sender<Option<usize>>>,
}

/// All ports of this node.
#[derive(Debug, Default)]
pub(super) struct PortList(Vec<Port>);

impl PortList {
    /// The number of the port with this address.
    pub(super) fn port(&mut self, address: IpAddr) -> usize {
        if let Some(known) = self.0.iter().position(|port| port.address == address) {
            return known;
        }
        self.0.push(Port { address, under_way: 0, window: Window::default(), round_trip: None });
        self.0.len() - 1
    }

    /// Notes a round trip of a path of this port.
    pub(super) fn note_round_trip(&mut self, port: usize, round_trip: Duration) {
        let shortest = &mut self.0[port].round_trip;
        *shortest = Some(shortest.map_or(round_trip, |shortest| shortest.min(round_trip)));
    }

    /// Whether so many bytes more may be asked for over a port.
    pub(super) fn has_room(&self, port: usize, bytes: u64) -> bool {
        let Port { under_way, window, round_trip, .. } = &self.0[port];
        *under_way == 0 || under_way + bytes <= window.bytes(round_trip.unwrap_or_default())
    }

    /// How full a port is, on a scale that is the same for all.
    pub(super) fn load(&self, port: usize) -> u64 {
        let Port { under_way, window, round_trip, .. } = &self.0[port];
        window.scaled(*under_way, round_trip.unwrap_or_default())
    }

    /// Notes that bytes are asked for.
    pub(super) fn ask(&mut self, port: usize, bytes: u64) {
        self.0[port].under_way += bytes;
    }

    /// Notes that bytes have come, or, where there is no time, that they will not.
    pub(super) fn end(&mut self, port: usize, bytes: u64, came_at: Option<Duration>) {
        let port = &mut self.0[port];
        port.under_way -= bytes;
        if let Some(now) = came_at {
            port.window.note(now, bytes);
        }
    }
}

impl Queue {
    /// Appends a request; where the path is told, and its place.
    fn join(&mut self, request: TurnRequest<'_>) -> (TurnTicket, oneshot::Receiver<Option<usize>>) {
        let TurnRequest { to, without, bytes, urgent } = request;
        let (granted, told) = oneshot::channel();
        (self.turns.join(Destination { to, without: without.to_vec() }, bytes, urgent, granted), told)
    }

    /// Lets requests go ahead for which there is room.
    pub(super) fn advance(&mut self, paths: &Paths) {
        let mut ports = Choice { paths, ports: &mut self.ports };
        self.turns.advance(&mut ports, |granted, path| {
            // Who is told nothing any more has left the queue: see `Waiter`.
            let _ = granted.send(path);
        });
    }

    /// Whether somebody might go over a port that has just got room.
    pub(super) fn may_go(&self, port: usize) -> bool {
        self.turns.smallest().is_some_and(|bytes| self.ports.has_room(port, bytes))
    }
}

/// The ports, and the choice of paths.
struct Choice<'a> {
    paths: &'a Paths,
    ports: &'a mut PortList,
}

impl Ports for Choice<'_> {
    fn choose(&self, destination: &Destination) -> Option<(usize, usize)> {
        let path = self.paths.choose_in(self.ports, destination.to, &destination.without)?;
        Some((path, self.paths.port_of(destination.to, path)))
    }

    fn has_room(&self, port: usize, bytes: u64) -> bool {
        self.ports.has_room(port, bytes)
    }

    fn ask(&mut self, port: usize, bytes: u64) {
        self.ports.ask(port, bytes);
    }
}

/// A request for rows of a column that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct TurnRequest<'a> {
    /// To whom.
    pub to: NodeId,
    /// Paths that it does not take.
    pub without: &'a [usize],
    /// Bytes of the answer.
    pub bytes: u64,
    /// A viewer waits for it more than for others.
    pub urgent: bool,
}

/// A place in the queue; given up when dropped.
struct Waiter<'a> {
    paths: &'a Paths,
    request: TurnRequest<'a>,
    ticket: TurnTicket,
    told: oneshot::Receiver<Option<usize>>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut queue = self.paths.queue();
        if queue.turns.leave(&self.ticket) {
            queue.advance(self.paths);
        }
        // It was told a path, and did not hear it.
        let unheard = self.told.try_recv().ok().flatten();
        drop(queue);
        drop(unheard.map(|path| self.paths.outstanding(self.request.to, path, self.request.bytes)));
    }
}

impl Paths {
    /// Waits until a path has room for a request, and takes it; `None` when no path is left.
    ///
    /// Cancel safety: dropping it gives the place up.
    pub async fn take_turn(&self, request: TurnRequest<'_>) -> Option<(usize, super::paths::Outstanding<'_>)> {
        let mut waiter = {
            let mut queue = self.queue();
            let (ticket, told) = queue.join(request);
            queue.advance(self);
            Waiter { paths: self, request, ticket, told }
        };
        let path = (&mut waiter.told).await.ok().flatten()?;
        Some((path, self.outstanding(request.to, path, request.bytes)))
    }
}

/// A queue behind its lock.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<Queue>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Queue> for Shared {
    fn from(queue: Queue) -> Self {
        Self(Mutex::new(queue))
    }
}
