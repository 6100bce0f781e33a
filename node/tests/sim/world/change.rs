//! Members that come and go. The register is a value of the world here, which changes at once: what it takes to change it is
//! simulated beside it (`rain_cluster::register`). Who knows of it, and when, is what is tried.

use super::{SECOND, World};
use crate::disk::SimDisk;
use crate::history::shape_of;
use crate::node::Node;
use crate::wire::Event;
use core::time::Duration;
use rain_cluster::register::{Configuration, Contact, Member, MemberSet, Role, SetCode, Voter};
use rain_cluster::{Life, Members, NodeId};
use std::sync::Arc;

impl World {
    /// The members in force.
    pub fn members(&self) -> &Arc<Members> {
        self.epochs.last().expect("there are some from the beginning")
    }

    /// Somebody changes the members, or ends a change, or takes it back.
    pub(super) fn change(&mut self) -> Result<(), String> {
        if self.calm {
            return Ok(());
        }
        let pause = Duration::from_micros(self.wires.random.below(2000 * self.options.change_ms) as u64 + 1000);
        self.wires.after(pause, Event::Change);
        if self.members().is_joint() {
            if self.wires.random.one_in(8) {
                self.take_back();
            } else {
                self.end_change();
            }
            return Ok(());
        }
        let takers = self.members().takers().to_vec();
        let place = self.wires.random.below(self.cluster.ids.len());
        let id = self.cluster.ids[place];
        if takers.contains(&id) {
            let columns = self.options.codes.iter().map(|code| shape_of(code).columns).max().unwrap_or(1);
            if takers.len() > columns.max(1) {
                let rest: Vec<_> = takers.iter().copied().filter(|taker| *taker != id).collect();
                self.begin_change(&takers, &rest);
            }
        } else if self.is_there(place)? {
            let more: Vec<_> = takers.iter().copied().chain([id]).collect();
            self.begin_change(&takers, &more);
        }
        Ok(())
    }

    /// Whether a node runs that is to be a member; one that never was is set up, the next one first.
    fn is_there(&mut self, place: usize) -> Result<bool, String> {
        if place > self.nodes.len() {
            return Ok(false);
        }
        if place == self.nodes.len() {
            let disk = SimDisk::new(self.wires.random.next(), self.options.missing);
            self.nodes.push(Node::new(place, &self.cluster, disk));
            self.start(place)?;
        }
        Ok(self.nodes[place].running.is_some())
    }

    /// One more node is to be a member; everybody hears of it at once but these, who hear of nothing from then on.
    pub fn add_unheard(&mut self, ignorant: &[usize]) {
        let place = self.nodes.len();
        assert!(self.is_there(place).expect("it starts"));
        self.ignorant = ignorant.to_vec();
        let old = self.members().takers().to_vec();
        let new: Vec<_> = old.iter().copied().chain([self.cluster.ids[place]]).collect();
        self.begin_change(&old, &new);
        self.tell_all();
    }

    /// All hear who the members are, but those who hear of nothing.
    pub fn tell_all(&mut self) {
        let epoch = self.members().epoch();
        for node in 0..self.nodes.len() {
            self.hear_of_members(node, node, epoch);
        }
    }

    fn begin_change(&mut self, old: &[NodeId], new: &[NodeId]) {
        let catalog = self.members().quorum().catalog();
        self.put_in_force(Some((old, catalog)), (new, new.len().min(7)));
        self.changes += 1;
    }

    /// The newer set alone, if it may be.
    pub fn end_change(&mut self) -> bool {
        let members = Arc::clone(self.members());
        let knows = |id: NodeId| {
            let node = &self.nodes[self.cluster.place(id).expect("a node of the world")];
            node.known.as_ref().is_some_and(|known| known.epoch() >= members.epoch())
        };
        let has_learnt = |id: &NodeId| {
            let node = &self.nodes[self.cluster.place(*id).expect("a node of the world")];
            node.running.as_ref().is_some_and(|running| running.store.has_learnt(members.epoch()))
        };
        let may_end = members.is_known_enough(knows) && members.learners().iter().all(has_learnt);
        if may_end {
            self.put_in_force(None, (members.takers(), members.quorum().catalog()));
        }
        may_end
    }

    fn take_back(&mut self) {
        let old = Arc::clone(&self.epochs[self.epochs.len() - 2]);
        self.put_in_force(None, (old.takers(), old.quorum().catalog()));
    }

    /// All who were members once stay what they are, and are asked for what they hold.
    fn put_in_force(&mut self, old: Option<(&[NodeId], usize)>, new: (&[NodeId], usize)) {
        let epoch = self.members().epoch() + 1;
        let set = |(takers, catalog): (&[NodeId], usize)| {
            let mut members: Vec<_> = self.nodes.iter().map(|node| described(node, takers)).collect();
            members.sort_by_key(|member| member.voter.node);
            let code = SetCode { name: "b-code:4".to_owned(), columns: 1 };
            MemberSet { members, tie: None, code, catalog: u8::try_from(catalog).unwrap() }
        };
        let (old, new) = (old.map(set), set(new));
        let configuration = Configuration { epoch, since: epoch, old, new, retired: Vec::new(), note: String::new() };
        let members = Arc::new(configuration.members().expect("members"));
        self.wires.note(&format!("epoch {epoch}: {members:?}"));
        self.epochs.push(members);
        for node in 0..self.nodes.len() {
            // Some are never told, and hear of it from others.
            if !self.wires.random.one_in(3) {
                let delay = Duration::from_micros(self.wires.random.below(2_000_000) as u64);
                self.wires.after(delay, Event::Members { node, from: node, epoch });
            }
        }
    }

    pub(super) fn hear_of_members(&mut self, node: usize, from: usize, epoch: u64) {
        let is_cut = from != node && (self.wires.cut.contains(&(node, from)) || self.wires.cut.contains(&(from, node)));
        if is_cut || self.nodes[node].running.is_none() || self.ignorant.contains(&node) {
            return;
        }
        // Whoever claims another one cannot tell which it is.
        let Some(members) = usize::try_from(epoch).ok().and_then(|epoch| self.epochs.get(epoch)).cloned() else {
            return;
        };
        self.nodes[node].learn_members(&members, &mut self.wires, &mut self.history);
    }

    /// Everybody hears who the members are, and what is half-way comes to its end.
    pub(super) fn settle_members(&mut self) -> Result<(), String> {
        for _ in 0..60 {
            let epoch = self.members().epoch();
            for node in 0..self.nodes.len() {
                self.hear_of_members(node, node, epoch);
            }
            self.run_for(SECOND)?;
            if !self.members().is_joint() {
                return Ok(());
            }
            self.end_change();
        }
        Err(format!("the change of {:?} does not come to its end", self.members()))
    }
}

fn described(node: &Node, takers: &[NodeId]) -> Member {
    let life = node.running.as_ref().map_or(Life(0), |running| running.store.me().life);
    let contact = Contact { name: "a".to_owned(), http: String::new(), addresses: Vec::new(), keys: Vec::new() };
    let role = if takers.contains(&node.id) { Role::Active } else { Role::Draining };
    let (rack, room) = (String::new(), String::new());
    Member { voter: Voter { node: node.id, life }, contact, role, weight: 0, witness: false, rack, room }
}
