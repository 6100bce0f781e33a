//! A run in which one member lies in all that it says, and what must hold all the same.
//!
//! A member may write and delete titles, and what it wrote may be anything: so a version that no honest node coordinated
//! proves nothing. Of those that honest nodes coordinated, it may make readers miss them; but whoever gets one gets its
//! bytes, whoever holds one holds the very manifest that its coordinator made, and no column that is told to be whole is
//! another one. Once the liar is gone or has stopped, every title can be read and written, but for what the liar wrote.

use super::{SECOND, World};
use crate::coder;
use crate::history::{Action, Answer, Operation, Wish, shape_of, title_name};
use crate::liar::Lie;
use crate::wire::{Body, Event, Weather};
use core::time::Duration;
use rain_cluster::Version;

/// Columns are rebuilt and what is pending is found out within so long.
const CALM: Duration = Duration::from_secs(40);

impl World {
    /// The whole life of a seed in which one node lies: load under lies, calm without, and that it goes on.
    pub(super) fn run_lied_to(&mut self) -> Result<(), String> {
        let liar = self.liar();
        // A new cluster is one in which all members have said that they are new: each can hold that up.
        self.wires.liar.as_mut().unwrap().honest = true;
        self.run_for(3 * SECOND)?;
        self.wires.liar.as_mut().unwrap().honest = false;
        let load = Duration::from_millis((self.options.spacing_ms * self.options.operations) as u64);
        self.wires.after(Duration::ZERO, Event::Client);
        self.wires.after(Duration::ZERO, Event::Lie);
        self.run_for(load + SECOND)?;
        self.nothing_is_forged()?;
        self.issued = self.options.operations;
        self.calm = true;
        self.wires.weather = Weather { delay_ms: 1, ..Weather::default() };
        let teller = self.wires.liar.as_mut().unwrap();
        teller.honest = true;
        if teller.plan.goes {
            self.stop(liar, false);
        }
        self.run_for(CALM)?;
        self.nothing_is_forged()?;
        self.what_was_promised_is_read()?;
        self.titles_are_written()?;
        self.nothing_is_forged()?;
        self.no_life_was_ended()?;
        self.readers_got_what_was_written()
    }

    /// In the face of lies: writes that honest nodes acknowledged, and reads of what honest nodes wrote.
    pub fn kept(&self) -> (u64, u64) {
        let Some(liar) = self.wires.liar.as_ref().map(|liar| liar.place) else { return (0, 0) };
        let honest = self.history.operations.iter().filter(|operation| operation.sent.0 != liar);
        let (mut promised, mut read) = (0, 0);
        for operation in honest {
            match &operation.answer {
                Some(Answer::Acknowledged { .. }) => promised += 1,
                Some(Answer::Found { version, .. }) => read += u64::from(self.is_honest(*version)),
                _ => {}
            }
        }
        (promised, read)
    }

    fn liar(&self) -> usize {
        self.wires.liar.as_ref().unwrap().place
    }

    fn honest(&self) -> impl Iterator<Item = usize> + use<> {
        let liar = self.liar();
        (0..self.nodes.len()).filter(move |node| *node != liar)
    }

    /// Whether an honest node decided to commit a version, for a client: under the number of one that it gave up, the liar
    /// may write something of its own.
    fn is_honest(&self, version: Version) -> bool {
        let write = self.history.operations.iter().find(|write| write.version == Some(version));
        write.is_some_and(|write| write.sent.0 != self.liar() && write.decided)
    }

    /// What honest nodes hold of versions that honest nodes committed is what these made of them; and a column that is told
    /// to be whole has the root of its manifest.
    fn nothing_is_forged(&self) -> Result<(), String> {
        for place in self.honest() {
            let node = &self.nodes[place];
            let (store, now) = (node.store(), node.local(self.wires.now));
            for entry in (0..self.options.titles).flat_map(|title| store.lookup(&title_name(title)).entries) {
                let (title, version) = (entry.record.title(), entry.record.version());
                if self.is_honest(version) && self.history.proposed[&version] != entry.record {
                    return Err(format!("node {place} holds {:?}, which is not what was made", entry.record));
                }
                let Some(columns) = entry.record.manifest.columns().filter(|_| entry.column.is_ok()) else { continue };
                let stripes = 0..coder::geometry(columns).stripe_count();
                let proven = match crate::node::read(store, now, title, version, stripes, false) {
                    Ok(Body::Column { column, records }) => {
                        coder::root(columns, &records) == columns.roots[usize::from(column)]
                    }
                    _ => false,
                };
                if !proven {
                    return Err(format!("node {place} counts a column of {:?} that is not proven", entry.record));
                }
            }
        }
        Ok(())
    }

    /// No disk was lost: whatever the liar remembers, every honest store goes on in the life that it began.
    fn no_life_was_ended(&self) -> Result<(), String> {
        match self.honest().find(|place| self.nodes[*place].reborn > 0) {
            Some(place) => Err(format!("node {place} was talked into a new life")),
            None => Ok(()),
        }
    }

    /// The newest write of a title that an honest node acknowledged.
    fn newest_promised(&self, title: usize) -> Option<&Operation> {
        let liar = self.liar();
        let writes = self.history.operations.iter().filter(|write| write.title == title && write.sent.0 != liar);
        let promised = writes.filter(|write| matches!(write.answer, Some(Answer::Acknowledged { .. })));
        promised.max_by_key(|write| write.version)
    }

    /// Every honest node reads every title: it gets what was acknowledged last, or what was written later, or what the liar
    /// wrote; where it gets nothing, that is because of a version of the liar.
    fn what_was_promised_is_read(&mut self) -> Result<(), String> {
        let first = self.history.operations.len();
        for title in 0..self.options.titles {
            for node in self.honest() {
                self.get(node, title);
            }
        }
        self.run_for(8 * SECOND)?;
        for get in &self.history.operations[first..] {
            let promised = self.newest_promised(get.title);
            let newest = promised.and_then(|write| write.version);
            let is_deleted = promised.is_none_or(|write| write.action == Action::Delete);
            // The liar may have written something of its own above it, which may be nothing that can be read.
            let known = self.newest(&title_name(get.title)).map(|record| record.version());
            let lied = known.is_some_and(|known| Some(known) > newest && !self.is_honest(known));
            // And have had a tombstone forgotten before all had heard of it, which brings back what was deleted.
            let forgotten = is_deleted && self.options.lies.as_ref().unwrap().kinds.contains(&Lie::Purging);
            let fine = match &get.answer {
                Some(Answer::Found { version, .. }) => Some(*version) >= newest || lied,
                Some(Answer::Absent { tombstone, .. }) => *tombstone >= newest || is_deleted || lied,
                _ => lied,
            };
            if !fine && !forgotten {
                let brief = get.brief();
                return Err(format!("after {newest:?} was acknowledged, and {known:?} is known: {brief}"));
            }
        }
        Ok(())
    }

    /// Every title can be written by honest nodes, and is read as it was written.
    fn titles_are_written(&mut self) -> Result<(), String> {
        let goes = self.options.lies.as_ref().is_some_and(|lies| lies.goes);
        let code = self.options.codes[0];
        let shape = shape_of(code);
        let nodes: Vec<usize> = self.honest().collect();
        for title in 0..self.options.titles {
            let node = self.wires.random.pick(&nodes);
            let content = self.wires.random.next().to_le_bytes();
            // Of some codes all columns are needed for an acknowledgement.
            let mut write = if goes && shape.needed() == shape.columns {
                self.delete(node, title)
            } else {
                self.begin(node, title, Action::Put(code, content.to_vec()), Wish::Any)
            };
            self.run_for(10 * SECOND)?;
            if self.answer(write) == Some(&Answer::Refused) {
                // Its tombstone was just being purged.
                let Operation { action, .. } = self.history.operations[write].clone();
                write = self.begin(node, title, action, Wish::Any);
                self.run_for(10 * SECOND)?;
            }
            let operation = &self.history.operations[write];
            if !matches!(operation.answer, Some(Answer::Acknowledged { .. })) {
                return Err(format!("no title can be written any more: {}", operation.brief()));
            }
            let (version, action) = (self.version(write), operation.action.clone());
            let reads: Vec<usize> = nodes.iter().map(|node| self.get(*node, title)).collect();
            self.run_for(8 * SECOND)?;
            for read in reads {
                let answer = self.answer(read);
                let fine = match (&action, answer) {
                    (Action::Delete, Some(Answer::Absent { .. })) => true,
                    (_, Some(Answer::Found { version: found, .. })) => *found == version,
                    _ => false,
                };
                if !fine {
                    return Err(format!("{version} was written in calm: {}", self.history.operations[read].brief()));
                }
            }
        }
        Ok(())
    }

    /// Whoever read a version of an honest node got the bytes that were written; other versions were named by the liar.
    fn readers_got_what_was_written(&self) -> Result<(), String> {
        let (liar, named) = (self.liar(), &self.wires.liar.as_ref().unwrap().named);
        for get in self.history.operations.iter().filter(|get| get.action == Action::Get && get.sent.0 != liar) {
            let Some(Answer::Found { version, content, .. }) = &get.answer else { continue };
            let write = self.history.operations.iter().find(|write| write.version == Some(*version));
            match write.filter(|_| self.is_honest(*version)).map(|write| &write.action) {
                Some(Action::Put(_, written)) if written == content => {}
                Some(Action::Put(..)) => return Err(format!("{version} was read with other bytes: {}", get.brief())),
                Some(_) => return Err(format!("{version} is a tombstone, and was read")),
                None if named.contains(version) => {}
                None => return Err(format!("nobody ever named {version}, which was read")),
            }
        }
        Ok(())
    }
}
