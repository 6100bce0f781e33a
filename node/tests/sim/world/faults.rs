//! What goes wrong, and how much of it may go wrong at once.
//!
//! An acknowledgement says how many disks may go (`Rain-Tolerates`). So the world loses no more of them at once: a node
//! is *ill* from the moment its disk is lost, put back old, or rots, until it has learnt and rebuilt what it held, and a
//! further disk is touched only while all that are ill, this one among them, are no more than the newest
//! acknowledgement of every title promises ([`History::tolerance`](crate::history::History::tolerance)), nor than C - R,
//! which is what the catalog can lose at all.
//!
//! An old copy is more than a loss: it claims to know. It is found out by those who remember more of it than it
//! knows itself, when it starts, in its own words; R nodes with itself among them must agree before its word counts. So an
//! old copy is put back only where any R - 1 of the others include one who remembers; and while it is not found out, nobody loses power,
//! because what one node remembers of another is not durable at once. Where nothing was changed since the copy was made it
//! is no old copy, and may always be put back.

use super::{SECOND, World};
use crate::disk::{Image, Kind, SimDisk};
use crate::node::Node;
use crate::options::Fault;
use crate::wire::Event;
use core::time::Duration;
use rain_cluster::{ColumnStatus, Life, Memory, Sender, Testimony};
use rain_desk::{StoreOrder, StoreTold};
use std::collections::BTreeSet;

/// An old copy of a disk, and who it is.
#[derive(Debug, Clone)]
pub struct Copy {
    pub image: Image,
    pub me: Sender,
}

impl World {
    pub(super) fn fault(&mut self) -> Result<(), String> {
        if self.calm {
            return Ok(());
        }
        let pause = Duration::from_micros(self.wires.random.below(2000 * self.options.fault_ms + 1) as u64);
        self.wires.after(pause, Event::Fault);
        let node = self.wires.random.below(self.nodes.len());
        match self.wires.random.pick(&self.options.faults) {
            Fault::Crash if self.may_crash() => {
                let power = self.wires.random.one_in(2);
                if self.nodes[node].running.is_some() {
                    self.crash(node, power);
                }
            }
            Fault::Blackout if self.may_crash() => {
                for node in 0..self.nodes.len() {
                    if self.nodes[node].running.is_some() {
                        self.crash(node, true);
                    }
                }
            }
            Fault::Crash | Fault::Blackout => {}
            Fault::Cut => self.cut(),
            Fault::Stop => {
                let ms = match self.wires.random.below(3) {
                    0 => 200,
                    1 => 5000,
                    _ => 180_000,
                };
                let pause = Duration::from_millis(self.wires.random.below(ms) as u64);
                let until = self.wires.now + pause;
                self.nodes[node].stopped = self.nodes[node].stopped.max(Some(until));
            }
            Fault::Slow => self.nodes[node].slow_ms = self.wires.random.pick(&[0, 100, 3000, 10_000]),
            Fault::Lie => self.nodes[node].lies = !self.nodes[node].lies,
            Fault::Image => self.copy(node),
            Fault::Old => self.put_back_old(node),
            Fault::Blank => {
                if self.may_lose(node) {
                    self.swap(node, None);
                }
            }
            Fault::RotColumn => self.rot(node, Kind::Column),
            Fault::RotLedger => self.rot(node, Kind::Ledger),
            Fault::RotIdentity => self.rot(node, Kind::Identity),
        }
        Ok(())
    }

    fn cut(&mut self) {
        let count = self.nodes.len();
        let random = &mut self.wires.random;
        let mut links = BTreeSet::new();
        match random.below(3) {
            // A node alone, perhaps in one direction only.
            0 => {
                let (node, ways) = (random.below(count), random.below(3));
                for other in (0..count).filter(|other| *other != node) {
                    if ways != 1 {
                        links.insert((node, other));
                    }
                    if ways != 0 {
                        links.insert((other, node));
                    }
                }
            }
            // Two halves.
            1 => {
                let side: Vec<bool> = (0..count).map(|_| random.one_in(2)).collect();
                for from in 0..count {
                    links.extend((0..count).filter(|to| side[from] != side[*to]).map(|to| (from, to)));
                }
            }
            // Some links.
            _ => {
                for from in 0..count {
                    for to in (0..count).filter(|to| *to != from) {
                        if random.one_in(3) {
                            links.insert((from, to));
                        }
                    }
                }
            }
        }
        let heal = Duration::from_micros(random.below(5000 * self.options.fault_ms.max(200)) as u64);
        self.wires.cut.extend(&links);
        self.wires.after(heal.min(60 * SECOND), Event::Heal(links));
    }

    fn copy(&mut self, node: usize) {
        let Some(running) = &self.nodes[node].running else { return };
        let copy = Copy { me: running.store.me(), image: self.nodes[node].disk.image() };
        if self.nodes[node].images.len() == 3 {
            self.nodes[node].images.remove(0);
        }
        self.nodes[node].images.push(copy);
    }

    fn put_back_old(&mut self, node: usize) {
        if self.nodes[node].images.is_empty() || !self.may_crash() || !self.may_lose(node) {
            return;
        }
        let index = self.wires.random.below(self.nodes[node].images.len());
        let copy = self.nodes[node].images[index].clone();
        let unchanged = self.nodes[node].running.as_ref().is_some_and(|running| running.store.me() == copy.me);
        if unchanged || self.found_out(node, copy.me) {
            self.swap(node, Some(&copy));
        }
    }

    /// Whether any R - 1 of the others include one who remembers more of a node than a copy of its disk knows.
    fn found_out(&self, node: usize, copy: Sender) -> bool {
        // One that came later, for sure.
        let present = self.nodes[node].running.as_ref().map(|running| running.store.me().life);
        let remembers = |other: &Node| {
            let Some(running) = &other.running else { return false };
            let Memory { lives, retired } = running.store.remembered(copy);
            let later = |said: &Testimony| retired && said.life != copy.life && Some(said.life) == present;
            let more = |said: &Testimony| said.life == copy.life && said.serial > copy.serial;
            lives.iter().any(|said| later(said) || more(said))
        };
        let others = self.nodes.iter().filter(|other| other.place != node);
        let forgetful = others.filter(|other| !remembers(other)).count();
        let needed = self.members().witnesses() - 1;
        needed > forgetful
    }

    /// A disk is pulled out, and another one put in.
    pub fn swap(&mut self, node: usize, copy: Option<&Copy>) {
        if self.nodes[node].running.is_some() {
            self.stop(node, true);
        }
        self.replace(node, copy);
        let back = Duration::from_millis(10 + self.wires.random.below(20_000) as u64);
        self.wires.after(back, Event::Restart { node });
    }

    pub fn replace(&mut self, node: usize, copy: Option<&Copy>) {
        self.ill.insert(node);
        self.operations_gone += self.nodes[node].disk.operations();
        let seed = self.wires.random.next();
        self.old.remove(&node);
        self.nodes[node].known = None;
        self.nodes[node].disk = match copy {
            None => SimDisk::new(seed, self.options.missing),
            Some(copy) => {
                self.old.insert(node, copy.me.life);
                SimDisk::of_image(seed, &copy.image)
            }
        };
        // What was announced for others does not come while this one is not found out.
        if copy.is_some() {
            self.nodes.iter().for_each(|node| node.disk.keep_power());
        }
        self.wires.note(&format!("{node} has another disk: {:?}", copy.map(|copy| copy.me)));
    }

    fn rot(&mut self, node: usize, kind: Kind) {
        if !self.may_crash() || !self.may_lose(node) {
            return;
        }
        // What rots at the end of a ledger cannot be told from what a crash left: the store is an old copy then.
        let me = self.nodes[node].running.as_ref().map(|running| running.store.me());
        let late = match (kind, me) {
            (Kind::Ledger, Some(me)) => self.found_out(node, Sender { serial: me.serial.saturating_sub(1), ..me }),
            (Kind::Ledger, None) => false,
            _ => true,
        };
        if !self.nodes[node].disk.rot(kind, late, &mut self.wires.random) {
            return;
        }
        self.ill.insert(node);
        self.wires.note(&format!("{node} rots: {kind:?}"));
        if let (Kind::Ledger, true, Some(me)) = (kind, late, me) {
            self.old.insert(node, me.life);
            self.nodes.iter().for_each(|node| node.disk.keep_power());
        }
        // It is seen at a start, which comes at once: else promises of the meantime would count on a disk that is as good
        // as gone.
        if kind != Kind::Column && self.nodes[node].running.is_some() {
            self.crash(node, true);
        }
    }

    /// Whether power may go: not while an old copy is about that has not been found out.
    pub(super) fn may_crash(&mut self) -> bool {
        let found: Vec<usize> =
            self.old.iter().filter(|(node, life)| self.is_found(**node, **life)).map(|(node, _)| *node).collect();
        for node in found {
            self.old.remove(&node);
        }
        self.old.is_empty()
    }

    /// Whether an old copy began a new life, or nobody remembers more than it does, so that it is none.
    fn is_found(&self, node: usize, life: Life) -> bool {
        let Some(running) = &self.nodes[node].running else { return false };
        let me = running.store.me();
        let forgets = |other: &Node| {
            let Some(running) = &other.running else { return true };
            let Memory { lives, retired } = running.store.remembered(me);
            retired || lives.iter().any(|said| said.life == me.life && said.serial > me.serial)
        };
        me.life != life
            || running.store.is_sure() && !self.nodes.iter().any(|other| other.place != node && forgets(other))
    }

    /// Whether a disk more may go.
    pub fn may_lose(&mut self, node: usize) -> bool {
        self.get_well();
        let mut ill = self.ill.clone();
        ill.insert(node);
        ill.len() <= self.tolerance()
    }

    /// How many disks may be gone at once.
    pub fn tolerance(&self) -> usize {
        // While the members change nobody loses more than that.
        if self.members().is_joint() {
            return 0;
        }
        let quorum = self.members().quorum();
        let titles = (0..self.options.titles).map(|title| self.history.tolerance(title, quorum.write()));
        titles.min().unwrap_or(usize::MAX).min(quorum.catalog() - quorum.read())
    }

    /// Who has learnt and rebuilt is not ill any more.
    pub fn get_well(&mut self) {
        self.may_crash();
        let well: Vec<usize> = self.ill.iter().copied().filter(|node| self.is_well(*node)).collect();
        for node in well {
            self.ill.remove(&node);
        }
    }

    /// Whether a column's file is one that a node uses, of the newest version of its title or of one that may become it.
    fn is_wanted(&self, node: &Node, name: &str) -> bool {
        (0..self.options.titles).map(crate::history::title_name).any(|title| {
            let state = node.store().lookup(&title);
            let newest = state.newest_marked().map(|entry| entry.record.version());
            let entries = state.entries.iter().filter(|entry| Some(entry.record.version()) >= newest);
            entries.into_iter().any(|entry| match entry.column {
                ColumnStatus::Ok { column } | ColumnStatus::Damaged { column, .. } => {
                    name.contains(&format!("{}.{}.{column:03}.", hash(&title), entry.record.version()))
                }
                ColumnStatus::Missing => false,
            })
        })
    }

    fn is_well(&self, node: usize) -> bool {
        // Since members were others, who is to restore what one has lost may be another one.
        if self.members().epoch() > 0 && self.has_all_columns().is_err() {
            return false;
        }
        let node = &self.nodes[node];
        let Some(running) = &node.running else { return false };
        let store = &running.store;
        let now = node.local(self.wires.now);
        let blank = |title| store.lookup(&crate::history::title_name(title)).blank;
        let lacks = |told: &StoreTold| !matches!(told, StoreTold::Records(lacking) if lacking.is_empty());
        !self.old.contains_key(&node.place)
            && store.is_sure()
            && !store.is_blank()
            && !node.disk.is_rotten()
            && !node.disk.rotten().iter().any(|name| self.is_wanted(node, name))
            && !(0..self.options.titles).any(blank)
            && !lacks(&store.carry_out(now, StoreOrder::Lacking))
    }
}

/// As a store names the files of a title.
fn hash(title: &str) -> String {
    blake3::hash(title.as_bytes()).to_hex()[..32].to_owned()
}
