//! The parts of a demo, nodes, switches and links: the state of each, and the faults done to them.

use super::children::{ChildState, Children};
use super::network::Network;
use super::prepared::PreparedDemo;
use crate::http::faults::{Fault, FaultAction, FaultKind};
use crate::http::{ApiError, ClusterReport, LinkReport, NodeReport, SwitchReport};
use crate::topology::TopologyPlan;
use core::time::Duration;
use hyper::StatusCode;
use rain_cluster::topology::Part;
use rustix::process::Signal;
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// How often the nodes' processes are looked at.
const WATCH: Duration = Duration::from_millis(50);
/// How often a process that was signalled is looked at, until the signal has done its work.
const SETTLING: Duration = Duration::from_millis(1);
/// A signal has done its work after so long at the latest.
const SETTLED: Duration = Duration::from_secs(2);

/// A node that is to be started anew, and whom to tell.
#[derive(Debug)]
pub(super) struct Restart {
    node: usize,
    done: oneshot::Sender<io::Result<()>>,
}

/// Every part of a demo.
#[derive(Debug)]
pub(super) struct Parts {
    nodes: Vec<(String, u16)>,
    wiring: TopologyPlan,
    children: Arc<Children>,
    network: Arc<Network>,
    restarts: mpsc::Sender<Restart>,
    /// Grows by every change of any part.
    changes: watch::Sender<u64>,
}

impl Parts {
    /// All parts as they are, and what [`Self::restart`] needs.
    pub(super) fn new(
        plan: &PreparedDemo,
        children: Arc<Children>,
        network: Arc<Network>,
    ) -> (Self, mpsc::Receiver<Restart>) {
        let (restarts, orders) = mpsc::channel(1);
        let nodes = plan.nodes.iter().map(|node| (node.name.clone(), node.port)).collect();
        (
            Self { nodes, wiring: plan.wiring.clone(), children, network, restarts, changes: watch::Sender::new(0) },
            orders,
        )
    }

    /// A number that grows by every change of any part: of a node's process within 50 ms, of the others at once.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn note_change(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Starts nodes anew when told to. The nodes die with the thread that runs this.
    pub(super) async fn restart(&self, mut orders: mpsc::Receiver<Restart>) {
        while let Some(Restart { node, done }) = orders.recv().await {
            let _ = done.send(self.children.restart(node));
        }
    }

    /// Watches the nodes' processes until the task is aborted.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut tick = interval(WATCH);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Vec::new();
        loop {
            tick.tick().await;
            let now: Vec<_> = (0..self.node_count()).map(|node| self.children.state(node)).collect();
            if now != last {
                for (node, (state, _)) in now.iter().enumerate() {
                    // A dead or hung machine passes on nothing of what others send through it.
                    self.network.set_up(Part::Node(node), *state == ChildState::Up);
                }
                self.note_change();
                last = now;
            }
        }
    }

    /// How many nodes there are by now.
    pub(super) fn node_count(&self) -> usize {
        self.children.len()
    }

    /// Whether a node's process runs.
    pub(super) fn is_up(&self, node: usize) -> bool {
        node < self.node_count() && self.children.state(node).0 == ChildState::Up
    }

    /// Starts a node that has ended, or the next one that is planned.
    ///
    /// # Errors
    /// What the system says, or that the demo ends.
    ///
    /// Cancel safety: it may start.
    pub(super) async fn start(&self, node: usize) -> io::Result<()> {
        let (done, started) = oneshot::channel();
        let ordered = self.restarts.send(Restart { node, done }).await;
        let started = if ordered.is_ok() { started.await.ok() } else { None };
        started.unwrap_or_else(|| Err(io::Error::other("the demo is ending")))
    }

    /// Does what a fault says; it is in force on return.
    ///
    /// # Errors
    /// 404 when no part has that name; 503 when the system refuses.
    ///
    /// Cancel safety: a fault that was begun may be in force.
    pub(super) async fn apply(&self, fault: &Fault) -> Result<(), ApiError> {
        let part = match fault.kind {
            FaultKind::Node => {
                let mut there = self.nodes[..self.node_count()].iter();
                let node = there.position(|(name, _)| *name == fault.name);
                return self.apply_to_node(node.ok_or_else(|| unknown(fault))?, fault.action).await;
            }
            FaultKind::Switch => self.wiring.switches.iter().position(|name| *name == fault.name).map(Part::Switch),
            FaultKind::Link => self.links().find(|(_, link)| link.name == fault.name).map(|(part, _)| part),
        };
        if self.network.set_up(part.ok_or_else(|| unknown(fault))?, fault.action == FaultAction::Heal) {
            self.note_change();
        }
        Ok(())
    }

    async fn apply_to_node(&self, node: usize, action: FaultAction) -> Result<(), ApiError> {
        let state = || self.children.state(node).0;
        let (signal, expected) = match (action, state()) {
            (FaultAction::Cut, ChildState::Up | ChildState::Hung) => (Signal::KILL, ChildState::Down),
            (FaultAction::Hang, ChildState::Up) => (Signal::STOP, ChildState::Hung),
            (FaultAction::Heal, ChildState::Hung) => (Signal::CONT, ChildState::Up),
            (FaultAction::Heal, ChildState::Down) => {
                let started = self.start(node).await;
                started.map_err(|error| failed(&error))?;
                self.note_node(node);
                return Ok(());
            }
            // What is dead does not hang; everything else is as it should be.
            (FaultAction::Cut | FaultAction::Hang, ChildState::Down)
            | (FaultAction::Hang, ChildState::Hung)
            | (FaultAction::Heal, ChildState::Up) => return Ok(()),
        };
        self.children.signal(node, signal);
        let until = Instant::now() + SETTLED;
        while state() != expected {
            if Instant::now() > until {
                return Err(failed(&io::ErrorKind::TimedOut.into()));
            }
            sleep(SETTLING).await;
        }
        self.note_node(node);
        Ok(())
    }

    fn note_node(&self, node: usize) {
        self.network.set_up(Part::Node(node), self.is_up(node));
        self.note_change();
    }

    fn links(&self) -> impl Iterator<Item = (Part, LinkReport)> {
        let TopologyPlan { topology, switches, nodes, .. } = &self.wiring;
        let report = |part, node: Option<&String>, switch: usize, to: Option<&String>| {
            let (name, switch) = (self.wiring.name(part), switches[switch].clone());
            (part, LinkReport { name, node: node.cloned(), switch, to: to.cloned(), state: self.state_of(part) })
        };
        let count = self.node_count();
        let of_nodes = topology.attachments.iter().enumerate().filter(move |(_, cable)| cable.node < count);
        let of_nodes = of_nodes
            .map(move |(index, cable)| report(Part::Attachment(index), Some(&nodes[cable.node]), cable.switch, None));
        let of_switches = topology.switch_links.iter().enumerate();
        let of_switches = of_switches
            .map(move |(index, [switch, to])| report(Part::SwitchLink(index), None, *switch, Some(&switches[*to])));
        of_nodes.chain(of_switches)
    }

    fn state_of(&self, part: Part) -> String {
        if self.network.is_up(part) { "up".to_owned() } else { "down".to_owned() }
    }

    /// The cluster as it is.
    pub(super) fn report(&self) -> ClusterReport {
        let node = |(index, (name, port)): (usize, &(String, u16))| {
            let (state, pid) = self.children.state(index);
            NodeReport {
                name: name.clone(),
                state: state.as_str().to_owned(),
                http: format!("http://127.0.0.1:{port}"),
                pid: Some(pid),
            }
        };
        let switch = |(index, name): (usize, &String)| SwitchReport {
            name: name.clone(),
            state: self.state_of(Part::Switch(index)),
        };
        ClusterReport {
            nodes: self.nodes[..self.node_count()].iter().enumerate().map(node).collect(),
            switches: self.wiring.switches.iter().enumerate().map(switch).collect(),
            links: self.links().map(|(_, link)| link).collect(),
            observer: None,
            outside: None,
            paths: Vec::new(),
            held_up_us: Vec::new(),
            disk: None,
            clocks: None,
            faults: true,
        }
    }
}

fn unknown(fault: &Fault) -> ApiError {
    let kind = match fault.kind {
        FaultKind::Node => "node",
        FaultKind::Link => "link",
        FaultKind::Switch => "switch",
    };
    let message = format!("there is no {kind} `{}`", fault.name);
    ApiError::new(StatusCode::NOT_FOUND, "no-such-part", message)
}

fn failed(error: &io::Error) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "fault-failed", format!("the node: {error}"))
}
