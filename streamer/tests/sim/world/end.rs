//! The end of a run: what must hold once the weather is calm, and after as many disks are gone as was promised.

use super::{SECOND, World, title_name};
use crate::disk::SimDisk;
use crate::history::{Action, Answer};

impl World {
    /// After the calm nothing is pending, in upload or in decision anywhere, and no unfinished file is left.
    pub(super) fn nothing_half_done(&self) -> Result<(), String> {
        for node in &self.nodes {
            let store = node.store.as_ref().unwrap();
            if store.is_blank() {
                return Err(format!("node {} is still blank", node.id));
            }
            if let Some(decision) = store.decisions().first() {
                return Err(format!("node {} still holds the decision {}", node.id, decision.manifest.version));
            }
            // What a failing disk did not let go of waits for the next start.
            let unfinished = node.disk.unfinished();
            if let Some(unfinished) = unfinished.first().filter(|_| self.options.eio_one_in == 0) {
                return Err(format!("node {} still has the file {unfinished}", node.id));
            }
            for title in 0..self.options.titles {
                let state = store.lookup(&title_name(title));
                if let Some(entry) = state.entries.iter().find(|entry| !entry.marked) {
                    return Err(format!("node {} still holds {} pending", node.id, entry.manifest.version));
                }
                if let Some(version) = state.uploads.first() {
                    return Err(format!("node {} still takes an upload of {version}", node.id));
                }
            }
        }
        Ok(())
    }

    /// Every living node reads every title; in calm weather every one of these reads must succeed.
    pub(super) fn read_everything(&mut self) -> Result<(), String> {
        let first = self.history.operations.len();
        for title in 0..self.options.titles {
            for node in 0..self.nodes.len() {
                if self.nodes[node].store.is_some() {
                    self.get(node, title);
                }
            }
        }
        self.run_until(self.now + 5 * SECOND)?;
        for get in &self.history.operations[first..] {
            match get.answer {
                Some(Answer::Found { .. } | Answer::Absent { .. }) => {}
                _ => return Err(format!("title {} cannot be read: {:?}", get.title, get.answer)),
            }
        }
        self.history.check()
    }

    /// Writes every title while one node is away that may still have its tombstone.
    pub(super) fn write_without_one(&mut self) -> Result<(), String> {
        let away = self.random.below(self.nodes.len());
        self.crash(away);
        let other = (away + 1) % self.nodes.len();
        for title in 0..self.options.titles {
            let content = self.random.next().to_le_bytes().to_vec();
            self.put(other, title, Some(content), false);
        }
        self.run_until(self.now + 10 * SECOND)
    }

    /// Takes as many disks away as the acknowledgements of the newest versions allow; half the seeds replace them by
    /// blank ones, the others leave the nodes dead.
    pub(super) fn lose_disks(&mut self) -> Result<(), String> {
        let data_columns = self.quorum.data_columns();
        let tolerated = (0..self.options.titles)
            .filter_map(|title| self.history.newest_acknowledged(title, self.now))
            .filter_map(|operation| match operation.answer {
                Some(Answer::Acknowledged { columns }) if operation.action != Action::Delete => {
                    Some(columns - data_columns)
                }
                _ => None,
            })
            .min()
            .unwrap_or(0);
        // A version that was never acknowledged promised nothing, and may have replaced one that did.
        if self.overtaken() {
            return Ok(());
        }
        let blank = self.random.one_in(2);
        let mut nodes: Vec<_> = (0..self.nodes.len()).collect();
        for _ in 0..tolerated {
            let node = nodes.swap_remove(self.random.below(nodes.len()));
            self.nodes[node].store = None;
            self.nodes[node].operations.clear();
            self.nodes[node].disk = SimDisk::new(self.random.next(), self.options.missing);
            if blank {
                self.start(node)?;
            }
        }
        self.run_until(self.now + 5 * SECOND)
    }

    /// Whether a title's newest committed version is one whose acknowledgement never reached its client.
    fn overtaken(&self) -> bool {
        let newest = |title: usize| {
            let states = self.nodes.iter().map(|node| node.store.as_ref().unwrap().lookup(&title_name(title)));
            states.filter_map(|state| Some(state.newest_marked()?.manifest.version)).max()
        };
        (0..self.options.titles).any(|title| {
            let acknowledged = self.history.newest_acknowledged(title, self.now).and_then(|newest| newest.version);
            newest(title) > acknowledged
        })
    }
}
