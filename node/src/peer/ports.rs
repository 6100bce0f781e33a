//! What is under way over each of this node's ports, and the queue before them.
//!
//! A port is an address of this node: all answers to requests that leave from it come in through one port of one switch,
//! whoever sends them.

use core::time::Duration;
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

/// A path to a destination and the port that it leaves from, if any is left.
type Chosen = Option<(usize, usize)>;

impl Queue {
    /// Appends a request; where the path is told, and its place.
    pub(super) fn join(
        &mut self,
        destination: Destination,
        bytes: u64,
        urgent: bool,
    ) -> (TurnTicket, oneshot::Receiver<Option<usize>>) {
        let (granted, told) = oneshot::channel();
        (self.turns.join(destination, bytes, urgent, granted), told)
    }

    /// Gives up a place; whether it was still taken.
    pub(super) fn leave(&mut self, ticket: &TurnTicket) -> bool {
        self.turns.leave(ticket)
    }

    /// Lets requests go ahead for which there is room. `choose` knows the paths.
    pub(super) fn advance(&mut self, choose: impl Fn(&PortList, &Destination) -> Chosen) {
        let mut ports = Choice { choose, ports: &mut self.ports };
        self.turns.advance(&mut ports, |granted, path| {
            // Who is told nothing any more has left the queue, or does so now.
            let _ = granted.send(path);
        });
    }

    /// Whether somebody might go over a port that has just got room.
    pub(super) fn may_go(&self, port: usize) -> bool {
        self.turns.smallest().is_some_and(|bytes| self.ports.has_room(port, bytes))
    }
}

/// The ports, and the choice of paths.
struct Choice<'a, C> {
    choose: C,
    ports: &'a mut PortList,
}

impl<C: Fn(&PortList, &Destination) -> Chosen> Ports for Choice<'_, C> {
    fn choose(&self, destination: &Destination) -> Chosen {
        (self.choose)(self.ports, destination)
    }

    fn has_room(&self, port: usize, bytes: u64) -> bool {
        self.ports.has_room(port, bytes)
    }

    fn ask(&mut self, port: usize, bytes: u64) {
        self.ports.ask(port, bytes);
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
