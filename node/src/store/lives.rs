//! What is remembered of the lives of others, and whether what they remember of this store's lives is so.
//!
//! That a store is an old copy of itself is believed on this node's own word alone, which others keep and bring back: else
//! one member that lies could end the lives of all stores, one after another, until nobody knew anything any more.

use super::change::Change;
use super::{Disk, Store, lock};
use rain_cluster::{Life, Memory, Sender, Testimony, Time};
use rain_desk::StoreTold;
use std::sync::atomic::Ordering;

impl<D: Disk> Store<D> {
    /// What is remembered of whoever asks, also where its life is over.
    pub fn remembered(&self, from: Sender) -> Memory {
        let index = lock(&self.index);
        let last = index.remembered.get(&from.node).map(|memory| memory.said);
        let over = index.retired.range((from.node, Life(0))..=(from.node, Life(u32::MAX)));
        let lives = last.into_iter().chain(over.filter_map(|(_, said)| *said)).collect();
        Memory { lives, retired: index.retired.contains_key(&(from.node, from.life)) }
    }

    /// Begins a new life where what a peer remembers of this store, asked in this life, shows that the disk is an old copy:
    /// it brings back a word of this node that the store does not know of. That is more changes of this life; or, while it
    /// holds this life for over, another life, which then is a later one, unless it is known to have come before.
    ///
    /// Lives of which a store hears that was made in this very start came before its own: it takes note of them.
    pub(super) fn judge(&self, now: Time, asked: Life, memory: &Memory) -> StoreTold {
        // Once it is sure, it is not compared with what was durable at the start: it has told of changes since.
        let Sender { node, life, serial, .. } = self.me();
        if asked != life {
            return StoreTold::Already;
        }
        let more = |said: &Testimony| said.life == life && said.serial > serial;
        let is_own = |said: &Testimony| said.signet == self.signet_key.signet(node, said.life, said.serial);
        let own: Vec<Testimony> = memory.lives.iter().copied().filter(is_own).collect();
        let (unknown, is_half_reborn) = {
            let index = lock(&self.index);
            let others = own.iter().map(|said| said.life).filter(|other| *other != life);
            let unknown: Vec<Life> = others.filter(|other| !index.outlived.contains(other)).collect();
            (unknown, index.outlived.contains(&life))
        };
        let began_now = self.began_now.load(Ordering::Acquire);
        let is_over = memory.retired && !unknown.is_empty() && !began_now;
        if is_half_reborn || is_over || own.iter().any(more) {
            return match self.be_reborn(now, &unknown) {
                Ok(life) => StoreTold::Reborn(life),
                Err(error) => StoreTold::Failed(error.to_string()),
            };
        }
        if began_now && let Err(error) = self.change(now, unknown.into_iter().map(Change::Outlived)) {
            return StoreTold::Failed(error.to_string());
        }
        if memory.retired || memory.lives.iter().any(more) { StoreTold::Unproven } else { StoreTold::Already }
    }
}
