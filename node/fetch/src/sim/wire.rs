//! Between the streams and the peers: turns, frames that come or do not, and what is answered.

use super::peers::{Lie, ms};
use super::title::{TITLE, VERSION};
use super::world::{Attempt, Checked, Happening, UNREAD, World};
use crate::{Arrival, FetchTold, ReadDamage, RequestId, Rope};
use core::fmt::Write;
use core::time::Duration;
use rain_codec::column::Seal;

impl World {
    /// A request gets its turn.
    pub(super) fn grant(&mut self, id: usize, request: RequestId) -> Checked {
        let Some(fetch) = self.fetches.get_mut(&id) else { return Ok(()) };
        let Some(transfer) = fetch.transfers.get_mut(&request) else { return Ok(()) };
        let Some((from, without)) = transfer.ask.pop_front() else { return Ok(()) };
        let (node, column) = (transfer.node, transfer.column);
        let peer = &self.options.peers[node];
        let usable = |path: &usize| !peer.paths[*path].is_down(self.now) && !without.contains(path);
        let path = (0..peer.paths.len()).filter(usable).min_by_key(|path| self.ledger.lateness(self.now, node, *path));
        let Some(path) = path else { return self.tell(id, &FetchTold::NoPath { request }) };
        self.ledger.check_path(id, column, transfer.read.rows.clone(), path)?;
        let mut answer = self.title.answer(column, &transfer.read).to_vec();
        // What proves the blocks begins here; an answer may have none.
        let blocks = usize::try_from(transfer.read.blocks_bytes(&self.title.geometry)).unwrap();
        let last = answer.len() - 1;
        match peer.lie {
            Some(Lie::ReadDamage) => answer[transfer.expected / 2] ^= 1,
            Some(Lie::Long) => answer.extend([7; 64]),
            Some(Lie::Short) => answer.truncate(answer.len() / 2),
            Some(Lie::Forgery) => answer = self.title.forged_answer(column, &transfer.read).to_vec(),
            Some(Lie::Fringe) if last >= blocks => answer[blocks] ^= 1,
            Some(Lie::Hash) if last >= blocks => answer[last] ^= 1,
            Some(Lie::NoProof) => answer.truncate(blocks),
            Some(Lie::Refusal | Lie::Fringe | Lie::Hash) | None => {}
        }
        let first = self.now + peer.latency * 2;
        if peer.lie == Some(Lie::Refusal) {
            self.happen(first, Happening::Refused(id, request));
        } else {
            transfer.attempts.insert(path, Attempt { answer: answer.into(), position: from });
            self.happen(first, Happening::Frame(id, request, path));
        }
        self.tell(id, &FetchTold::Began { request, path })
    }

    /// The next frame over a path, if its time has come.
    pub(super) fn frame(&mut self, id: usize, request: RequestId, path: usize) -> Checked {
        let Some(fetch) = self.fetches.get_mut(&id) else { return Ok(()) };
        let Some(transfer) = fetch.transfers.get_mut(&request) else { return Ok(()) };
        let (node, column) = (transfer.node, transfer.column);
        let Some(attempt) = transfer.attempts.get_mut(&path) else { return Ok(()) };
        let peer = &self.options.peers[node];
        match peer.trouble(self.now) {
            Some(trouble) if trouble.breaks => return self.broken(id, request, path),
            Some(_) => {
                if let Some(change) = peer.next_change(path, self.now) {
                    self.happen(change + peer.latency, Happening::Frame(id, request, path));
                }
                return Ok(());
            }
            None if peer.paths[path].is_cut(self.now) => {
                if let Some(change) = peer.next_change(path, self.now) {
                    self.happen(change + ms(30), Happening::Frame(id, request, path));
                }
                return Ok(());
            }
            None => {}
        }
        let left = attempt.answer.len().saturating_sub(attempt.position);
        if left == 0 {
            return self.broken(id, request, path);
        }
        let length = left.min(usize::try_from(self.random.pick(&[1, 2, 4, 16])).unwrap() << 12);
        let part = attempt.answer.slice(attempt.position..attempt.position + length);
        attempt.position += length;
        transfer.sent += length as u64;
        fetch.sent += length as u64;
        *fetch.by_column.entry((column, transfer.read.rows.start)).or_default() += length as u64;
        let mut pause = Duration::from_micros(1 + length as u64 * 1000 / peer.rate);
        if self.random.one_in(peer.stalls) {
            pause += peer.stall;
        }
        let commons = &mut self.commons[fetch.stream % self.options.shards];
        let new = fetch.machine.handle_bytes(self.now, request, path, length, commons);
        if new.end > length {
            return Err(format!("{new:?} of {length} bytes are new"));
        }
        transfer.rope.push(part.slice(new));
        self.happen(self.now + pause, Happening::Frame(id, request, path));
        self.settle(id)
    }

    pub(super) fn broken(&mut self, id: usize, request: RequestId, path: usize) -> Checked {
        let transfer = self.fetches.get_mut(&id).and_then(|fetch| fetch.transfers.get_mut(&request));
        if transfer.is_some_and(|transfer| transfer.attempts.remove(&path).is_some()) {
            self.ledger.note_fault(UNREAD);
            self.tell(id, &FetchTold::Broken { request, path })?;
        }
        Ok(())
    }

    pub(super) fn path_down(&mut self, node: usize, path: usize) -> Checked {
        let mut broken = Vec::new();
        for (id, fetch) in &self.fetches {
            let on_it = fetch.transfers.iter().filter(|(_, transfer)| transfer.node == node);
            broken.extend(on_it.map(|(request, _)| (*id, *request)));
        }
        broken.into_iter().try_for_each(|(id, request)| self.broken(id, request, path))
    }

    pub(super) fn read_own(&mut self, id: usize, request: RequestId) -> Checked {
        let Some(transfer) = self.fetches.get_mut(&id).and_then(|fetch| fetch.transfers.get_mut(&request)) else {
            return Ok(());
        };
        let peer = &self.options.peers[transfer.node];
        match peer.trouble(self.now) {
            Some(trouble) if trouble.breaks => return self.tell(id, &FetchTold::Refused { request }),
            Some(trouble) => {
                let until = trouble.until;
                self.happen(until, Happening::Own(id, request));
                return Ok(());
            }
            None => {}
        }
        transfer.rope = Rope::from(self.title.answer(transfer.column, &transfer.read));
        self.verify(id, request)
    }

    pub(super) fn verify(&mut self, id: usize, request: RequestId) -> Checked {
        let fetch = self.fetches.get_mut(&id).unwrap();
        let Some(transfer) = fetch.transfers.remove(&request) else { return Err("verify what is not there".into()) };
        let lie = self.options.peers[transfer.node].lie;
        let seal = Seal::new(TITLE, VERSION, transfer.column);
        let (root, proven) = (&self.title.roots[usize::from(transfer.column)], transfer.read.proof);
        match Arrival::verified(transfer.read, transfer.rope, seal, root, &self.title.geometry) {
            Ok(arrival) => {
                self.ledger.proven += usize::from(proven);
                fetch.arrivals.push(transfer.column, arrival);
                self.tell(id, &FetchTold::Verified { request })
            }
            Err(damage) if lie.is_some() => {
                self.ledger.note_fault(0);
                self.ledger.disproven += usize::from(matches!(damage, ReadDamage::Proof(_)));
                let _ = writeln!(self.trace, "  {damage}");
                self.tell(id, &FetchTold::Damaged { request })
            }
            Err(damage) => Err(format!("a sound column comes damaged: {damage}")),
        }
    }
}
