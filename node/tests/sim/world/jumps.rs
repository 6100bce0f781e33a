//! Clocks of machines that are set, by a year, of one node or of all.

use super::World;
use crate::node::WallClock;
use crate::safeguard::Safeguard;
use crate::wire::{Event, Message};
use core::time::Duration;

/// Where clocks decide who is listened to, they must not be further apart.
const TOO_FAR: Duration = Duration::from_mins(1);

impl World {
    /// Sets the clock of one node, or those of all to the same, to another year than before.
    pub fn jump(&mut self) {
        let random = &mut self.clocks;
        let (all, node) = (random.one_in(2), random.below(self.options.nodes));
        let before = self.nodes[node].wall;
        let others = [WallClock::Right, WallClock::Ahead, WallClock::Behind].into_iter().filter(|wall| *wall != before);
        let others: Vec<_> = others.collect();
        let wall = random.pick(&others);
        for place in 0..self.options.nodes {
            if all || place == node {
                self.nodes[place].wall = wall;
            }
        }
        self.jumps += 1;
        let whose = if all { "all clocks are".to_owned() } else { format!("the clock of {node} is") };
        self.wires.note(&format!("{whose} {wall:?}"));
    }

    pub(super) fn jump_again(&mut self) {
        self.jump();
        let pause = Duration::from_micros(self.clocks.below(2000 * self.options.jump_ms) as u64);
        self.wires.after(pause, Event::Jump);
    }

    /// Whether a message is refused for the clock of whoever sends it, where that is done.
    pub(super) fn is_too_far(&self, message: &Message) -> bool {
        let [from, to] = [message.from, message.to].map(|node| self.nodes[node].wall.shows(self.wires.now));
        self.options.missing == Some(Safeguard::AnyClock) && from.abs_diff(to) > TOO_FAR
    }
}
