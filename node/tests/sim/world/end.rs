//! The end of a run: what must hold once the weather is calm, and after as many disks are gone as was promised.

use super::{SECOND, World};
use crate::coder;
use crate::history::{Answer, Wish, title_name};
use crate::wire::{Body, Weather};
use core::time::Duration;
use rain_cluster::catalog::where_held;
use rain_cluster::{ColumnStatus, Placement, Record, Version};
use rain_desk::{StoreOrder, StoreTold};
use std::collections::{BTreeMap, BTreeSet};

/// What is pending is resolved within 5 s (docs/operating.md, what is promised) by clocks that err by a fifth, once the
/// last node is back.
const CALM: Duration = Duration::from_secs(12);
/// Within so long every column is rebuilt.
const HEALED: Duration = Duration::from_mins(1);

impl World {
    /// Nothing goes wrong any more, everybody is back, and clients and messages that are under way come to their end.
    pub fn calm_down(&mut self) -> Result<(), String> {
        self.calm = true;
        self.issued = self.options.operations;
        self.wires.weather = Weather { delay_ms: 1, ..Weather::default() };
        self.wires.cut.clear();
        // Who stands still goes on in its own time, and finds all that has waited for it.
        if let Some(last) = self.nodes.iter().filter_map(|node| node.stopped).max() {
            self.run_until(last.max(self.wires.now))?;
        }
        for node in 0..self.nodes.len() {
            self.nodes[node].disk.set_faults(0, 0);
            self.nodes[node].disk.keep_power();
            self.nodes[node].slow_ms = 0;
            self.nodes[node].lies = false;
            if self.nodes[node].running.is_some() && self.nodes[node].disk.is_rotten() {
                // What rots in a ledger or an identity is seen at a start.
                self.stop(node, false);
            }
            if self.nodes[node].running.is_none() {
                self.start(node)?;
            }
        }
        if self.options.hurry {
            self.wires.hurry();
        }
        self.run_until(self.wires.last_delivery())?;
        if self.options.change_ms > 0 {
            self.settle_members()?;
        }
        for _ in 0..200 {
            if self.history.operations.iter().all(|operation| self.is_over(operation)) {
                break;
            }
            self.run_for(10 * SECOND)?;
        }
        self.scrub();
        self.run_for(CALM)
    }

    fn is_over(&self, operation: &crate::history::Operation) -> bool {
        let (node, start) = operation.sent;
        operation.answer.is_some() || self.nodes[node].running.is_none() || self.nodes[node].starts != start
    }

    /// Every node looks at every column that it holds.
    fn scrub(&mut self) {
        for node in &self.nodes {
            let now = node.local(self.wires.now);
            for title in (0..self.options.titles).map(title_name) {
                for entry in node.store().lookup(&title).entries {
                    if entry.column.is_ok() {
                        let _ = node.store().verify_column(now, &title, entry.record.version());
                    }
                }
            }
        }
    }

    /// After the calm nothing is pending, in upload or in decision anywhere, no node is blank, and no unfinished file is
    /// left; a while later every newest version has all its columns, whole and proven.
    pub fn nothing_half_done(&mut self) -> Result<(), String> {
        for node in &self.nodes {
            let (place, store) = (node.place, node.store());
            if store.is_blank() || !store.is_sure() {
                return Err(format!("node {place} is still blank, or not sure"));
            }
            let now = node.local(self.wires.now);
            if let StoreTold::Decisions(decisions) = store.carry_out(now, StoreOrder::Decisions)
                && let Some(decision) = decisions.first()
            {
                return Err(format!("node {place} still holds the decision {:?}", decision.record));
            }
            for title in 0..self.options.titles {
                let state = store.lookup(&title_name(title));
                if state.blank {
                    return Err(format!("node {place} is still blank for title {title}"));
                }
                if let Some(entry) = state.entries.iter().find(|entry| !entry.marked) {
                    return Err(format!("node {place} still holds {:?} pending", entry.record));
                }
            }
        }
        for _ in 0..6 {
            self.run_for(HEALED / 6)?;
            if self.is_whole().is_ok() {
                break;
            }
        }
        self.is_whole()?;
        for node in &self.nodes {
            for title in 0..self.options.titles {
                if let Some(version) = node.store().lookup(&title_name(title)).uploads.first() {
                    return Err(format!("node {} still takes an upload of {version}", node.place));
                }
            }
            // What a failing disk did not let go of waits for the next start.
            if let Some(name) = node.disk.unfinished().first().filter(|_| self.options.eio_one_in == 0) {
                return Err(format!("node {} still has the file {name}", node.place));
            }
        }
        Ok(())
    }

    /// The newest version that any running node knows to be committed.
    pub(super) fn newest(&self, title: &str) -> Option<Record> {
        let running = self.nodes.iter().filter(|node| node.running.is_some());
        let states = running.map(|node| node.store().lookup(title));
        let newest = states.filter_map(|state| Some(state.newest_marked()?.record.clone()));
        newest.max_by_key(|record| (record.version(), record.placement.generation))
    }

    /// Where the columns of a version are, as all running nodes say.
    fn held(&self, record: &Record) -> Placement {
        let running = self.nodes.iter().filter(|node| node.running.is_some());
        let told = running.map(|node| {
            let entries = node.store().lookup(record.title()).entries;
            let entry = entries.into_iter().find(|entry| entry.record.version() == record.version());
            (node.id, entry.map_or(ColumnStatus::Missing, |entry| entry.column))
        });
        where_held(record, self.members(), &told.collect())
    }

    /// Every newest version has all its columns, each of which has the root that the manifest names, and is with one who takes
    /// columns.
    pub fn is_whole(&self) -> Result<(), String> {
        self.has_all_columns()?;
        for title in 0..self.options.titles {
            let Some(record) = self.newest(&title_name(title)) else { continue };
            let elsewhere = self.held(&record).nodes().find(|id| !self.members().takers().contains(id));
            if let Some(id) = elsewhere {
                return Err(format!("a column of {record:?} is with {id}, who takes none"));
            }
        }
        Ok(())
    }

    /// Every newest version has all its columns, each of which has the root that the manifest names, wherever they are.
    pub(super) fn has_all_columns(&self) -> Result<(), String> {
        for title in 0..self.options.titles {
            let Some(record) = self.newest(&title_name(title)) else { continue };
            let Some(columns) = record.manifest.columns() else { continue };
            let stripes = 0..coder::geometry(columns).stripe_count();
            let held = self.held(&record);
            for (column, id) in held.nodes().enumerate() {
                let node = &self.nodes[self.cluster.place(id).expect("columns lie on members")];
                if node.running.is_none() {
                    return Err(format!("node {} has column {column} of {record:?}, and does not run", node.place));
                }
                let now = node.local(self.wires.now);
                let read =
                    crate::node::read(node.store(), now, record.title(), record.version(), stripes.clone(), false);
                let whole = match &read {
                    Ok(Body::Column { column: index, records }) => {
                        usize::from(*index) == column && coder::root(columns, records) == columns.roots[column]
                    }
                    _ => false,
                };
                let verified = node.store().verify_column(now, record.title(), record.version());
                if !whole || verified.is_err() {
                    let place = node.place;
                    return Err(format!("column {column} of {record:?} is not whole on node {place}: {verified:?}"));
                }
            }
        }
        Ok(())
    }

    /// Long after the last write there is a file for each column that is wanted, and no other.
    pub(super) fn no_file_left_over(&self) -> Result<(), String> {
        if self.options.eio_one_in > 0 {
            return Ok(());
        }
        for node in &self.nodes {
            let held: BTreeSet<Version> = (0..self.options.titles)
                .flat_map(|title| node.store().lookup(&title_name(title)).entries)
                .filter(|entry| entry.column.is_ok())
                .map(|entry| entry.record.version())
                .collect();
            let files: Vec<String> = node.disk.names().into_iter().filter(|name| name.ends_with(".rain")).collect();
            if files.len() != held.len() {
                return Err(format!("node {} has {files:?}, and holds columns of {held:?}", node.place));
            }
        }
        Ok(())
    }

    /// Every living node reads every title; in calm weather every one of these reads must succeed, and be fresh; only where
    /// nodes are dead there may be fewer than W left to settle what is read, which then must be the newest all the same.
    pub fn read_everything(&mut self) -> Result<(), String> {
        let first = self.history.operations.len();
        for title in 0..self.options.titles {
            for node in 0..self.nodes.len() {
                if self.nodes[node].running.is_some() {
                    self.get(node, title);
                }
            }
        }
        self.run_for(8 * SECOND)?;
        let all = self.nodes.iter().all(|node| node.running.is_some());
        for get in &self.history.operations[first..] {
            let newest = || self.history.newest_acknowledged(get.title, get.start).and_then(|newest| newest.version);
            match get.answer {
                Some(Answer::Found { fresh: true, .. } | Answer::Absent { settled: true, .. }) => {}
                Some(Answer::Absent { .. }) if !all => {}
                Some(Answer::Found { version, .. }) if !all && Some(version) >= newest() => {}
                _ => {
                    let brief = match &get.answer {
                        Some(Answer::Found { version, fresh, .. }) => format!("{version}, fresh: {fresh}"),
                        other => format!("{other:?}"),
                    };
                    return Err(format!("title {} cannot be read by {:?}: {brief}", get.title, get.sent));
                }
            }
        }
        self.history.check()
    }

    /// Writes every title while one node is away that may still have its tombstone.
    pub(super) fn write_without_one(&mut self) -> Result<(), String> {
        let away = self.wires.random.below(self.nodes.len());
        self.crash(away, true);
        let other = (away + 1) % self.nodes.len();
        let titles = if self.options.codes.is_empty() { 0 } else { self.options.titles };
        for title in 0..titles {
            let content = self.wires.random.next().to_le_bytes();
            self.put(other, title, &content, Wish::Any);
        }
        self.run_for(10 * SECOND)
    }

    /// Takes as many disks away as the acknowledgements of the newest versions allow; half the seeds replace them by
    /// blank ones, the others leave the nodes dead.
    pub fn lose_disks(&mut self) -> Result<(), String> {
        self.get_well();
        if let Some(ill) = self.ill.first() {
            return Err(format!("node {ill} is not well: {}", self.illness(*ill)));
        }
        let blank = self.wires.random.one_in(2);
        let mut nodes: Vec<_> = (0..self.nodes.len()).collect();
        for _ in 0..self.tolerance() {
            let node = nodes.swap_remove(self.wires.random.below(nodes.len()));
            self.stop(node, true);
            self.replace(node, None);
            if blank {
                self.start(node)?;
            }
        }
        self.run_for(10 * SECOND)
    }

    fn illness(&self, node: usize) -> String {
        let node = &self.nodes[node];
        let store = node.store();
        let lacking = store.carry_out(node.local(self.wires.now), StoreOrder::Lacking);
        format!("sure {} blank {} rotten {:?} {lacking:?}", store.is_sure(), store.is_blank(), node.disk.rotten())
    }

    /// Which versions of a title each node holds, for failures.
    pub fn show(&self) -> String {
        let mut text = Vec::new();
        for node in self.nodes.iter().filter(|node| node.running.is_some()) {
            let of_title = (0..self.options.titles).map(|title| (title, node.store().lookup(&title_name(title))));
            let states: BTreeMap<usize, _> = of_title.collect();
            text.push(format!("node {}: {states:#?}\n", node.place));
        }
        text.concat()
    }
}
